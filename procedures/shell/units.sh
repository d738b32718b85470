# Systemd's units.
# Sets shown, to units as systemd shows them.
show_units() { # UNIT...
    shown=$(systemctl show -p Id -p UnitFileState -p ActiveState -p SubState -p NRestarts \
        -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestamp -p FragmentPath -p MainPID "$@")
}
# Report what show_units has seen, with the seconds since boot.
tell_units() {
    tell units "$shown"
    # The start time of a new process. In some containers, /proc/uptime is not the host's.
    tell uptime "$(read -r stat </proc/self/stat && set -- ${stat##*) } && echo "${20}e-2")"
}
# Enable these units, all at once or not at all.
keep_enabled() { # UNIT...
    enable_units "$@"
    read_units
}
# Whether systemd has to read all units again: it shows what it has read.
unread=
# systemd reads all units, with one process for each generator.
read_units() {
    [ -z "$unread" ] || systemctl daemon-reload
    unread=
}
# The same as keep_enabled without reading the units again. Sets unread.
enable_units() { # UNIT...
    local unit masked=() missing=()
    for unit in "$@"; do
        case $(systemctl is-enabled "$unit" 2>/dev/null || true) in
            enabled)
                # An interrupted script may have enabled it.
                [ "$(systemctl show -p UnitFileState --value "$unit")" = enabled ] || unread=yes
                ;;
            masked*) masked+=("$unit") missing+=("$unit") ;;
            *) missing+=("$unit") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ ${#masked[@]} = 0 ] || systemctl --no-reload unmask "${masked[@]}" 2>/dev/null
    systemctl --no-reload enable "${missing[@]}" 2>/dev/null
    unread=yes
}
