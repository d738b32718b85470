# Restart oned and wait until it is ready. If it does not start with the new configuration, restore
# the former file, and let the new one wait.
#: use configuration oned
#: secret oned_conf: the whole file that waited for this, or nothing
before=$conf.before
drop_former_conf
if [ -n "$oned_conf" ]; then
    step "restart oned with its new configuration"
    [ -e "$before" ] || cp -p "$conf" "$before"
    put "$conf" "$oned_conf"
    rm -f "$conf.next"
else
    step "restart oned"
fi
if [ ! -e "$before" ]; then
    run_oned restart "oned to start with its configuration" "correct the configuration, then run again"
    exit
fi
if ! try_oned restart; then
    refused=$why
    # systemd would try again.
    systemctl stop opennebula.service || true
    mv "$conf" "$conf.next"
    mv "$before" "$conf"
    run_oned start "oned to start again with the configuration that it had" \
        "correct what it says on the host, then run again; $conf.next is what it refused before: $refused"
    refuse "oned to start" "$refused" \
        "correct opennebula-ha:oned, then run again; oned runs with the former configuration again; the refused one is in $conf.next"
fi
rm -f "$before"
