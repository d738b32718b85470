# Report lines of oned's log, the newest last. Changes nothing.
#: since: seconds since the epoch
#: all: yes; otherwise elections and errors alone
#: most: how many lines, the newest
#: filter: what elections and errors look like, as awk has it
tell offset "$(date +%z)"
begin=$(date -d "@$since" +%Y%m%d%H%M%S)
# A line without a time belongs to the line before; for a hook, it is the output of its program.
program='/^[A-Z][a-z][a-z] [A-Z][a-z][a-z] +[0-9]+ [0-9:]+ [0-9]+ \[Z/ {
    month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $2) + 2) / 3
    time = $4
    gsub(":", "", time)
    kept = sprintf("%04d%02d%02d%s", $5, month, $3, time) >= begin && (all == "yes" || $0 ~ filter)
    if (kept) print
    kept = kept && (all == "yes" || $0 ~ /\[E\]: /)
    next
}
kept'
{ find /var/log/one -maxdepth 1 -name 'oned.log*' -printf '%T@ %p\n' 2>/dev/null || true; } |
    sort -n | cut -d' ' -f2- | while read -r file; do
    [ "$(stat -c %Y "$file")" -lt "$since" ] || zcat -f "$file"
done | awk -v begin="$begin" -v all="$all" -v filter="$filter" "$program" | tail -n "$most" | give log
