#!/usr/bin/env bash
# Makes, in this folder, a certificate authority and what it signed: a server certificate for localhost and a
# client certificate. For trying TLS out, not for a server that others can reach: the keys have no passphrase.
# Running it again replaces everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
umask 077

days=825
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

new_key() {
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"
}

# sign <file name> <common name> <extensions>
sign() {
    new_key "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$2" -out "$work/$1.csr"
    printf '%s\n' "$3" \
        'basicConstraints = critical, CA:FALSE' \
        'keyUsage = critical, digitalSignature' \
        'subjectKeyIdentifier = hash' \
        'authorityKeyIdentifier = keyid' >"$work/$1.ext"
    openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
        -set_serial "0x$(openssl rand -hex 16)" -days "$days" -sha256 \
        -extfile "$work/$1.ext" -out "$work/$1.pem" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}

new_key "$work/ca.key"
openssl req -x509 -new -key "$work/ca.key" -sha256 -days "$days" -subj '/CN=Shoots example CA' \
    -addext 'basicConstraints = critical, CA:TRUE, pathlen:0' \
    -addext 'keyUsage = critical, keyCertSign, cRLSign' -out "$work/ca.pem"

sign server localhost 'extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1'
sign client 'Shoots example client' 'extendedKeyUsage = clientAuth'

openssl verify -CAfile "$work/ca.pem" -purpose sslserver "$work/server.pem" >/dev/null
openssl verify -CAfile "$work/ca.pem" -purpose sslclient "$work/client.pem" >/dev/null
mv "$work"/{ca,server,client}.{key,pem} .
echo "made ca, server and client (.pem and .key), valid for $days days"
