# UDP apps with real peers: dig against unbound, Simple Proxy Protocol and PROXY v2 against an origin that decodes them by
# itself, datagrams as long as the MTU, what ends a session and which event tells of it.
# Sourced by run.sh.

UDP_IDLE_S=3

udp_edge() { printf '[udp]\nidle_timeout_s = %s\nunanswered_timeout_s = 2\n' "$UDP_IDLE_S"; }

# udp_app PORT ORIGIN-PORT ID [FIELDS]: PORT leads to the origin's IPv4 address, and PORT + 1 to its IPv6 address as ID-6.
udp_app() {
    local fields=${4:-{\}}
    app "udp/$1" "udp://$ORIGIN4:$2" "$3.example.com" | with "{id: \"$3\"}" | with "$fields"
    app "udp/$(($1 + 1))" "udp://[$ORIGIN6]:$2" "$3-6.example.com" | with "{id: \"$3-6\"}" | with "$fields"
}

udp_apps() {
    udp_app 53 "$DNS_PORT" dns
    udp_app 5300 "$DNS_PROXY_PORT" dns-v2 '{proxy_protocol: "v2", proxy_every_datagram: true}'
    udp_app 6000 "$ECHO_PORT" echo
    udp_app 6010 "$SPP_ECHO_PORT" spp-echo '{proxy_protocol: "simple"}'
    udp_app 6020 "$SPP_NONE_PORT" spp-none '{proxy_protocol: "simple"}'
    udp_app 6030 "$SPP_WRONG_PORT" spp-wrong '{proxy_protocol: "simple"}'
    udp_app 6040 "$SPP_TELL_PORT" spp-tell '{proxy_protocol: "simple", amplification_limit: 20}'
    udp_app 6050 "$V2_TELL_PORT" v2-once '{proxy_protocol: "v2", amplification_limit: 20}'
    udp_app 6060 "$V2_TELL_PORT" v2-each '{proxy_protocol: "v2", amplification_limit: 20, proxy_every_datagram: true}'
    udp_app 6070 "$ONCE_PORT" once
    udp_app 6080 "$TWICE_PORT" twice
    udp_app 6090 "$MUTE_PORT" mute
    udp_app 6100 "$CLOSED_PORT" closed
    udp_app 6110 "$ECHO_PORT" guarded '{ip_firewall: true}'
}

start_udp_origins() { start_dns "$ORIGIN_NS" "$ORIGIN4" "$ORIGIN6" && start_datagram_origin "$ORIGIN_NS"; }

# for_both COMMAND...: with `ADDRESS OFFSET FAMILY`: an IPv4 client with an IPv4 origin, IPv6 with IPv6.
for_both() { "$@" "$EDGE_IP4" 0 IPv4 && "$@" "$EDGE_IP6" 1 IPv6; }
# across COMMAND...: the same with the origin of the other family.
across() { "$@" "$EDGE_IP4" 1 "IPv4, IPv6 origin" && "$@" "$EDGE_IP6" 0 "IPv6, IPv4 origin"; }

udp() {
    for_both dns_answers
    across dns_answers
    for_both large_answers
    for_both dns_behind_proxy
    for_both spp_is_echoed
    across spp_is_echoed
    for_both bad_replies_are_dropped
    for_both v2_heads_the_first
    for_both v2_heads_each
    for_both empty_datagrams
    spp_fragments
    for_both spp_too_big
    across spp_too_big
    for_both fragments_and_strangers
    blocked_client
    for_both ends_by_the_origin
    for_both ends_by_time
}

# ask ADDRESS PORT NAME TYPE: dig's short answer, without a second try.
ask() { client dig +short +tries=1 +time=2 -p "$2" "@$1" "$3" "$4" 2>&1; }

dns_answers() {
    is "dig over $3" 192.0.2.80 "$(ask "$1" $((53 + $2)) www.lab.test A)"
    is "dig for AAAA over $3" 2001:db8:80::1 "$(ask "$1" $((53 + $2)) www.lab.test AAAA)"
}

