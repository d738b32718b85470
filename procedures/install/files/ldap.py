"""Settings of LDAP, which its driver reads at each login."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from opennebula import yaml_file
from opennebula.ldap_auth import CHOICES, PASSWORD
from procedures.install.files.managed import ManagedFile, own_file
from procedures.specs import LdapSpec

SERVERS = "/etc/one/auth/ldap_auth.conf"
MAPPINGS = "/var/lib/one/"
PATHS = (SERVERS, f"{MAPPINGS}*.yaml")


def files(
    spec: LdapSpec, passwords: Mapping[str, str], present: Iterable[str]
) -> Iterator[ManagedFile]:
    """Yield the file of the servers, and one for each group mapping.

    ``present``: paths of the files on the host.
    """
    servers: dict[yaml_file.KeyPath, Any] = {
        (name,): {**server, **({PASSWORD: passwords[name]} if name in passwords else {})}
        for name, server in spec.servers.items()
    }
    if spec.choice:
        servers |= {(key,): spec.choice.get(key) for key in CHOICES}
    yield ManagedFile(
        SERVERS,
        lambda text: yaml_file.apply(text, servers),
        yaml_file.differences,
        owner="root:oneadmin" if passwords else "",
        mode="640" if passwords else "",
        is_secret=True,
    )
    wanted = {
        f"{MAPPINGS}{name}": str(yaml.safe_dump(dict(groups), allow_unicode=True))
        for name, groups in spec.mappings.items()
    }
    mine = {path for path in present if path.startswith(MAPPINGS) and path.endswith(".yaml")}
    for path in sorted({*wanted, *mine}):
        yield own_file(path, wanted.get(path, ""), "640", "oneadmin")
