# Stop oned and keep it from starting by itself.
#: use oned
stop_oned
