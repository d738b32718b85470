# Write the line with which OpenNebula's own parts log in here.
#: secret one_auth
step "write one_auth"
put /var/lib/one/.one/one_auth "$one_auth"
# oned reads it at each call; the one that runs hooks reads it only when it starts.
systemctl try-restart opennebula-hem.service 2>/dev/null || true
