"""Dynamic resources: one file a kind. Thin: what to do is in the procedures."""
