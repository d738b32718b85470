"""Validate the stack's config as one object, and report every fault at once with its key."""

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
