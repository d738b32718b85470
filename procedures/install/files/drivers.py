"""Settings of the drivers on the hypervisors, which get these files with ``onehost sync``."""

from collections.abc import Iterator
from typing import Any

from opennebula import shell_file, yaml_file
from procedures.install.files.managed import ManagedFile
from procedures.specs import Drivers

KVM = "/var/lib/one/remotes/etc/vmm/kvm/kvmrc"
NETWORK = "/var/lib/one/remotes/etc/vnm/OpenNebulaNetwork.conf"
PATHS = (KVM, NETWORK)


def files(spec: Drivers) -> Iterator[ManagedFile]:
    """Yield the files of the KVM driver and of the network drivers."""
    yield ManagedFile(
        KVM,
        lambda text: shell_file.with_word(
            text, "MIGRATE_OPTIONS", "--unsafe", wanted=spec.unsafe_migrations
        ),
        lambda _before, _after: ("MIGRATE_OPTIONS",),
    )
    wanted: dict[yaml_file.KeyPath, Any] = {(":keep_empty_bridge",): spec.keep_empty_bridge}
    if spec.tproxy:
        wanted[(":tproxy",)] = list(spec.tproxy)
    yield ManagedFile(NETWORK, lambda text: yaml_file.apply(text, wanted), yaml_file.differences)
