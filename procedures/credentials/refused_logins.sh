# Report why sshd refused logins during the last two minutes, from its log. Changes nothing.
log() {
    journalctl -q -o cat --since "-2min" -t sshd -t sshd-session 2>/dev/null
    tail -qn 200 /var/log/auth.log /var/log/secure 2>/dev/null | sed -n 's/^.* sshd[^:]*: //p'
}
tell refused "$(log | grep -iE 'not allowed|refused|denied|bad ownership|not a valid|expired|locked' |
    awk '!seen[$0]++' | tail -n 3)"
