"""Start the plugin of this folder that the first argument names."""

import gc
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

# It allocates much and frees little.
gc.disable()
# Replaces this folder, which has the name of Pulumi's SDK.
sys.path[0] = str(Path(__file__).resolve().parents[2])

# A plugin needs only the SDK's protobufs: the rest takes longer to load than most runs.
spec = find_spec("pulumi")
if spec is not None and spec.submodule_search_locations:
    (folder,) = spec.submodule_search_locations
    for name, where in (("pulumi", folder), ("pulumi.runtime", f"{folder}/runtime")):
        package = ModuleType(name)
        package.__path__ = [where]
        sys.modules[name] = package

runpy.run_module(f"lab.pulumi.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