# An answer of a thousand bytes to a question of eighty: held back by the guard, let through where the app allows it.
large_answers() {
    local before port=$((53 + $2)) limit
    before=$(metric 'reason="amplification_limited"')
    holds "a large answer is held back over $3" "$(ask "$1" "$port" large.lab.test TXT | head -n 1)" \
        not grows_to "$1" "$port"
    holds "and counted" "amplification_limited $before -> $(metric 'reason="amplification_limited"')" \
        test "$(metric 'reason="amplification_limited"')" -gt "$before"
    set_limit "udp/$port" 20
    wait_for 5 grows_to "$1" "$port"
    is "with amplification_limit 20 it comes" 5 "$(ask "$1" "$port" large.lab.test TXT | grep -c '^"[1-5] 0')" "5 strings of 202 bytes"
    set_limit "udp/$port" 3
}
grows_to() { [ "$(ask "$1" "$2" large.lab.test TXT | grep -c '^"')" = 5 ]; }
set_limit() {
    edit_tables '(.accounts[0].zones[0].apps[] | select(.protocol == $protocol)).amplification_limit = $limit' \
        --arg protocol "$1" --argjson limit "$2"
}

# unbound reads PROXY v2 on every datagram; its log says whom it heard.
dns_behind_proxy() {
    local log=$STATE/unbound/unbound.log own=$CLIENT4
    [ "$2" = 0 ] || own=$CLIENT6
    is "dig against unbound behind PROXY v2 over $3" 192.0.2.80 "$(ask "$1" $((5300 + $2)) www.lab.test A)"
    is "unbound saw the client itself" "$own www.lab.test. A IN" "$(tail -n 1 "$log" | sed 's/.*info: //')"
}

# told N JQ-PATH: of the answer to the Nth datagram in TOLD. own: the client's own socket in TOLD.
told() { jq -r ".sent[$1].$2" <<<"$TOLD"; }
own() { jq -r '"\(.address) \(.port)"' <<<"$TOLD"; }

spp_is_echoed() {
    TOLD=$(datagrams "$1" $((6040 + $2)) first second)
    is "a SPP origin saw the client over $3" "SPP $(own) $1 $((6040 + $2)), 5 bytes, sha256 $(told 0 sha256)" "$(told 0 answer)"
    is "and so with the next datagram" "SPP $(own) $1 $((6040 + $2)), 6 bytes, sha256 $(told 1 sha256)" "$(told 1 answer)"
    TOLD=$(datagrams "$1" $((6010 + $2)) size:1200 two '')
    is "SPP both ways leaves the payload alone" "$(told 0 sha256) two " "$(told 0 answer_sha256) $(told 1 answer) $(told 2 answer)" \
        "1200 bytes, sha256 $(told 0 sha256 | cut -c 1-16)..., then 3, then none"
}

bad_replies_are_dropped() {
    local port what before
    for port in 6020 6030; do
        [ "$port" = 6020 ] && what="without a header" || what="with another client's header"
        before=$(metric 'reason="proxy_header_bad"')
        TOLD=$(datagrams "$1" $((port + $2)) --wait 0.3 one)
        is "a reply $what does not come over $3" "null $((before + 1))" "$(told 0 answer) $(metric 'reason="proxy_header_bad"')" \
            "proxy_header_bad $before -> $((before + 1))"
    done
}

v2_heads_the_first() {
    TOLD=$(datagrams "$1" $((6050 + $2)) one two three)
    is "PROXY v2 heads the first datagram over $3" "v2 $(own) $1 $((6050 + $2)): one" "$(told 0 answer)"
    is "and no later one" "no header: two, no header: three" "$(told 1 answer), $(told 2 answer)"
}
v2_heads_each() {
    TOLD=$(datagrams "$1" $((6060 + $2)) one two)
    is "proxy_every_datagram heads each over $3" \
        "v2 $(own) $1 $((6060 + $2)): one, v2 $(own) $1 $((6060 + $2)): two" "$(told 0 answer), $(told 1 answer)"
}

empty_datagrams() {
    TOLD=$(datagrams "$1" $((6000 + $2)) '' full '')
    is "datagrams without a byte pass both ways over $3" "<> <full> <>" \
        "<$(told 0 answer)> <$(told 1 answer)> <$(told 2 answer)>" "0, 4 and 0 bytes came back"
    holds "and are of no header for the SPP origin" "" grep -q "^spp-echo .* 0 bytes" "$DATAGRAM_LOG"
}

# snmp NAME: a counter of IPv4 in the origin's kernel.
snmp() {
    in_ns "$ORIGIN_NS" awk -v name="$1" '/^Ip:/ { if (seen) print $at; else for (i = 1; i <= NF; i++) if ($i == name) at = i; seen = 1 }' /proc/net/snmp
}

# 1472 bytes fill an IPv4 packet of 1500; with the header they do not fit, and DF is 0.
spp_fragments() {
    local before whole
    before=$(metric '^byway_udp_fragmented_total') whole=$(snmp ReasmOKs)
    TOLD=$(datagrams "$EDGE_IP4" 6040 size:1472)
    is "a full datagram behind SPP arrives whole" "SPP $(own) $EDGE_IP4 6040, 1472 bytes, sha256 $(told 0 sha256)" "$(told 0 answer)"
    is "in fragments" "$((before + 1)) $((whole + 1))" "$(metric '^byway_udp_fragmented_total') $(snmp ReasmOKs)" \
        "byway fragmented one, the origin's kernel put one together"
}

# With DF (IPv6: always) the sender hears how much fits, but not before it has proven that it is there.
spp_too_big() {
    local fits=1462 full=1472 before
    case $1 in *:*) full=1452 ;; esac
    # Between the families the IP header grows or shrinks by 20 bytes.
    case "$1 $2" in *:*" 0") fits=1482 ;; *.*" 1") fits=1442 ;; esac
    forget_mtus
    before=$(metric 'reason="datagram_too_long"')
    TOLD=$(datagrams "$1" $((6040 + $2)) --df --wait 0.3 "size:$full" "size:$full")
    is "an unproven client is told no MTU over $3" "null null 1500 $((before + 2))" \
        "$(told 0 answer) $(told 1 answer) $(jq .mtu <<<"$TOLD") $(metric 'reason="datagram_too_long"')" "datagram_too_long $before -> $((before + 2))"
    TOLD=$(datagrams "$1" $((6040 + $2)) --df --wait 0.3 one two three "size:$full" "size:$((fits - 1500 + full))")
    is "a proven one is, the header counted" "null $fits" "$(told 3 answer) $(jq .mtu <<<"$TOLD")" "MTU $fits"
    is "and what fits arrives" "$((fits - 1500 + full)) bytes, sha256 $(told 4 sha256)" "$(told 4 answer | sed 's/^[^,]*, //')"
    forget_mtus
}
forget_mtus() {
    ip -n "$CLIENT_NS" route flush cache
    ip -n "$CLIENT_NS" -6 route flush cache
}

