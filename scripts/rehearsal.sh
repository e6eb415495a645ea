#!/usr/bin/env bash
# Bare metal without bare metal: byway by PCI address on vfio-pci in an emulated machine with hugepages, an IOMMU and an
# isolated CPU; client and origin are namespaces of this host on the machine's two NICs (e1000e north, virtio south).
# Shows curl over IPv4 and IPv6, a 64 MiB transfer, a link that goes down and comes back, and SIGTERM draining.
# `rehearsal.sh --wire` puts DPDK's testpmd as a bare wire in byway's place and shows only that frames pass.
# Needs no KVM. Cleans up after itself; the last line is `N passed, N failed`.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/hosts.sh"
. "$ROOT/scripts/lib/daemons.sh"
. "$ROOT/scripts/lib/origin.sh"
. "$ROOT/scripts/lib/talk.sh"
. "$ROOT/scripts/lib/guest.sh"

LAB_NAME=byway-rehearsal-$$
CLIENT_NS=$LAB_NAME-client EDGE_NS=$LAB_NAME-machine ORIGIN_NS=$LAB_NAME-origin
STATE=/run/byway-lab/$LAB_NAME
DATA=${TMPDIR:-/tmp}/byway-lab-$LAB_NAME

main() {
    need_root rehearsal.sh
    install_packages build lab rehearsal
    trap clean EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$STATE" "$DATA"
    fetch_kernel || die "Debian's cloud kernel could not be fetched"
    if [ "${1:-}" = --wire ]; then rehearse_wire; else rehearse_byway; fi
    tally
}

clean() {
    trap '' INT TERM HUP
    stop_daemon qemu
    stop_daemons
    remove_ns "$CLIENT_NS"
    remove_ns "$EDGE_NS"
    remove_ns "$ORIGIN_NS"
    rm -rf "$STATE" "$DATA"
}

# is WHAT EXPECTED SEEN [PROOF]: a check of equality whose proof is what was seen.
is() { if [ "$2" = "$3" ]; then pass "$1" "${4:-$3}"; else fail "$1" "expected '$2', saw '$3'"; fi; }

rehearse_byway() {
    say "== release build"
    (cd "$ROOT" && cargo build --release --locked --quiet) || die "the build failed"
    write_guest_files "$STATE/guest"
    say "== the machine boots ($SECONDS s so far)"
    boot "$(target_dir)/release/byway"
    dress_client "$CLIENT_NS" north && dress_origin "$ORIGIN_NS" south && start_origin "$ORIGIN_NS" || die "no client or origin"
    wait_for 90 edge_settled
    check "byway is ready, by PCI address" "$(grep -ac '^' "$STATE/console.log") lines of console" grep -aq '^byway: ready' "$STATE/console.log"
    rehearse_traffic
    rehearse_flap north "$EDGE_IP4"
    rehearse_flap south "$EDGE_IP4"
    rehearse_drain
    [ "$FAILED" -eq 0 ] || { say "== the machine's console"; tail -n 60 "$STATE/console.log" >&2; }
}
edge_settled() { grep -aqE '^byway: ready|^guest: edge left' "$STATE/console.log" || ! daemon_pid qemu; }

# The boot config and the table of the machine; the client is north on the e1000e, the origin south on the virtio NIC.
write_guest_files() {
    mkdir -p "$1/etc/byway"
    cp "$ROOT/config/tables.json" "$1/etc/byway/tables.json"
    {
        printf 'tables = "/etc/byway/tables.json"
state_dir = "/var/lib/byway"
socket = "/run/byway/byway.sock"
'
        printf 'metrics = "127.0.0.1:9180"
events = "/run/byway/events.jsonl"
user = "byway"
lab = true
origin_allow = ["192.0.2.0/24", "198.18.0.0/15", "2001:2::/48"]
drain_s = 60
'
        printf '\n[workers]\nlcores = [1]\n\n[memory]\nhugepages = "require"\n'
        guest_port north "$GUEST_NORTH" "$NORTH4/24" "$NORTH6/64"
        guest_port south "$GUEST_SOUTH" "$SOUTH4/24" "$SOUTH6/64"
        guest_route 0.0.0.0/0 "$CLIENT4" north
        guest_route ::/0 "$CLIENT6" north
        guest_route 192.0.2.0/24 "$ORIGIN_LINK4" south
        printf '\n[egress]\nipv4 = ["%s"]\nipv6 = ["%s"]\n' "$EGRESS4" "$EGRESS6"
    } >"$1/etc/byway/edge.toml"
    printf '#!/bin/sh\nexec byway run --config /etc/byway/edge.toml\n' >"$1/run-edge"
    chmod 755 "$1/run-edge"
}
guest_port() { printf '\n[[ports]]\nname = "%s"\ndevice = "%s"\nmtu = 1500\naddresses = ["%s", "%s"]\n' "$@"; }
guest_route() { printf '\n[[routes]]\nto = "%s"\nvia = "%s"\nport = "%s"\n' "$@"; }

