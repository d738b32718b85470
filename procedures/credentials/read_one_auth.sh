# Read the credentials that OpenNebula's services use on this host.
tell one_auth "$(head -n 1 /var/lib/one/.one/one_auth 2>/dev/null || true)"
