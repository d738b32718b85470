"""Settings of the schedulers, which read them at each call."""

from collections.abc import Iterator, Mapping
from typing import Any

from opennebula import managed_settings, yaml_file
from procedures.install.files.managed import ManagedFile
from procedures.specs import Schedulers

RANK = "/etc/one/schedulers/rank.conf"
DRS = "/etc/one/schedulers/one_drs.conf"
PATHS = (RANK, DRS)


def files(spec: Schedulers) -> Iterator[ManagedFile]:
    """Yield the files of the rank scheduler and of the distributed resource scheduler."""
    yield ManagedFile(
        RANK,
        lambda text: managed_settings.apply(text, spec.rank),
        managed_settings.differences,
    )
    wanted = _keys(spec.drs)
    yield ManagedFile(DRS, lambda text: yaml_file.apply(text, wanted), yaml_file.differences)


def _keys(drs: Mapping[str, Any]) -> dict[yaml_file.KeyPath, Any]:
    """Return the settings by path. A key in a section is set as a whole, such as all weights."""
    found: dict[yaml_file.KeyPath, Any] = {}
    for name, value in drs.items():
        if isinstance(value, Mapping):
            found |= {(name, key): item for key, item in value.items()}
        else:
            found[(name,)] = value
    return found
