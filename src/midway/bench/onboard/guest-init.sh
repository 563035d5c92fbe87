#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first program of a guest that is measured: loads modules, brings the device up, then runs loads as it is told on
# its console.  Nothing is on the console while a load runs.
/bin/busybox mkdir -p /proc /sys /dev /tmp /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin LD_LIBRARY_PATH=/lib/bench
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
exec </dev/console >/dev/console 2>&1
stty -F /dev/console -echo

# say NAME VALUE: for whoever started the guest
say() { echo "midway-bench: $1=$2"; }

# fail WHAT: the guest's last words
fail() {
    say failed "$1"
    poweroff -f
}

# mark N: a VMM that has a register for it records all its counters
MARKS=
for register in /proc/device-tree/marks@*/reg; do
    [ -e "$register" ] && MARKS=0x$(hexdump -v -n 8 -e '8/1 "%02x"' "$register")
done
mark() { [ -z "$MARKS" ] || devmem "$MARKS" 8 "$1"; }

# interrupts: how many this guest took from shared lines (32 and up at the GIC), the console's left out
interrupts() {
    awk '$0 !~ /tty|uart|serial/ {
        count = 0
        for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) count += $i
        if ($i ~ /^GIC/ && $(i + 1) >= 32) sum += count
    } END { print sum + 0 }' /proc/interrupts
}

# first_of COMMAND...: the first line it prints, once it prints one, within 10 s
first_of() {
    tries=0
    until found=$("$@" 2>/dev/null | head -n 1) && [ -n "$found" ]; do
        tries=$((tries + 1))
        [ $tries -ge 1000 ] && return 1
        usleep 10000
    done
    echo "$found"
}

network_interfaces() { ls /sys/class/net | grep -v '^lo$'; }
disks() { ls /sys/block | grep -v -E '^(loop|ram)'; }

while read -r module; do
    [ -z "$module" ] || insmod "$module" || fail "cannot load $module"
done <<END
$(cat /modules.list /more.list)
END
. /settings
case $KIND in
    network)
        interface=$(first_of network_interfaces) || fail "it has no network interface"
        answer=$(sh /network.sh "$interface" "$ADDRESS" "$PEER" 2>&1) || fail "$answer"
        ;;
    disk)
        disk=$(first_of disks) || fail "it has no disk"
        ln -s "$disk" /dev/bench-disk
        ;;
    dma)
        first_of ls /sys/class/dma >/dev/null || fail "it has no DMA channel"
        ;;
esac

say ready yes
# A host that is gone says nothing any more.
while read -t 600 -r order load; do
    case $order in
        count)
            usleep 100000 # two counts that are the same say that the line was quiet so long
            say interrupts "$(interrupts)"
            ;;
        run)
            mark 2
            sh "/loads/$load" >/tmp/output 2>&1 </dev/null
            status=$?
            mark 3
            say done "$status"
            ;;
        tell) say output "$(gzip -c /tmp/output | base64 -w 0)" ;;
        *) break ;;
    esac
done
poweroff -f
