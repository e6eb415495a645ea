# What every script shares: words on the screen, the tree's own paths, counting of checks, waiting.
# Sourced, never run. It starts nothing and changes nothing outside the script that sources it.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PASSED=0
FAILED=0

# say TEXT...: a line for the reader, on standard error, so that standard output stays for results.
say() { printf '%s\n' "$*" >&2; }

# die TEXT...: one clear line, exit code 1.
die() { say "error: $*"; exit 1; }

need_root() { [ "$(id -u)" -eq 0 ] || die "$1 needs root (network namespaces and raw sockets): run it with sudo"; }

# target_dir: where cargo builds.
target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$ROOT/target}"; }

# byway_bin: BYWAY_BIN where it is set, else the release binary, else the debug one.
byway_bin() {
    local candidate
    for candidate in "${BYWAY_BIN:-}" "$(target_dir)/release/byway" "$(target_dir)/debug/byway"; do
        [ -n "$candidate" ] && [ -x "$candidate" ] && { printf '%s\n' "$candidate"; return 0; }
    done
    return 1
}

# pass WHAT [PROOF] and fail WHAT [PROOF]: one line a check, counted for `tally`.
pass() { PASSED=$((PASSED + 1)); printf 'ok    %-44s %s\n' "$1" "${2:-}"; }
fail() { FAILED=$((FAILED + 1)); printf 'FAIL  %-44s %s\n' "$1" "${2:-}"; }

# check WHAT PROOF COMMAND...: passes where the command does.
check() {
    local what=$1 proof=$2
    shift 2
    if "$@"; then pass "$what" "$proof"; else fail "$what" "$proof"; fi
}

# tally: the closing line; its code is 0 where nothing failed and something passed.
tally() {
    printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
    [ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
}

# wait_for SECONDS COMMAND...: tries five times a second until the command succeeds or the time is over.
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}

# stop_pid PID [SECONDS]: SIGTERM, then SIGKILL where it does not leave in time. Quiet about a pid that is gone.
stop_pid() {
    local pid=$1 patience=${2:-5} until
    [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null || return 0
    until=$((SECONDS + patience))
    while alive "$pid"; do
        if [ "$SECONDS" -ge "$until" ]; then
            kill -KILL "$pid" 2>/dev/null
            break
        fi
        sleep 0.1
    done
    wait "$pid" 2>/dev/null || true
}

# alive PID: it runs; a zombie does not. One whose other threads still end does: it holds its memory and its sockets.
alive() {
    local state threads
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    threads=("/proc/$1/task/"*)
    [ -n "$state" ] && { [ "$state" != Z ] || [ "${#threads[@]}" -gt 1 ]; }
}
