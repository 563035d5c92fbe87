#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First process on the board's own root: what a distribution's init would have set up, then the server of the channel.
export PATH=/opt/midway/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=linux PYTHONPATH=/opt/midway/python PYTHONDONTWRITEBYTECODE=1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p /run/lock /dev/hugepages
mount -t hugetlbfs hugetlbfs /dev/hugepages
echo board > /proc/sys/kernel/hostname
ip link set lo up
# The board's own network is the first NIC of the emulator; its address there is always the same.
ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
cd /root || cd /
python3 -S -m midway.lab.onboard.server
echo "midway: the server of the result channel ended with status $?"
busybox poweroff -f
