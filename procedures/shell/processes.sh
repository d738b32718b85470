# Describe processes.
process() { # PID, in words
    echo "$(cat "/proc/$1/comm" 2>/dev/null || echo a process that has ended) (process $1)"
}
users_of() {
    { find /proc/[0-9]*/{cwd,root,fd} \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null || true; } |
        cut -d/ -f3 | sort -u | while read -r pid; do
        echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"
    done | paste -sd' '
}
