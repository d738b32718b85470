# Set up the web server with TLS in front of FireEdge.
#: use certificate package_manager units
#: server: apache or nginx
#: key: path
#: certchain: path
#: text: of the site
#: names: of the certificate, as openssl has them
#: generate: yes: create the certificate
#: action: look, make, receive, serve or withdraw
#: secret sealed: input of receive, made by another front-end with make
pki=/etc/one/fireedge-pki
ca_key=$pki/key/ca.key ca=$pki/crt/ca.crt
# Names the unit that this program has started: it did not run before.
ours=/var/lib/opennebula-ha/web_server
month=$((30 * 24 * 3600))

for what in packages unit site link modules check; do
    name=${server}_$what
    declare "$what=${!name}"
done
packages="$packages openssl"

# What only this zone's front-ends know: oneadmin's own key, which they share.
secret=/var/lib/one/.ssh/id_rsa
require_secret() {
    [ -s "$secret" ] || refuse "oneadmin's key in $secret" "none" \
        "put it back from another front-end, then run again"
}
sealing() {
    openssl enc -aes-256-cbc -pbkdf2 -iter 100000 "$@" -pass file:<(sha256sum <"$secret" | cut -c1-64)
}
bundle() { for file in "$ca_key" "$ca" "$key" "$certchain"; do echo "$file"; done; }
named() { openssl x509 -in "$certchain" -noout -ext subjectAltName 2>/dev/null | sed 1d | tr -d ' \n'; }
certificate_fault() {
    local fault
    fault=$(fault_of_pair "$key" "$certchain")
    if [ -n "$fault" ]; then
        echo "$fault"
    elif [ "$generate" = yes ] && ! openssl x509 -in "$certchain" -noout -checkend "$month" >/dev/null; then
        echo "the certificate in $certchain ends within a month"
    elif [ "$generate" = yes ] && [ "$(named)" != "$(sed 's/IP:/IPAddress:/g' <<<"$names" | tr -d ' \n')" ]; then
        echo "the certificate in $certchain is for $(named)"
    elif [ "$generate" = yes ] && ! openssl verify -CAfile "$ca" "$certchain" >/dev/null 2>&1; then
        echo "the certificate in $certchain is not of the authority in $ca"
    fi
}
folders() {
    install -d -m 0700 "$pki" "$pki/key" "$pki/crt"
    mkdir -p "$(dirname "$key")" "$(dirname "$certchain")"
}
make_key() { # path
    [ -z "$(public_of "$1")" ] || return 0
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new" 2>/dev/null
    mv "$1.new" "$1"
}
make_certificate() {
    local serial
    step "create a certificate"
    folders
    umask 077
    make_key "$ca_key"
    make_key "$key"
    if [ "$(openssl x509 -in "$ca" -noout -pubkey 2>/dev/null)" != "$(public_of "$ca_key")" ]; then
        openssl req -x509 -new -key "$ca_key" -days 3650 -subj "/O=OpenNebula/CN=front-ends of $(hostname)" \
            -addext keyUsage=critical,keyCertSign,cRLSign -out "$ca.new"
        mv "$ca.new" "$ca"
    fi
    # Browsers reject certificates with a longer validity.
    serial=0x$(openssl rand -hex 15)
    {
        openssl req -new -key "$key" -subj "/O=OpenNebula/CN=front-end" |
            openssl x509 -req -CA "$ca" -CAkey "$ca_key" -set_serial "$serial" -days 825 -sha256 \
                -extfile <(printf '%s\n' "subjectAltName=$names" basicConstraints=critical,CA:FALSE \
                    keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth) 2>/dev/null
        cat "$ca"
    } >"$certchain.new"
    mv "$certchain.new" "$certchain"
}
case $action in
    look)
        tell fault "$(certificate_fault)"
        tell bundle "$(bundle | xargs -d '\n' sha256sum 2>/dev/null | cut -c1-64 | sort | paste -sd' ')"
        tell site "$(cat "$site" 2>/dev/null)"
        tell linked "$([ -z "$link" ] || [ "$(readlink "$link")" = "$site" ] && echo yes)"
        tell enabled "$(systemctl show -p UnitFileState --value "$unit")"
        tell active "$(systemctl show -p ActiveState --value "$unit")"
        ;;
    make)
        require_secret
        [ -z "$(certificate_fault)" ] || make_certificate
        bundle | sed 's,^/,,' | tar -C / -c --files-from - | sealing -e | base64 -w0 | give sealed
        ;;
    receive)
        step "install the certificate"
        require_secret
        folders
        base64 -d <<<"$sealed" | sealing -d | tar -C / -xp --no-same-owner --no-overwrite-dir
        fault=$(certificate_fault)
        [ -z "$fault" ] || refuse "the certificate that was sent" "$fault" "run again"
        ;;
    serve)
        missing=
        for name in $packages; do [ -n "$(installed "$name")" ] || missing="$missing $name"; done
        if [ -n "$missing" ]; then
            step "install$missing"
            # A package that is installed may not start its service next to the present one.
            masked=
            if [ -z "$(systemctl list-unit-files --no-legend "$unit" || true)" ]; then
                masked=$unit
                systemctl mask "$masked" 2>/dev/null
            fi
            trap '[ -z "$masked" ] || systemctl unmask "$masked" 2>/dev/null || true' EXIT
            install_packages $missing || cannot_install $missing
            trap - EXIT
            [ -z "$masked" ] || systemctl unmask "$masked" 2>/dev/null
        fi
        fault=$(certificate_fault)
        [ -z "$fault" ] || refuse "a private key in $key, and the certificate for it with its chain in $certchain" \
            "$fault" "put them there, or set opennebula-ha:ssl generate_cert: true; then run again"
        step "set up $unit"
        before=$(cat "$site" 2>/dev/null || true)
        if [ -z "$before" ] && ! systemctl -q is-active "$unit"; then
            mkdir -p "$(dirname "$ours")"
            echo "$unit" >"$ours"
        fi
        for module in $modules; do a2enmod "$module" >/dev/null; done
        ! command -v a2enflag >/dev/null || a2enflag SSL >/dev/null
        # For hosts where SELinux forbids web servers to connect to the program behind them.
        ! command -v setsebool >/dev/null || setsebool -P httpd_can_network_connect on
        put "$site" "$text"
        chmod 0644 "$site"
        [ -z "$link" ] || ln -sfn "$site" "$link"
        if ! said=$($check 2>&1); then
            if [ -n "$before" ]; then put "$site" "$before"; else rm -f "$site" ${link:+"$link"}; fi
            refuse "$unit to take its site" "$(tail -n 4 <<<"$said")" \
                "correct the other sites of $unit that it names, then run again"
        fi
        keep_enabled "$unit"
        systemctl restart "$unit" || refuse "$unit to start" \
            "$(journalctl -u "$unit" --no-pager -o cat -n 6)" \
            "find out what else listens at ports 80 and 443 there, then run again"
        ;;
    withdraw)
        [ -e "$site" ] || exit 0
        step "remove the site from $unit"
        rm -f "$site" ${link:+"$link"}
        if [ "$(cat "$ours" 2>/dev/null)" = "$unit" ]; then
            # The new web server listens at the same ports.
            systemctl disable --now "$unit" 2>/dev/null || true
            rm -f "$ours"
        else
            systemctl reload "$unit" 2>/dev/null || true
        fi
        ;;
esac
