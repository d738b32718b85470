"""OpenNebula's ports, from its documentation ("Firewall Configuration")."""

ONED = 2633
GRPC = 2634
"""oned's gRPC API, from OpenNebula 7.2 on."""
FEATURES = {"gui": 2616, "flow": 2474, "gate": 5030, "form": 13013}
"""Ports of the services next to oned."""
RESERVED = frozenset({ONED, GRPC, 4124, *FEATURES.values()})
"""All ports of OpenNebula, with monitord's 4124."""
