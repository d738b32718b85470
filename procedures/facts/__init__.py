"""Observe the hosts and the zone."""
