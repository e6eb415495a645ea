# SYN cookies with the kernel's TCP as client: every connection by cookie, with and without timestamps; and real clients
# while a flood of forged SYNs lasts. Sourced by run.sh.

cookies_edge() { printf '[tcp]\nsyn_cookies = "%s"\nhalf_open = 64\nhalf_open_timeout_s = 30\n' "$1"; }

# All that any port must carry, each connection brought into being by its cookie.
every_connection_by_cookie() {
    traffic
    is "200 connections one after the other, each by cookie" 200 "$(connections 200)"
    sealed_by_cookies
    client sysctl -q -w net.ipv4.tcp_timestamps=0
    web
    big_transfers 16
    sealed_by_cookies
    client sysctl -q -w net.ipv4.tcp_timestamps=1
}

sealed_by_cookies() {
    local opened received half_open
    opened=$(metric byway_opened_sessions_total) received=$(metric byway_syn_cookies_received_total)
    half_open=$(metric byway_half_open_sessions)
    holds "every session came of a cookie, but those out of TIME-WAIT" "$received of $opened" \
        test "$received" -gt 0 -a $((opened - received)) -le "$(metric byway_time_wait_reuses_total)"
    is "none is half-open" 0 "$half_open"
    is "no cookie was bad" "0 0" "$(metric 'syn_cookies_failed.*expired') $(metric 'syn_cookies_failed.*replayed')"
}

# connections COUNT: how many of so many, each a client of its own, are answered.
connections() {
    client sh -c "for n in \$(seq $1); do curl -sS --max-time 10 http://$EDGE_IP4/whoami; done" 2>/dev/null | grep -c "$EGRESS4"
}

cookies_go_out() { [ "$(metric byway_syn_cookies_sent_total)" -gt 0 ]; }

# While a flood lasts: sessions of before go on, new ones come up, bytes arrive whole, and half-open sessions stay few.
real_clients_in_a_flood() {
    local sent most=0 half_open
    make_body big 16
    start_daemon flood "$STATE/flood.sent" ip netns exec "$CLIENT_NS" \
        /usr/bin/python3 "$ROOT/tests/e2e/syn_flood.py" "$EDGE_IP4" 80
    wait_for 10 cookies_go_out
    is "200 connections one after the other in a flood" 200 "$(connections 200)"
    seconds_of download "http://$EDGE_IP4/big"
    is "a download of 16 MiB in a flood" "$BODY_SUM" "$OUT" "$TOOK s, $(mbit "$TOOK" 16)"
    for _ in 1 2 3 4 5; do
        half_open=$(metric byway_half_open_sessions)
        [ "$half_open" -le "$most" ] || most=$half_open
        sleep 0.2
    done
    stop_daemon flood
    sent=$(tail -n 1 "$STATE/flood.sent")
    holds "the flood was one" "${sent:-0} SYNs, $(metric byway_syn_cookies_sent_total) answered by cookies" \
        test "$(metric byway_syn_cookies_sent_total)" -gt 10000
    holds "half-open sessions stayed at the threshold" "$most of 64" test "$most" -le 32
    is "none was refused for want of room" "0 0" "$(metric 'reason="half_open_full"') $(metric 'reason="syn_rate_limited"')"
}
