# Fail with what systemd and the services say of those that do not run as they have to.
#: units
#: wrong: lines with the fault of each
#: expected
#: remedy
step "verify the services"
journalctl --sync 2>/dev/null || true
said=$(for unit in $units; do
    {
        journalctl -u "$unit" --no-pager -o cat -n 6 2>/dev/null || true
        tail -qn 3 /var/log/one/{one,}"${unit#opennebula-}".error 2>/dev/null || true
    } | if [ "$units" = "$unit" ]; then cat; else sed "s/^/$unit: /"; fi
done)
refuse "$expected" "$wrong${said:+$'\n'$said}" "$remedy"
