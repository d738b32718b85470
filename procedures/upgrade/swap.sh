# Put packages that wait in the place of those that are there.
#: folder: new; or old: the former ones back
#: start: yes: and start oned; where it does not start with the new packages, the former ones come back
# An earlier run may have ended it.
[ -e "$staged/new/version" ] || exit 0
has_packages "$folder" || refuse "packages in $staged/$folder" "none" \
    "set opennebula-ha:one_version to the version that is to be there"
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
# systemd would go on trying.
systemctl stop opennebula.service || true
has_packages old || refuse "oned to start with $new" "$refused" \
    "mend what it says on the host; the packages of $old are not to be had any more"
swap_packages old
keep_enabled opennebula.service
run_oned start "oned to start again with $old" \
    "mend what it says on the host; before that $new did not start: $refused"
restart_gui
step "go on with $old"
refuse "oned to start with $new" "$refused" \
    "set opennebula-ha:one_version to another version, or back; oned runs on with $old"
