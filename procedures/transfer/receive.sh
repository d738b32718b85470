# Prepare for a dump from the operator's machine: stop oned, and remove what an earlier transfer
# left.
#: use oned transfer
stop_oned
drop_incoming
