"""What can go wrong in the lab, in words for its user."""


class LabFault(Exception):
    """One clear sentence: what was expected, what was seen and what to do."""
