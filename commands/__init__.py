"""Commands that an operator runs by hand, in addition to `pulumi up`."""
