"""Where OpenNebula listens, as its documentation has it ("Firewall Configuration")."""

ONED = 2633
FEATURES = {"gui": 2616, "flow": 2474, "gate": 5030, "form": 13013}
"""Of what runs next to oned."""
TAKEN = frozenset({ONED, 2634, 4124, *FEATURES.values()})
"""And of oned's other interface, and of monitord."""
