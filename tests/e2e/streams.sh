# What clients and origins of other makers do with whole connections: passive FTP over a range of ports, an origin whose
# FIN comes with its last bytes, and a tenth of the port's rate as UDP without loss.
# Sourced by run.sh.

# vsftpd at each of the origin's addresses: its control port, and the range of its data ports.
FTP_RANGE4=30000-30063 FTP_RANGE6=31000-31063
CORKED_SIZES="1 1000 100000"

streams_apps() {
    local size port=7200
    app tcp/21 "tcp://$ORIGIN4:21" ftp4.example.com
    app "tcp/$FTP_RANGE4" "tcp://$ORIGIN4:$FTP_RANGE4" ftp-data4.example.com
    app tcp/2121 "tcp://[$ORIGIN6]:21" ftp6.example.com
    app "tcp/$FTP_RANGE6" "tcp://[$ORIGIN6]:$FTP_RANGE6" ftp-data6.example.com
    for size in $CORKED_SIZES; do
        app "tcp/$port" "tcp://$ORIGIN4:$port" "corked-$size.example.com"
        app "tcp/$((port + 1))" "tcp://[$ORIGIN6]:$((port + 1))" "corked6-$size.example.com"
        port=$((port + 2))
    done
    app tcp/5201 "tcp://$ORIGIN4:5201" iperf4.example.com
    app tcp/5202 "tcp://[$ORIGIN6]:5202" iperf6.example.com
    # The server's stream comes to a client that has sent one datagram: no guard.
    app udp/5201 "udp://$ORIGIN4:5201" iperf4.example.com | with '{amplification_limit: 0}'
    app udp/5202 "udp://[$ORIGIN6]:5202" iperf6.example.com | with '{amplification_limit: 0}'
}

start_streams() {
    local size port=7200 at corked=()
    start_ftp ftp4 "$ORIGIN4" "$FTP_RANGE4" && start_ftp ftp6 "$ORIGIN6" "$FTP_RANGE6" || return 1
    for size in $CORKED_SIZES; do
        for at in "$ORIGIN4 $port" "$ORIGIN6 $((port + 1))"; do
            # shellcheck disable=SC2086  # address and port are two words
            start_daemon "corked-${at#* }" "$STATE/corked.log" ip netns exec "$ORIGIN_NS" \
                /usr/bin/python3 "$ROOT/tests/e2e/corked_origin.py" "$size" $at
            corked+=("${at#* }")
        done
        port=$((port + 2))
    done
    start_daemon iperf4 "$STATE/iperf4.log" ip netns exec "$ORIGIN_NS" iperf3 -s -B "$ORIGIN4" -p 5201
    start_daemon iperf6 "$STATE/iperf6.log" ip netns exec "$ORIGIN_NS" iperf3 -s -B "$ORIGIN6" -p 5202
    all_listen "$ORIGIN_NS" "${corked[@]}" 5201 5202
}

# start_ftp NAME ADDRESS RANGE: anonymous, with a folder that may be written to; the root itself must not be.
start_ftp() {
    local name=$1 address=$2 range=$3 dir=$STATE/$1
    mkdir -p "$dir/empty" "$DATA/ftp/upload" && chmod 755 "$DATA" "$DATA/ftp" && chown ftp "$DATA/ftp/upload" || return 1
    {
        case $address in
            *:*) printf 'listen=NO\nlisten_ipv6=YES\nlisten_address6=%s\n' "$address" ;;
            *) printf 'listen=YES\nlisten_ipv6=NO\nlisten_address=%s\n' "$address" ;;
        esac
        cat <<CONF
background=NO
secure_chroot_dir=$dir/empty
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_root=$DATA/ftp
pasv_min_port=${range%-*}
pasv_max_port=${range#*-}
port_enable=NO
CONF
    } >"$dir/vsftpd.conf"
    start_daemon "$name" "$dir/vsftpd.log" ip netns exec "$ORIGIN_NS" vsftpd "$dir/vsftpd.conf"
    wait_for 10 in_ns "$ORIGIN_NS" nc -z "$address" 21 || { tail -n 20 "$dir/vsftpd.log" >&2; return 1; }
}

# curl's own words (-v) name the command that opened the data connection.
passive_ftp() {
    local url family words=$STATE/ftp.words
    head -c 8M /dev/urandom >"$DATA/ftp/body"
    BODY_SUM=$(sum_of <"$DATA/ftp/body")
    for url in "ftp://$EDGE_IP4" "ftp://[$EDGE_IP6]:2121" "ftp://[$EDGE_IP6]" "ftp://$EDGE_IP4:2121"; do
        family="${url#ftp://}"
        is "FTP download from $family" "$BODY_SUM" "$(fetch -v "$url/body" 2>"$words" | sum_of)" "8 MiB, sha256 ${BODY_SUM:0:16}..."
        is "by EPSV, to the edge's own port of the range" "EPSV" "$(sed -n 's/^> \(EPSV\|PASV\).*/\1/p' "$words" | tr -d '\r')" \
            "$(grep -m 1 '^< 229' "$words" | tr -d '\r')"
        rm -f "$DATA/ftp/upload/body"
        fetch -T "$DATA/ftp/body" "$url/upload/body" >/dev/null 2>&1
        is "FTP upload to $family" "$BODY_SUM" "$(sum_of <"$DATA/ftp/upload/body")" "8 MiB"
    done
}

