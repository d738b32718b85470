"""What OpenNebula is: its configuration, its zone and Raft, its packages. No Pulumi, no SSH."""
