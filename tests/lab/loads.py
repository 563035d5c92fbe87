# SPDX-License-Identifier: Apache-2.0
"""What guests do to have interrupts in numbers, and in the midst of things."""

from collections.abc import Mapping
from pathlib import Path

from lab.tasks import built
from midway.lab.guest import GuestTask
from midway.lab.running import RunningBoard

# So that /dev/mem reaches registers that have a driver, the GIC's.
_OPEN_REGISTERS = "iomem=relaxed"

# An alarm rings when the clock is set to its time (DDI 0224, RTCMR and RTCLR), and is gone when the driver is
# done with it; before that there cannot be another.
_ALARMS = """
base=$(registers 'pl031@*')
mark 2
for number in $(seq {alarms}); do
    echo +1000 >/sys/class/rtc/rtc0/wakealarm
    devmem $((base + 8)) 32 $(devmem $((base + 4)) 32)
    await_value /sys/class/rtc/rtc0/wakealarm ""
done
mark 3
say alarms "$(interrupts rtc)"
"""

# One interrupt for each read, as fast as they come.
_DISK_LOAD = """
before=$(interrupts virtio)
mark 2
dd if=/dev/vda of=/dev/null bs=4k count={reads} iflag=direct 2>/tmp/dd
mark 3
say disk_interrupts $(($(interrupts virtio) - before))
say disk_read "$(sed -n 's/+0 records out//p' /tmp/dd)"
"""

# The same until a line comes from its console.
_DISK_LOAD_UNTIL_TOLD = """
before=$(interrupts virtio) reads=0
mark 2
(read -r enough; touch /tmp/enough) &
until [ -e /tmp/enough ]; do
    dd if=/dev/vda of=/dev/null bs=4k count=50 iflag=direct 2>/tmp/dd
    reads=$((reads + $(sed -n 's/+0 records out//p' /tmp/dd)))
done
mark 3
say disk_interrupts $(($(interrupts virtio) - before))
say disk_read $reads
"""

_DMA_LOAD = """
insmod /modules/zynqmp_dma.ko
insmod /modules/dmatest.ko iterations={copies} timeout=10000 test_buf_size=4096
say dma_channels $(ls /sys/class/dma | wc -l)
before=$(interrupts zynqmp-dma)
mark 2
echo '' >/sys/module/dmatest/parameters/channel
echo 1 >/sys/module/dmatest/parameters/run
{meanwhile}
cat /sys/module/dmatest/parameters/wait >/tmp/waited
mark 3
say dma_interrupts $(($(interrupts zynqmp-dma) - before))
"""

_DMA_RESULTS = """
set -- $(dmesg | awk '/dmatest: .*summary/ {
    for (i = 1; i < NF; i++) if ($i == "summary") { tests += $(i + 1); failures += $(i + 3) }
} END { print tests + 0, failures + 0 }')
say dma_tests "$1"
say dma_failures "$2"
"""

# The guest's distributor, and the place of its first passed device's first line in it (IHI 0069, GICD_*).
_DISTRIBUTOR = """
gicd=0x$(hexdump -v -n 8 -e '8/1 "%02x"' /proc/device-tree/interrupt-controller@*/reg)
line=$(find /proc/device-tree/ -path '*{node}*' -name interrupts | head -n 1)
intid=$((0x$(hexdump -v -s 4 -n 4 -e '4/1 "%02x"' "$line") + 32))
gicd() {{ echo $((gicd + $1 + intid / 32 * 4)); }}
bit=$((1 << intid % 32))
set_pending=$(gicd 0x200) clear_pending=$(gicd 0x280) set_active=$(gicd 0x300) clear_active=$(gicd 0x380)
set_enabled=$(gicd 0x100) clear_enabled=$(gicd 0x180)
"""

# While the devices work: other vCPUs, fewer vCPUs, the SPI disabled, made pending, active, and neither.
_TAMPERING = """
irq=$(awk '/zynqmp-dma/ {{ sub(":", "", $1); print $1; exit }}' /proc/interrupts)
round=0
while ps | grep -q '[d]ma0chan0' && [ $round -lt {rounds} ]; do
    echo $((1 << round % 2)) >/proc/irq/$irq/smp_affinity
    devmem $clear_enabled 32 $bit
    devmem $set_enabled 32 $bit
    devmem $set_pending 32 $bit
    devmem $clear_pending 32 $bit
    devmem $set_pending 32 $bit
    devmem $set_active 32 $bit
    devmem $clear_active 32 $bit
    echo $((round % 2)) >/sys/devices/system/cpu/cpu1/online
    round=$((round + 1))
done
say rounds $round
"""

