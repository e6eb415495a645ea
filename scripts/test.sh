#!/usr/bin/env bash
# Installs what is missing and runs every test: the second of the README's two commands, and what .ci/run calls.
# Sections run one after the other, each with its time; a failed one does not stop the rest. `test.sh NAME...` runs
# only the named sections. The last line sums the tests of all sections: `N passed, N failed`.
# The release build, which has one core busy for most of its time, begins beside the first section at the lowest priority. What
# needs a CPU and no quiet runs beside the rest of it, the end-to-end tests and the demo.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
. "$ROOT/scripts/lib/packages.sh"
. "$ROOT/scripts/lib/programs.sh"
cd "$ROOT" || exit 1

LOGS=$(target_dir)/test-logs
# Where everything is built once, what would make the next build faster only costs.
[ "${CI:-}" != true ] || export CARGO_INCREMENTAL=0
SECTIONS=(format shell clippy programs unit release end_to_end demo rehearsal)
BESIDE=(clippy_without_dpdk fuzz bench) BESIDE_PID=''
mkdir -p "$LOGS"

format() { cargo fmt --all --check; }
shell() {
    shellcheck --shell=bash --severity=warning --exclude=SC2034,SC2154,SC1090,SC1091 \
        scripts/*.sh scripts/lib/[!g]*.sh scripts/lib/guest.sh tests/e2e/*.sh .ci/run &&
        shellcheck --shell=dash --severity=warning scripts/lib/guest-init.sh
}
clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
# That it builds without DPDK, too.
clippy_without_dpdk() { cargo clippy --no-default-features --all-targets --locked -- -D warnings; }
programs() { check_programs; }
unit() { cargo test --workspace --locked --no-fail-fast; }
# With DPDK and real hosts; those after it use the release binary, which is what operators run. Waits for the build that
# was begun early, by cargo's lock.
release() { cargo build --release --locked; }
begin_release() {
    nice -n 19 cargo build --release --locked --quiet >"$LOGS/release-early.log" 2>&1 </dev/null &
    # What has ended is no job any more, and its pid may be another's.
    trap 'kill $(jobs -pr) 2>/dev/null' EXIT
}
# Instructions under callgrind, against tests/bench/budget.toml; nothing that is timed, so that all run at once.
bench() {
    local byway words pids=() at code=0
    release || return 1
    byway=$(target_dir)/release/byway words=$(mktemp -d)
    "$byway" bench session --budget-only >"$words/0" 2>&1 & pids+=($!)
    "$byway" bench session --udp --quick --budget-only >"$words/1" 2>&1 & pids+=($!)
    "$byway" bench session --tls --quick --budget-only >"$words/2" 2>&1 & pids+=($!)
    for at in "${!pids[@]}"; do wait "${pids[at]}" || code=1; done
    cat "$words"/*
    rm -rf "$words"
    return "$code"
}
end_to_end() { ./tests/e2e/run.sh; }
demo() { ./scripts/demo.sh; }
rehearsal() { ./scripts/rehearsal.sh; }
# Long enough to try the seeds and find the obvious; `scripts/fuzz.sh --seconds 3600` is for the night.
fuzz() { scripts/fuzz.sh --quick --seconds 15; }

# section NAME: runs the function of that name, its words into a log, and counts what it counted.
section() {
    local name=$1 log=$LOGS/$1.log started=$SECONDS code=0 passed failed
    printf '== %s\n' "$name"
    (set -e; "$name") >"$log" 2>&1 </dev/null || code=$?
    read -r passed failed < <(counted "$log")
    [ $((passed + failed)) -gt 0 ] || { if [ "$code" -eq 0 ]; then passed=1; else failed=1; fi; }
    [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
    printf '   %d passed, %d failed in %d s\n' "$passed" "$failed" $((SECONDS - started))
    if [ "$code" -ne 0 ] || [ "$failed" -gt 0 ]; then
        printf '   the end of %s:\n' "$log"
        grep -E '^(FAIL|failures:|error|test .* FAILED|thread .* panicked)' "$log" | head -n 40 | sed 's/^/   | /'
        tail -n 60 "$log" | sed 's/^/   | /'
    fi
}

# The sections beside another one: in the scheduler's idle class, so that they take what is left over.
begin_beside() {
    [ ${#BESIDE[@]} -gt 0 ] || return 0
    rm -f "$LOGS/beside.count"
    (
        chrt --idle --pid 0 "$BASHPID"
        PASSED=0 FAILED=0
        for name in "${BESIDE[@]}"; do section "$name"; done
        printf '%d %d\n' "$PASSED" "$FAILED" >"$LOGS/beside.count"
    ) >"$LOGS/beside.log" 2>&1 &
    BESIDE_PID=$!
}
# Waits for them where they run, tells what they told, and counts what they counted.
end_beside() {
    local passed=0 failed=1
    [ -n "$BESIDE_PID" ] || return 0
    wait "$BESIDE_PID"
    BESIDE_PID=''
    cat "$LOGS/beside.log"
    read -r passed failed <"$LOGS/beside.count"
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
}

# counted LOG: "passed failed", summed over cargo's `test result:` lines and our own closing lines.
counted() {
    awk '/^test result:/ { p += $4; f += $6 }
        /^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
        END { print p + 0, f + 0 }' "$1"
}

need_root "test.sh"
printf '== packages\n'
install_packages build lab test rehearsal
if [ $# -eq 0 ]; then begin_release; else SECTIONS=("$@") BESIDE=(); fi
for name in "${SECTIONS[@]}"; do
    [ "$(type -t "$name")" = function ] || die "no section $name"
    case $name in
        # The build has one CPU busy, the tests after it wait for most of their time.
        release) begin_beside ;;
        # An emulated machine has a CPU busy itself.
        rehearsal) end_beside ;;
    esac
    section "$name"
done
end_beside
printf '== all sections in %d s\n' "$SECONDS"
tally
