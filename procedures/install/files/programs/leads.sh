#!/bin/bash
# Check whether this front-end leads. Exit status 0: its own oned reports that it leads; 1: it reports
# another state, or does not answer. With --http: answer the HTTP request on standard input with 200
# or 503. With --ask: print the number of the Raft state that its oned reports, or nothing.
export LC_ALL=C
case ${1:-} in
    --ask)
        auth=$(sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; q' /var/lib/one/.one/one_auth) || exit 1
        body="<?xml version=\"1.0\"?><methodCall><methodName>one.zone.raftstatus</methodName>\
<params><param><value><string>$auth</string></value></param></params></methodCall>"
        exec 3<>/dev/tcp/127.0.0.1/2633 || exit 1
        printf 'POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s' \
            ${#body} "$body" >&3
        exec sed -n 's/.*&lt;STATE&gt;\([0-9]*\)&lt;.*/\1/p' <&3
        ;;
    --http)
        # The request is read and ignored: a client that is still sending when the connection closes
        # may miss the answer.
        while IFS= read -r -t 2 -n 8192 line && [ -n "${line%$'\r'}" ]; do :; done
        status="200 OK" said=leader
        "$0" || status="503 Service Unavailable" said="not the leader"
        printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n\r\n%s\n' \
            "$status" $((${#said} + 1)) "Connection: close" "$said"
        ;;
    # 3 is the leader; a standalone oned, a candidate and a follower have other numbers.
    *) [ "$(timeout 3 "$0" --ask 2>/dev/null)" = 3 ] || exit 1 ;;
esac
