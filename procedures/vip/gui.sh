# Start or stop FireEdge.
#: action: start or stop
step "$action FireEdge"
# The unit allows 3 starts in 60 s: systemd counts from here.
systemctl reset-failed opennebula-fireedge.service 2>/dev/null || true
systemctl "$action" opennebula-fireedge.service
