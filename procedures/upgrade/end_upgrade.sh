# Let oned start again, and start it. Variable: settle (yes: with what was staged; no: without).
step "start oned"
keep_enabled opennebula.service
rm -f "$upgrading"
[ "$settle" != yes ] || end_stage
run_oned start "oned to start" "mend what it says on the host, then run again"
restart_gui
