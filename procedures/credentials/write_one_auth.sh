# Write the credentials that OpenNebula's services use on this host.
#: secret one_auth
step "write one_auth"
put /var/lib/one/.one/one_auth "$one_auth"
# oned reads the file at each call, but the process that runs hooks only when it starts.
systemctl try-restart opennebula-hem.service 2>/dev/null || true
