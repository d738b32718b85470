# Stop oned and keep it from starting by itself.
step "stop oned"
systemctl disable opennebula.service 2>/dev/null || true
systemctl stop opennebula.service 2>/dev/null || true
