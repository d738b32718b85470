"""Errors of the lab, for its user."""


class LabFault(Exception):
    """One clear sentence: what was expected, what was seen and what to do."""
