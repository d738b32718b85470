"""OpenNebula's rules: its configuration, zone, Raft, packages and API. No Pulumi, no SSH."""
