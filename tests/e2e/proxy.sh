# PROXY protocol over TCP: HAProxy and nginx say which client they saw; compared with what the client's own socket says.
# Sourced by run.sh.

# Edge ports by receiver and version; HAProxy is at the origin's IPv4 address, nginx at its IPv6 address.
proxy_apps() {
    app tcp/8101 "tcp://$ORIGIN4:$HAPROXY_PORT" haproxy1.example.com | with '{id: "haproxy1", proxy_protocol: "v1"}'
    app tcp/8102 "tcp://$ORIGIN4:$HAPROXY_PORT" haproxy2.example.com | with '{id: "haproxy2", proxy_protocol: "v2"}'
    app tcp/8201 "tcp://[$ORIGIN6]:$NGINX_PORT" nginx1.example.com | with '{id: "nginx1", proxy_protocol: "v1"}'
    app tcp/8202 "tcp://[$ORIGIN6]:$NGINX_PORT" nginx2.example.com | with '{id: "nginx2", proxy_protocol: "v2"}'
    app tcp/8301 "tcp://$ORIGIN4:7003" line.example.com | with '{proxy_protocol: "v1"}'
    app tcp/8302 "tcp://$ORIGIN4:7004" bytes.example.com | with '{proxy_protocol: "v2"}'
    app tcp/8303 "tcp://$ORIGIN4:$HAPROXY_PORT" bare.example.com
}

# Two origins that hand the header's own bytes back: the line of v1, the first sixteen of v2 in hexadecimal.
start_proxy_receivers() {
    start_haproxy "$ORIGIN_NS" && start_nginx_receiver "$ORIGIN_NS" || return 1
    start_daemon first_line "$STATE/first_line.log" ip netns exec "$ORIGIN_NS" \
        socat "TCP-LISTEN:7003,bind=$ORIGIN4,fork,reuseaddr" 'SYSTEM:head -n 1'
    start_daemon first_bytes "$STATE/first_bytes.log" ip netns exec "$ORIGIN_NS" \
        socat "TCP-LISTEN:7004,bind=$ORIGIN4,fork,reuseaddr" 'SYSTEM:head -c 16 | od -An -tx1'
    all_listen "$ORIGIN_NS" 7003 7004
}

proxy_over_tcp() {
    local address version code=0
    for address in "$EDGE_IP4" "$EDGE_IP6"; do
        for version in 1 2; do
            receiver_sees haproxy "$address" "810$version" "$version"
            receiver_sees nginx "$address" "820$version" "$version"
        done
        headers_are_of_their_version "$address"
    done
    fetch -o /dev/null "http://$EDGE_IP4:8303/" 2>/dev/null || code=$?
    holds "HAProxy ends a connection without a header" "curl's code $code" test "$code" -eq 52 -o "$code" -eq 56
    is "v1 over a connection that says nothing more" "PROXY TCP4 $CLIENT4 $EDGE_IP4" \
        "$(client timeout 5 nc -N "$EDGE_IP4" 8301 </dev/null 2>&1 | cut -d ' ' -f 1-4)"
}

# receiver_sees NAME ADDRESS PORT VERSION: two requests over one connection; curl tells its own end, and that it opened one.
receiver_sees() {
    local name=$1 address=$2 port=$3 version=$4 url seen own family
    case $address in *:*) url="http://[$address]:$port/" family=IPv6 ;; *) url="http://$address:$port/" family=IPv4 ;; esac
    seen=$(fetch -w '%{local_ip} %{local_port} %{remote_ip} %{remote_port} %{num_connects}\n' "$url" "$url" 2>&1)
    own=$(sed -n 2p <<<"$seen")
    is "$name behind v$version sees the client over $family" \
        "$name saw ${own% *}"$'\n'"${own% *} 1"$'\n'"$name saw ${own% *}"$'\n'"${own% *} 0" "$seen" "$(sed -n 1p <<<"$seen")"
    own=${own% * * *}
    is "its events over $family" "connect 0 v$version disconnect 200 v$version" "$(events_of "$name$version" "$own")" "client $own"
}

# events_of APP "ADDRESS PORT": event, status and header of that client's session, once it is over.
events_of() {
    local wanted=$1 client=$2
    wait_for 8 told_as_over "$wanted" "$client"
    session_events "$wanted" "$client" | jq -r '"\(.Event) \(.Status) \(.ProxyProtocol)"' | paste -s -d ' '
}
session_events() {
    jq -c --arg app "$1" --arg client "$2" 'select(.Application == $app and "\(.ClientIP) \(.ClientPort)" == $client)' \
        "$STATE/run/events.jsonl"
}
told_as_over() { session_events "$@" | grep -qv '"Event":"connect"'; }

headers_are_of_their_version() {
    local address=$1 line="TCP4 $CLIENT4" tail='11 00 0c'
    case $address in *:*) line="TCP6 $CLIENT6" tail='21 00 24' ;; esac
    is "the bytes of v1 to $address" "PROXY $line $address" \
        "$(printf 'x\n' | client timeout 5 nc -N "$address" 8301 2>&1 | cut -d ' ' -f 1-4)"
    is "the bytes of v2 to $address" "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 $tail" \
        "$(printf 'x\n' | client timeout 5 nc -N "$address" 8302 2>&1 | xargs)"
}