# vanishes WHAT REASON MIN DATAGRAMS-WORDS...: no answer, no ICMP error to the client, and at least MIN frames more of that name.
vanishes() {
    local what=$1 reason=$2 least=$3 before
    shift 3
    before=$(metric "reason=\"$reason\"")
    TOLD=$(datagrams "$@")
    is "$what" "null null yes" "$(told 0 answer) $(told 0 error) $([ "$(metric "reason=\"$reason\"")" -ge $((before + least)) ] && echo yes)" \
        "$reason $before -> $(metric "reason=\"$reason\"")"
}

# 2000 bytes leave the client in two fragments. Those of IPv4 the kernel puts together before AF_PACKET's fanout hands them
# over (DPDK asks for that), and the whole is longer than a frame there.
fragments_and_strangers() {
    local reason=frame_truncated least=1
    [ "$2" = 0 ] || reason=ipv6_fragment least=2
    vanishes "a fragmented datagram vanishes over $3" "$reason" "$least" "$1" $((6000 + $2)) --wait 0.5 size:2000
    vanishes "a port without an app says nothing over $3" no_app_port 1 "$1" 9999 --wait 0.5 knock
}

blocked_client() {
    vanishes "a blocked client gets no answer" firewall_blocked 1 "$EDGE_IP4" 6110 --from "$BLOCKED4" --wait 0.5 knock
    TOLD=$(datagrams "$EDGE_IP4" 6110 knock)
    is "another one does" knock "$(told 0 answer)"
}

# ends_as APP WORDS: the events of the session in TOLD, once it is over.
ends_as() {
    local what=$1 wanted=$2 expected=$3
    is "$what" "$expected" "$(events_of "$wanted" "$(own)" | sed 's/ off//g')"
}

ends_by_the_origin() {
    local six=''
    [ "$2" = 0 ] || six=-6
    TOLD=$(datagrams "$1" $((6100 + $2)) --wait 0.3 knock)
    ends_as "an origin's closed port over $3" "closed$six" "originError 521"
    TOLD=$(datagrams "$1" $((6070 + $2)) --wait 0.3 one two)
    is "an origin that goes away had answered" "one null" "$(told 0 answer) $(told 1 answer)"
    ends_as "and its end is told" "once$six" "connect 0 disconnect 447"
    TOLD=$(datagrams "$1" $((6080 + $2)) one)
    ends_as "a client that is gone when a reply comes over $3" "twice$six" "connect 0 disconnect 495"
}

ends_by_time() {
    local six='' started=$EPOCHREALTIME took
    [ "$2" = 0 ] || six=-6
    TOLD=$(datagrams "$1" $((6000 + $2)) one two)
    ends_as "an idle session over $3" "echo$six" "connect 0 disconnect 200"
    took=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d", (b - a) * 1000 }')
    holds "ends after its idle time" "$took ms of $UDP_IDLE_S s" test "$took" -ge $((UDP_IDLE_S * 1000 - 100)) -a "$took" -le $((UDP_IDLE_S * 1000 + 2500))
    is "with its bytes" "6 6" "$(session_events "echo$six" "$(own)" | tail -n 1 | jq -r '"\(.ClientBytes) \(.OriginBytes)"')"
    TOLD=$(datagrams "$1" $((6090 + $2)) --wait 0.1 one two three)
    ends_as "an origin that never answers over $3" "mute$six" "originError 522"
}
