# The rehearsal's machine: Debian's cloud kernel under QEMU's software emulation with an emulated IOMMU, hugepages, an
# isolated CPU and two NICs on vfio-pci, an initramfs of busybox and the program to try.
# Sourced after common.sh, packages.sh, hosts.sh and daemons.sh. The kernel is unpacked into a cache, not installed; all
# else is under STATE.

GUEST_NORTH=0000:00:04.0 GUEST_SOUTH=0000:00:05.0
GUEST_HUGEPAGES=500 GUEST_MEMORY=2500
DPDK_DRIVERS='librte_(net_e1000|net_virtio|bus_pci|bus_vdev|mempool_ring)\.so.*'

# fetch_kernel: KERNEL (vmlinuz) and MODULES (directory) of linux-image-cloud-amd64, from the cache or from Debian.
fetch_kernel() {
    local cache name
    cache=$(target_dir)/rehearsal/kernel
    if ! ls "$cache"/boot/vmlinuz-* >/dev/null 2>&1; then
        mkdir -p "$cache"
        name=$(cloud_kernel) || { apt-get update >/dev/null 2>&1; name=$(cloud_kernel); } || return 1
        (cd "$cache" && rm -f ./*.deb && { apt-get download "$name" >/dev/null 2>&1 ||
            { apt-get update >/dev/null 2>&1; apt-get download "$name" >/dev/null; }; } &&
            dpkg -x ./*.deb . && rm -f ./*.deb) || return 1
    fi
    KERNEL=$(ls "$cache"/boot/vmlinuz-* | tail -n 1)
    MODULES=$(ls -d "$cache"/lib/modules/* | tail -n 1)
}

cloud_kernel() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/ { print $2; found = 1; exit } END { exit !found }'; }

# make_initramfs PROGRAM: an image with /bin/PROGRAM's base name, its libraries and what STATE/guest holds already.
make_initramfs() {
    local tree=$STATE/guest module
    mkdir -p "$tree/bin" "$tree/modules" "$tree/etc" "$tree/tmp" "$tree/usr/lib" "$tree/usr/lib64"
    # As on Debian 12, where the loader's /lib and /lib64 are links.
    ln -sfn usr/lib "$tree/lib" && ln -sfn usr/lib64 "$tree/lib64"
    cp "$(command -v busybox)" "$tree/bin/busybox"
    install -m 755 "$1" "$tree/bin/"
    install -m 755 "$ROOT/scripts/lib/guest-init.sh" "$tree/init"
    printf 'root:x:0:0::/:/bin/sh\nbyway:x:999:999::/nonexistent:/bin/false\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nbyway:x:999:\n' >"$tree/etc/group"
    printf '%s\n' "$GUEST_NORTH" "$GUEST_SOUTH" >"$tree/pci-devices"
    for module in irqbypass vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do
        find "$MODULES" -name "$module.ko" -exec cp {} "$tree/modules/" \;
    done
    copy_libraries "$1" "$tree" || return 1
    (cd "$tree" && find . -print0 | cpio --null -o -H newc --quiet | gzip -1) >"$STATE/initramfs.gz"
}

# Libraries keep their places and symlinks: a driver present twice under different names aborts in EAL. libgcc_s and
# libcrypto are loaded late, so that ldd does not show them everywhere.
copy_libraries() {
    local dir drivers late
    dir=$(dirname "$(find /usr/lib -name 'librte_eal.so.2?' | head -n 1)")
    drivers=$(find "$dir"/dpdk/pmds-* -regextype egrep -regex ".*/$DPDK_DRIVERS")
    late=$(find "$dir" -maxdepth 1 -name 'libcrypto.so.3' -o -maxdepth 1 -name 'libgcc_s.so.1')
    {
        printf '%s\n' $drivers $late
        ldd "$1" $drivers $late | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && NF == 2 { print $1 }' | tr -d ':'
    } | sort -u | while read -r file; do copy_chain "$file" "$2"; done
}

# copy_chain FILE TREE: the file, and each link on the way to it, at the places their real directories have.
copy_chain() {
    local file=$1 next
    while :; do
        file=$(readlink -f "$(dirname "$file")")/$(basename "$file")
        if ! [ -e "$2$file" ] && ! [ -L "$2$file" ]; then
            mkdir -p "$2$(dirname "$file")" && cp -a "$file" "$2$file" || return 1
        fi
        [ -L "$file" ] || return 0
        next=$(readlink "$file")
        case $next in /*) file=$next ;; *) file=$(dirname "$file")/$next ;; esac
    done
}

# start_guest NS: boots it there; its two NICs are the taps `north` and `south`.
start_guest() {
    start_daemon qemu "$STATE/qemu.log" ip netns exec "$1" qemu-system-x86_64 \
        -M q35,kernel-irqchip=off -accel tcg,thread=multi -cpu max -m "$GUEST_MEMORY" -smp 2 \
        -nodefaults -no-user-config -display none -no-reboot \
        -kernel "$KERNEL" -initrd "$STATE/initramfs.gz" \
        -append "console=ttyS0 quiet panic=-1 intel_iommu=on iommu=pt hugepages=$GUEST_HUGEPAGES isolcpus=1 nohz_full=1 rcu_nocbs=1" \
        -serial "file:$STATE/console.log" \
        -chardev "socket,id=words,path=$STATE/words.sock,server=on,wait=off" -serial chardev:words \
        -monitor "unix:$STATE/monitor.sock,server=on,wait=off" \
        -device intel-iommu \
        -netdev tap,id=north,ifname=north,script=no,downscript=no,vnet_hdr=off \
        -device e1000e,netdev=north,addr=4,romfile=,mac=02:00:00:00:00:01 \
        -netdev tap,id=south,ifname=south,script=no,downscript=no,vnet_hdr=off \
        -device virtio-net-pci,netdev=south,addr=5,romfile=,mac=02:00:00:00:00:02,disable-legacy=on,iommu_platform=on
    wait_for 20 ip -n "$1" link show south || { tail -n 20 "$STATE/qemu.log" >&2; return 1; }
}

# guest WORDS...: run in the guest; prints its output, and its exit code is the answer's. QEMU hangs up as soon as our
# side ends, so the line stays open until the answer is there.
guest() {
    local line code=124
    coproc WORDS { exec socat - "UNIX-CONNECT:$STATE/words.sock"; }
    local pid=$WORDS_PID
    printf '%s\n' "$*" >&"${WORDS[1]}"
    while IFS= read -r -t 15 line <&"${WORDS[0]}"; do
        line=${line%$'\r'}
        case $line in
            .[0-9]*) code=${line#.}; break ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return "$code"
}

# monitor WORDS...: a line for QEMU's monitor.
monitor() { printf '%s\n' "$*" | timeout 5 socat -t 1 - "UNIX-CONNECT:$STATE/monitor.sock" >/dev/null; }
