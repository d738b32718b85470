"""Fetch, stage and install OpenNebula's packages on a host."""

from collections.abc import Sequence
from dataclasses import replace

from hosts.errors import HostError, reading_answer
from opennebula.packages import is_version
from procedures.context import Access
from procedures.facts.facts import Facts, Package
from procedures.facts.observe import facts
from procedures.facts.report import files
from procedures.install.files.collect import PATHS
from procedures.install.packaging import repository, unwanted, wanted
from procedures.script_text import LOCK_PATIENCE
from procedures.specs import InstallationSpec
from procedures.upgrade import versions

INSTALL = 900.0 + LOCK_PATIENCE
"""Seconds to fetch and install, or to replace, all packages."""


def configure_sources(access: Access, spec: InstallationSpec, seen: Facts, blank: str) -> None:
    """Configure how the host gets packages: proxy, automatic upgrades, pinned versions."""
    access.run(
        spec.host,
        "packages",
        variables={
            "proxy": spec.pkg_cache_proxy or "",
            "unattended": " ".join(unwanted(seen, spec)),
            "pinned": "yes" if seen.package else "no",
            "blank": blank,
        },
        timeout=INSTALL,
    )


def stage_packages(access: Access, spec: InstallationSpec, seen: Facts, agreed: str | None) -> None:
    """Stage the packages of the wanted version for the rollout.

    ``agreed``: the version for which the database may be changed. Raises HostError if the packages
    need another database version and that is not allowed; then they are removed again.
    """
    if not is_version(seen.staged, spec.version):
        fetch_packages(access, spec, seen, wanted(seen, spec.packages), stage=True)
    # The database must answer: its version decides.
    seen = facts(access, spec.host, spec.database)
    try:
        versions.agree(seen, spec.database, versions.WantedVersion(spec.version, agreed))
    except HostError:
        access.run(spec.host, "unstage")
        raise


def fetch_packages(
    access: Access,
    spec: InstallationSpec,
    seen: Facts,
    names: Sequence[str],
    *,
    stage: bool = False,
    blank: str = "",
) -> Facts:
    """Install packages, or stage them; return the facts with what they changed.

    ``blank``: text of the mark for a blank host. Raises HostError.
    """
    token = access.secrets.one_token
    output = access.run(
        spec.host,
        "install",
        variables={
            **repository(seen, spec.packages, enterprise=token is not None),
            "packages": " ".join(names),
            "files": " ".join(PATHS),
            "stage": spec.version if stage else "",
            "blank": blank,
        },
        secrets={"token": token or ""},
        timeout=INSTALL,
    )
    if stage:
        return seen
    with reading_answer(seen.host.name, "install"):
        seen = replace(
            seen,
            packages={**seen.packages, "opennebula": Package(output.values["package"], held=False)},
            oned_conf=output.values["oned"],
            files=files(output.values),
        )
    if not is_version(seen.package, spec.version):
        raise HostError(
            seen.host.name,
            "compare the version",
            expected=f"a package of OpenNebula {spec.version} from its repository",
            seen=seen.package or "no package",
            remedy="correct opennebula-ha:one_version, or the mirror that"
            " opennebula-ha:repository names",
        )
    return seen
