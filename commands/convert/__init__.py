"""`make convert`: the stack's file from an inventory of one-deploy, and a report of every key.

inventory.py is what was read, by own_reader.py or by Ansible itself; keys.py maps it (pure);
look.py compares the result with the zone that runs; stack_file.py writes it; report.py says all.
"""
