# Restart oned and wait until it is ready. Secret: oned_conf (the whole file that waited for this, or
# nothing). One that it does not start with is put back, and waits on.
advice="correct the configuration, then run again"
if [ -z "$oned_conf" ]; then
    step "restart oned"
    run_oned restart "oned to start with its configuration" "$advice"
    exit
fi
step "restart oned with its new configuration"
cp -p "$conf" "$conf.before"
put "$conf" "$oned_conf"
rm -f "$conf.next"
if ! try_oned restart; then
    refused=$why
    # systemd would go on trying.
    systemctl stop opennebula.service || true
    mv "$conf" "$conf.next"
    mv "$conf.before" "$conf"
    run_oned start "oned to start again with the configuration that it had" \
        "mend what it says on the host; $conf.next is what it refused before: $refused"
    refuse "oned to start" "$refused" \
        "correct opennebula-ha:oned, then run again; oned runs on with the configuration that it had, and what it refused is in $conf.next"
fi
rm -f "$conf.before"
