# The one list of Debian packages that building, testing and the laboratory need, and the step that installs them.
# Sourced after common.sh. Only git and the Rust toolchain are presumed. Services of the packages are not started.

PACKAGES_BUILD=(build-essential pkg-config libdpdk-dev dpdk libclang-dev clang ca-certificates)
PACKAGES_LAB=(dpdk-dev iproute2 ethtool nftables procps util-linux kmod jq curl openssl nginx-light openssh-server openssh-client
    iperf3 netcat-openbsd socat tcpdump haproxy unbound bind9-dnsutils vsftpd python3 python3-venv)
# Only where there is no node yet: one from elsewhere brings its own npm, which Debian's would not go beside.
PACKAGES_NODE=(nodejs npm)
PACKAGES_TEST=(valgrind shellcheck)
PACKAGES_BENCH=(dpdk-dev haproxy nginx-light libnginx-mod-stream iperf3 wrk openssl valgrind ethtool iproute2 nftables procps util-linux curl jq)
PACKAGES_REHEARSAL=(qemu-system-x86 seabios busybox-static cpio kmod xz-utils)

# install_packages build|lab|test|bench|rehearsal ...: installs what of these groups is missing; a no-op where nothing is.
install_packages() {
    local group wanted=() missing=() name
    for group in "$@"; do
        case $group in
            build) wanted+=("${PACKAGES_BUILD[@]}") ;;
            lab)
                wanted+=("${PACKAGES_LAB[@]}")
                { command -v node && command -v npm; } >/dev/null || wanted+=("${PACKAGES_NODE[@]}")
                ;;
            bench) wanted+=("${PACKAGES_BENCH[@]}") ;;
            test) wanted+=("${PACKAGES_TEST[@]}") ;;
            rehearsal) wanted+=("${PACKAGES_REHEARSAL[@]}") ;;
            *) die "install_packages: no group $group" ;;
        esac
    done
    for name in "${wanted[@]}"; do is_installed "$name" || missing+=("$name"); done
    [ "${#missing[@]}" -gt 0 ] || return 0
    need_root "installing ${missing[*]}"
    say "installing: ${missing[*]}"
    apt_install "${missing[@]}"
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Services stay down: a policy-rc.d of ours says no while dpkg works, and goes away again.
apt_install() {
    local policy=/usr/sbin/policy-rc.d ours='' code=0 log
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=1
    fi
    # A source of the machine's own that does not answer is no reason to stop: the install below tells.
    apt-get update >"$log" 2>&1 </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null || code=$?
    [ -z "$ours" ] || rm -f "$policy"
    [ "$code" -eq 0 ] || { tail -n 30 "$log" >&2; rm -f "$log"; die "apt-get could not install: $*"; }
    rm -f "$log"
    local pair
    for pair in nginx-light:nginx openssh-server:ssh haproxy:haproxy unbound:unbound vsftpd:vsftpd; do
        case " $* " in *" ${pair%:*} "*) disable_unit "${pair#*:}" ;; esac
    done
}

# A server that came in for the laboratory does not come up at the next boot.
disable_unit() {
    command -v systemctl >/dev/null && systemctl disable --quiet "$1" >/dev/null 2>&1
    return 0
}
