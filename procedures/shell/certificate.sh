# A certificate and its private key.
public_of() { openssl pkey -in "$1" -pubout 2>/dev/null || true; }
# Print what is wrong with the private key in $1 and the certificate in $2.
fault_of_pair() {
    local public
    public=$(public_of "$1")
    if [ -z "$public" ]; then
        echo "no private key in $1"
    elif ! openssl x509 -in "$2" -noout 2>/dev/null; then
        echo "no certificate in $2"
    elif [ "$(openssl x509 -in "$2" -noout -pubkey)" != "$public" ]; then
        echo "the certificate in $2 is not for the key in $1"
    elif ! openssl x509 -in "$2" -noout -checkend 0 >/dev/null; then
        echo "the certificate in $2 expired on $(openssl x509 -in "$2" -noout -enddate | cut -d= -f2)"
    fi
}