rehearse_traffic() {
    local body='hello from the origin'
    wait_for 30 fetch -f -o /dev/null "http://$EDGE_IP4/"
    is "curl over IPv4" "$body" "$(fetch "http://$EDGE_IP4/" 2>&1)"
    is "curl over IPv6" "$body" "$(fetch "http://[$EDGE_IP6]/" 2>&1)"
    make_body big 64
    seconds_of download "http://$EDGE_IP4/big"
    is "64 MiB down" "$BODY_SUM" "$OUT" "sha256 ${OUT:0:16}... on both sides, $TOOK s, $(mbit "$TOOK" 64) (emulated CPU)"
    seconds_of upload "$DATA/www/big" "http://[$EDGE_IP6]/upload/big"
    is "64 MiB up" "$BODY_SUM" "$OUT" "sha256 ${OUT:0:16}... on both sides, $TOOK s, $(mbit "$TOOK" 64) (emulated CPU)"
}

# rehearse_flap LINK ADDRESS: the cable is pulled and put back.
rehearse_flap() {
    monitor "set_link $1 off"
    sleep 2
    check "nothing passes while $1 is down" "" not fetch -o /dev/null --max-time 3 "http://$2/"
    monitor "set_link $1 on"
    wait_for 30 fetch -f -o /dev/null --max-time 3 "http://$2/"
    is "traffic is back with $1" "hello from the origin" "$(fetch "http://$2/" 2>&1)"
}
not() { ! "$@" 2>/dev/null; }

# A transfer under way ends well, a new one is not taken, and the process leaves with 0.
rehearse_drain() {
    local sum_file=$STATE/slow.sum transfer
    client curl -sS --max-time 60 --limit-rate 6M "http://$EDGE_IP4/big" | sum_of >"$sum_file" &
    transfer=$!
    sleep 3
    guest 'kill -TERM $(pidof byway)' || say "guest: no kill"
    sleep 1
    check "SIGTERM: a new connection is not taken" "" not fetch -o /dev/null --max-time 3 "http://$EDGE_IP4/"
    wait "$transfer"
    is "SIGTERM: the old transfer arrives whole" "$BODY_SUM" "$(cat "$sum_file")" "64 MiB, sha256 equal"
    wait_for 30 guest test -s /run/edge.exit
    is "SIGTERM: the process leaves with 0" 0 "$(guest cat /run/edge.exit | head -n 1)"
}

# boot PROGRAM: the machine with that program, its wires led into the client's and the origin's namespaces.
boot() {
    make_ns "$CLIENT_NS" && make_ns "$EDGE_NS" && make_ns "$ORIGIN_NS" && make_initramfs "$1" && start_guest "$EDGE_NS" ||
        die "the machine could not be started"
    ip -n "$EDGE_NS" link set north netns "$CLIENT_NS" && ip -n "$EDGE_NS" link set south netns "$ORIGIN_NS" ||
        die "the machine's wires could not be led out"
    plain_link "$CLIENT_NS" north
    plain_link "$ORIGIN_NS" south
    wait_for 120 boot_settled
    check "the machine boots" "$(grep -o 'HugePages_Total.*' "$STATE/console.log")" grep -q 'guest: listening' "$STATE/console.log"
    check "both NICs are with vfio-pci" "$(grep -c 'is with vfio-pci' "$STATE/console.log") NICs, IOMMU groups" \
        test "$(grep -c 'is with vfio-pci, group [0-9]' "$STATE/console.log")" = 2
}

boot_settled() { grep -q 'guest: listening' "$STATE/console.log" || ! daemon_pid qemu; }

rehearse_wire() {
    mkdir -p "$STATE/guest"
    printf '#!/bin/sh\nexec dpdk-testpmd --in-memory -l 0,1 -a %s -a %s -- --forward-mode=io --auto-start --no-mlockall --total-num-mbufs=8192 --stats-period=3600\n' \
        "$GUEST_NORTH" "$GUEST_SOUTH" >"$STATE/guest/run-edge"
    chmod 755 "$STATE/guest/run-edge"
    boot "$(command -v dpdk-testpmd)"
    ip -n "$CLIENT_NS" addr add "$CLIENT4/24" dev north && ip -n "$CLIENT_NS" link set north up
    ip -n "$ORIGIN_NS" addr add 198.18.0.3/24 dev south && ip -n "$ORIGIN_NS" link set south up
    start_daemon listener "$STATE/listener.log" ip netns exec "$ORIGIN_NS" socat TCP-LISTEN:80,fork,reuseaddr SYSTEM:'echo hello'
    wait_for 30 in_ns "$CLIENT_NS" timeout 3 socat -u TCP:198.18.0.3:80,connect-timeout=2 STDOUT
    check "a TCP connection passes the bare wire" "" in_ns "$CLIENT_NS" timeout 5 socat -u TCP:198.18.0.3:80,connect-timeout=2 STDOUT
    stop_daemon listener
    [ "$FAILED" -eq 0 ] || tail -n 40 "$STATE/console.log"
}

main "$@"
