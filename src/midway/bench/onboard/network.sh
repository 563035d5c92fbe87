#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# network.sh INTERFACE ADDRESS/PREFIX PEER: the same on the host and in guests.  Until the peer answers, at most 30 s.
ip link set lo up
ip link set "$1" up
ip address add "$2" dev "$1"
uptime() { busybox cut -d . -f 1 /proc/uptime; }
deadline=$(($(uptime) + 30))
until busybox arping -q -f -c 1 -w 1 -I "$1" "$3" 2>/dev/null; do
    if [ "$(uptime)" -ge "$deadline" ]; then
        echo "no answer from $3 on $1"
        exit 1
    fi
    # without a carrier nothing is sent, and arping fails at once
    ip link show dev "$1" | grep -q LOWER_UP || busybox sleep 1
done
