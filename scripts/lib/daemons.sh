# Processes that outlive the script which starts them: noted by pid and start time, stopped by nothing else.
# Sourced after common.sh. STATE is the directory of notes; a pid that was given to another process is left alone.

# start_daemon NAME LOG COMMAND...: in a session of its own, words into LOG; the note is STATE/NAME.pid.
start_daemon() {
    local name=$1 log=$2
    shift 2
    setsid "$@" >>"$log" 2>&1 </dev/null &
    note_pid "$name" $!
    disown $! 2>/dev/null || true
}

note_pid() { printf '%s %s\n' "$2" "$(started_at "$2")" >"$STATE/$1.pid"; }

# started_at PID: its start in clock ticks since boot, the 22nd field of stat (the name may hold blanks).
started_at() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '{ print $20 }'; }

# daemon_pid NAME: the pid, where that same process still runs.
daemon_pid() {
    local pid start
    read -r pid start 2>/dev/null <"$STATE/$1.pid" || return 1
    [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ] && alive "$pid" && printf '%s\n' "$pid"
}

# stop_daemon NAME [SECONDS]: it and its children, deepest first by order of stopping the parent's accept.
stop_daemon() {
    local pid children
    pid=$(daemon_pid "$1") || { rm -f "$STATE/$1.pid"; return 0; }
    children=$(descendants "$pid")
    stop_pid "$pid" "${2:-5}"
    for pid in $children; do kill -TERM "$pid" 2>/dev/null; done
    rm -f "$STATE/$1.pid"
}

# stop_daemons: all that have a note.
stop_daemons() {
    local note
    for note in "$STATE"/*.pid; do
        [ ! -e "$note" ] || { note=${note##*/}; stop_daemon "${note%.pid}"; }
    done
}

# descendants PID: all that it started, and theirs.
descendants() {
    local child
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        printf '%s\n' "$child"
        descendants "$child"
    done
}
