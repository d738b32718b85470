"""The resources of a stack, and their order. No I/O."""
