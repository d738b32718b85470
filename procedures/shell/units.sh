# Systemd's units.
# Units as systemd has them, with the seconds that the host is up for. Sets shown.
tell_units() { # UNIT...
    shown=$(systemctl show -p Id -p UnitFileState -p ActiveState -p NRestarts \
        -p ActiveEnterTimestampMonotonic -p ExecMainStartTimestamp -p MainPID "$@")
    tell units "$shown"
    # When a process that has just begun did so. /proc/uptime is another one in some containers.
    tell uptime "$(awk '{print $22 / 100}' /proc/self/stat)"
}
# Units that start by themselves from now on. systemd reads all units again after each change of one,
# with a process for each way in which units are made: it is given all at once, or nothing.
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
}