# Every DMA engine copies a buffer, and the guest takes none of their interrupts until it is told: they have
# the lowest priority, below what the guest's CPU lets through.
_HELD_DMA = """
each_engine() {{ for line in $(find /proc/device-tree/ -path '*dma*' -name interrupts); do
    intid=$((0x$(hexdump -v -s 4 -n 4 -e '4/1 "%02x"' "$line") + 32))
    $1
done; }}
set_priority() {{ devmem $((gicd + 0x400 + intid)) 8 $priority; }}
count_pending() {{ pending=$((pending + ($(devmem "$(gicd 0x200)" 32) >> intid % 32 & 1))); }}
insmod /modules/zynqmp_dma.ko
insmod /modules/dmatest.ko iterations={copies} timeout=600000 test_buf_size=4096
first=$(devmem $((gicd + 0x400 + intid)) 8)
priority=0xff each_engine set_priority
echo '' >/sys/module/dmatest/parameters/channel
echo 1 >/sys/module/dmatest/parameters/run
tries=0 pending=0
until [ $pending -ge {engines} ] || [ $tries -ge 1000 ]; do
    tries=$((tries + 1)) pending=0
    each_engine count_pending
done
say taken_while_held "$(interrupts zynqmp-dma)"
say held $pending
read -r go
priority=$first each_engine set_priority
cat /sys/module/dmatest/parameters/wait >/tmp/waited
say dma_interrupts "$(interrupts zynqmp-dma)"
"""

# Leaves the device's interrupt in the midst of things: raised while the guest has it disabled, or active.
_STUCK_DISK = """
case {state} in
    pending) devmem $clear_enabled 32 $bit ;;
    active) devmem $set_active 32 $bit ;;
esac
dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null &
tries=0
until [ $(($(devmem $set_pending 32) & bit)) != 0 ] || [ $tries -ge 1000 ]; do
    tries=$((tries + 1))
    usleep 10000
done
say tries $tries
say stuck yes
sleep 600
"""

# Makes the interrupt active again as soon as it is not, without end.
_ALWAYS_ACTIVE = """
while :; do
    devmem $set_active 32 $bit
    mark 4
done
"""

_STORM = """
cd /sys/bus/amba/drivers/rtc-pl031
echo *.pl031 >unbind
insmod /modules/storm.ko
sleep 600
"""


def alarms(many: int) -> GuestTask:
    """Lets a PL031 ring so often, each time when the time before is over, between marks 2 and 3.

    Every time the clock is put forward by about 1000 s.
    """
    return GuestTask(_ALARMS.format(alarms=many), append=_OPEN_REGISTERS)


def disk_load(reads: int) -> GuestTask:
    """Reads the disk directly, 4 KiB at a time, between marks 2 and 3."""
    return GuestTask(_DISK_LOAD.format(reads=reads), modules=("virtio_mmio", "virtio_blk"))


def disk_load_until_told() -> GuestTask:
    """The same until a line is typed on its console; says how much was read, `disk_read`."""
    return GuestTask(_DISK_LOAD_UNTIL_TOLD, modules=("virtio_mmio", "virtio_blk"))


def dma_load(modules: Mapping[str, Path], copies: int, append: str = "", rounds: int = 0) -> GuestTask:
    """Lets every DMA engine copy and compare `copies` buffers of 4 KiB at once, between marks 2 and 3.

    Meanwhile the guest tampers with the first one's interrupt, for `rounds`.
    """
    tampering = _TAMPERING.format(rounds=rounds) if rounds else ""
    load = _DMA_LOAD.format(copies=copies, meanwhile=tampering)
    script = _DISTRIBUTOR.format(node="dma") + load + _DMA_RESULTS
    files = built(modules, "zynqmp_dma", "dmatest")
    return GuestTask(script, files=files, append=f"{_OPEN_REGISTERS} {append}")


def held_dma(modules: Mapping[str, Path], engines: int, copies: int) -> GuestTask:
    """Lets `engines` interrupt at once and takes none of it; says `held`, how many are pending.

    Reads a line from its console, takes them, and lets each of the engines finish its `copies`.
    """
    script = _DISTRIBUTOR.format(node="dma") + _HELD_DMA.format(engines=engines, copies=copies) + _DMA_RESULTS
    files = built(modules, "zynqmp_dma", "dmatest")
    return GuestTask(script, files=files, append=_OPEN_REGISTERS)


def stuck_disk(state: str) -> GuestTask:
    """Leaves the disk's interrupt "pending" or "active" for ever, and says `stuck`."""
    script = _DISTRIBUTOR.format(node="virtio") + _STUCK_DISK.format(state=state)
    return GuestTask(script, modules=("virtio_mmio", "virtio_blk"), append=_OPEN_REGISTERS)


def always_active_disk() -> GuestTask:
    """Has the disk interrupt, then makes the interrupt active again and again; a mark 4 says so each time."""
    script = _DISTRIBUTOR.format(node="virtio") + _DISK_LOAD.format(reads=1) + _ALWAYS_ACTIVE
    return GuestTask(script, modules=("virtio_mmio", "virtio_blk"), append=_OPEN_REGISTERS)


def storm(module: Path) -> GuestTask:
    """Has the clock interrupt without end; `module` is built from programs/storm."""
    return GuestTask(_STORM, files=built({"storm": module}, "storm"))


def placing(board: RunningBoard) -> tuple[str, ...]:
    """The options of `midway run` with which a guest of one vCPU can have interrupts forwarded on `board`.

    A GIC has one active state for each SPI.  QEMU 7.2's GICv2 has one for each CPU: a guest's EOI clears that
    of the CPU where the vCPU runs, and if another one took the interrupt, it stays active there for ever.
    """
    return ("--pin", "0", "--irq-affinity", "follow") if board.board.name == "virt-gicv2" else ()
