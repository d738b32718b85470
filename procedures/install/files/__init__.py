"""The files that this program writes, without oned.conf: one module a subject. Pure."""
