"""What is done on hosts: observe, plan, act, verify."""
