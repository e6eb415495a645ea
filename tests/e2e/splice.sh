# Spliced sessions: bulk by iperf3 both ways, files whole, and what happens to them at a reload, when byway drains, and when
# the origin dies.
# Sourced by run.sh.

# The share of the payload bytes of all TCP sessions that passed spliced, of a thousand.
spliced_share() {
    awk -v all="$(metric '^byway_app_bytes_total')" -v relayed="$(metric '^byway_relayed_bytes_total')" \
        'BEGIN { if (all > 0) printf "%d", 1000 * (all - relayed) / all; else print 0 }'
}

# iperf3 up, down, and both at once; by byway's counters at least 99 % of its bytes are carried by splice.
spliced_bulk() {
    local way rate share
    for way in "" "-R" "--bidir"; do
        # shellcheck disable=SC2086  # no word at all for the forward direction
        rate=$(client timeout 20 iperf3 -J -c "$EDGE_IP4" -P 4 -t 3 --connect-timeout 4000 $way 2>/dev/null |
            jq -r '.end.sum_received.bits_per_second / 1e6 | floor' 2>/dev/null)
        share=$(spliced_share)
        holds "iperf3, 4 streams${way:+, $way}: carried by splice" "${rate:-no answer} Mbit/s, $share of 1000 bytes" \
            test "${rate:-0}" -gt 1 -a "$share" -ge 990
    done
}

spliced_files() {
    make_body big 64
    is "download of 64 MiB" "$BODY_SUM" "$(download "http://$EDGE_IP4/big")" "sha256 ${BODY_SUM:0:16}..."
    is "download of 64 MiB over IPv6" "$BODY_SUM" "$(download "http://[$EDGE_IP6]:81/big")" "sha256 ${BODY_SUM:0:16}..."
    is "upload of 64 MiB" "$BODY_SUM" "$(upload "$DATA/www/big" "http://$EDGE_IP4/upload/big")" "sha256 ${BODY_SUM:0:16}..."
    holds "and all of it spliced" "$(spliced_share) of 1000 bytes" test "$(spliced_share)" -ge 990
}

# A transfer goes on while the table is edited 20 times; edits close together are taken at once.
spliced_reload() {
    local n transfer before
    before=$(metric '^byway_snapshots_total')
    client curl -sS --max-time 60 --limit-rate 8M "http://$EDGE_IP4/big" | sum_of >"$STATE/reload.sum" &
    transfer=$!
    sleep 0.5
    for n in $(seq 20); do
        edit_tables '.accounts[0].zones[0].access_rules[0].notes = $n' --arg n "edit $n"
        sleep 0.2
    done
    wait "$transfer"
    is "a spliced transfer while the table is edited 20 times" "$BODY_SUM" "$(cat "$STATE/reload.sum")" "64 MiB"
    holds "which were taken into force" "$(($(metric '^byway_snapshots_total') - before)) snapshots" \
        test "$(metric '^byway_snapshots_total')" -gt "$before"
}

# The origin is killed in the middle: its kernel's RST comes through, and the event tells of it.
spliced_origin_dies() {
    local code=0 started=$SECONDS died='"Status":444'
    start_daemon dying "$STATE/dying.log" ip netns exec "$ORIGIN_NS" socat -u OPEN:/dev/zero "TCP-LISTEN:7002,bind=$ORIGIN4,reuseaddr"
    all_listen "$ORIGIN_NS" 7002
    client sh -c "timeout 20 nc $EDGE_IP4 7002 >/dev/null" &
    local reader=$!
    sleep 1
    kill -9 "$(daemon_pid dying)"
    wait "$reader" || code=$?
    holds "an origin killed in the middle ends the client's connection" "nc's code $code after $((SECONDS - started)) s" \
        test "$code" -ne 124 -a $((SECONDS - started)) -lt 15
    wait_for 10 test "$(metric '^byway_sessions')" -eq 0
    wait_for 5 event "$died"
    holds "and the event says that the origin reset it" "$(grep -Eo "$died" "$STATE/run/events.jsonl" | tail -n 1)" event "$died"
}

# An origin that answers no SYN at first misses its client's first flight, and bulk never falls silent: the session is brought to
# a quiet moment when it has been open for a second, and loses nothing by it.
spliced_late() {
    local sent relayed sender
    start_daemon late "$STATE/late.log" ip netns exec "$ORIGIN_NS" sh -c \
        "socat -u TCP-LISTEN:7002,bind=$ORIGIN4,reuseaddr - | sha256sum >$STATE/late.sum"
    all_listen "$ORIGIN_NS" 7002
    in_ns "$ORIGIN_NS" nft -f - <<RULES
table inet late {
    chain arriving { type filter hook input priority 0; tcp dport 7002 tcp flags syn drop; }
}
RULES
    client bash -c "timeout 6 cat /dev/zero | tee >(wc -c >$STATE/late.sent) | timeout 60 nc -N $EDGE_IP4 7002" &
    sender=$!
    sleep 0.5
    in_ns "$ORIGIN_NS" nft delete table inet late
    wait "$sender"
    wait_for 10 grep -q . "$STATE/late.sum"
    sent=$(cat "$STATE/late.sent")
    is "$((sent >> 20)) MiB to an origin that answers late" "$(head -c "$sent" /dev/zero | sum_of)" \
        "$(cut -d ' ' -f 1 "$STATE/late.sum")" "whole"
    is "the first flight was let go" 1 "$(metric '^byway_held_flights_total{.*released')"
    is "the session was brought to a quiet moment and spliced" "1 0" \
        "$(metric '^byway_quiesced_sessions_total{.*spliced') $(metric '^byway_quiesced_sessions_total{.*released')"
    relayed=$(metric '^byway_relayed_bytes_total')
    holds "and relayed before that alone" "$((relayed >> 20)) MiB of $((sent >> 20)) were not spliced" \
        test "$relayed" -gt 0 -a "$relayed" -lt $((sent / 2))
}

# What term_drains is about here: its transfer is the only session, and splice carries it when the drain begins.
spliced_as_drain_begins() {
    local share
    share=$(spliced_share)
    is "SIGTERM: the only session then is spliced" "1 1" "$(metric '^byway_sessions') $(metric '^byway_spliced_sessions[{ ]')"
    holds "and was from its start" "$share of 1000 bytes, $(metric '^byway_app_bytes_total') in all" test "$share" -ge 990
}
