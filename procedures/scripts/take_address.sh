# Run the leader's hook once more. Variable: arguments (as its configuration has them).
step "run the leader's hook"
read -ra words <<<"$arguments"
runuser -u oneadmin -- /var/lib/one/remotes/hooks/raft/vip.sh "${words[@]}" >&2
