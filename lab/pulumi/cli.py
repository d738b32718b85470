"""The environment in which the lab and its tests run the Pulumi CLI.

`scripts/pulumi` does the same for operators; this one is for stacks with their own
backends.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".pulumi" / "bin"
"""Where `scripts/install-pulumi` puts the CLI, unless there is one on PATH."""
STANDINS = ROOT / "lab" / "pulumi" / "standins"
"""Stand-ins for plugins that only Pulumi's server distributes."""


def environment(
    backend: Path, passphrase: str, stack: str, *, standins: bool = False
) -> dict[str, str]:
    """Return this process's environment with the variables that the CLI needs for that stack."""
    return {
        **os.environ,
        "PATH": _path(standins),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": passphrase,
        "PULUMI_STACK": stack,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _path(standins: bool) -> str:
    parts = [os.environ.get("PATH", os.defpath)]
    if BUILT.exists():
        parts.insert(0, str(BUILT))
    kept = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    if standins and not any(kept.glob("resource-command-v*")):
        parts.append(str(STANDINS))
    return os.pathsep.join(parts)
