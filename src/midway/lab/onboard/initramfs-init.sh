#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# First process of an emulated board: finds the root disk, puts a scratch layer on it, adds this run's Midway.
set -e
/bin/busybox mkdir -p /proc /sys /dev /disk /scratch /board
bb=/bin/busybox
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
while read -r module; do $bb insmod "$module"; done < /modules.list
# Where the console is a virtio one the kernel could not open it for us before.
exec < /dev/console > /dev/console 2>&1

root=
for disk in /sys/block/vd*; do
    [ "$($bb cat "$disk/serial")" = midway-root ] && root=/dev/${disk##*/}
done
[ -n "$root" ] || { echo "midway: no disk with the serial number midway-root"; $bb poweroff -f; }

$bb mount -t ext4 -o ro "$root" /disk
$bb mount -t tmpfs -o mode=755 scratch /scratch
$bb mkdir /scratch/upper /scratch/work
$bb mount -t overlay -o lowerdir=/disk,upperdir=/scratch/upper,workdir=/scratch/work overlay /board
$bb mkdir -p /board/opt
$bb cp -a /opt/midway /board/opt/
for tree in proc sys dev; do $bb mount --move "/$tree" "/board/$tree"; done
exec $bb switch_root /board /opt/midway/init
