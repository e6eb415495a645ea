#!/usr/bin/env bash
# A laboratory of three hosts (client, edge, origin) as namespaces, with byway on the edge and nginx and sshd as origins.
#
#   lab.sh up [--port af_packet|af_xdp|virtio-user|tap] [--workers N] [--edge FILE] [--tables FILE | --api] [--mtu N] [--no-byway]
#   lab.sh down
#   lab.sh start | stop        byway alone, in a laboratory that is up
#
# `up` prints one JSON line and leaves everything running. Several stand side by side by LAB_NAME (default: byway).
# --edge FILE: a boot config; paths and listeners are replaced, and ports, routes, egress or workers that it does not
# name are filled in. --api: the API rules instead of a table file; the line has api_url, api_token, api_email,
# api_key, account_id and zone_id, and the URL leads to it from this host and inside the edge. The binary: BYWAY_BIN, else the release or debug build under CARGO_TARGET_DIR (default: target/).
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/hosts.sh"
. "$ROOT/scripts/lib/daemons.sh"
. "$ROOT/scripts/lib/origin.sh"
. "$ROOT/scripts/lib/edge.sh"
. "$ROOT/scripts/lib/api.sh"

LAB_NAME=${LAB_NAME:-byway}
CLIENT_NS=$LAB_NAME-client EDGE_NS=$LAB_NAME-edge ORIGIN_NS=$LAB_NAME-origin
STATE=/run/byway-lab/$LAB_NAME
DATA=${TMPDIR:-/tmp}/byway-lab-$LAB_NAME
PORT=af_packet WORKERS=1 EDGE_FILE='' TABLES_FILE='' MTU=1500 WITH_BYWAY=1 API_PORT=''

main() {
    local verb=${1:-}
    [ $# -eq 0 ] || shift
    case $verb in
        up) parse_words "$@"; need_root lab.sh; up ;;
        down) need_root lab.sh; down ;;
        start) need_root lab.sh; recall; start_byway && describe ;;
        stop) need_root lab.sh; recall; stop_daemon byway 40 ;;
        *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
}

parse_words() {
    while [ $# -gt 0 ]; do
        case $1 in
            --no-byway) WITH_BYWAY=0; shift; continue ;;
            --api) API_PORT=$(free_api_port) || die "no port from 8480 to 8580 is free"; shift; continue ;;
            --port | --workers | --edge | --tables | --mtu) [ $# -ge 2 ] || die "$1 wants a value" ;;
            *) die "no option $1" ;;
        esac
        case $1 in
            --port) PORT=$2 ;;
            --workers) WORKERS=$2 ;;
            --edge) EDGE_FILE=$2 ;;
            --tables) TABLES_FILE=$2 ;;
            --mtu) MTU=$2 ;;
        esac
        shift 2
    done
    case $PORT in af_packet | af_xdp | virtio-user | tap) ;; *) die "--port $PORT: af_packet, af_xdp, virtio-user or tap" ;; esac
    case $WORKERS in '' | *[!0-9]* | 0) die "--workers $WORKERS: a number from 1" ;; esac
    [ -z "$EDGE_FILE" ] || [ -r "$EDGE_FILE" ] || die "--edge $EDGE_FILE cannot be read"
    [ -z "$TABLES_FILE" ] || [ -r "$TABLES_FILE" ] || die "--tables $TABLES_FILE cannot be read"
    [ -z "$API_PORT" ] || [ -z "$TABLES_FILE" ] || die "--api and --tables are two sources of one table"
    [ -z "$API_PORT" ] || [ "$WITH_BYWAY" = 1 ] || die "--api wants byway: the API fills its store"
    [ -z "$EDGE_FILE" ] || [ "$WORKERS" = 1 ] || ! grep -q '^\[workers\]' "$EDGE_FILE" ||
        die "--workers and the [workers] of $EDGE_FILE contradict each other"
}

up() {
    [ ! -e "$STATE/up" ] || die "the laboratory $LAB_NAME is up; lab.sh down takes it away"
    [ "$WITH_BYWAY" = 0 ] || byway_bin >/dev/null || die "no byway binary under $(target_dir): run cargo build --release, or set BYWAY_BIN"
    install_packages lab
    down
    mkdir -p "$STATE" && chmod 755 "$STATE"
    trap 'trap "" INT TERM; down; exit 130' INT TERM HUP
    if ! raise; then
        down
        die "the laboratory $LAB_NAME could not be made"
    fi
    trap - INT TERM HUP
    touch "$STATE/up"
    describe
}

