#!/usr/bin/env bash
# Shows byway at work on one machine: the first of the README's two commands.
# Installs what is missing, builds the release binary, makes three hosts (client, edge, origin), and lets a real curl and
# a real ssh reach a real nginx and a real sshd through an edge address of an onboarded prefix; then dig, datagrams and curl
# reach unbound, an origin behind Simple Proxy Protocol and HAProxy behind PROXY v2, which say whom they saw. Then the same
# hosts with the API instead of a table file: an app is added while a transfer goes on. One line each with its proof. Cleans up after itself, also when it fails or is interrupted; the last line is `N passed, N failed`.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/hosts.sh"
. "$ROOT/scripts/lib/daemons.sh"
. "$ROOT/scripts/lib/origin.sh"
. "$ROOT/scripts/lib/api.sh"
. "$ROOT/scripts/lib/peers.sh"
. "$ROOT/scripts/lib/talk.sh"

export LAB_NAME=byway-demo-$$
CLIENT_NS=$LAB_NAME-client EDGE_NS=$LAB_NAME-edge ORIGIN_NS=$LAB_NAME-origin
STATE=/run/byway-lab/$LAB_NAME
DATA=${TMPDIR:-/tmp}/byway-lab-$LAB_NAME
BIG_MIB=${DEMO_MIB:-1024}

main() {
    need_root demo.sh
    say "== packages and release build"
    install_packages build lab
    (cd "$ROOT" && cargo build --release --locked --quiet) || die "the build failed"
    export BYWAY_BIN
    BYWAY_BIN=$(target_dir)/release/byway
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    say "== three hosts: client, edge, origin ($SECONDS s so far)"
    make_certificates || die "the certificates could not be made"
    "$ROOT/scripts/lab.sh" up --edge "$DATA.toml" >"$DATA.json" || die "the laboratory did not come up"
    say "   $(cat "$DATA.json")"
    show_web
    show_ssh
    show_tls
    show_big_transfers
    show_blocked_client
    show_no_app
    # Each of these brings its app and its origin with it.
    show_udp
    show_simple_proxy
    show_proxy_v2
    show_api
    say "== done in $SECONDS s"
    tally
}

clean() {
    trap '' INT TERM HUP
    [ ! -d "$STATE" ] || stop_daemon s_server
    "$ROOT/scripts/lab.sh" down
    rm -rf "$DATA.json" "$DATA.toml" "$DATA.certs"
}

# is WHAT EXPECTED SEEN [PROOF]: a check of equality whose proof is what was seen.
is() { if [ "$2" = "$3" ]; then pass "$1" "${4:-$3}"; else fail "$1" "expected '$2', saw '$3'"; fi; }

show_web() {
    local body='hello from the origin'
    is "curl over IPv4" "$body" "$(fetch "http://$EDGE_IP4/" 2>&1)" "http://$EDGE_IP4/ says '$body'; the origin saw $(fetch "http://$EDGE_IP4/whoami" 2>&1)"
    is "curl over IPv6" "$body" "$(fetch "http://[$EDGE_IP6]/" 2>&1)" "http://[$EDGE_IP6]/ says '$body'; the origin saw $(fetch "http://[$EDGE_IP6]/whoami" 2>&1)"
}

show_ssh() {
    local address seen
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        seen=$(client_ssh "$address" 'echo $SSH_CONNECTION' 2>&1)
        case $seen in
            "$EGRESS4 "*" $ORIGIN4 22") pass "ssh over $(family "$address")" "ssh root@$address; sshd saw: $seen" ;;
            *) fail "ssh over $(family "$address")" "$seen" ;;
        esac
    done
}
family() { case $1 in *:*) echo IPv6 ;; *) echo IPv4 ;; esac; }

# An authority for this demo alone, a certificate for the edge and one for the origin.
make_certificates() {
    bash "$ROOT/tests/certs/make.sh" "$DATA.certs" &&
        printf 'drain_s = 30\n[tls]\ncertificates = "%s"\nca_bundle = "%s/ca.pem"\n' "$DATA.certs" "$DATA.certs" >"$DATA.toml"
}

