# byway's own generator against byway: clients and origins that follow TCP, a counted flood; and an edge at rest.
# Sourced by run.sh.

GEN_ORIGIN=198.18.1.77

gen_apps() { app tcp/7010 "tcp://$GEN_ORIGIN:80" gen.example.com; }

generate_in() {
    local ns=$1
    shift
    ip netns exec "$ns" "$(byway_bin)" gen "$@" --json
}

start_gen_origins() {
    start_daemon gen_origins "$STATE/gen_origins.json" ip netns exec "$ORIGIN_NS" "$(byway_bin)" gen origins --json \
        --port net_af_packet,iface=eth0 --via "$SOUTH4" --listen "$GEN_ORIGIN" --listen-ports 80 --request 100 --response 3000 &&
        sleep 1
}

clients_meet_origins() {
    local said
    said=$(generate_in "$CLIENT_NS" clients --port net_af_packet,iface=eth0 --via "$NORTH4" --from 198.18.0.64/26 \
        --to "$EDGE_IP4" --to-ports 7010 --rate 200 --count 300 --seconds 60 --requests 3 --request 100 --response 3000)
    is "300 generated clients are answered three times each" "300 900 0 0" \
        "$(jq -r '"\(.done) \(.rounds) \(.reset) \(.timed_out)"' <<<"$said")" "$(jq -c .setup_us <<<"$said")"
    stop_daemon gen_origins 10
    is "generated origins closed as many" "300 900" "$(jq -r '"\(.done) \(.rounds)"' "$STATE/gen_origins.json")"
}

flood_is_counted() {
    local before after
    before=$(drops_of no_app_port)
    generate_in "$CLIENT_NS" syn --port net_af_packet,iface=eth0 --via "$NORTH4" --own 198.18.0.200 --from 198.18.64.0/18 \
        --to "$EDGE_IP4" --to-ports 9 --rate 2000 --count 1000 --order random >"$STATE/flood.json"
    sleep 1
    after=$(drops_of no_app_port)
    is "1000 generated SYNs to a port without an app" "1000 1000" "$(jq .sent_frames "$STATE/flood.json") $((after - before))"
    not generate_in "$CLIENT_NS" syn --port net_af_packet,iface=eth0 --via "$NORTH4" --own 198.18.0.200 --from 198.18.64.0/18 \
        --to 8.8.8.8 --to-ports 9 --rate 1 --count 1
    check "$SUITE: a public destination is refused" "without --public" [ $? -eq 0 ]
}
drops_of() {
    byway_says show counters --json |
        jq "[.counters[] | select(.name == \"byway_dropped_frames_total\" and .labels.reason == \"$1\") | .value] | add // 0"
}

# What an idle edge costs is printed, not asserted: the machine is not ours alone.
idle_edge_rests() {
    local pid before after naps
    pid=$(daemon_pid byway)
    before=$(cpu_ticks "$pid")
    sleep 5
    after=$(cpu_ticks "$pid")
    naps=$(byway_says show workers --json | jq '[.workers[].naps] | add')
    check "$SUITE: an idle worker naps" "$naps naps, $(((after - before) * 100 / ($(getconf CLK_TCK) * 5))) % of a CPU, control side included" \
        [ "$naps" -gt 0 ]
}
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
