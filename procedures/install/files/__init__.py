"""The files that this program writes, except oned.conf: one module per subject. Pure."""
