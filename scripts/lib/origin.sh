# Real servers in the origin namespace: Debian's nginx and OpenSSH with configs, keys and logs of their own under STATE.
# Bodies live under DATA, which may be large and is on a disk. Sourced after common.sh, hosts.sh and daemons.sh. Nothing of the machine's own nginx or sshd is read or written.

# start_origin NS: nginx on port 80 (8080 too), sshd on port 22, over both families.
start_origin() {
    start_nginx "$1" && start_sshd "$1"
}

start_nginx() {
    local dir=$STATE/nginx
    mkdir -p "$dir" "$DATA/www" "$DATA/tmp"
    [ -s "$DATA/www/index.html" ] || echo "hello from the origin" >"$DATA/www/index.html"
    nginx_config "$dir" >"$dir/nginx.conf"
    start_daemon nginx "$dir/nginx.log" ip netns exec "$1" nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
    wait_for 10 in_ns "$1" curl -s -o /dev/null "http://$ORIGIN4/" || { tail -n 20 "$dir"/*.log >&2; return 1; }
}

# /whoami tells the address that the origin saw; PUT under /upload/ keeps the body.
nginx_config() {
    cat <<CONF
user root;
worker_processes 1;
daemon off;
pid $1/nginx.pid;
events { worker_connections 4096; }
http {
    access_log $1/access.log;
    client_body_temp_path $DATA/tmp;
    client_max_body_size 0;
    default_type application/octet-stream;
    sendfile on;
    keepalive_timeout 600;
    server {
        listen $ORIGIN4:80 backlog=4096;
        listen $ORIGIN4:8080;
        listen [$ORIGIN6]:80;
        root $DATA/www;
        location = /whoami { return 200 "\$remote_addr\n"; }
        location /upload/ { dav_methods PUT DELETE; create_full_put_path on; }
    }
}
CONF
}

start_sshd() {
    local dir=$STATE/ssh
    mkdir -p "$dir" /run/sshd
    chmod 700 "$dir"
    [ -f "$dir/host_key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/host_key" || return 1
    [ -f "$dir/id" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/id" || return 1
    cp "$dir/id.pub" "$dir/authorized_keys"
    sshd_config "$dir" >"$dir/sshd_config"
    start_daemon sshd "$dir/sshd.log" ip netns exec "$1" /usr/sbin/sshd -D -e -f "$dir/sshd_config"
    wait_for 10 in_ns "$1" nc -z "$ORIGIN4" 22 || { tail -n 20 "$dir/sshd.log" >&2; return 1; }
}

sshd_config() {
    cat <<CONF
ListenAddress $ORIGIN4:22
ListenAddress [$ORIGIN6]:22
HostKey $1/host_key
AuthorizedKeysFile $1/authorized_keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
MaxStartups 100
ClientAliveInterval 15
ClientAliveCountMax 4
Subsystem sftp internal-sftp
CONF
}

# ssh_words: the options of an ssh client that knows the laboratory's key and nothing of the user's own set-up.
ssh_words() {
    printf '%s\n' -F /dev/null -i "$STATE/ssh/id" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10 \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -l root
}
