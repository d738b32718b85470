# Let oned start again, and start it.
#: use gui marks oned staged transfer units
#: takes_staged: yes: with what was staged; no: without
step "start oned"
# Of a transfer that was cut off when the database was in place already.
end_trust
drop_incoming
keep_enabled opennebula.service
rm -f "$upgrading"
[ "$takes_staged" != yes ] || end_stage
run_oned start "oned to start" "read /var/log/one/oned.log and 'journalctl -u opennebula' on the host, correct what they name, then run again"
restart_gui
