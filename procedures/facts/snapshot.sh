# Report what status and doctor show of a front-end in addition to its facts; observe.sh follows.
# Changes nothing.
#: use family oned
#: units
#: folders: whose file systems are reported
#: certchain: of the web server; or nothing
#: web_server: apache or nginx; or nothing
tell disks "$(timeout -s KILL 10 df -Pk $folders 2>/dev/null | tail -n +2 | sort -u || true)"
if [ -n "$certchain" ]; then
    tell certificate "$(openssl x509 -in "$certchain" -noout -enddate 2>/dev/null | cut -d= -f2 || true)"
fi
if [ -n "$web_server" ]; then
    case $web_server in apache) web_unit=$apache_unit ;; *) web_unit=$nginx_unit ;; esac
    tell web "$(systemctl show -p ActiveState --value "$web_unit")"
fi
# The seconds since a stop began, and the last message of a process that ends again and again.
tell changed "$(systemctl show -p StateChangeTimestampMonotonic --value opennebula.service)"
tell finished "$(! has_finished || echo yes)"
tell said "$(for unit in $units; do
    case $(systemctl show -p ActiveState --value "$unit") in
        failed | activating)
            own=(-u "$unit")
            # Its program says what failed; systemd's lines after that are no news.
            [ "$unit" != opennebula-ha-backup.service ] || own=("_SYSTEMD_UNIT=$unit")
            journalctl "${own[@]}" -n 3 --no-pager -o cat 2>/dev/null | sed "s|^|$unit |" || true
            ;;
    esac
done)"
tell errors "$(tail -n 200 /var/log/one/oned.log 2>/dev/null | grep -F '[E]: ' | tail -n 2 || true)"
pid=$(systemctl show -p MainPID --value opennebula.service)
# With a proxy in its environment, oned sends votes there.
tell proxies "$(tr '\0' '\n' <"/proc/${pid:-0}/environ" 2>/dev/null | grep -iE '^(http|all)_proxy=' |
    cut -d= -f1 | sort -u | paste -sd' ' || true)"
