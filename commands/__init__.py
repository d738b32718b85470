"""What an operator asks of a zone by hand, beside `pulumi up`."""
