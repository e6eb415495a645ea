#!/usr/bin/env bash
# Makes certificates for tests and benches into a folder: make.sh FOLDER [NAME SUBJECT-ALT-NAMES]..., the latter for further
# ones by the same authority. None of them is for anything else.
set -euo pipefail
out=$1
shift
mkdir -p "$out"
cd "$out"

# An authority, and certificates by it: `issue NAME KEY-KIND SUBJECT-ALT-NAMES [DAYS]`.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -keyout ca.key -out ca.pem \
    -subj "/CN=byway test authority" -addext basicConstraints=critical,CA:TRUE 2>/dev/null

issue() {
    local name=$1 kind=$2 names=$3 days=${4:-36500}
    local options=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
    if [ "$kind" = rsa ]; then options=(-newkey rsa:2048); fi
    openssl req -new "${options[@]}" -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -out "$name.pem" \
        -extfile <(printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$names") 2>/dev/null
    chmod 640 "$name.key"
    rm -f "$name.csr"
}

issue edge ec DNS:lab.example.com,DNS:*.wild.example.com
issue edge-rsa rsa DNS:lab.example.com
issue other ec DNS:other.example.com
issue expired ec DNS:lab.example.com -1
while [ $# -gt 1 ]; do
    issue "$1" ec "$2"
    shift 2
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -keyout self.key -out self.pem \
    -subj "/CN=self" -addext subjectAltName=DNS:lab.example.com 2>/dev/null
rm -f ca.srl
