# Get ready for a dump from the operator's machine: no oned, and nothing of an earlier transfer.
#: use oned transfer
stop_oned
drop_incoming
