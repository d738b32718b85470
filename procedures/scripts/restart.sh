# Restart oned and wait until it is ready.
step "restart oned"
run_oned restart "oned to start with its configuration" "correct the configuration, then run again"
