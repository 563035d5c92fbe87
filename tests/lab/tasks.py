# SPDX-License-Identifier: Apache-2.0
"""What guests do with their devices in these tests."""

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from midway.lab.boards import HOST_ADDRESS
from midway.lab.guest import GuestTask

UART_GREETING = b"from the guest\n"
UART_ANSWER = b"from the far end\n"
WRITTEN = b"written by the guest"
WRITTEN_AT = 16 << 20  # bytes into a disk
COPIES = 50

_NIC = """
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
await_value /sys/class/net/eth0/carrier 1
before=$(interrupts eth0)
mark 2
ping -c 10 -i 0.1 -W 5 {host} >/tmp/ping
wget -q -O /tmp/blob http://{host}:{port}/blob
mark 3
after=$(interrupts eth0)
ip link set eth0 down
say nic_interrupts $((after - before))
set -- $(grep 'packets transmitted' /tmp/ping)
say pings_lost $(($1 - $4))
say nic_sha256 "$(sha256sum /tmp/blob | cut -d ' ' -f 1)"
"""

_UART = f"""
exec 3<>/dev/ttyAMA0
stty -F /dev/ttyAMA0 raw -echo
printf '{UART_GREETING.decode().strip()}\\n' >&3
read -r heard <&3
say uart_heard "$heard"
say uart_interrupts "$(interrupts 'uart|ttyAMA')"
exec 3>&-
"""

_DISK = """
before=$(interrupts virtio)
mark 2
dd if=/dev/vda of=/tmp/read bs=1M count=4 iflag=direct 2>/dev/null
mark 3
say disk_interrupts $(($(interrupts virtio) - before))
say disk_sha256 "$(sha256sum /tmp/read | cut -d ' ' -f 1)"
printf '{text}' | dd of=/dev/vda bs=1M seek={megabytes} conv=fsync 2>/dev/null
"""

_RTC_TIME = """
say rtc_driver "$(cat /sys/class/rtc/rtc0/name)"
say rtc_seconds "$(cat /sys/class/rtc/rtc0/since_epoch)"
"""

# An alarm for the next second might be past before it is in the register, and then it never rings.
_RTC_ALARM = """
before=$(interrupts rtc)
echo +2 >/sys/class/rtc/rtc0/wakealarm
tries=0
until [ "$(interrupts rtc)" -gt "$before" ] || [ $tries -ge 1000 ]; do
    tries=$((tries + 1))
    usleep 10000
done
say rtc_interrupts $(($(interrupts rtc) - before))
"""

_CARD = """
await_value /sys/block/mmcblk0/ro 0 2>/dev/null
before=$(interrupts mmc)
mark 2
dd if=/dev/mmcblk0 of=/tmp/read bs=1M count=4 iflag=direct 2>/dev/null
mark 3
say card_interrupts $(($(interrupts mmc) - before))
say card_sha256 "$(sha256sum /tmp/read | cut -d ' ' -f 1)"
rm /tmp/read
"""

# The controller's registers begin with those of an xHCI, whose driver the guest binds to the node as it is.
# The driver for the whole of it resets the other half first, the device controller, which the emulator does
# not have: reading its register DCTL is an external abort there, on the host as well.
_USB = """
node=$(basename /sys/bus/platform/devices/*.dwc3)
echo xhci-hcd >/sys/bus/platform/devices/$node/driver_override
echo $node >/sys/bus/platform/drivers_probe
say usb_driver "$(basename "$(readlink /sys/bus/platform/devices/$node/driver)")"
await_value /sys/block/sda/ro 0 2>/dev/null
before=$(interrupts xhci)
mark 2
dd if=/dev/sda of=/tmp/read bs=1M count=4 iflag=direct 2>/dev/null
mark 3
say usb_interrupts $(($(interrupts xhci) - before))
say usb_sha256 "$(sha256sum /tmp/read | cut -d ' ' -f 1)"
rm /tmp/read
"""

