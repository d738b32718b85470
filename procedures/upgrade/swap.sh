# Replace the installed packages with staged ones.
#: use family gui marks oned package_manager staged units
#: folder: new; or old: restore the former packages
#: start: yes: also start oned; if it does not start with the new packages, restore the former ones
# An earlier run may have stopped it.
swap_packages() {
    local folder=$staged/$1
    step "install OpenNebula $(cat "$folder/version")"
    # What others masked before the first attempt stays masked.
    [ -e "$swapping" ] || put "$swapping" "$(units_here --state=masked)"
    # Nothing that is half installed may start: neither by a package's script, nor after a crash.
    systemctl mask $(units_of_ours) 2>/dev/null
    install_files "$folder" || refuse "$manager to install the packages in $folder" \
        "$(tail -n 8 <<<"$said")" "$(package_remedy)"
    pin
    unmask_units
}
has_packages() { compgen -G "$staged/$1/*.$extension" >/dev/null; }
[ -e "$staged/new/version" ] || exit 0
if [ "$folder" = old ] && ! has_packages old && cmp -s <(installed opennebula) "$staged/old/version"; then
    # The failed upgrade may have replaced nothing.
    [ ! -e "$swapping" ] || unmask_units
    exit 0
fi
has_packages "$folder" || refuse "packages in $staged/$folder" "none" \
    "set opennebula-ha:one_version to the version that you want"
stop_oned
swap_packages "$folder"
[ "$start" = yes ] || exit 0
step "start oned"
new=$(cat "$staged/new/version") old=$(cat "$staged/old/version")
keep_enabled opennebula.service
if try_oned start; then
    end_stage
    restart_gui
    exit
fi
refused=$why
# systemd would try again.
systemctl stop opennebula.service || true
has_packages old || refuse "oned to start with $new" "$refused" \
    "correct what it names on the host; the packages of $old are not available any more"
swap_packages old
keep_enabled opennebula.service
run_oned start "oned to start again with $old" \
    "correct what it names on the host; before that $new did not start: $refused"
restart_gui
step "roll back to $old"
refuse "oned to start with $new" "$refused" \
    "set opennebula-ha:one_version to another version, or back; oned runs with $old again"
