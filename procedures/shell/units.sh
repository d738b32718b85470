# Systemd's units.
# Report units as systemd shows them, with the seconds since boot. Sets shown.
tell_units() { # UNIT...
    shown=$(systemctl show -p Id -p UnitFileState -p ActiveState -p NRestarts \
        -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestamp -p MainPID "$@")
    tell units "$shown"
    # The start time of a new process. In some containers, /proc/uptime is not the host's.
    tell uptime "$(awk '{print $22 / 100}' /proc/self/stat)"
}
# Enable these units, all at once or not at all. systemd reads all units again after each change,
# with one process for each generator. Sets reloaded if it did.
keep_enabled() { # UNIT...
    local unit masked=() missing=()
    for unit in "$@"; do
        case $(systemctl is-enabled "$unit" 2>/dev/null || true) in
            enabled) ;;
            masked*) masked+=("$unit") missing+=("$unit") ;;
            *) missing+=("$unit") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ ${#masked[@]} = 0 ] || systemctl --no-reload unmask "${masked[@]}" 2>/dev/null
    systemctl enable "${missing[@]}" 2>/dev/null
    reloaded=yes
}
