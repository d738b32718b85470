"""Steps of the operator's own, which pulumi-command runs on the front-ends.

Loaded only where the config has some: the plugin that runs them is Pulumi's, not ours.
"""

from collections.abc import Iterable

from pulumi import Input, Resource, ResourceOptions, RunError
from pulumi_command import remote

from hosts.errors import HostError
from hosts.host_keys import known_key
from hosts.models import Host, SshSettings, parse_bastion
from settings import PROJECT, Command


class Commands:
    """The commands of a stack, as resources below the zone."""

    def __init__(self, commands: Iterable[Command], ssh: SshSettings, parent: Resource) -> None:
        self._commands = tuple(commands)
        self._ssh = ssh
        self._parent = parent

    def before_installation(self, host: Host) -> list[Resource]:
        """Those that a front-end's installation waits for."""
        try:
            key = known_key(host, host.ssh.port or self._ssh.port, self._ssh)
        except HostError as error:
            raise RunError(str(error)) from None
        return self._of(host, "before-installation", key, ())

    def after_join(self, host: Host, key: Input[str], after: Iterable[Resource]) -> list[Resource]:
        """Those that wait until the front-end is in the zone; ``key`` is its own, verified."""
        return self._of(host, "after-join", key, after)

    def _of(
        self, host: Host, when: str, key: Input[str] | None, after: Iterable[Resource]
    ) -> list[Resource]:
        found: list[Resource] = []
        for command in self._commands:
            if command.when != when or (command.hosts and host.name not in command.hosts):
                continue
            if key is None:
                raise RunError(
                    f"{PROJECT}:commands: {command.name} runs before the host key of {host.name} is"
                    f" verified: add the key to {PROJECT}:ssh host_keys or to known_hosts"
                )
            found.append(
                remote.Command(
                    f"{command.name}-{host.name}",
                    connection=self._connection(host, key),
                    create=command.create,
                    update=command.update,
                    delete=command.delete,
                    triggers=list(command.triggers),
                    opts=ResourceOptions(
                        parent=self._parent, depends_on=[*after, *found], delete_before_replace=True
                    ),
                )
            )
        return found

    def _connection(self, host: Host, key: Input[str]) -> remote.ConnectionArgs:
        return remote.ConnectionArgs(
            host=host.login_address,
            port=host.ssh.port or self._ssh.port,
            user=host.ssh.user or self._ssh.user,
            host_key=key,
            proxy=self._proxy(),
            private_key=self._private_key(),
        )

    def _proxy(self) -> remote.ProxyConnectionArgs | None:
        if self._ssh.bastion is None:
            return None
        user, name, port = parse_bastion(self._ssh.bastion, self._ssh.user)
        key = known_key(Host(name=name, address=name), port, self._ssh)
        if key is None:
            raise RunError(f"{PROJECT}:ssh.bastion: no host key of {name} in known_hosts")
        return remote.ProxyConnectionArgs(
            host=name,
            port=port,
            user=user,
            host_key=key,
            private_key=self._private_key(),
        )

    def _private_key(self) -> str | None:
        if self._ssh.private_key is not None:
            return self._ssh.private_key.get_secret_value()
        file = self._ssh.private_key_file
        if file is None:
            return None
        try:
            return file.expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise RunError(f"{PROJECT}:ssh.private_key_file: {file}: {error.strerror}") from None