# curl checks the edge's certificate, byway the origin's; openssl s_server shows a page about each connection.
show_tls() {
    local address page words
    chgrp byway "$DATA.certs"/*.key
    start_daemon s_server "$STATE/s_server.log" ip netns exec "$ORIGIN_NS" openssl s_server -www \
        -accept "$ORIGIN4:8443" -cert "$DATA.certs/edge-rsa.pem" -key "$DATA.certs/edge-rsa.key"
    edit_tables '.accounts[0].zones[0] |= (.certificates = [{cert: "edge.pem", key: "edge.key"}] | .apps += [$app])' \
        --argjson app "$(app tcp/443 "tcp://$ORIGIN4:8443" lab.example.com | jq -c '.tls = "strict"')"
    wait_for 15 secure_page "$EDGE_IP4"
    for address in "$EDGE_IP4" "[$EDGE_IP6]"; do
        page=$(secure_page "$address" 2>&1)
        words=$(grep -o 'New, TLSv1.3, Cipher is [A-Z0-9_]*' <<<"$page")
        if [ -n "$words" ]; then
            pass "TLS, strict, over $(family "$address")" "https://lab.example.com/ at $address; s_server says: $words"
        else
            fail "TLS, strict, over $(family "$address")" "${page:0:120}"
        fi
    done
}
secure_page() { fetch --cacert "$DATA.certs/ca.pem" --connect-to "::$1:" https://lab.example.com/; }

show_big_transfers() {
    make_body big "$BIG_MIB"
    seconds_of download "http://$EDGE_IP4/big"
    is "download of $BIG_MIB MiB" "$BODY_SUM" "$OUT" "sha256 ${OUT:0:16}... on both sides, $TOOK s, $(mbit "$TOOK" "$BIG_MIB")"
    seconds_of upload "$DATA/www/big" "http://[$EDGE_IP6]/upload/big"
    is "upload of $BIG_MIB MiB" "$BODY_SUM" "$OUT" "sha256 ${OUT:0:16}... on both sides, $TOOK s, $(mbit "$TOOK" "$BIG_MIB")"
}

# The ssh app asks the firewall; the table blocks this one address.
show_blocked_client() {
    local before after banner
    before=$(metric 'byway_dropped_frames_total.*reason="firewall_blocked"')
    banner=$(client timeout 4 nc -w 3 -s "$BLOCKED4" "$EDGE_IP4" 22 </dev/null 2>&1)
    after=$(metric 'byway_dropped_frames_total.*reason="firewall_blocked"')
    if [ -z "$banner" ] && [ "$after" -gt "$before" ]; then
        pass "a blocked client" "$BLOCKED4 -> $EDGE_IP4:22 gets no answer; blocked frames $before -> $after"
    else
        fail "a blocked client" "saw '$banner', blocked frames $before -> $after"
    fi
}

show_no_app() {
    local code=0 before after
    before=$(metric 'byway_dropped_frames_total.*reason="no_app"')
    fetch --connect-timeout 2 -o /dev/null http://198.51.100.77/ 2>/dev/null || code=$?
    after=$(metric 'byway_dropped_frames_total.*reason="no_app"')
    if [ "$code" -eq 28 ] && [ "$after" -gt "$before" ]; then
        pass "an address with no app" "198.51.100.77:80 gets no answer; no_app drops $before -> $after"
    else
        fail "an address with no app" "curl's code $code, no_app drops $before -> $after"
    fi
}

# dig asks unbound through udp/53; unbound's log says who asked.
show_udp() {
    local address answer heard
    start_dns "$ORIGIN_NS" "$ORIGIN4" || { fail "DNS over udp/53" "unbound did not come up"; return; }
    app udp/53 "udp://$ORIGIN4:$DNS_PORT" dns.example.com | add_apps
    wait_for 15 dig_says "$EDGE_IP4" 192.0.2.80
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        answer=$(client dig +short +time=2 "@$address" www.lab.test A 2>&1)
        heard=$(tail -n 1 "$STATE/unbound/unbound.log" | sed 's/.*info: //')
        is "dig through udp/53 over $(family "$address")" "192.0.2.80, $EGRESS4 www.lab.test. A IN" "$answer, $heard" \
            "dig @$address www.lab.test says $answer; unbound heard: $heard"
    done
}
dig_says() { [ "$(client dig +short +time=1 +tries=1 "@$1" www.lab.test A)" = "$2" ]; }

# The origin reads the 38 bytes and answers behind the same; what it says is compared with the client's own socket.
show_simple_proxy() {
    local address told own
    start_datagram_origin "$ORIGIN_NS" || { fail "Simple Proxy Protocol" "no origin"; return; }
    app udp/7777 "udp://$ORIGIN4:$SPP_TELL_PORT" spp.example.com | with '{proxy_protocol: "simple", amplification_limit: 10}' | add_apps
    wait_for 15 answered "$EDGE_IP4" 7777
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        told=$(datagrams "$address" 7777 hello)
        own=$(jq -r '"\(.address) \(.port)"' <<<"$told")
        told=$(jq -r '.sent[0].answer' <<<"$told")
        is "Simple Proxy Protocol over $(family "$address")" "SPP $own $address 7777, 5 bytes" "${told%, sha256*}" \
            "the client is $own; the origin says: ${told%, sha256*}"
    done
}
answered() { datagrams "$1" "$2" --wait 0.3 hello | jq -e '.sent[0].answer' >/dev/null; }

show_proxy_v2() {
    local address url seen own
    start_haproxy "$ORIGIN_NS" || { fail "PROXY v2" "HAProxy did not come up"; return; }
    app tcp/8102 "tcp://$ORIGIN4:$HAPROXY_PORT" v2.example.com | with '{proxy_protocol: "v2"}' | add_apps
    wait_for 15 fetch -f -o /dev/null "http://$EDGE_IP4:8102/"
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        case $address in *:*) url="http://[$address]:8102/" ;; *) url="http://$address:8102/" ;; esac
        seen=$(fetch -w '%{local_ip} %{local_port}' "$url" 2>&1)
        own=${seen##*$'\n'}
        is "PROXY v2 over $(family "$address")" "haproxy saw $own $address 8102" "${seen%$'\n'*}" \
            "curl's end is $own; HAProxy says: ${seen%$'\n'*}"
    done
}

# The same hosts anew, with the API as the source of truth: what it answers is in force.
show_api() {
    [ ! -d "$STATE" ] || stop_daemon s_server
    "$ROOT/scripts/lab.sh" down
    say "== the same hosts, with the API instead of a table file ($SECONDS s so far)"
    "$ROOT/scripts/lab.sh" up --api >"$DATA.json" && learn_api "$DATA.json" || { fail "the API's laboratory" "it did not come up"; return; }
    say "   $(jq -c '{api_url, account_id, zone_id}' "$DATA.json")"
    api_result POST "$API_APPS" "$(documented_app)" >"$STATE/app.json"
    is "an app made by the documentation's call" "hello from the origin" "$(fetch "http://$EDGE_IP4/" 2>&1)" \
        "POST $API_APPS made $(jq -r .id "$STATE/app.json"); http://$EDGE_IP4/ answers at once"
    show_app_added_under_load
}

# A new app is reached as soon as the API has answered, while an old transfer goes on, and that transfer arrives whole.
show_app_added_under_load() {
    local sum_file=$STATE/slow.sum transfer seen added went_on=no
    make_body big 400
    client curl -sS --max-time 120 --limit-rate 40M "http://$EDGE_IP4/big" | sum_of >"$sum_file" &
    transfer=$!
    sleep 1
    added=$(api_result POST "$API_APPS" "$(app tcp/8080 "tcp://$ORIGIN4:8080" added.example.com)" | jq -r .id)
    seen=$(fetch "http://$EDGE_IP4:8080/" 2>&1)
    kill -0 "$transfer" 2>/dev/null && went_on=yes
    is "an app added by the API during a transfer" "hello from the origin" "$seen" "$added: http://$EDGE_IP4:8080/ says '$seen'"
    wait "$transfer"
    if [ "$BODY_SUM" = "$(cat "$sum_file")" ] && [ $went_on = yes ]; then
        pass "the transfer across that change" "400 MiB, sha256 equal, it was under way when the app was reached"
    else
        fail "the transfer across that change" "under way: $went_on, sha256 $(cat "$sum_file")"
    fi
    show_app_removed "$added"
}

show_app_removed() {
    local code=0
    api_result DELETE "$API_APPS/$1" >/dev/null
    fetch --connect-timeout 2 -o /dev/null "http://$EDGE_IP4:8080/" 2>/dev/null || code=$?
    is "the same app removed by the API" 28 "$code" "http://$EDGE_IP4:8080/ gets no answer once DELETE is answered"
}

main "$@"
