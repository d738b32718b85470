# The package manager. Here the functions of the host's family are added. Variable: lock_patience.
#: use configuration family onedb processes
# Run the package manager, or a function that calls it. Its output is in said. While another program
# holds its lock, it is repeated for at most lock_patience seconds in this script.
lock_waited=0
ask() { # COMMAND...
    local status holder reported= began
    while true; do
        began=$SECONDS status=0
        said=$("$@" 2>&1) || status=$?
        if [ "$status" = 0 ] || ! holder=$(lock_holder "$status"); then return "$status"; fi
        holder=${holder:-another program}
        if [ "$lock_waited" -ge "$lock_patience" ]; then
            refuse "$manager to get its lock within $lock_patience s" "$holder has it" \
                "let that end, or stop it if it hangs (ps -ef on the host shows it); to keep unattended upgrades away, set opennebula-ha:unattend_disable: true; then run again" >&8
        fi
        if [ "$holder" != "$reported" ]; then
            step "wait up to $lock_patience s for the lock of $manager: $holder has it" >&8
            reported=$holder
        fi
        sleep 1
        lock_waited=$((lock_waited + SECONDS - began))
    done
}
# The first of these faults that said speaks of, in the words of the family's package manager.
fault_among() { # NAME...
    local name words
    for name in "$@"; do
        words=says_$name
        [[ ! $said =~ ${!words} ]] || { echo "$name"; return; }
    done
}
# Try the repository in $trial alone.
probe() {
    try_repository && return 0
    fault=$(fault_among unsigned denied absent)
    fault=${fault:-unreachable}
    return 1
}
refresh_lists() {
    step "refresh the lists of all package repositories"
    refresh || refuse "$manager to read all package repositories" "$(reasons)" \
        "correct or disable that repository on the host, or set opennebula-ha:update_pkg_cache: false; then run again"
}
cannot_install() { # PACKAGE...
    refuse "$manager to install $*" "$(tail -n 8 <<<"$said")" "$(package_remedy)"
}
# What an operator can do about the package manager's message.
package_remedy() {
    local theirs="(ackage |ackage '|match: |argument: |provider of ')opennebula"
    case $(fault_among offline missing blocked script) in
        missing)
            if grep -E "$says_missing" <<<"$said" | grep -v candidate | grep -qE "$theirs"; then
                echo "correct opennebula-ha:one_version, opennebula-ha:repository or opennebula-ha:features"
            else
                echo "see that one of the host's repositories has that package, and that no pin or exclusion on the host forbids it; then run again"
            fi
            ;;
        blocked) echo "find out which package blocks this one: held back, or from another repository; release or remove it on the host, then run again" ;;
        script) echo "the script of that package failed: correct the fault that it reports on the host ($package_log has its whole output), then run again" ;;
        offline) echo "make sure that the host reaches that address, or correct its repositories or opennebula-ha:pkg_cache_proxy; then run again" ;;
        *) echo "run the same with $manager on the host to see its whole output; when it succeeds there, run again" ;;
    esac
}
