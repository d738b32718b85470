"""Dynamic resources, one file per kind. The procedures do the work."""
