#!/usr/bin/env bash
# Runs the benches of this machine's byway and puts raw JSON, a markdown table and an SVG plot each under bench-results/.
#
#   bench.sh [NAME...]    all of `byway bench list`, or these
#
# It takes 2 GiB of hugepages while it runs, beside those that the machine has: `forward` and its peer keep their frames there.
# BENCH_RESULTS names another folder. The peers (testpmd, HAProxy, nginx, iperf3, wrk, openssl, valgrind) are installed where
# they are missing. It states what falls short of its bound, and what is worse than the results of the last commit; neither
# is a failure, a bench without results is. Leave the machine alone meanwhile: timed rows are ratios to a peer of the same
# minute, and still suffer.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/hosts.sh"

RESULTS=${BENCH_RESULTS:-$ROOT/bench-results}

main() {
    local name arguments
    need_root "bench.sh"
    install_packages build bench
    [ -n "${BYWAY_BIN:-}" ] || (cd "$ROOT" && cargo build --release --locked) || die "byway does not build"
    BYWAY=$(byway_bin) || die "no byway binary under $(target_dir)"
    mkdir -p "$RESULTS"
    # Results of another run keep their machine's description.
    [ $# -ne 0 ] && [ -e "$RESULTS/machine.md" ] || describe >"$RESULTS/machine.md"
    PAGES=$(mktemp)
    trap 'return_hugepages "$PAGES"' EXIT
    reserve_hugepages 1024 "$PAGES"
    while IFS=$'\t' read -r name arguments; do
        [ $# -eq 0 ] || wanted "$name" "$@" || continue
        run "$name" "$arguments"
    done < <("$BYWAY" bench list --json | jq -r '.[] | [.name, .arguments] | @tsv')
    report
    tally
}

wanted() {
    local name=$1 each
    shift
    for each in "$@"; do [ "$each" = "$name" ] && return 0; done
    return 1
}

# run NAME ARGUMENTS: one bench; its last line is its JSON. A row short of its bound ends it with 1, and has results all the same.
run() {
    local name=$1 log
    log=$(mktemp)
    say "-- $name"
    # shellcheck disable=SC2086 # the arguments are words
    "$BYWAY" bench $2 --json >"$log" </dev/null
    if tail -n 1 "$log" | jq -e .rows >/dev/null 2>&1; then
        tail -n 1 "$log" | jq . >"$RESULTS/$name.json"
        pass "$name" "$(jq -r '[.rows[] | select(.ok)] | length' "$RESULTS/$name.json") of $(jq '.rows | length' "$RESULTS/$name.json") rows within their limits"
    else
        fail "$name" "no results"
    fi
    rm -f "$log"
}

# The machine that the results are of.
describe() {
    local tools=() tool
    printf '# The machine of these results\n\n'
    printf -- '- %s\n' "$("$BYWAY" --version)" "$(date -u +%Y-%m-%d)" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs" \
        "$(awk '/^HugePages_Total/ { print $2 }' /proc/meminfo) hugepages" \
        "$(awk '/MemTotal/ { printf "%.0f MiB of memory", $2 / 1024 }' /proc/meminfo)" "Linux $(uname -r), $(. /etc/os-release && echo "$PRETTY_NAME")"
    for tool in dpdk-dev haproxy nginx-light iperf3 wrk valgrind openssl; do
        tools+=("$tool $(dpkg-query -W -f '${Version}' "$tool" 2>/dev/null)")
    done
    printf -- '- %s\n' "$(IFS=,; echo "${tools[*]}" | sed 's/,/, /g')"
}

# Table, plots and what became worse, the results of the last commit beside.
report() {
    local before words=()
    before=$(mktemp -d)
    if git -C "$ROOT" archive HEAD bench-results 2>/dev/null | tar -x -C "$before" 2>/dev/null && [ -d "$before/bench-results" ]; then
        words=(--before "$before/bench-results")
    fi
    check "table and plots" "$RESULTS/table.md" "$BYWAY" bench report "$RESULTS" "${words[@]}"
    rm -rf "$before"
}

main "$@"
