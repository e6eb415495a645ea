# The edge of the laboratory: its boot config and table for each kind of port, the helpers that some kinds need
# (a testpmd that bridges vhost to the wires, a kernel that routes to taps), and byway itself.
# Sourced after common.sh, hosts.sh and daemons.sh. Reads PORT, WORKERS, STATE, EDGE_NS; everything it writes is under STATE.

BYWAY_USER=byway
EDGE_HUGEPAGES=512

# edge_device N: the device string of the Nth port.
edge_device() {
    case $PORT in
        af_packet) echo "net_af_packet,iface=edge$1" ;;
        af_xdp) echo "net_af_xdp,iface=edge$1" ;;
        tap) echo "net_tap,iface=tap$1" ;;
        virtio-user) echo "net_virtio_user,path=$STATE/run/vhost$1.sock,queues=1,queue_size=1024" ;;
    esac
}

# plan_edge: which addresses byway and its neighbours have; the taps' nets where a kernel stands between.
plan_edge() {
    PORT_N4=$NORTH4 PORT_N6=$NORTH6 PORT_S4=$SOUTH4 PORT_S6=$SOUTH6
    VIA_N4=$CLIENT4 VIA_N6=$CLIENT6 VIA_S4=$ORIGIN_LINK4 VIA_S6=$ORIGIN6
    [ "$PORT" = tap ] || return 0
    PORT_N4=198.18.10.1 PORT_N6=2001:2:0:10::1 PORT_S4=198.18.11.1 PORT_S6=2001:2:0:11::1
    VIA_N4=198.18.10.2 VIA_N6=2001:2:0:10::2 VIA_S4=198.18.11.2 VIA_S6=2001:2:0:11::2
    EGRESS4=198.18.11.10 EGRESS6=2001:2:0:11::10
}

# write_edge_config FILE [BASE]: the boot config. BASE is the operator's: paths and listeners are the laboratory's, and
# what it does not say of ports, routes, egress and workers comes from the plan.
write_edge_config() {
    local file=$1 base=${2:-/dev/null}
    {
        edge_paths | if [ -n "${API_PORT:-}" ]; then grep -v '^tables = '; else cat; fi
        awk '/^[ \t]*\[/ { table = 1 }
            table || !/^[ \t]*(tables|state_dir|socket|metrics|events|lab|user|origin_allow)[ \t]*=/' "$base"
        grep -q '^[[:space:]]*drain_s' "$base" || [ "$base" != /dev/null ] || echo 'drain_s = 30'
        grep -q '^\[workers\]' "$base" || printf '\n[workers]\ncount = %s\n' "$WORKERS"
        grep -q '^\[memory\]' "$base" || printf '\n[memory]\nhugepages = "auto"\n'
        grep -q '^\[edge_pool\]' "$base" || printf '\n[edge_pool]\nipv4 = ["%s"]\nipv6 = ["%s"]\n' "$EDGE_POOL4" "$EDGE_POOL6"
        grep -q '^\[\[ports\]\]' "$base" || edge_ports
        grep -q '^\[\[routes\]\]' "$base" || edge_routes
        [ -z "${API_PORT:-}" ] || grep -q '^\[api\]' "$base" || api_section "$API_PORT"
        grep -q '^\[egress\]' "$base" || printf '\n[egress]\nipv4 = ["%s"]\nipv6 = ["%s"]\n' "$EGRESS4" "$EGRESS6"
    } >"$file"
}

edge_paths() {
    cat <<CONF
tables = "$STATE/tables.json"
state_dir = "$STATE/state"
socket = "$STATE/run/byway.sock"
metrics = "127.0.0.1:9180"
events = "$STATE/run/events.jsonl"
user = "$BYWAY_USER"
lab = true
origin_allow = ["192.0.2.0/24", "198.18.0.0/15", "2001:2::/48"]
CONF
}

edge_ports() {
    cat <<CONF

[[ports]]
name = "north"
device = "$(edge_device 0)"
mtu = $MTU
addresses = ["$PORT_N4/24", "$PORT_N6/64"]

[[ports]]
name = "south"
device = "$(edge_device 1)"
mtu = $MTU
addresses = ["$PORT_S4/24", "$PORT_S6/64"]
CONF
}

edge_routes() {
    edge_route 0.0.0.0/0 "$VIA_N4" north
    edge_route ::/0 "$VIA_N6" north
    edge_route 192.0.2.0/24 "$VIA_S4" south
    [ "$PORT" = tap ] || return 0
    edge_route 198.18.1.0/24 "$VIA_S4" south
    edge_route 2001:2:0:2::/64 "$VIA_S6" south
}
edge_route() { printf '\n[[routes]]\nto = "%s"\nvia = "%s"\nport = "%s"\n' "$@"; }

