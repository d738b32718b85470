"""Where OpenNebula listens, as its documentation has it ("Firewall Configuration")."""

ONED = 2633
GRPC = 2634
"""oned's other interface, from OpenNebula 7.2 on."""
FEATURES = {"gui": 2616, "flow": 2474, "gate": 5030, "form": 13013}
"""Of what runs next to oned."""
TAKEN = frozenset({ONED, GRPC, 4124, *FEATURES.values()})
"""And of monitord."""
