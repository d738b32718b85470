"""The work itself, on hosts: observe, plan, act, verify."""
