#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first program of a lab guest: loads modules, runs /task, powers off.  /task uses the functions below.
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1

for register in /proc/device-tree/marks@*/reg; do
    [ -e "$register" ] && MARKS=0x$(hexdump -v -n 8 -e '8/1 "%02x"' "$register")
done

# mark N: the VMM records all its counters, labelled N
mark() { devmem "$MARKS" 8 "$1"; }

# say NAME VALUE: a result, for whoever started the guest
say() { echo "midway-guest: $1=$2"; }

# interrupts PATTERN: how many interrupts this guest took for handlers whose line matches
interrupts() {
    awk -v pattern="$1" '$0 ~ pattern { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i } END { print sum + 0 }' \
        /proc/interrupts
}

# registers DEVICE-NAME: the guest address of the first region of the node below the platform bus with that name
registers() {
    path=$(find /proc/device-tree/ -name "$1" -type d | head -n 1)
    echo "0x$(hexdump -v -n 8 -e '8/1 "%02x"' "$path/reg")"
}

# await_value FILE VALUE: until the file says so, at most 10 seconds
await_value() {
    tries=0
    until [ "$(cat "$1")" = "$2" ] || [ $tries -ge 1000 ]; do
        tries=$((tries + 1))
        usleep 10000
    done
}

mark 1
while read -r module; do
    insmod "$module" || say failed "insmod $module"
done </modules.list
. /task
say finished yes
poweroff -f
