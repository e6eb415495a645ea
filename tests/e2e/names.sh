# `origin_dns` with a real name server: unbound on the edge's own network, which byway's control side asks; the records lead
# real connections to HAProxy, which says at which of the origin's addresses it was reached.
# Sourced by run.sh.

FIRST4=192.0.2.11 SECOND4=192.0.2.12 FIRST6=2001:2:0:2::11 SECOND6=2001:2:0:2::12

# The record's own TTL of a second counts. The name server is there on both families.
names_edge() { printf '[dns]\nresolvers = ["127.0.0.1:53", "[::1]:53"]\nttl_min_s = 1\ntimeout_ms = 500\nattempts = 1\n'; }

# name_app PORT NAME TYPE [FIELDS]
name_app() {
    app "tcp/$1" "" "$2" | with "{id: \"name-$1\", origin_dns: {name: \"$2\", type: \"$3\"}, origin_port: $PLAIN_PORT} | del(.origin_direct)"
}
names_apps() {
    name_app 8401 four.lab.test A
    name_app 8402 six.lab.test AAAA
    name_app 8403 both.lab.test ''
    name_app 8404 _plain._tcp.lab.test SRV | with '{} | del(.origin_port)'
    name_app 8405 nobody.lab.test A
    name_app 8406 forbidden.lab.test A
}

start_names() {
    local address
    for address in "$FIRST4/32" "$SECOND4/32"; do ip -n "$ORIGIN_NS" addr add "$address" dev eth0 || return 1; done
    for address in "$FIRST6/128" "$SECOND6/128"; do ip -n "$ORIGIN_NS" addr add "$address" dev eth0 nodad || return 1; done
    start_haproxy "$ORIGIN_NS" "$FIRST4" "$SECOND4" "[$FIRST6]" "[$SECOND6]" || return 1
    in_ns "$EDGE_NS" sysctl -q -w net.ipv6.conf.lo.disable_ipv6=0 || return 1
    start_dns "$EDGE_NS" 127.0.0.1 ::1 || return 1
    dns_says four.lab.test A "$FIRST4"
    dns_says six.lab.test AAAA "$FIRST6"
    dns_says both.lab.test A "$FIRST4"
    dns_says _plain._tcp.lab.test SRV "10 5 $PLAIN_PORT target.lab.test."
    dns_says target.lab.test AAAA "$FIRST6"
    dns_says forbidden.lab.test A 127.0.0.1
    # Those that were asked for before there was a name server are asked for again.
    wait_for 30 reached 8401 "$FIRST4" && wait_for 30 reached 8402 "$FIRST6" && wait_for 30 reached 8403 "$FIRST4" &&
        wait_for 30 reached 8404 "$FIRST6"
}

# reached PORT ADDRESS: both families' clients come to that address of the origin.
reached() { [ "$(lands "$1")" = "$2 $2" ]; }
lands() { printf '%s %s\n' "$(fetch --max-time 2 "http://$EDGE_IP4:$1/" 2>/dev/null)" "$(fetch --max-time 2 "http://[$EDGE_IP6]:$1/" 2>/dev/null)"; }

names() {
    is "an A record, from both families" "$FIRST4 $FIRST4" "$(lands 8401)"
    is "an AAAA record" "$FIRST6 $FIRST6" "$(lands 8402)"
    is "either, where there is an A" "$FIRST4 $FIRST4" "$(lands 8403)"
    is "an SRV record, by its target's AAAA and its own port" "$FIRST6 $FIRST6" "$(lands 8404)"
    old_and_new
    moves "a changed AAAA record moves new connections" 8402 six.lab.test AAAA "$SECOND6" "$SECOND6"
    moves "so does the target of an SRV record" 8404 target.lab.test AAAA "$SECOND6" "$SECOND6"
    dns_forgets both.lab.test
    moves "a name that has an AAAA instead of its A" 8403 both.lab.test AAAA "$FIRST6" "$FIRST6"
    names_that_lead_nowhere
    silent_name_server
}

# moves WHAT PORT NAME TYPE DATA ADDRESS
moves() {
    local started=$SECONDS
    dns_forgets "$3" && dns_says "$3" "$4" "$5"
    wait_for 15 reached "$2" "$6"
    is "$1" "$6 $6" "$(lands "$2")" "to $6 after $((SECONDS - started)) s"
}

# A connection that is open when the record changes stays where it is: its second request goes to the old address.
old_and_new() {
    local seen=$STATE/old.seen pid
    { printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'; sleep 6; printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'; sleep 1; } |
        client timeout 12 nc "$EDGE_IP4" 8401 >"$seen" 2>&1 &
    pid=$!
    sleep 0.5
    moves "a changed A record moves new connections" 8401 four.lab.test A "$SECOND4" "$SECOND4"
    wait "$pid"
    is "and leaves the open one where it was" "$FIRST4 $FIRST4" "$(grep -E '^[0-9a-f.:]+.?$' "$seen" | tr -d '\r' | paste -s -d ' ')"
}

names_that_lead_nowhere() {
    local case port status event what
    for case in "8405 531 resolveOrigin a name that does not resolve" "8406 532 originError a name that leads to loopback"; do
        read -r port status event what <<<"$case"
        fetch -o /dev/null "http://$EDGE_IP4:$port/" 2>/dev/null
        fetch -o /dev/null "http://[$EDGE_IP6]:$port/" 2>/dev/null
        wait_for 5 two_events "name-$port"
        is "$what, over both families" "$event $status $event $status" \
            "$(jq -r --arg app "name-$port" 'select(.Application == $app) | "\(.Event) \(.Status)"' "$STATE/run/events.jsonl" | paste -s -d ' ')"
    done
}
two_events() { [ "$(grep -c "\"$1\"" "$STATE/run/events.jsonl")" -ge 2 ]; }

# What was last known serves on while nobody answers.
silent_name_server() {
    stop_daemon unbound
    sleep 3
    is "with no name server the last answer serves" "$SECOND4 $SECOND4" "$(lands 8401)"
    start_daemon unbound "$STATE/unbound/unbound.log" ip netns exec "$EDGE_NS" unbound -d -c "$STATE/unbound/unbound.conf"
    wait_for 10 dns_control status
    moves "and a new answer when it is back" 8401 four.lab.test A "$FIRST4" "$FIRST4"
}
