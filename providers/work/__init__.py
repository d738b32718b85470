"""What the resources do to hosts: one module a kind, loaded when there is something to do."""
