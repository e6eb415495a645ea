# Servers of other makers in the origin namespace that say what they saw: HAProxy and nginx behind PROXY protocol, unbound
# as a DNS server, and our own datagram_origin.py for UDP. Their configs and logs are under STATE.
# Sourced after common.sh, hosts.sh and daemons.sh. `stop_daemons` ends what is started here.

# Ports of the origin: receivers of PROXY protocol; HAProxy without it; DNS, plain and behind PROXY v2.
HAPROXY_PORT=9001 NGINX_PORT=9002 PLAIN_PORT=9003 DNS_PORT=53 DNS_PROXY_PORT=5353
# Of datagram_origin.py, by what it does with a datagram.
ECHO_PORT=7100 SPP_ECHO_PORT=7101 SPP_NONE_PORT=7102 SPP_WRONG_PORT=7103 SPP_TELL_PORT=7104 V2_TELL_PORT=7105
ONCE_PORT=7106 TWICE_PORT=7107 MUTE_PORT=7108 CLOSED_PORT=7109

# start_haproxy NS [ADDRESS...]: in its own words `client port server port` of what the header said; on the further
# addresses without a header.
start_haproxy() {
    local ns=$1 dir=$STATE/haproxy
    shift
    mkdir -p "$dir"
    haproxy_config "$@" >"$dir/haproxy.cfg"
    start_daemon haproxy "$dir/haproxy.log" ip netns exec "$ns" haproxy -db -f "$dir/haproxy.cfg"
    wait_for 10 in_ns "$ns" nc -z "$ORIGIN4" "$HAPROXY_PORT" || { tail -n 20 "$dir/haproxy.log" >&2; return 1; }
}

haproxy_config() {
    local address
    cat <<CONF
defaults
    mode http
    timeout client 10s
    timeout http-keep-alive 10s
frontend receiver
    bind $ORIGIN4:$HAPROXY_PORT,[$ORIGIN6]:$HAPROXY_PORT accept-proxy
    http-request return status 200 content-type text/plain lf-string "haproxy saw %[src] %[src_port] %[dst] %[dst_port]\n"
CONF
    [ $# -eq 0 ] || printf 'frontend plain\n    http-request return status 200 content-type text/plain lf-string "%%[dst]\\n"\n'
    for address in "$@"; do printf '    bind %s:%s\n' "$address" "$PLAIN_PORT"; done
}

# start_nginx_receiver NS: beside the nginx of origin.sh, as its listeners want no header.
start_nginx_receiver() {
    local dir=$STATE/nginx-receiver
    mkdir -p "$dir"
    cat >"$dir/nginx.conf" <<CONF
user root;
worker_processes 1;
daemon off;
pid $dir/nginx.pid;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $dir;
    server {
        listen $ORIGIN4:$NGINX_PORT proxy_protocol;
        listen [$ORIGIN6]:$NGINX_PORT proxy_protocol;
        location / {
            return 200 "nginx saw \$proxy_protocol_addr \$proxy_protocol_port \$proxy_protocol_server_addr \$proxy_protocol_server_port\n";
        }
    }
}
CONF
    start_daemon nginx_receiver "$dir/nginx.log" ip netns exec "$1" nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
    wait_for 10 in_ns "$1" nc -z "$ORIGIN4" "$NGINX_PORT" || { tail -n 20 "$dir"/*.log >&2; return 1; }
}

# start_dns NS ADDRESS...: unbound with the zone lab.test; whom it was asked by is in its log. Behind PROXY v2 it answers
# on the same addresses. `dns_says NAME TYPE DATA` and `dns_forgets NAME` change it as it runs.
start_dns() {
    local ns=$1 dir=$STATE/unbound
    shift
    mkdir -p "$dir"
    dns_config "$dir" "$@" >"$dir/unbound.conf"
    start_daemon unbound "$dir/unbound.log" ip netns exec "$ns" unbound -d -c "$dir/unbound.conf"
    wait_for 10 dns_control status || { tail -n 20 "$dir/unbound.log" >&2; return 1; }
}

dns_config() {
    local dir=$1 address
    shift
    cat <<CONF
server:
    directory: "$dir"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    log-queries: yes
    num-threads: 1
    module-config: "iterator"
    access-control: 0.0.0.0/0 allow
    access-control: ::/0 allow
    proxy-protocol-port: $DNS_PROXY_PORT
    local-zone: "lab.test." static
    local-data: "www.lab.test. 2 IN A 192.0.2.80"
    local-data: "www.lab.test. 2 IN AAAA 2001:db8:80::1"
$(for n in 1 2 3 4 5; do printf '    local-data: '\''large.lab.test. 2 IN TXT "%s %0200d"'\''\n' "$n" 0; done)
CONF
    for address in "$@"; do printf '    interface: %s@%s\n    interface: %s@%s\n' "$address" "$DNS_PORT" "$address" "$DNS_PROXY_PORT"; done
    printf 'remote-control:\n    control-enable: yes\n    control-use-cert: no\n    control-interface: "%s/control"\n' "$dir"
}

dns_control() { unbound-control -c "$STATE/unbound/unbound.conf" "$@"; }
dns_says() { dns_control local_data "$1." 1 IN "$2" "$3" >/dev/null; }
dns_forgets() { dns_control local_data_remove "$1." >/dev/null; }

# start_datagram_origin NS: one line a datagram in its log, DATAGRAM_LOG.
start_datagram_origin() {
    DATAGRAM_LOG=$STATE/datagram_origin.log
    start_daemon datagram_origin "$DATAGRAM_LOG" ip netns exec "$1" /usr/bin/python3 "$ROOT/scripts/lib/datagram_origin.py" \
        "$ORIGIN4" "$ORIGIN6" "echo=$ECHO_PORT" "spp-echo=$SPP_ECHO_PORT" "spp-none=$SPP_NONE_PORT" "spp-wrong=$SPP_WRONG_PORT" \
        "spp-tell=$SPP_TELL_PORT" "v2-tell=$V2_TELL_PORT" "once=$ONCE_PORT" "twice=$TWICE_PORT" "mute=$MUTE_PORT"
    wait_for 10 grep -q '^ready' "$DATAGRAM_LOG" || { tail -n 20 "$DATAGRAM_LOG" >&2; return 1; }
}

# datagrams WORDS...: sends as scripts/lib/datagrams.py says, from the client; one JSON line of what came back.
datagrams() { client /usr/bin/python3 "$ROOT/scripts/lib/datagrams.py" "$@"; }
