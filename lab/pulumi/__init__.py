"""The Pulumi CLI for the lab, and what stands in for its parts that cannot be had everywhere."""
