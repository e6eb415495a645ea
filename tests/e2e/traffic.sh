# What any port must carry: the web, ssh, bulk both ways, half-closed connections, refusals of the origin.
# Sourced by run.sh.

traffic() {
    web
    shells
    big_transfers 64
    bulk_by_iperf3
    half_closes
    origin_refuses
}

web() {
    is "curl over IPv4; the origin sees the egress address" "$EGRESS4" "$(fetch "http://$EDGE_IP4/whoami" 2>&1)"
    is "curl over IPv6 to an IPv4 origin" "$EGRESS4" "$(fetch "http://[$EDGE_IP6]/whoami" 2>&1)"
    is "curl over IPv4 to an IPv6 origin" "$EGRESS6" "$(fetch "http://$EDGE_IP4:81/whoami" 2>&1)"
    is "curl over IPv6 to an IPv6 origin" "$EGRESS6" "$(fetch "http://[$EDGE_IP6]:81/whoami" 2>&1)"
    is "200 connections one after the other" 200 "$(two_hundred)"
}
two_hundred() {
    local n
    for n in $(seq 200); do printf 'url = "http://%s/whoami"\nnext\n' "$EDGE_IP4"; done |
        client curl -sS --no-keepalive -H 'Connection: close' --max-time 60 -K - 2>/dev/null | grep -c "$EGRESS4"
}

shells() {
    is "ssh over IPv4" "$EGRESS4 $ORIGIN4" "$(client_ssh "$EDGE_IP4" 'echo $SSH_CONNECTION' 2>&1 | cut -d ' ' -f 1,3)"
    is "ssh over IPv6" "$EGRESS4 $ORIGIN4" "$(client_ssh "$EDGE_IP6" 'echo $SSH_CONNECTION' 2>&1 | cut -d ' ' -f 1,3)"
}

# big_transfers MIB
big_transfers() {
    make_body big "$1"
    seconds_of download "http://$EDGE_IP4/big"
    is "download of $1 MiB over IPv4" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" "$1")"
    seconds_of download "http://[$EDGE_IP6]:81/big"
    is "download of $1 MiB over IPv6, IPv6 origin" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" "$1")"
    seconds_of upload "$DATA/www/big" "http://[$EDGE_IP6]/upload/big"
    is "upload of $1 MiB over IPv6" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" "$1")"
}

bulk_by_iperf3() {
    local way rate
    for way in "" "-R"; do
        # shellcheck disable=SC2086  # no word at all for the forward direction
        rate=$(client timeout 20 iperf3 -J -c "$EDGE_IP4" -P 4 -t 3 --connect-timeout 4000 $way 2>/dev/null |
            jq -r '.end.sum_received.bits_per_second / 1e6 | floor' 2>/dev/null)
        holds "iperf3, 4 streams${way:+, reverse}" "${rate:-no answer} Mbit/s" test "${rate:-0}" -gt 1
    done
}

half_closes() {
    local address
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        is "nc ends first and still hears ($address)" "after your end: ping" \
            "$(printf ping | client timeout 10 nc -N "$address" 7000 2>&1)"
    done
    rm -f "$STATE/early_end.got"
    is "the origin ends first and still hears" first \
        "$( (sleep 1; printf late) | client timeout 10 nc -N "$EDGE_IP4" 7001 2>&1)"
    wait_for 5 test -s "$STATE/early_end.got"
    is "and what came late arrived" late "$(cat "$STATE/early_end.got" 2>/dev/null)"
}

# Nothing listens on the origin's 7002: its RST comes through, and the event says why. curl meets the RST while it sends
# (55), while it waits for an answer (56), or before it did either (7).
origin_refuses() {
    local code=0
    fetch -o /dev/null "http://$EDGE_IP4:7002/" 2>/dev/null || code=$?
    holds "an origin that refuses resets the client" "curl's code $code" \
        test "$code" -eq 55 -o "$code" -eq 56 -o "$code" -eq 7
    wait_for 5 event '"originError".*521|521.*"originError"'
    holds "and the event says 521" "$(grep -E 'originError' "$STATE/run/events.jsonl" 2>/dev/null | tail -n 1 | cut -c 1-120)" \
        event '"originError".*521|521.*"originError"'
}

firewall_and_no_app() {
    local before code=0
    before=$(metric 'reason="firewall_blocked"')
    holds "a blocked client gets no answer" "$BLOCKED4" not client timeout 3 nc -z -w 2 -s "$BLOCKED4" "$EDGE_IP4" 22
    holds "and is counted" "firewall_blocked $before -> $(metric 'reason="firewall_blocked"')" \
        test "$(metric 'reason="firewall_blocked"')" -gt "$before"
    holds "it reaches an app without ip_firewall" "port 80" fetch -f -o /dev/null --interface "$BLOCKED4" "http://$EDGE_IP4/"
    before=$(metric 'reason="no_app_port"')
    fetch --connect-timeout 2 -o /dev/null "http://$EDGE_IP4:9/" 2>/dev/null || code=$?
    holds "a port with no app gets no answer and is counted" "curl's code $code" \
        test "$code" -eq 28 -a "$(metric 'reason="no_app_port"')" -gt "$before"
}

# Two workers on devices that do not steer: each carries sessions, and frames cross between them.
handover_between_workers() {
    local busy
    two_hundred >/dev/null
    busy=$(in_ns "$EDGE_NS" curl -sS http://127.0.0.1:9180/metrics |
        awk '/^byway_opened_sessions_total/ && $NF > 0 && match($0, /worker="[0-9]+"/) { seen[substr($0, RSTART, RLENGTH)] } END { n = 0; for (w in seen) n++; print n }')
    is "both workers carry connections" 2 "$busy"
}
