# Packages that wait for their turn.
#: use marks package_manager
# What was staged is in effect: from here on its repository is the one of this host.
end_stage() {
    [ -e "$staged/new/version" ] || return 0
    use_source "$staged"
    rm -rf "$staged"
}
