# Restart oned and wait until it is ready.
step "restart oned"
systemctl reset-failed opennebula.service 2>/dev/null || true
systemctl restart opennebula.service || refuse "oned to start with its configuration" \
    "$(journalctl -u opennebula -n 6 --no-pager -o cat; grep -E '\[E\]' /var/log/one/oned.log 2>/dev/null | tail -n 4)" \
    "correct the configuration, then run again"
