#!/usr/bin/env bash
# rustc as fuzz.sh has cargo call it (RUSTC_WRAPPER): what is fuzzed is compiled so that the fuzzer sees which way it goes, all
# else as `cargo test` compiles it, so that the two share it.
#
# The flags are what cargo-fuzz asks of a nightly compiler, said to a stable one: edges, counters in line, compared values.
# Branches are not folded into branchless code, which would hide half-way successes from the fuzzer.
set -euo pipefail

FUZZED=' byway byway-fuzz rustls smoltcp '
COVERAGE=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Cllvm-args=-two-entry-phi-node-folding-threshold=0 --cfg fuzzing)

# Build scripts run without a fuzzer, also those of what is fuzzed.
if [[ $FUZZED != *" ${CARGO_PKG_NAME:-} "* || $* == *'--crate-name build_script'* ]]; then
    COVERAGE=()
fi
exec "$@" "${COVERAGE[@]}"
