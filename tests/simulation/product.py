"""Everything that the simulator imports from the program, so that a moved module is one line."""

import importlib
import pkgutil
from types import ModuleType

import components.zone
import procedures
import procedures.context
import procedures.install.files.drivers as driver_files
import procedures.install.files.schedulers as scheduler_files
import procedures.install.files.services as service_files
import procedures.parallel
import providers
import providers.base
import providers.run_state
from components.zone import HighAvailableZone
from hosts.errors import HostError
from hosts.models import Host, SshSettings
from hosts.script import Output, Script
from opennebula import conf, managed_settings, yaml_file
from opennebula.api import Api, ApiError, NotAuthenticatedError
from opennebula.database import TABLES, DatabaseSection
from opennebula.membership import zone as zone_plan
from opennebula.packages import FEATURES, HOOK_MANAGER, LED_UNITS, is_version
from opennebula.raft_hook import path as hook_path
from opennebula.zone import (
    STANDALONE_ID,
    RaftStatus,
    ServerEntry,
    State,
    ZoneView,
    endpoint,
    faults,
    quorum,
)
from procedures import oned_service
from procedures.credentials import password
from procedures.facts import signs
from procedures.install import configuration
from procedures.install.configuration import MONITORD
from procedures.install.files.collect import PUBLIC_KEY
from procedures.membership import join_server, leave
from procedures.script_text import declarations, scripts
from procedures.transfer import seed
from providers import runtime, state
from providers.base import Provider
from settings import Settings, parse

__all__ = [
    "FEATURES",
    "HOOK_MANAGER",
    "LED_UNITS",
    "MONITORD",
    "PUBLIC_KEY",
    "STANDALONE_ID",
    "TABLES",
    "Api",
    "ApiError",
    "DatabaseSection",
    "HighAvailableZone",
    "Host",
    "HostError",
    "NotAuthenticatedError",
    "Output",
    "Provider",
    "RaftStatus",
    "Script",
    "ServerEntry",
    "Settings",
    "SshSettings",
    "State",
    "ZoneView",
    "base",
    "components",
    "conf",
    "configuration",
    "context",
    "declarations",
    "driver_files",
    "endpoint",
    "faults",
    "hook_path",
    "is_version",
    "join_server",
    "leave",
    "managed_settings",
    "oned_service",
    "parallel",
    "parse",
    "password",
    "quorum",
    "run_state",
    "runtime",
    "scheduler_files",
    "scripts",
    "seed",
    "service_files",
    "signs",
    "state",
    "yaml_file",
    "zone_plan",
]

context = procedures.context
parallel = procedures.parallel
base = providers.base
run_state = providers.run_state


def _load(package: ModuleType) -> None:
    """Import all its modules: each of them must use the simulated clock."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)


_load(procedures)
_load(providers)
