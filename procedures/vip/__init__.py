"""The virtual IPs and the zone's ENDPOINT."""
