# Staged packages.
#: use marks package_manager
# The names of units of OpenNebula that are installed.
units_here() { # OPTION or UNIT...
    { systemctl list-unit-files --no-legend "$@" opennebula-{fireedge,flow,gate,form}.service ||
        true; } | awk '{print $1}'
}
units_of_ours() { units_here opennebula.service | grep -vxFf "$swapping" || true; }
unmask_units() {
    systemctl unmask $(units_of_ours) 2>/dev/null
    rm -f "$swapping"
}
# The staged packages are installed: their repository becomes this host's.
end_stage() {
    [ -e "$staged/new/version" ] || return 0
    use_source "$staged"
    rm -rf "$staged"
}
