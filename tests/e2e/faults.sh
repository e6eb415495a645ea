# What the world does wrong: loss on both sides, links that go down, an interface that vanishes.
# Sourced by run.sh. Each case leaves the laboratory as it found it.

# drop_some NS PERCENT: random loss in and out by nft, as there is no netem everywhere.
drop_some() {
    in_ns "$1" nft -f - <<RULES
table inet lossy {
    chain arriving { type filter hook input priority 0; iifname "eth0" numgen random mod 100 < $2 drop; }
    chain leaving { type filter hook output priority 0; oifname "eth0" numgen random mod 100 < $2 drop; }
}
RULES
}
drop_none() { in_ns "$1" nft delete table inet lossy; }

loss_both_ways() {
    make_body lossy 4
    drop_some "$CLIENT_NS" 1 && drop_some "$ORIGIN_NS" 1 || { fail "$SUITE: nft takes the loss rules"; return 0; }
    seconds_of download "http://$EDGE_IP4/lossy"
    is "4 MiB down with 1 % loss on both sides" "$BODY_SUM" "$OUT" "$TOOK s"
    seconds_of upload "$DATA/www/lossy" "http://$EDGE_IP4/upload/lossy"
    is "4 MiB up with 1 % loss on both sides" "$BODY_SUM" "$OUT" "$TOOK s"
    drop_none "$CLIENT_NS"
    drop_none "$ORIGIN_NS"
}

# redress: addresses and routes that the end hosts' kernels forgot with the link.
redress() {
    dress_client "$CLIENT_NS" eth0 >/dev/null 2>&1
    ip -n "$CLIENT_NS" addr replace "$CLIENT6/64" dev eth0 nodad
    ip -n "$CLIENT_NS" route replace default via "$NORTH4" src "$CLIENT4"
    ip -n "$CLIENT_NS" -6 route replace default via "$NORTH6" src "$CLIENT6"
    ip -n "$ORIGIN_NS" addr replace "$ORIGIN6/64" dev eth0 nodad
    ip -n "$ORIGIN_NS" route replace default via "$SOUTH4" src "$ORIGIN4"
    ip -n "$ORIGIN_NS" -6 route replace default via "$SOUTH6"
}

own_link_flaps() {
    local dev
    for dev in edge0 edge1; do
        ip -n "$EDGE_NS" link set "$dev" down
        sleep 1.5
        holds "nothing passes while $dev is down" "" not greets
        ip -n "$EDGE_NS" link set "$dev" up
        wait_for 15 greets
        holds "traffic is back after $dev" "" greets
    done
    holds "byway lives through it" "" daemon_pid byway
}

peer_link_flaps() {
    ip -n "$CLIENT_NS" link set eth0 down
    ip -n "$ORIGIN_NS" link set eth0 down
    sleep 1.5
    ip -n "$CLIENT_NS" link set eth0 up
    ip -n "$ORIGIN_NS" link set eth0 up
    redress
    wait_for 15 greets
    holds "traffic is back after the peers' links" "" greets
}

# The veth pair goes away, the interface under byway with it, and another of the same name comes.
peer_vanishes() {
    ip -n "$CLIENT_NS" link del eth0
    sleep 2
    holds "byway lives without its interface" "" daemon_pid byway
    make_wire "$CLIENT_NS" eth0 "$EDGE_NS" edge0 1500
    redress
    wait_for 30 greets
    holds "traffic is back with a new interface" "" greets
}
