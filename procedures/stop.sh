# Stop oned and keep it from starting by itself.
stop_oned
