# Source ports that come round within seconds: more connections than there are tuples in the time that a tuple rests, to an
# origin whose kernel keeps TIME-WAIT or does not. Sourced by run.sh.

PORTS_AT_ALL=400

ports_edge() {
    printf '[egress]\nipv4 = ["%s"]\nipv6 = ["%s"]\nports = "20000-%s"\n' "$EGRESS4" "$EGRESS6" $((20000 + PORTS_AT_ALL - 1))
}

source_ports_come_round() {
    come_round "closed by the origin first" origin
    client sysctl -q -w net.ipv4.tcp_timestamps=0
    # Whose FIN is the first matters here: a tuple whose TIME-WAIT is byway's rests to the end for who has no timestamps.
    come_round "closed by the origin first, without timestamps" origin
    client sysctl -q -w net.ipv4.tcp_timestamps=1
    come_round "closed by the client first" client
    is "no SYN was sent twice" 0 "$(metric 'retransmitted_segments.*sent')"
}

# come_round WHAT WHO-ENDS: three rounds of as many connections as there are tuples, one after the other. Each round finds
# the tuples of the one before at rest for more than the second that Linux, too, lets pass before one is used again.
come_round() {
    local woken refused answered
    woken=$(metric byway_egress_ports_woken_total) refused=$(out_of_tuples)
    answered=$(client /usr/bin/python3 "$ROOT/tests/e2e/whoami.py" "$2" "$PORTS_AT_ALL" 3 "$EDGE_IP4" | grep -cx "$EGRESS4")
    woken=$(($(metric byway_egress_ports_woken_total) - woken))
    is "$((3 * PORTS_AT_ALL)) connections through $PORTS_AT_ALL ports, $1" $((3 * PORTS_AT_ALL)) "$answered"
    holds "most tuples had not rested to the end" "$woken woken" test "$woken" -ge "$PORTS_AT_ALL"
    is "none was refused for want of a tuple" 0 $(($(out_of_tuples) - refused))
}

out_of_tuples() { echo $(($(metric 'reason="egress_exhausted"') + $(metric 'reason="app_share"'))); }