# Everything of `up` that can fail by half.
raise() {
    make_hosts || return 1
    plan_edge
    printf 'PORT=%s WORKERS=%s MTU=%s API_PORT=%s\n' "$PORT" "$WORKERS" "$MTU" "$API_PORT" >"$STATE/plan"
    write_edge_config "$STATE/edge.toml" "${EDGE_FILE:-/dev/null}" || return 1
    if [ -n "$TABLES_FILE" ]; then install -m 644 "$TABLES_FILE" "$STATE/tables.json"; else write_tables "$STATE/tables.json"; fi
    start_origin "$ORIGIN_NS" || return 1
    [ "$WITH_BYWAY" = 1 ] || return 0
    reserve_hugepages "$EDGE_HUGEPAGES" "$STATE/hugepages"
    prepare_edge || return 1
    [ -z "$API_PORT" ] || make_store || return 1
    start_byway || return 1
    [ -z "$API_PORT" ] || { fill_store && lead_to_api "$API_PORT"; }
}

make_hosts() {
    make_ns "$CLIENT_NS" && make_ns "$EDGE_NS" && make_ns "$ORIGIN_NS" || return 1
    [ "$PORT" = tap ] || silence_ns "$EDGE_NS" || return 1
    make_wire "$CLIENT_NS" eth0 "$EDGE_NS" edge0 "$MTU" && make_wire "$ORIGIN_NS" eth0 "$EDGE_NS" edge1 "$MTU" || return 1
    [ "$PORT" != tap ] || dress_router || return 1
    dress_client "$CLIENT_NS" eth0 && dress_origin "$ORIGIN_NS" eth0
}

# recall: the plan of a laboratory that is up.
recall() {
    [ -e "$STATE/up" ] || die "no laboratory $LAB_NAME is up"
    . "$STATE/plan"
    plan_edge
}

# Idempotent; also after an `up` that was interrupted anywhere.
down() {
    [ ! -d "$STATE" ] || {
        stop_daemon byway 10
        stop_daemons
        return_hugepages "$STATE/hugepages"
    }
    remove_ns "$CLIENT_NS"
    remove_ns "$EDGE_NS"
    remove_ns "$ORIGIN_NS"
    rm -rf "$STATE" "$DATA"
}

describe() {
    local api=null
    [ ! -s "$STATE/api.json" ] || api=$(jq -c --arg url "http://127.0.0.1:$API_PORT/client/v4" --rawfile token "$STATE/api.token" \
        --arg email "$API_EMAIL" --rawfile key "$STATE/api.key" --arg socket "$STATE/run/api.sock" \
        '{api_url: $url, api_token: ($token | rtrimstr("\n")), api_email: $email, api_key: ($key | rtrimstr("\n")),
          account_id, zone_id, api_socket: $socket}' "$STATE/api.json")
    jq -cn --argjson api "$api"  --arg client_ns "$CLIENT_NS" --arg edge_ns "$EDGE_NS" --arg origin_ns "$ORIGIN_NS" \
        --arg client4 "$CLIENT4" --arg client6 "$CLIENT6" --arg blocked "$BLOCKED4" \
        --arg north4 "$PORT_N4" --arg north6 "$PORT_N6" --arg south4 "$PORT_S4" --arg south6 "$PORT_S6" \
        --arg origin4 "$ORIGIN4" --arg origin6 "$ORIGIN6" --arg egress4 "$EGRESS4" --arg egress6 "$EGRESS6" \
        --arg edge4 "$EDGE_IP4" --arg edge6 "$EDGE_IP6" --arg prefix4 "$PREFIX4" --arg prefix6 "$PREFIX6" \
        --arg state "$STATE" --arg data "$DATA" --arg port "$PORT" --argjson workers "$WORKERS" --arg pid "$(daemon_pid byway || true)" '
        {client_ns: $client_ns, edge_ns: $edge_ns, origin_ns: $origin_ns,
         client_ips: [$client4, $client6], blocked_client_ip: $blocked,
         edge_port_ips: [$north4, $north6, $south4, $south6], egress_ips: [$egress4, $egress6],
         origin_ips: [$origin4, $origin6], edge_ips: [$edge4, $edge6], prefixes: [$prefix4, $prefix6],
         socket: ($state + "/run/byway.sock"), metrics_url: "http://127.0.0.1:9180/metrics",
         pid: (if $pid == "" then null else ($pid | tonumber) end),
         port: $port, workers: $workers, config: ($state + "/edge.toml"), tables: ($state + "/tables.json"),
         events: ($state + "/run/events.jsonl"), log: ($state + "/byway.log"), state: $state, data: $data} + ($api // {})'
}

main "$@"
