# Run the leader's hook once more.
#: program
#: arguments: as its configuration has them
step "run the leader's hook"
read -ra words <<<"$arguments"
runuser -u oneadmin -- "$program" "${words[@]}" >&2