# write_tables FILE: the two examples of Spectrum's documentation, unchanged, and a rule for the blocked client.
write_tables() {
    cp "$ROOT/config/tables.json" "$1"
    chmod 644 "$1"
}

# prepare_edge: what has to stand before byway starts.
prepare_edge() {
    id -u "$BYWAY_USER" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$BYWAY_USER" || return 1
    install -d -o "$BYWAY_USER" -g "$BYWAY_USER" -m 755 "$STATE/state" "$STATE/run" || return 1
    if [ "$PORT" = virtio-user ]; then start_bridge; fi
}

# A testpmd that carries frames between the wires and the vhost sockets, off the last CPUs, which are the workers'.
start_bridge() {
    start_daemon bridge "$STATE/bridge.log" ip netns exec "$EDGE_NS" dpdk-testpmd --in-memory --single-file-segments \
        --no-pci -m 256 --lcores 0@0,1@0 \
        --vdev "net_vhost0,iface=$STATE/run/vhost0.sock,queues=1" \
        --vdev "net_af_packet0,iface=edge0,qpairs=1,framesz=2048,blocksz=65536,framecnt=4096" \
        --vdev "net_vhost1,iface=$STATE/run/vhost1.sock,queues=1" \
        --vdev "net_af_packet1,iface=edge1,qpairs=1,framesz=2048,blocksz=65536,framecnt=4096" \
        -- --forward-mode=io --portmask=0xf --total-num-mbufs=16384 --no-mlockall --auto-start --stats-period=3600
    wait_for 20 test -S "$STATE/run/vhost1.sock" || { tail -n 20 "$STATE/bridge.log" >&2; return 1; }
    chown "$BYWAY_USER" "$STATE"/run/vhost?.sock
}

# start_byway: returns when it says that it is ready.
start_byway() {
    local bin
    # The log goes on over restarts: an earlier start's word does not count.
    READY_BEFORE=$(ready_words)
    bin=$(byway_bin) || die "no byway binary under $(target_dir): run cargo build --release, or set BYWAY_BIN"
    start_daemon byway "$STATE/byway.log" ip netns exec "$EDGE_NS" "$bin" run --config "$STATE/edge.toml"
    if [ "$PORT" = tap ]; then route_to_taps || return 1; fi
    wait_for 60 byway_settled
    if [ "$(ready_words)" -le "$READY_BEFORE" ]; then
        say "error: byway did not come up; its words:"
        tail -n 30 "$STATE/byway.log" >&2
        return 1
    fi
}
byway_settled() { [ "$(ready_words)" -gt "$READY_BEFORE" ] || ! daemon_pid byway; }
ready_words() {
    local words
    words=$(grep -cs '^byway: ready' "$STATE/byway.log")
    echo "${words:-0}"
}

# The edge's kernel as a router between the veths and the taps that byway made.
route_to_taps() {
    local dev
    for dev in tap0 tap1; do
        wait_for 30 ip -n "$EDGE_NS" link show "$dev" || { tail -n 20 "$STATE/byway.log" >&2; return 1; }
        ip -n "$EDGE_NS" link set "$dev" up
    done
    ip -n "$EDGE_NS" addr replace "$VIA_N4/24" dev tap0 && ip -n "$EDGE_NS" addr replace "$VIA_S4/24" dev tap1 &&
        ip -n "$EDGE_NS" addr replace "$VIA_N6/64" dev tap0 nodad &&
        ip -n "$EDGE_NS" addr replace "$VIA_S6/64" dev tap1 nodad &&
        ip -n "$EDGE_NS" route replace "$PREFIX4" via "$PORT_N4" &&
        ip -n "$EDGE_NS" -6 route replace "$PREFIX6" via "$PORT_N6"
}

# dress_router: the veth side of that kernel; done before the taps are there.
dress_router() {
    in_ns "$EDGE_NS" sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
        net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
    ip -n "$EDGE_NS" addr add "$NORTH4/24" dev edge0 && ip -n "$EDGE_NS" addr add "$SOUTH4/24" dev edge1 &&
        ip -n "$EDGE_NS" addr add "$NORTH6/64" dev edge0 nodad && ip -n "$EDGE_NS" addr add "$SOUTH6/64" dev edge1 nodad &&
        ip -n "$EDGE_NS" route add "$BLOCKED4/32" via "$CLIENT4" &&
        ip -n "$EDGE_NS" route add 192.0.2.0/24 via "$ORIGIN_LINK4"
}

# byway_says ARGS...: the shipped binary asks the running one.
byway_says() { "$(byway_bin)" "$@" --socket "$STATE/run/byway.sock"; }
