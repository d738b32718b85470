"""The logs of all front-ends' oneds: one command a host."""

from collections.abc import Mapping
from datetime import datetime

from hosts.errors import HostError, reading_answer
from hosts.models import Host
from opennebula.oned_log import ELECTIONS_AND_ERRORS, LogLine, parse
from procedures.context import Access
from procedures.parallel import on_each

MOST = 5000
"""Lines of each front-end, the newest."""


def fetch(
    access: Access, hosts: Mapping[str, Host], since: datetime, *, everything: bool
) -> dict[str, list[LogLine] | HostError]:
    """Return the lines of each front-end, or why there are none. One command a host."""

    def ask(host: Host) -> list[LogLine] | HostError:
        try:
            values = access.run(
                host,
                "oned_log",
                variables={
                    "since": f"{since.timestamp():.0f}",
                    "all": "yes" if everything else "no",
                    "most": str(MOST),
                    "filter": ELECTIONS_AND_ERRORS,
                },
                exclusive=False,
            ).values
            text, offset = values["log"], values["offset"]
            for secret in access.secrets.texts():
                text = text.replace(secret, "********")
            with reading_answer(host.name, "oned log"):
                return list(parse(text, offset))
        except HostError as error:
            return error

    return on_each(hosts, ask)