_DMA = """
insmod /modules/zynqmp_dma.ko
insmod /modules/dmatest.ko iterations={copies} timeout=10000
say dma_channel "$(ls /sys/class/dma)"
before=$(interrupts zynqmp-dma)
mark 2
echo dma0chan0 >/sys/module/dmatest/parameters/channel
echo 1 >/sys/module/dmatest/parameters/run
cat /sys/module/dmatest/parameters/wait >/tmp/waited
mark 3
say dma_interrupts $(($(interrupts zynqmp-dma) - before))
say dma_summary "$(dmesg | sed -n 's/.*dmatest: .*summary \\([0-9]* tests, [0-9]* failures\\).*/\\1/p')"
"""


# Debian does not build this RTC's driver: the register CURRENT_TIME is read as it is (UG1087, RTC).
_RTC_REGISTERS = """
base=$(registers 'rtc@*')
say rtc_seconds "$(printf '%d' "$(devmem $((base + 0x10)) 32)")"
"""


def nic(port: int) -> GuestTask:
    """Pings and downloads /blob from the server outside at `port`."""
    # Without IPv6 the kernel sends nothing of its own accord, and all interrupts are of this traffic.
    return GuestTask(_NIC.format(host=HOST_ADDRESS, port=port), modules=("macb",), append="ipv6.disable=1")


def uart() -> GuestTask:
    """Greets on the passed UART and says what line came back."""
    return GuestTask(_UART)


def disk() -> GuestTask:
    """Hashes the first 4 MiB of the disk, and writes WRITTEN at WRITTEN_AT."""
    script = _DISK.format(text=WRITTEN.decode(), megabytes=WRITTEN_AT >> 20)
    return GuestTask(script, modules=("virtio_mmio", "virtio_blk"))


def rtc() -> GuestTask:
    """Reads the time through the guest's driver and lets the alarm ring."""
    return GuestTask(_RTC_TIME + _RTC_ALARM)


def card() -> GuestTask:
    """Hashes the first 4 MiB of the SD card."""
    return GuestTask(_CARD, modules=("sdhci-of-arasan",))


def usb_disk() -> GuestTask:
    """Hashes the first 4 MiB of the disk at the USB controller."""
    return GuestTask(_USB, modules=("xhci-plat-hcd", "usb-storage", "sd_mod"))


def dma(modules: Mapping[str, Path]) -> GuestTask:
    """Lets the kernel's test of DMA engines copy and compare COPIES buffers; `modules` are built ones."""
    return GuestTask(_DMA.format(copies=COPIES), files=built(modules, "zynqmp_dma", "dmatest"))


def rtc_driven(modules: Mapping[str, Path]) -> GuestTask:
    """Reads the time through the RTC's driver, one of the built `modules`; the emulated one has no alarm."""
    return GuestTask(f"insmod /modules/rtc-zynqmp.ko\n{_RTC_TIME}", files=built(modules, "rtc-zynqmp"))


def built(modules: Mapping[str, Path], *names: str) -> dict[str, bytes]:
    return {f"/modules/{name}.ko": modules[name].read_bytes() for name in names}


def rtc_registers() -> GuestTask:
    """Reads the time of a ZynqMP RTC from its register."""
    return GuestTask(_RTC_REGISTERS)


def all_of(*tasks: GuestTask) -> GuestTask:
    """One guest that does one task after the other."""
    modules = dict.fromkeys(module for task in tasks for module in task.modules)
    return GuestTask(
        "".join(task.script for task in tasks),
        modules=tuple(modules),
        append=" ".join(task.append for task in tasks),
        files={name: content for task in tasks for name, content in task.files.items()},
    )


def fill(image: Path, seed: int) -> str:
    """Write 4 MiB of known bytes to the start of a disk's image; their SHA-256."""
    content = random.Random(seed).randbytes(4 << 20)  # noqa: S311  (repeatable, not secret)
    with image.open("r+b") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def written(image: Path) -> bytes:
    """What the image has where the guest writes."""
    with image.open("rb") as file:
        file.seek(WRITTEN_AT)
        return file.read(len(WRITTEN))
