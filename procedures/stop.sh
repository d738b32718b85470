# Stop oned and disable it.
#: use oned
#: waits: yes, until it has ended; or no
if [ "$waits" = yes ]; then stop_oned; else disable_oned; fi
