"""The stack's config as one validated object. Every fault is reported at once, naming its key."""

from settings.cautions import cautions
from settings.model import PROJECT, Command, Datastores, FrontEnd, Settings
from settings.parse import SettingsError, load, parse

__all__ = [
    "PROJECT",
    "Command",
    "Datastores",
    "FrontEnd",
    "Settings",
    "SettingsError",
    "cautions",
    "load",
    "parse",
]
