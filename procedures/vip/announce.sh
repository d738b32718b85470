# Announce addresses that this host holds to its neighbours.
#: places: pairs INTERFACE ADDRESS
#: program: the text of files/programs/announce.py
step "announce the VIP"
read -ra words <<<"$places"
if [ -x /usr/bin/python3 ]; then
    /usr/bin/python3 -I -c "$program" "${words[@]}" >&2 || true
else
    # As OpenNebula's own hook does, which supports only IPv4.
    while [ ${#words[@]} -gt 1 ]; do
        if [ -n "$(ip -o -4 address show dev "${words[0]}" to "${words[1]}")" ]; then
            arping -q -c 1 -U -I "${words[0]}" "${words[1]}" || true
            arping -q -c 1 -A -I "${words[0]}" "${words[1]}" || true
        fi
        words=("${words[@]:2}")
    done
fi
