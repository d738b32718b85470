# Read the line with which OpenNebula's own parts log in here.
tell one_auth "$(head -n 1 /var/lib/one/.one/one_auth 2>/dev/null || true)"
