# The laboratory's hosts: namespaces, the wires between them, and who has which address.
# Sourced after common.sh. It touches only namespaces whose names it is given, and never the machine's own links.
#
#    client ns                      edge ns (no addresses of the kernel's)              origin ns
#   +--------------------+        +--------------------------------------+        +---------------------+
#   | 198.18.0.2         | eth0   | edge0   198.18.0.1       198.18.1.1  |   eth0 | 198.18.1.2          |
#   | 2001:2:0:1::2      +--------+   2001:2:0:1::1    2001:2:0:2::1     +--------+ 2001:2:0:2::2       |
#   | 203.0.113.66 (lo)  |        |                    edge1             |        | 192.0.2.1           |
#   +--------------------+        | egress 198.18.1.10, 2001:2:0:2::10   |        +---------------------+
#    onboarded prefixes           +--------------------------------------+
#    via the edge
# With --port tap the edge's kernel stands between: it routes 198.18.0.0 <-> 198.18.10.0 (tap0) and
# 198.18.1.0 <-> 198.18.11.0 (tap1), and byway has .1 on the taps' nets.

PREFIX4=198.51.100.0/24 PREFIX6=2001:db8::/48
EDGE_IP4=198.51.100.10 EDGE_IP6=2001:db8::1
EDGE_POOL4=198.51.100.128/25 EDGE_POOL6=2001:db8::f000/116
CLIENT4=198.18.0.2 CLIENT6=2001:2:0:1::2 BLOCKED4=203.0.113.66
NORTH4=198.18.0.1 NORTH6=2001:2:0:1::1
SOUTH4=198.18.1.1 SOUTH6=2001:2:0:2::1
ORIGIN4=192.0.2.1 ORIGIN6=2001:2:0:2::2 ORIGIN_LINK4=198.18.1.2
EGRESS4=198.18.1.10 EGRESS6=2001:2:0:2::10

# in_ns NS COMMAND...: runs there; the pid stays that of the caller's child, as `ip netns exec` execs.
in_ns() { ip netns exec "$@"; }

# make_ns NS: a namespace with its loopback up.
make_ns() {
    ip netns add "$1" && ip -n "$1" link set lo up
}

# silence_ns NS: its kernel answers nothing and forwards nothing.
silence_ns() {
    in_ns "$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
        net.ipv4.ip_forward=0 net.ipv4.conf.all.arp_ignore=8 net.ipv4.conf.default.arp_ignore=8
}

# make_wire NS_A DEV_A NS_B DEV_B MTU: a veth pair that behaves like a wire. Offloads are off on both ends: otherwise
# frames arrive with unfilled checksums and larger than the MTU.
make_wire() {
    ip link add "$2" netns "$1" mtu "$5" type veth peer name "$4" netns "$3" mtu "$5" || return 1
    plain_link "$1" "$2" && plain_link "$3" "$4" && ip -n "$1" link set "$2" up && ip -n "$3" link set "$4" up
}

# plain_link NS DEV: no checksum, segmentation or scatter tricks.
plain_link() {
    in_ns "$1" ethtool -K "$2" rx off tx off sg off tso off gso off gro off >/dev/null 2>&1 ||
        in_ns "$1" ethtool -K "$2" tx off sg off tso off gso off gro off >/dev/null
}

# dress_client NS DEV, dress_origin NS DEV: addresses and routes of the two end hosts.
dress_client() {
    ip -n "$1" addr add "$CLIENT4/24" dev "$2" &&
        ip -n "$1" addr add "$CLIENT6/64" dev "$2" nodad &&
        ip -n "$1" addr add "$BLOCKED4/32" dev lo &&
        ip -n "$1" link set "$2" up &&
        ip -n "$1" route add default via "$NORTH4" src "$CLIENT4" &&
        ip -n "$1" -6 route add default via "$NORTH6" src "$CLIENT6"
}
dress_origin() {
    ip -n "$1" addr add "$ORIGIN_LINK4/24" dev "$2" &&
        ip -n "$1" addr add "$ORIGIN4/32" dev "$2" &&
        ip -n "$1" addr add "$ORIGIN6/64" dev "$2" nodad &&
        ip -n "$1" link set "$2" up &&
        ip -n "$1" route add default via "$SOUTH4" src "$ORIGIN4" &&
        ip -n "$1" -6 route add default via "$SOUTH6"
}

# remove_ns NS: with the links in it; quiet where there is none.
remove_ns() { ip netns del "$1" 2>/dev/null || true; }

# reserve_hugepages COUNT FILE, return_hugepages FILE: 2 MiB pages on top of what the machine has; FILE notes how many
# came, so that they go back.
reserve_hugepages() {
    local had now
    had=$(cat /proc/sys/vm/nr_hugepages)
    echo $((had + $1)) >/proc/sys/vm/nr_hugepages 2>/dev/null || true
    now=$(cat /proc/sys/vm/nr_hugepages)
    echo $((now - had)) >"$2"
}
return_hugepages() {
    local count had
    count=$(cat "$1" 2>/dev/null) || return 0
    rm -f "$1"
    had=$(cat /proc/sys/vm/nr_hugepages)
    [ "$count" -gt 0 ] && [ "$had" -ge "$count" ] && echo $((had - count)) >/proc/sys/vm/nr_hugepages
    return 0
}
