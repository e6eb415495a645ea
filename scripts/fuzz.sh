#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz on stable Rust and runs each for a while.
#
#   fuzz.sh [--seconds N] [--quick] [--list] [TARGET ...]
#
# Default: every target, 60 seconds each, as many at a time as there are CPUs; `--quick` builds byway without optimisation, in a
# third of the time, for half as many runs. A target is a file in tests/fuzz/src/bin; its first seeds lie in
# tests/fuzz/corpus/TARGET. What a run learns stays in the build folder (fuzz-corpus/TARGET) and feeds the next. An
# input that breaks a target is left in tests/fuzz/artifacts/TARGET and named; `fuzz.sh --input FILE TARGET` runs it
# again. The last line is `N passed, N failed`, a target each.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

FUZZ=$ROOT/tests/fuzz
SECONDS_EACH=60 INPUT='' LIST=no OPTIMISED=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds | --input)
            [ $# -ge 2 ] || die "$1 wants a value"
            if [ "$1" = --seconds ]; then SECONDS_EACH=$2; else INPUT=$(realpath "$2") || die "no file $2"; fi
            shift 2 ;;
        --quick) OPTIMISED=(--config profile.dev.package.byway.opt-level=0); shift ;;
        --list) LIST=yes; shift ;;
        -*) die "what is $1? $(sed -n 4p "${BASH_SOURCE[0]}")" ;;
        *) break ;;
    esac
done
[[ $SECONDS_EACH =~ ^[1-9][0-9]*$ ]] || die "--seconds $SECONDS_EACH is no number above 0"

TARGETS=("$@")
[ $# -gt 0 ] || mapfile -t TARGETS < <(find "$FUZZ/src/bin" -name '*.rs' -printf '%f\n' | sed 's/\.rs$//' | sort)
[ "$LIST" = no ] || { printf '%s\n' "${TARGETS[@]}"; exit 0; }
for target in "${TARGETS[@]}"; do
    [ -e "$FUZZ/src/bin/$target.rs" ] || die "no target $target in $FUZZ/src/bin"
done

# In the folder and profile of `cargo test`, of which all is taken that is not itself fuzzed.
BUILD=$(target_dir)/fuzz
build() {
    local bins=() target
    # The versions are those of the root's lock file, so that what is fuzzed is what ships.
    [ "$FUZZ/Cargo.lock" -nt "$ROOT/Cargo.lock" ] || cp "$ROOT/Cargo.lock" "$FUZZ/Cargo.lock"
    for target in "${TARGETS[@]}"; do bins+=(--bin "$target"); done
    (cd "$FUZZ" && RUSTC_WRAPPER=$ROOT/scripts/lib/fuzz-rustc.sh CARGO_TARGET_DIR=$(target_dir) \
        cargo "${OPTIMISED[@]}" build --quiet "${bins[@]}")
}

# run TARGET: fuzzes it; its words go to a log, whose end is shown when it fails.
run() {
    local target=$1 learnt=$BUILD/corpus/$1 seeds=$FUZZ/corpus/$1 found=$FUZZ/artifacts/$1 log=$BUILD/$1.log
    local binary folders
    binary=$(target_dir)/debug/$1
    if [ -n "$INPUT" ]; then
        check "$target" "$INPUT" "$binary" "$INPUT"
        return
    fi
    mkdir -p "$learnt" "$found"
    folders=("$learnt")
    [ ! -d "$seeds" ] || folders+=("$seeds")
    if "$binary" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$found/" "${folders[@]}" >"$log" 2>&1 </dev/null; then
        pass "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $SECONDS_EACH s"
    else
        tail -n 40 "$log" >&2
        fail "$target" "$(grep -o 'Test unit written to .*' "$log" | tail -n 1)"
    fi
}

# run_all: in lots of as many as there are CPUs; the words of each lot follow in its order.
run_all() {
    local lot words at target
    words=$(mktemp -d)
    for ((at = 0; at < ${#TARGETS[@]}; at += $(nproc))); do
        lot=("${TARGETS[@]:at:$(nproc)}")
        for target in "${lot[@]}"; do run "$target" >"$words/$target" 2>&1 & done
        wait
        for target in "${lot[@]}"; do
            cat "$words/$target"
            if grep -q '^ok ' "$words/$target"; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
        done
    done
    rm -rf "$words"
}

build || die 'the fuzz targets do not build'
run_all
tally
