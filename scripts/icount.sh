#!/usr/bin/env bash
# Counts the instructions that one more unit of work costs a program, under callgrind, as the difference of two runs.
#
#   icount.sh [--units N] [--toggle FUNCTION] [--json] -- PROGRAM [ARGUMENT ...]
#
# The word {n} in the arguments stands for the units of work: the program runs once with N and once with twice N
# (default: 1000), and start-up falls out of the difference. --toggle counts only inside functions of that name
# (callgrind's pattern, `*` allowed). The count is the same from run to run and on a busy machine: addresses are not
# shuffled, the environment is bare, and glibc is told not to copy by `rep movsb`, of which valgrind counts each byte.
# The last line is the number, or with --json an object: units, instructions_n, instructions_2n, per_unit.
set -euo pipefail

UNITS=1000 TOGGLE='' JSON=no
SECONDS_MAX=900
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

while [ $# -gt 0 ]; do
    case $1 in
        --units | --toggle)
            [ $# -ge 2 ] || die "$1 wants a value"
            if [ "$1" = --units ]; then UNITS=$2; else TOGGLE=$2; fi
            shift 2 ;;
        --json) JSON=yes; shift ;;
        --) shift; break ;;
        *) die "what is $1? $(sed -n 4p "${BASH_SOURCE[0]}")" ;;
    esac
done
[ $# -gt 0 ] || die 'which program?'
[[ $UNITS =~ ^[1-9][0-9]*$ ]] || die "--units $UNITS is no number above 0"
[[ "$*" == *'{n}'* ]] || die 'no argument says {n}'
command -v valgrind >/dev/null || die 'valgrind is missing: apt-get install valgrind'

# Without its own address space layout a container may forbid setarch: counts may then differ by a few per mille.
FIXED=(setarch "$(uname -m)" -R)
"${FIXED[@]}" true 2>/dev/null || FIXED=()
HUGE=$((1 << 40))
TUNABLES=glibc.cpu.hwcaps=-ERMS,-FSRM:glibc.cpu.x86_rep_movsb_threshold=$HUGE:glibc.cpu.x86_rep_stosb_threshold=$HUGE
OPTIONS=(--tool=callgrind --callgrind-out-file=/dev/null)
[ -z "$TOGGLE" ] || OPTIONS+=("--toggle-collect=$TOGGLE")

# count UNITS PROGRAM...: instructions of one run; its words go to standard error when it fails.
count() {
    local units=$1 log number
    shift
    log=$(mktemp)
    if ! env -i PATH="$PATH" GLIBC_TUNABLES="$TUNABLES" timeout "$SECONDS_MAX" \
        "${FIXED[@]}" valgrind "${OPTIONS[@]}" "${@//'{n}'/$units}" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "the program failed with $units units"
    fi
    number=$(awk '/Collected :/ { print $4 }' "$log")
    rm -f "$log"
    [ "${number:-0}" -gt 0 ] || die "nothing was counted${TOGGLE:+: is there a function $TOGGLE?}"
    printf '%s\n' "$number"
}

ONCE=$(count "$UNITS" "$@")
TWICE=$(count $((2 * UNITS)) "$@")
PER_UNIT=$(awk -v once="$ONCE" -v twice="$TWICE" -v units="$UNITS" 'BEGIN { printf "%.2f", (twice - once) / units }')
if [ "$JSON" = yes ]; then
    printf '{"units":%d,"instructions_n":%d,"instructions_2n":%d,"per_unit":%s}\n' "$UNITS" "$ONCE" "$TWICE" "$PER_UNIT"
else
    printf '%s\n' "$PER_UNIT"
fi