# The last bytes and the FIN in one segment, seen so on the wire before byway; all of it comes, and the end.
data_with_fin() {
    local size port=7200 address at
    for size in $CORKED_SIZES; do
        for address in "$EDGE_IP4" "$EDGE_IP6"; do
            for at in "$port" $((port + 1)); do one_corked "$address" "$at" "$size"; done
        done
        port=$((port + 2))
    done
}

one_corked() {
    local address=$1 port=$2 size=$3 capture=$STATE/corked.pcap expected got code=0 pid
    rm -f "$capture"
    in_ns "$ORIGIN_NS" tcpdump -i eth0 -U -w "$capture" "src port $port" 2>"$STATE/tcpdump.words" &
    pid=$!
    wait_for 5 grep -q 'listening on' "$STATE/tcpdump.words"
    expected=$(/usr/bin/python3 -c "import sys; sys.stdout.buffer.write(bytes(n * 7 % 251 for n in range($size)))" | sum_of)
    got=$(client timeout 5 nc -N "$address" "$port" </dev/null | sum_of; exit "${PIPESTATUS[0]}") || code=$?
    wait_for 5 last_segment "$capture"
    stop_pid "$pid"
    is "$size bytes, the last of them with FIN, from $address $port" "$expected 0 yes" "$got $code $(last_segment "$capture" >/dev/null && echo yes)" \
        "$(last_segment "$capture")"
}
# last_segment FILE: the segment with FIN and bytes, as tcpdump writes it.
last_segment() { tcpdump -nr "$1" 2>/dev/null | sed -nE 's/.*(Flags \[F[P.]*\], seq [0-9:]+).*(length [1-9][0-9]*).*/\1, \2/p' | head -n 1 | grep .; }

# How much a veth of this machine carries from one host to the other with nobody between: the most of two short runs flat out
# over a link beside the edge. A tenth of it goes through byway for two seconds each way.
tenth_of_the_rate() {
    local rate tenth
    make_wire "$CLIENT_NS" bare0 "$ORIGIN_NS" bare0 1500 && ip -n "$CLIENT_NS" addr add 198.18.2.1/30 dev bare0 &&
        ip -n "$ORIGIN_NS" addr add 198.18.2.2/30 dev bare0 || { fail "$SUITE: a bare link"; return 0; }
    start_daemon iperf_bare "$STATE/iperf_bare.log" ip netns exec "$ORIGIN_NS" iperf3 -s -B 198.18.2.2
    wait_for 5 in_ns "$ORIGIN_NS" sh -c 'ss -Hltn "src 198.18.2.2 and sport = :5201" | grep -q .'
    rate=$( (bare_rate; bare_rate) | sort -n | tail -n 1)
    ip -n "$CLIENT_NS" link del bare0
    holds "the port's rate, flat out with nobody between" "${rate:-no answer} Mbit/s" test "${rate:-0}" -gt 100 || return 0
    tenth=$((rate / 10))
    no_loss "$tenth" "$EDGE_IP4" 5201 ""
    no_loss "$tenth" "$EDGE_IP4" 5201 -R
    no_loss "$tenth" "$EDGE_IP6" 5202 ""
    no_loss "$tenth" "$EDGE_IP6" 5202 -R
}
# 1400 bytes, as below. What arrived counts, in Mbit/s.
bare_rate() {
    client timeout 10 iperf3 -J -u -b 0 -l 1400 -t 1 -c 198.18.2.2 2>/dev/null |
        jq -r '.end.sum | .bits_per_second * (100 - .lost_percent) / 1e8 | floor'
}

# no_loss MBIT ADDRESS PORT WAY: an iperf3 run. What its receiver's own socket had no room for had come through: on a busy
# machine that process waits for its CPU longer than its buffer lasts. Nothing else may be missing; the run is made up to three
# times for one without either.
no_loss() {
    local receiver=$ORIGIN_NS words packets rate attempt before overrun lost=none
    [ -z "$4" ] || receiver=$CLIENT_NS
    for attempt in 1 2 3; do
        before=$(overruns "$receiver")
        # shellcheck disable=SC2086  # no word at all for the forward direction
        words=$(client timeout 15 iperf3 -J -u -b "$1M" -l 1400 -w 208K -t 2 -c "$2" -p "$3" $4 2>/dev/null |
            jq -r '.end.sum | select(.packets > 100) | "\(.lost_packets) \(.packets) \(.bits_per_second / 1e6 | floor)"' 2>/dev/null)
        overrun=$(($(overruns "$receiver") - before))
        [ -z "$words" ] || lost=$((${words%% *} - overrun))
        [ "$lost $overrun" != "0 0" ] || break
    done
    read -r _ packets rate <<<"$words"
    is "a tenth of it by iperf3 to $2${4:+, reverse}: lost on the way" 0 "$lost" \
        "$lost of $packets at $rate Mbit/s; $overrun in the receiver's socket, run $attempt"
}
# overruns NS: datagrams that its kernel could not give to a full socket.
overruns() {
    in_ns "$1" awk '/^Udp:/ { if (seen) sum += $at; else for (i = 1; i <= NF; i++) if ($i == "RcvbufErrors") at = i; seen = 1 }
        /^Udp6RcvbufErrors/ { sum += $2 } END { print sum + 0 }' /proc/net/snmp /proc/net/snmp6
}
