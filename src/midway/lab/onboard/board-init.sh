#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process on the board's own root: what a distribution's init would have set up, then the server of the channel.
export PATH=/opt/midway/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=linux PYTHONPATH=/opt/midway/python PYTHONDONTWRITEBYTECODE=1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mkdir -p /run/lock /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages
date --set "@$(cat /opt/midway/clock)" > /dev/null  # not every board's clock has a driver
echo board > /proc/sys/kernel/hostname
ip link set lo up
# The board's own NIC is the one with this address; what it is called depends on the order of probing.
for nic in /sys/class/net/*; do
    if [ "$(cat "$nic/address")" = 52:54:00:12:34:56 ]; then
        nic=${nic##*/}
        ip link set "$nic" up && ip address add 10.0.2.15/24 dev "$nic" && ip route add default via 10.0.2.2
    fi
done
# Modules to load, one a line with its options: a name, or the file of one that this run brought.
if [ -f /opt/midway/modules ]; then
    while read -r module options; do
        # shellcheck disable=SC2086
        case $module in
            /*) insmod "$module" $options ;;
            *) modprobe "$module" $options ;;
        esac || echo "midway: cannot load $module"
    done < /opt/midway/modules
fi
cd /root || cd /
PYTHONPATH=/opt/midway/channel python3 -S -m midway.lab.onboard.server
echo "midway: the server of the result channel ended with status $?"
busybox poweroff -f
