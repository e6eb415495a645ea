# Source ports that come round within seconds: more connections than there are tuples in the time that a tuple rests, to an
# origin whose kernel keeps TIME-WAIT or does not. Sourced by run.sh.

PORTS_AT_ALL=400

ports_edge() {
    printf '[egress]\nipv4 = ["%s"]\nipv6 = ["%s"]\nports = "20000-%s"\n' "$EGRESS4" "$EGRESS6" $((20000 + PORTS_AT_ALL - 1))
}

source_ports_come_round() {
    come_round "closed by the origin first" -H "Connection: close"
    client sysctl -q -w net.ipv4.tcp_timestamps=0
    come_round "closed by the origin first, without timestamps" -H "Connection: close"
    client sysctl -q -w net.ipv4.tcp_timestamps=1
    # Last: where TIME-WAIT is byway's, a tuple rests to the end for who has no timestamps.
    come_round "closed by the client first"
    is "no SYN was sent twice" 0 "$(metric 'retransmitted_segments.*sent')"
}

# come_round WHAT CURL-WORDS...: three times as many connections as there are tuples, one after the other.
come_round() {
    local what=$1 woken=0 before answered
    shift
    before=$(metric byway_egress_ports_woken_total)
    answered=$(client sh -c 'n=$1; shift; for n in $(seq "$n"); do curl -sS --max-time 10 "$@"; done' sh \
        $((3 * PORTS_AT_ALL)) "$@" "http://$EDGE_IP4/whoami" 2>/dev/null | grep -c "$EGRESS4")
    woken=$(($(metric byway_egress_ports_woken_total) - before))
    is "$((3 * PORTS_AT_ALL)) connections through $PORTS_AT_ALL ports, $what" $((3 * PORTS_AT_ALL)) "$answered"
    holds "most tuples had not rested to the end" "$woken woken" test "$woken" -ge "$PORTS_AT_ALL"
    is "none was refused for want of a tuple" "0 0" \
        "$(metric 'reason="egress_exhausted"') $(metric 'reason="app_share"')"
}
