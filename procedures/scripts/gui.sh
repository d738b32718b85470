# Variable: action (stop or start).
step "$action FireEdge"
systemctl "$action" opennebula-fireedge.service
