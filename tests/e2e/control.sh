# What an operator does: reloads, bad files, signals, restarts; and what the process may do after it dropped its rights.
# Sourced by run.sh.

# Every thread runs as another user, can gain nothing, and leaves no core.
privileges() {
    local pid task root=0 gains=0 threads=0 allowed
    pid=$(daemon_pid byway) || { fail "$SUITE: byway runs"; return 1; }
    # net_raw, net_admin, sys_nice, ipc_lock: what a port's recovery may need.
    allowed=$(((1 << 13) | (1 << 12) | (1 << 23) | (1 << 14)))
    for task in /proc/"$pid"/task/*/status; do
        threads=$((threads + 1))
        awk '/^[UG]id:/ { for (i = 2; i <= 5; i++) if ($i == 0) bad = 1 } END { exit bad }' "$task" || root=$((root + 1))
        [ "$(awk '/^NoNewPrivs:/ { print $2 }' "$task")" = 1 ] || gains=$((gains + 1))
        [ $((0x$(awk '/^CapEff:/ { print $2 }' "$task") & ~allowed)) -eq 0 ] || gains=$((gains + 1))
    done
    is "no thread of $threads is root after the drop" 0 "$root"
    is "no thread can gain privileges or has needless ones" 0 "$gains"
    is "core dumps are off" 0 "$(awk '/^Max core file size/ { print $5 }' "/proc/$pid/limits")"
}

# 100 reloads while 8 transfers go on and new connections come: none is lost.
reload_under_load() {
    local n pids=() lost=0 pid short=$STATE/short.ok
    make_body steady 24
    for n in $(seq 8); do
        client curl -sS --max-time 60 --limit-rate 2M "http://$EDGE_IP4/steady" 2>&1 | sum_of >"$STATE/steady.$n" &
        pids+=($!)
    done
    two_hundred >"$short" &
    pids+=($!)
    for n in $(seq 100); do
        edit_tables '.accounts[0].zones[0].access_rules[0].notes = $n' --arg n "edit $n"
        sleep 0.1
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for n in $(seq 8); do [ "$(cat "$STATE/steady.$n")" = "$BODY_SUM" ] || lost=$((lost + 1)); done
    is "8 transfers across 100 reloads, none lost" 0 "$lost"
    is "200 connections across 100 reloads, none lost" 200 "$(cat "$short")"
    add_app tcp/8080 "tcp://$ORIGIN4:8080" added.example.com
    wait_for 10 fetch -f -o /dev/null "http://$EDGE_IP4:8080/"
    is "an added app is reached" "hello from the origin" "$(fetch "http://$EDGE_IP4:8080/" 2>&1)"
}

bad_table_keeps_the_old() {
    local pid good=$STATE/tables.good
    pid=$(daemon_pid byway)
    cp "$STATE/tables.json" "$good"
    echo '{"version": 1, "prefixes": [{"cidr": "198.51.100.0/29"}], "accounts": 3}' >"$STATE/tables.json"
    kill -HUP "$pid"
    sleep 2
    holds "a bad table keeps the old one in force" "" greets
    holds "and the log names its places" "$(grep -E '/prefixes/0|/accounts' "$STATE/byway.log" | tail -n 1 | cut -c 1-110)" \
        grep -qE '/prefixes/0' "$STATE/byway.log"
    cp "$good" "$STATE/tables.json.new" && mv "$STATE/tables.json.new" "$STATE/tables.json"
    kill -HUP "$pid"
    sleep 1
    holds "a good one is taken again" "" greets
}

killed_and_started_again() {
    local pid
    pid=$(daemon_pid byway)
    kill -KILL "$pid"
    wait_for 5 not alive "$pid"
    : >"$STATE/byway.log"
    holds "kill -9, then a start" "" "$ROOT/scripts/lab.sh" start
    wait_for 10 greets
    holds "carries traffic again" "" greets
    echo broken >"$STATE/tables.json"
    # At once: a start waits for the listeners of one that is being killed.
    kill -KILL "$(daemon_pid byway)"
    : >"$STATE/byway.log"
    "$ROOT/scripts/lab.sh" start >/dev/null
    holds "a start with a bad table takes the last good one" "" greets
    cp "$STATE/tables.good" "$STATE/tables.json.new" && mv "$STATE/tables.json.new" "$STATE/tables.json"
}

# byway as this script's child, so that its exit code is seen.
term_drains() {
    local pid transfer code=0
    "$ROOT/scripts/lab.sh" stop
    make_body last 16
    : >"$STATE/byway.log"
    ip netns exec "$EDGE_NS" "$(byway_bin)" run --config "$STATE/edge.toml" >>"$STATE/byway.log" 2>&1 &
    pid=$!
    note_pid byway "$pid"
    wait_for 30 greets
    client curl -sS --max-time 60 --limit-rate 4M "http://$EDGE_IP4/last" | sum_of >"$STATE/last.sum" &
    transfer=$!
    sleep 1
    [ "$SUITE" != splice ] || spliced_as_drain_begins
    kill -TERM "$pid"
    sleep 0.5
    holds "SIGTERM: a new connection is not taken" "" not greets
    wait "$transfer"
    is "SIGTERM: the old transfer arrives whole" "$BODY_SUM" "$(cat "$STATE/last.sum")" "16 MiB"
    wait "$pid" || code=$?
    is "SIGTERM: byway leaves with 0" 0 "$code"
}

# A table that is confirmed stays; one that is not goes by itself, also where byway was killed meanwhile.
apply_and_confirm() {
    local byway socket=$STATE/run/byway.sock next=$STATE/next.json old=$STATE/tables.old
    byway=$(byway_bin)
    cp "$STATE/tables.json" "$old"
    jq '.accounts[0].zones[0].apps |= map(select(.protocol != "tcp/80"))' "$old" >"$next"
    holds "what a file would remove is told" "$("$byway" check "$next" --against running --socket "$socket" --config "$STATE/edge.toml" | head -n 1)" \
        grep -q '^- app ' <("$byway" check "$next" --against running --socket "$socket" --config "$STATE/edge.toml")
    holds "a table goes on trial" "" "$byway" apply "$next" --confirm-within 4 --socket "$socket"
    holds "and is in force" "" not greets
    holds "the table file is as it was" "" cmp -s "$old" "$STATE/tables.json"
    wait_for 10 greets
    holds "not confirmed, it goes by itself" "" greets
    holds "which the log says" "$(grep -o 'was not confirmed.*' "$STATE/byway.log" | tail -n 1)" grep -q 'was not confirmed' "$STATE/byway.log"
    "$byway" apply "$next" --confirm-within 30 --socket "$socket" >/dev/null
    kill -KILL "$(daemon_pid byway)"
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts again"; return 1; }
    holds "after kill -9 in its time it is on trial still" "$("$byway" show status --json --socket "$socket" | jq -r .config_source)" not greets
    holds "it is confirmed" "" "$byway" confirm --socket "$socket"
    holds "and the table file has it" "" cmp -s "$next" "$STATE/tables.json"
    "$byway" apply "$old" --confirm-within 1 --socket "$socket" >/dev/null
    kill -KILL "$(daemon_pid byway)"
    sleep 2
    "$ROOT/scripts/lab.sh" start >/dev/null || { fail "$SUITE: byway starts once more"; return 1; }
    holds "after kill -9 beyond its time the table file is in force" "" not greets
    holds "a table is applied for good" "" "$byway" apply "$old" --socket "$socket"
    holds "and carries traffic" "" greets
}
