# A laboratory for a suite: more apps than the documentation's two, and servers behind them.
# Sourced by run.sh. Leaves nothing behind after close_lab.

export LAB_NAME=byway-e2e-$$
CLIENT_NS=$LAB_NAME-client EDGE_NS=$LAB_NAME-edge ORIGIN_NS=$LAB_NAME-origin
STATE=/run/byway-lab/$LAB_NAME
DATA=${TMPDIR:-/tmp}/byway-lab-$LAB_NAME
LAB_OPEN=0

# open_lab WORDS...: lab.sh up with the tables that traffic.sh and its like want; the servers that nginx and sshd are not.
open_lab() { open_lab_with suite_apps "$@" && start_servers; }

# open_lab_with APPS WORDS...: lab.sh up; the function APPS prints the apps beside the documentation's two.
open_lab_with() {
    "$1" | jq -s --slurpfile tables "$ROOT/config/tables.json" \
        '. as $apps | $tables[0] | .accounts[0].zones[0].apps += $apps' >"$SCRATCH/tables.json"
    shift
    LAB_OPEN=1
    if ! "$ROOT/scripts/lab.sh" up --tables "$SCRATCH/tables.json" "$@" >"$SCRATCH/lab.json"; then
        fail "$SUITE: the laboratory comes up"
        return 1
    fi
    pass "$SUITE: the laboratory comes up" "byway is $(jq .pid "$SCRATCH/lab.json")"
    EGRESS4=$(jq -r '.egress_ips[0]' "$SCRATCH/lab.json") EGRESS6=$(jq -r '.egress_ips[1]' "$SCRATCH/lab.json")
    PORT=$(jq -r .port "$SCRATCH/lab.json") WORKERS=$(jq -r .workers "$SCRATCH/lab.json")
}

start_servers() {
    start_daemon half_close "$STATE/half_close.log" ip netns exec "$ORIGIN_NS" \
        socat -t 10 "TCP-LISTEN:7000,bind=$ORIGIN4,fork,reuseaddr" 'SYSTEM:data=$(cat); sleep 0.3; echo "after your end: $data"'
    start_daemon early_end "$STATE/early_end.log" ip netns exec "$ORIGIN_NS" \
        socat -t 10 "TCP-LISTEN:7001,bind=$ORIGIN4,fork,reuseaddr" "SYSTEM:echo first; exec >&-; cat >$STATE/early_end.got,pipes"
    start_daemon iperf3 "$STATE/iperf3.log" ip netns exec "$ORIGIN_NS" iperf3 -s -B "$ORIGIN4"
    all_listen "$ORIGIN_NS" 7000 7001 5201
}

# all_listen NS PORT...: waits until somebody listens on each of them. Nobody is called: a server of one client at a time, as
# iperf3's, would have its hands full with that.
all_listen() {
    local ns=$1 port
    shift
    for port in "$@"; do
        wait_for 10 listens "$ns" "$port" || { fail "$SUITE: a server listens on port $port"; return 1; }
    done
}
listens() { in_ns "$1" ss -Hltn "sport = :$2" | grep -q .; }

close_lab() {
    [ "$LAB_OPEN" = 1 ] || return 0
    if [ "$FAILED" -gt 0 ] && [ -d "$STATE" ]; then
        mkdir -p "$(target_dir)/test-logs" && cp "$STATE/byway.log" "$(target_dir)/test-logs/e2e-$SUITE-byway.log" 2>/dev/null
    fi
    "$ROOT/scripts/lab.sh" down
    [ -z "${FULL_DISK:-}" ] || umount "$FULL_DISK" 2>/dev/null
    FULL_DISK=''
    LAB_OPEN=0
}

# 7002 has an app and no listener; 81 leads to an IPv6 origin.
suite_apps() {
    app tcp/7000 "tcp://$ORIGIN4:7000" half-close.example.com
    app tcp/7001 "tcp://$ORIGIN4:7001" early-end.example.com
    app tcp/7002 "tcp://$ORIGIN4:7002" refused.example.com
    app tcp/5201 "tcp://$ORIGIN4:5201" iperf.example.com
    app tcp/81 "tcp://[$ORIGIN6]:80" six.example.com
}

# is WHAT EXPECTED SEEN [PROOF]: a check of equality whose proof is what was seen.
is() { if [ "$2" = "$3" ]; then pass "$SUITE: $1" "${4:-$3}"; else fail "$SUITE: $1" "expected '$2', saw '$3'"; fi; }

# holds WHAT PROOF COMMAND...: a check by a command's success.
holds() {
    local what=$1 proof=$2
    shift 2
    if "$@" >/dev/null; then pass "$SUITE: $what" "$proof"; else fail "$SUITE: $what" "$proof"; fi
}
not() { ! "$@" 2>/dev/null; }
greets() { [ "$(fetch --max-time 3 "http://$EDGE_IP4/" 2>/dev/null)" = "hello from the origin" ]; }
