# Stop oned and disable it.
#: use oned
stop_oned
