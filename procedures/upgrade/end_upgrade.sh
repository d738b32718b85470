# Permit the start of oned again, and start it.
#: use gui marks oned staged transfer units
#: takes_staged: yes: with the staged packages; no: without
step "start oned"
# Left by a transfer that was interrupted when the database was already in place.
end_trust
drop_incoming
keep_enabled opennebula.service
rm -f "$upgrading"
[ "$takes_staged" != yes ] || end_stage
run_oned start "oned to start" "read /var/log/one/oned.log and 'journalctl -u opennebula' on the host, correct what they name, then run again"
restart_gui
