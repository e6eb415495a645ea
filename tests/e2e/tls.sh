# TLS with real peers: openssl and curl as clients, nginx and socat as origins, certificates made here. All origins are
# given by address, so that `strict` has `dns.name` alone to ask of them.
# Sourced by run.sh.

TLS_NAME=lab.example.com
# Edge ports: one for each mode and each origin.
OFF=9440 FLEXIBLE=9441 FULL=9442 STRICT=9443 STRICT6=9444 FULL12=9445 NEW_ONLY=9446 PROXIED=9447
EXPIRED=9450 WRONG=9451 SELF=9452 FULL_SELF=9453 NO_TLS=9454 OLD=9455 SILENT=9456 BREAKS=9457

# The suite's own authority and certificates, readable for the user that byway becomes.
tls_edge() {
    CERTS=$SCRATCH/certs
    chmod 755 "$SCRATCH"
    bash "$ROOT/tests/certs/make.sh" "$CERTS" && chmod 644 "$CERTS"/*.key || return 1
    printf 'drain_s = 30\n[tls]\ncertificates = "%s"\nca_bundle = "%s/ca.pem"\nhandshake_timeout_s = 2\n' "$CERTS" "$CERTS"
}

# tls_server PORT NAME-OF-CERTIFICATE [LISTEN-WORDS [ANSWER-OF-WHOAMI [MORE]]]: one of nginx.
tls_server() {
    cat <<CONF
    server {
        listen $ORIGIN4:$1 ssl ${3:-};
        listen [$ORIGIN6]:$1 ssl ${3:-};
        ssl_certificate $CERTS/$2.pem;
        ssl_certificate_key $CERTS/$2.key;
        ${5:-ssl_protocols TLSv1.2 TLSv1.3;}
        root $DATA/www;
        location = /whoami { return 200 "${4:-\$remote_addr \$ssl_protocol}\n"; }
        location /upload/ { dav_methods PUT DELETE; create_full_put_path on; }
    }
CONF
}

tls_origins() {
    local dir=$STATE/tls
    mkdir -p "$dir"
    {
        nginx_config "$dir" | sed '/^    server {/,$d'
        tls_server 8443 edge http2
        tls_server 8444 expired
        tls_server 8445 other
        tls_server 8446 self
        tls_server 8447 edge proxy_protocol '$proxy_protocol_addr $proxy_protocol_server_addr $proxy_protocol_server_port'
        tls_server 8448 edge-rsa '' '' 'ssl_protocols TLSv1.2;'
        tls_server 8449 edge-rsa '' '' 'ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0;'
        echo '}'
    } >"$dir/nginx.conf"
    start_daemon tls_nginx "$dir/nginx.log" ip netns exec "$ORIGIN_NS" nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
    start_daemon silent "$dir/silent.log" ip netns exec "$ORIGIN_NS" \
        socat "TCP-LISTEN:8450,bind=$ORIGIN4,fork,reuseaddr" 'SYSTEM:sleep 20'
    # A good handshake, and then no TLS.
    start_daemon breaks "$dir/breaks.log" ip netns exec "$ORIGIN_NS" \
        socat "TCP-LISTEN:8451,bind=$ORIGIN4,fork,reuseaddr" "SYSTEM:timeout 1 nc $ORIGIN4 8448; printf 'this is no record'; sleep 1"
    # The same of a client: what comes for one second, then no TLS.
    start_daemon bad_client "$dir/bad_client.log" ip netns exec "$CLIENT_NS" \
        socat TCP-LISTEN:9000,bind=127.0.0.1,fork,reuseaddr \
        "SYSTEM:{ timeout 1 cat; printf 'this is no record'; sleep 1; } | nc $EDGE_IP4 $FLEXIBLE"
    all_listen "$ORIGIN_NS" 8450 8451 && all_listen "$CLIENT_NS" 9000 &&
        wait_for 10 in_ns "$ORIGIN_NS" curl -sk -o /dev/null "https://$ORIGIN4:8443/" ||
        { tail -n 20 "$dir"/*.log >&2; return 1; }
}

# tls_app EDGE-PORT MODE ORIGIN [MORE-FIELDS]
tls_app() {
    app "tcp/$1" "tcp://$3" "$TLS_NAME" | jq -c --arg mode "$2" --argjson more "${4:-"{}"}" '.tls = $mode | . + $more'
}

# The apps come while byway runs, as an operator adds them.
tls_apps() {
    local apps
    apps=$({
        tls_app "$OFF" off "$ORIGIN4:8448"
        tls_app "$FLEXIBLE" flexible "$ORIGIN4:80"
        tls_app "$FULL" full "$ORIGIN4:8443"
        tls_app "$STRICT" strict "$ORIGIN4:8443"
        tls_app "$STRICT6" strict "[$ORIGIN6]:8443"
        tls_app "$FULL12" full "$ORIGIN4:8448"
        tls_app "$NEW_ONLY" flexible "$ORIGIN4:80" '{"min_tls": "1.3"}'
        tls_app "$PROXIED" strict "$ORIGIN4:8447" '{"proxy_protocol": "v2"}'
        tls_app "$EXPIRED" strict "$ORIGIN4:8444"
        tls_app "$WRONG" strict "$ORIGIN4:8445"
        tls_app "$SELF" strict "$ORIGIN4:8446"
        tls_app "$FULL_SELF" full "$ORIGIN4:8446"
        tls_app "$NO_TLS" full "$ORIGIN4:80"
        tls_app "$OLD" full "$ORIGIN4:8449"
        tls_app "$SILENT" full "$ORIGIN4:8450"
        tls_app "$BREAKS" full "$ORIGIN4:8451"
    } | jq -s .)
    edit_tables '.accounts[0].zones[0] |= (.certificates = [{cert: "edge.pem", key: "edge.key"}, {cert: "other.pem", key: "other.key"}]
        | .apps += $apps)' --argjson apps "$apps"
    wait_for 10 secure "$EDGE_IP4" "$STRICT" /whoami
    holds "apps of all modes are added while byway runs" "$(jq length <<<"$apps") apps" secure "$EDGE_IP4" "$STRICT" /whoami
}

bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# shake ADDRESS PORT [OPTIONS]: openssl's words about a handshake; standard input holds the connection open.
shake() {
    local at
    at=$(bracketed "$1"):$2
    shift 2
    client timeout 10 openssl s_client -connect "$at" -CAfile "$CERTS/ca.pem" "$@" 2>&1
}
# named ADDRESS PORT [OPTIONS]: the same with the app's name, which the certificate must hold.
named() { shake "$@" -servername "$TLS_NAME" -verify_hostname "$TLS_NAME" -verify_return_error </dev/null; }

# secure ADDRESS PORT PATH [OPTIONS]: curl, which checks chain and name.
secure() {
    local at port=$2 path=$3
    at=$(bracketed "$1")
    shift 3
    fetch --cacert "$CERTS/ca.pem" --connect-to "::$at:" "$@" "https://$TLS_NAME:$port$path"
}

# tls_ends_as WHAT EXPECTED PORT COMMAND...: the event that follows the command: `Event Status client's-TLS origin's-TLS`.
tls_ends_as() {
    local what=$1 expected=$2 port=$3 words
    MARK=$(wc -l <"$STATE/run/events.jsonl")
    shift 3
    words=$("$@" 2>&1 </dev/null | tr '\n' ' ')
    wait_for 8 tls_told "$port"
    is "$what" "$expected" "$(tls_told "$port")" "$expected; the client: ${words:0:80}"
}
tls_told() {
    tail -n "+$((MARK + 1))" "$STATE/run/events.jsonl" | jq -r --argjson port "$1" \
        'select(.edge_port == $port and .Event != "connect") | "\(.Event) \(.Status) \(.ClientTlsStatus) \(.OriginTlsStatus)"' |
        tail -n 1 | grep .
}

tls_modes() {
    local at
    for at in "$EDGE_IP4" "$EDGE_IP6"; do
        is "off: the client sees the origin's own certificate ($at)" "subject=CN = edge-rsa" "$(named "$at" "$OFF" | grep ^subject)"
        is "flexible: the client sees the zone's certificate" "subject=CN = edge" "$(named "$at" "$FLEXIBLE" | grep ^subject)"
        is "flexible: the origin is met in clear" "$EGRESS4" "$(secure "$at" "$FLEXIBLE" /whoami 2>&1)"
        is "full: the origin is met by TLS" "$EGRESS4 TLSv1.3" "$(secure "$at" "$FULL" /whoami 2>&1)"
        is "strict: an origin by IPv4 address" "$EGRESS4 TLSv1.3" "$(secure "$at" "$STRICT" /whoami 2>&1)"
        is "strict: an origin by IPv6 address" "$EGRESS6 TLSv1.3" "$(secure "$at" "$STRICT6" /whoami 2>&1)"
        is "full takes a certificate by nobody" "$EGRESS4 TLSv1.3" "$(secure "$at" "$FULL_SELF" /whoami 2>&1)"
        is "PROXY v2 goes ahead of TLS to the origin" "$(client_of "$at") $at $PROXIED" "$(secure "$at" "$PROXIED" /whoami 2>&1)"
    done
    tls_ends_as "a connection that ends in order" "disconnect 200 OK OK" "$STRICT" secure "$EDGE_IP6" "$STRICT" /whoami
}
client_of() { case $1 in *:*) echo "$CLIENT6" ;; *) echo "$CLIENT4" ;; esac; }

tls_bad_origins() {
    local bad="originError 521 UNKNOWN HANDSHAKE_FAILED"
    tls_ends_as "strict refuses an expired certificate" "$bad" "$EXPIRED" secure "$EDGE_IP4" "$EXPIRED" /
    tls_ends_as "strict refuses another name" "$bad" "$WRONG" secure "$EDGE_IP6" "$WRONG" /
    tls_ends_as "strict refuses a self-signed one" "$bad" "$SELF" secure "$EDGE_IP4" "$SELF" /
    tls_ends_as "an origin that speaks no TLS" "$bad" "$NO_TLS" secure "$EDGE_IP6" "$NO_TLS" /
    tls_ends_as "an origin of TLS 1.1" "$bad" "$OLD" secure "$EDGE_IP4" "$OLD" /
    tls_ends_as "an origin that says nothing" "originError 522 UNKNOWN HANDSHAKE_FAILED" "$SILENT" secure "$EDGE_IP4" "$SILENT" /
    tls_ends_as "an origin that breaks TLS after the handshake" "disconnect 447 OK OK" "$BREAKS" slow_shake "$EDGE_IP4" "$BREAKS"
    holds "and the client reads an alert before the reset" "tlsv1 alert internal error" \
        grep -q 'alert internal error' <(secure "$EDGE_IP6" "$SELF" / 2>&1)
    is "each is counted by its reason" "4 1 1" \
        "$(metric 'tls_failures.*origin_certificate') $(metric 'tls_failures.*origin_old_version') $(metric 'end="origin_tls_error"')"
}
slow_shake() { sleep 3 | shake "$@" -servername "$TLS_NAME" -quiet; }

tls_clients() {
    local at version
    for at in "$EDGE_IP4" "$EDGE_IP6"; do
        for version in 2 3; do
            is "TLS 1.$version ($at)" "New, TLSv1.$version" \
                "$(named "$at" "$FULL12" "-tls1_$version" | grep -o '^New, TLSv1..')"
        done
        is "no SNI: the app's own certificate" "subject=CN = edge" "$(shake "$at" "$FULL" -noservername </dev/null | grep ^subject)"
        is "another SNI of the zone: its certificate" "subject=CN = other" \
            "$(shake "$at" "$FULL" -servername other.example.com </dev/null | grep ^subject)"
        is "a wildcard" "Verify return code: 0 (ok)" "$(shake "$at" "$FULL" -servername a.wild.example.com \
            -verify_hostname a.wild.example.com </dev/null | grep -o 'Verify return code.*' | head -n 1)"
    done
    tls_ends_as "a wrong SNI" "tlsError 400 INVALID_SNI UNKNOWN" "$FULL" shake "$EDGE_IP4" "$FULL" -servername nobody.example.com
    holds "and openssl reads why" "unrecognized name" \
        grep -q 'unrecognized name' <(shake "$EDGE_IP6" "$FULL" -servername nobody.example.com </dev/null)
    tls_ends_as "a client of TLS 1.1" "tlsError 443 HANDSHAKE_FAILED UNKNOWN" "$FULL" old_client "$EDGE_IP4" "$FULL" -tls1_1
    tls_ends_as "min_tls 1.3 refuses TLS 1.2" "tlsError 443 HANDSHAKE_FAILED UNKNOWN" "$NEW_ONLY" named "$EDGE_IP6" "$NEW_ONLY" -tls1_2
    is "both are counted as too old" 2 "$(metric 'tls_failures.*client_old_version')"
    is "min_tls 1.3 takes TLS 1.3" "New, TLSv1.3" "$(named "$EDGE_IP4" "$NEW_ONLY" -tls1_3 | grep -o '^New, TLSv1..')"
    tls_ends_as "a client that speaks HTTP" "tlsError 443 HANDSHAKE_FAILED UNKNOWN" "$FULL" fetch "http://$EDGE_IP4:$FULL/"
    tls_ends_as "a client that breaks TLS after the handshake" "disconnect 490 OK UNKNOWN" "$FLEXIBLE" bad_client
}
old_client() { shake "$@" -cipher DEFAULT@SECLEVEL=0; }
bad_client() { slow_shake 127.0.0.1 9000; }

# What openssl does on its lines R and K: renegotiation, which byway refuses, and new keys, which go on with the data.
tls_new_keys() {
    tls_ends_as "renegotiation is refused" "disconnect 490 OK OK" "$FULL12" renegotiate
    is "new keys in TLS 1.3, then a request" "$EGRESS4 TLSv1.3" "$(new_keys | grep -a -o "^$EGRESS4 TLSv1.3")"
}
renegotiate() { { sleep 0.5; echo R; sleep 1; } | shake "$EDGE_IP4" "$FULL12" -servername "$TLS_NAME" -tls1_2; }
new_keys() {
    { sleep 0.5; echo K; sleep 0.3; printf 'GET /whoami HTTP/1.0\r\n\r\n'; sleep 1; } |
        shake "$EDGE_IP6" "$FULL" -servername "$TLS_NAME" -tls1_3
}

# A pair renewed without the table, then one whose key is another's.
tls_renewal() {
    renew edge-rsa edge-rsa
    wait_for 10 shows edge-rsa
    holds "a renewed certificate is shown without a reload of the table" "subject=CN = edge-rsa" shows edge-rsa
    renew edge other
    wait_for 10 grep -q 'is not the key of the certificate' "$STATE/byway.log"
    is "a bad pair is told by show status" true "$("$(byway_bin)" show status --json --socket "$STATE/run/byway.sock" |
        jq '.certificate_problems[0] | contains("what was read before stays in force")')"
    holds "and the one before stays in force" "subject=CN = edge-rsa" shows edge-rsa
    renew edge edge
    wait_for 10 shows edge
    holds "a good pair again" "subject=CN = edge" shows edge
}
shows() { named "$EDGE_IP4" "$FLEXIBLE" | grep -qx "subject=CN = $1"; }
# renew CERT KEY: of these names, into the place of the zone's first pair, as tools for certificates do it.
renew() {
    [ -d "$SCRATCH/kept" ] || cp -rp "$CERTS" "$SCRATCH/kept"
    cp -p "$SCRATCH/kept/$1.pem" "$CERTS/new.pem" && cp -p "$SCRATCH/kept/$2.key" "$CERTS/new.key" &&
        mv "$CERTS/new.pem" "$CERTS/edge.pem" && mv "$CERTS/new.key" "$CERTS/edge.key"
}

tls_protocols() {
    is "ALPN: the origin's h2 reaches the client" "ALPN protocol: h2" "$(alpn "$FULL")"
    is "ALPN: an origin without h2" "ALPN protocol: http/1.1" "$(alpn "$FULL12")"
    is "ALPN: none in flexible" "No ALPN negotiated" "$(alpn "$FLEXIBLE")"
    is "curl speaks HTTP/2 with the origin" "2" "$(secure "$EDGE_IP6" "$STRICT" /whoami --http2 -o /dev/null -w '%{http_version}')"
}
alpn() { named "$EDGE_IP4" "$1" -alpn h2,http/1.1 | grep -E -m 1 'ALPN'; }

# A session is saved, used again, and used once more after a reload.
tls_resumption() {
    local version before
    for version in 2 3; do
        sleep 0.5 | shake "$EDGE_IP4" "$STRICT" -servername "$TLS_NAME" "-tls1_$version" -sess_out "$SCRATCH/session$version" >/dev/null
        is "TLS 1.$version: a saved session is resumed" "Reused, TLSv1.$version" "$(reused "$EDGE_IP6" "$version")"
        before=$(grep -c 'table in force' "$STATE/byway.log")
        edit_tables '.accounts[0].zones[0].access_rules[0].notes = $n' --arg n "resume $version"
        wait_for 10 more_tables "$before"
        is "TLS 1.$version: and after a reload" "Reused, TLSv1.$version" "$(reused "$EDGE_IP4" "$version")"
    done
    is "resumptions are counted" 4 "$(metric byway_tls_resumptions_total)"
}
reused() { named "$1" "$STRICT" "-tls1_$2" -sess_in "$SCRATCH/session$2" | grep -oE '^(New|Reused), TLSv1..'; }
more_tables() { [ "$(grep -c 'table in force' "$STATE/byway.log")" -gt "$1" ]; }

tls_transfers() {
    local at port CURL
    make_body secret 32
    for at in "$EDGE_IP4" "$EDGE_IP6"; do
        CURL=(curl -sS --max-time 60 --cacert "$CERTS/ca.pem" --connect-to "::$(bracketed "$at"):")
        for port in "$FLEXIBLE" "$STRICT"; do
            seconds_of download "https://$TLS_NAME:$port/secret"
            is "32 MiB down through $port ($at)" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" 32)"
            seconds_of upload "$DATA/www/secret" "https://$TLS_NAME:$port/upload/secret"
            is "32 MiB up through $port ($at)" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" 32)"
        done
    done
}
