#!/bin/busybox sh
# PID 1 of the rehearsal's machine: binds both NICs to vfio-pci, starts the program of /run-edge, and does what the host
# asks for over the second serial line: one command a line, its output, then a line `.` with the exit code.
# Runs under busybox in the guest; it is never run on the host.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /var/lib/byway /usr/bin /usr/sbin /sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
exec >/dev/console 2>&1
ip link set lo up
chmod 755 / /run /var /var/lib
mkdir -p /run/byway && chown byway:byway /run/byway /var/lib/byway

for module in irqbypass vfio vfio_virqfd vfio_iommu_type1 vfio-pci-core vfio-pci; do
    insmod "/modules/$module.ko" || echo "guest: no module $module"
done
for device in $(cat /pci-devices); do
    echo vfio-pci >"/sys/bus/pci/devices/$device/driver_override"
    echo "$device" >/sys/bus/pci/drivers_probe
    echo "guest: $device is with $(basename "$(readlink "/sys/bus/pci/devices/$device/driver")"), group $(basename "$(readlink "/sys/bus/pci/devices/$device/iommu_group")")"
done
echo "guest: $(grep HugePages_Total /proc/meminfo), isolated CPUs $(cat /sys/devices/system/cpu/isolated)"

# The edge, its exit code kept for whoever asks.
edge() {
    /run-edge
    echo $? >/run/edge.exit
    echo "guest: edge left with $(cat /run/edge.exit)"
}
edge &

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo "guest: listening"
while read -r words <&3; do
    sh -c "$words" >/tmp/answer 2>&1
    code=$?
    cat /tmp/answer >&3
    printf '\n.%s\n' "$code" >&3
done
