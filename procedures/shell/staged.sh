# Staged packages.
#: use marks package_manager
# The staged packages are installed: their repository becomes this host's.
end_stage() {
    [ -e "$staged/new/version" ] || return 0
    use_source "$staged"
    rm -rf "$staged"
}
