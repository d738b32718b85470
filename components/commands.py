"""The operator's own commands, which pulumi-command runs on the front-ends.

Imported only if the config has commands.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pulumi import Input, Resource, ResourceOptions, RunError
from pulumi_command import remote

from components.addresses import Addresses
from hosts import ssh_config
from hosts.errors import HostError
from hosts.host_keys import known_key
from hosts.models import Host, SshSettings
from hosts.ssh_config import Login
from settings import PROJECT, Command


class Commands:
    """The commands of a stack, as resources below the zone."""

    def __init__(
        self,
        commands: Iterable[Command],
        ssh: SshSettings,
        parent: Resource,
        addresses: Addresses | None = None,
    ) -> None:
        self._commands = tuple(commands)
        self._ssh = ssh
        self._parent = parent
        self._addresses = addresses

    def of(
        self,
        host: Host,
        when: str,
        key: Input[str] | None = None,
        after: Iterable[Resource] = (),
    ) -> list[Resource]:
        """Return the commands of a front-end at that time, each of which waits for the last one.

        ``key``: its host key, once it is verified. ``after``: what the commands wait for.
        """
        resources: list[Resource] = []
        for command in self._commands:
            if command.when != when or (command.hosts and host.name not in command.hosts):
                continue
            address = self._addresses.of(host.name) if self._addresses else None
            connection = partial(self._connection, command, host, key)
            resources.append(
                remote.Command(
                    f"{command.name}-{host.name}",
                    connection=connection(host.address)
                    if address is None
                    else address.apply(connection),
                    create=command.create,
                    update=command.update,
                    delete=command.delete,
                    triggers=list(command.triggers),
                    opts=ResourceOptions(
                        parent=self._parent,
                        depends_on=[*after, *resources],
                        delete_before_replace=True,
                    ),
                )
            )
        return resources

    def _connection(
        self, command: Command, host: Host, key: Input[str] | None, address: str
    ) -> remote.ConnectionArgs:
        """``key``: the verified host key; without it, the command needs one that is known."""
        host = host.model_copy(update={"address": address})
        with _for_operators():
            login = ssh_config.login(host, self._ssh)
            key = key if key is not None else known_key(host, login.port, self._ssh)
        if key is None:
            raise RunError(
                f"{PROJECT}:commands: {command.name} runs before the host key of {host.name} is"
                f" verified: add the key to {PROJECT}:ssh host_keys or to known_hosts"
            )
        return remote.ConnectionArgs(**self._place(login, key), proxy=self._proxy(login))

    def _proxy(self, login: Login) -> remote.ProxyConnectionArgs | None:
        if len(login.hops) > 1 or any(one.proxy_command for one in (login, *login.hops)):
            raise RunError(
                f"{PROJECT}:commands: Pulumi's provider reaches {login.address} through one jump"
                f" host at most; set {PROJECT}:ssh bastion to one, or remove the commands"
            )
        if not login.hops:
            return None
        (hop,) = login.hops
        with _for_operators():
            key = known_key(Host(name=hop.address, address=hop.address), hop.port, self._ssh)
        if key is None:
            raise RunError(f"{PROJECT}:ssh.bastion: no host key of {hop.address} in known_hosts")
        return remote.ProxyConnectionArgs(**self._place(hop, key))

    def _place(self, login: Login, key: Input[str]) -> dict[str, Any]:
        return {
            "host": login.address,
            "port": login.port,
            "user": login.user,
            "host_key": key,
            "private_key": self._private_key(login),
        }

    def _private_key(self, login: Login) -> str | None:
        if self._ssh.private_key is not None:
            return self._ssh.private_key.get_secret_value()
        file = self._ssh.private_key_file or next(iter(login.key_files), None)
        if file is None:
            return None
        try:
            return file.expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise RunError(f"{PROJECT}:commands: SSH key {file}: {error.strerror}") from None


@contextmanager
def _for_operators() -> Iterator[None]:
    """Raise an error of the login as one that the CLI prints without a traceback."""
    try:
        yield
    except HostError as error:
        raise RunError(str(error)) from None
