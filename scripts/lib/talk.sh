# What a client says to the edge, what the origin's disk holds, what the table file and the counters say.
# Sourced after common.sh, hosts.sh, daemons.sh and origin.sh; reads CLIENT_NS, EDGE_NS, STATE, DATA. Starts no daemon.

CURL=(curl -sS --max-time 120 --connect-timeout 5)

# client COMMAND...: on the client host.
client() { in_ns "$CLIENT_NS" "$@"; }

# fetch URL [OPTIONS]: the body, in few seconds or not at all.
fetch() { client curl -sS --max-time 10 --connect-timeout 4 "$@"; }

# client_ssh ADDRESS COMMAND...: as the laboratory's key.
client_ssh() {
    # shellcheck disable=SC2046  # the options are words without blanks
    client ssh $(ssh_words) "$@"
}

# make_body NAME MIB: random bytes under the origin's web root; its SHA-256 is in BODY_SUM.
make_body() {
    head -c "$2M" /dev/urandom >"$DATA/www/$1"
    BODY_SUM=$(sum_of <"$DATA/www/$1")
}
sum_of() { sha256sum | cut -d ' ' -f 1; }

# download URL, upload FILE URL: the SHA-256 of what arrived.
download() { client "${CURL[@]}" "$1" | sum_of; }
upload() {
    client "${CURL[@]}" -f -o /dev/null -T "$1" "$2" || return 1
    sum_of <"$DATA/www/upload/${2##*/}"
    rm -f "$DATA/www/upload/${2##*/}"
}

# edit_tables JQ-PROGRAM [JQ-ARGS...]: a whole new file in the old one's place, as an editor or `install` does it.
edit_tables() {
    local program=$1
    shift
    jq "$@" "$program" "$STATE/tables.json" >"$STATE/tables.json.new" && chmod 644 "$STATE/tables.json.new" &&
        mv "$STATE/tables.json.new" "$STATE/tables.json"
}

# app PROTOCOL ORIGIN NAME [IP_FIREWALL]: an app on both edge addresses, as JSON.
app() {
    jq -cn --arg protocol "$1" --arg origin "$2" --arg name "$3" --argjson firewall "${4:-false}" \
        --arg four "$EDGE_IP4" --arg six "$EDGE_IP6" '
        {protocol: $protocol, dns: {type: "ADDRESS", name: $name}, origin_direct: [$origin], ip_firewall: $firewall,
         proxy_protocol: "off", tls: "off", traffic_type: "direct", edge_ips: {type: "static", ips: [$four, $six]}}'
}

# with OBJECT: the app on standard input with these fields instead of its own; OBJECT as jq writes it.
with() { jq -c ". + $1"; }

# add_apps: the apps on standard input into the first zone of the live table file.
add_apps() { edit_tables '.accounts[0].zones[0].apps += $apps' --argjson apps "$(jq -s .)"; }

# add_app PROTOCOL ORIGIN NAME: into the first zone of the live table file.
add_app() { edit_tables '.accounts[0].zones[0].apps += [$app]' --argjson app "$(app "$@")"; }

# metric REGEX: the sum of the series that match an awk pattern over `name{labels}`; 0 where there is none.
metric() {
    in_ns "$EDGE_NS" curl -sS --max-time 3 http://127.0.0.1:9180/metrics 2>/dev/null |
        awk -v wanted="$1" '!/^#/ && $0 ~ wanted { sum += $NF } END { printf "%d\n", sum }'
}

# event REGEX: is there such a line among the events?
event() { grep -Eq "$1" "$STATE/run/events.jsonl"; }

# mbit SECONDS MIB: a rate for people.
mbit() { awk -v s="$1" -v m="$2" 'BEGIN { printf "%.0f Mbit/s", m * 8.388608 / (s > 0 ? s : 1) }'; }

# seconds_of COMMAND...: runs it, its output into OUT, the time it took into TOOK.
seconds_of() {
    local started=$EPOCHREALTIME code=0
    OUT=$("$@") || code=$?
    TOOK=$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    return "$code"
}
