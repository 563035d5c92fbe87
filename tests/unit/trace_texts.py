# SPDX-License-Identifier: Apache-2.0
"""Traces of interrupts, as the kernel of a Versal board printed them: SPI 1 of the guest, 19 of the host."""

SPI, IRQ = 1, 19
VCPU, EVENTS = 155, 154  # the ids of the threads

HEADER = """\
# tracer: nop
#
# entries-in-buffer/entries-written: 13/13   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
"""

IRQFD_ON_ANOTHER_CPU = """\
python3-155     [001] d....    23.059512: kvm_entry: PC: 0xffffc5758088f300
<idle>-0       [000] d.h..    23.060085: irq_handler_entry: irq=19 name=vfio-forward:ff0d0000.ethernet[0]
<idle>-0       [000] d.h..    23.060139: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 1
<idle>-0       [000] d.h..    23.060176: irq_handler_exit: irq=19 ret=handled
python3-155     [001] d.h..    23.060269: irq_handler_entry: irq=1 name=IPI
python3-155     [001] .....    23.060355: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffc57580ce02f0
python3-155     [001] d....    23.060369: kvm_entry: PC: 0xffffc57580ce02f0
python3-155     [001] .....    23.060808: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffc5756d6c0308
python3-155     [001] d....    23.060816: kvm_entry: PC: 0xffffc5756d6c0308
python3-155     [001] d....    23.061323: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 0
python3-155     [001] .....    23.061377: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffc57580601784
python3-155     [001] d....    23.061384: kvm_entry: PC: 0xffffc57580601784
python3-155     [001] .....    23.066372: kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0xffffc57580cda268
"""

FORWARD = """\
python3-155     [000] d....    41.306823: kvm_entry: PC: 0xffffdbe8e66da268
python3-155     [000] d.h..    41.308567: irq_handler_entry: irq=19 name=vfio-forward:ff0d0000.ethernet[0]
python3-155     [000] d.h..    41.308585: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 1
python3-155     [000] d.h..    41.308624: irq_handler_exit: irq=19 ret=handled
python3-155     [000] .....    41.308649: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffdbe87474da1c
python3-155     [000] d....    41.308667: kvm_entry: PC: 0xffffdbe87474da1c
python3-155     [000] .....    41.309909: kvm_exit: TRAP: HSR_EC: 0x0001 (WFx), PC: 0xffffdbe8e66da268
"""

USERSPACE = """\
python3-155     [001] d....    58.836191: kvm_entry: PC: 0xffffa2d1bd6e9880
python3-155     [001] d.h..    58.836500: irq_handler_entry: irq=19 name=vfio-forward:ff0d0000.ethernet[0]
python3-155     [001] dNh..    58.836600: irq_handler_exit: irq=19 ret=handled
python3-155     [001] .N...    58.836713: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffa2d1be0d87dc
python3-154     [001] .....    58.838500: sys_ioctl(fd: 5, cmd: 4008ae61, arg: ffffa0b0c0d0)
python3-154     [001] .....    58.838584: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 1
python3-154     [001] .....    58.838600: sys_ioctl -> 0x0
python3-155     [001] d....    58.838942: kvm_entry: PC: 0xffffa2d1be0d87dc
python3-155     [001] d....    58.839125: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 0
python3-155     [001] .N...    58.839192: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0xffffa2d1bdc01784
python3-154     [001] .....    58.839300: sys_ioctl(fd: b, cmd: 3b6e, arg: ffffa0b0c0d0)
python3-154     [001] .....    58.839400: sys_ioctl -> 0x0
python3-155     [001] d....    58.839500: kvm_entry: PC: 0xffffa2d1bdc01784
"""
