"""`make convert`: the stack's file from an inventory of one-deploy, and a report of every key.

with_ansible.py reads the inventory; keys.py maps it (pure); look.py compares the result with the
zone that runs; stack_file.py writes it; report.py says all.
"""
