"""The Pulumi CLI for the lab, and stand-ins for parts that are not available everywhere."""
