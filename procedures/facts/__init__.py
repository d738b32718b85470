"""What is there: on the hosts, and of the zone."""
