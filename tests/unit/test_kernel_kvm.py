# SPDX-License-Identifier: Apache-2.0
"""/dev/kvm, VMs and in-kernel devices over a fake kernel."""

import errno

import pytest

from midway.errors import HostError, KernelError
from midway.kernel.gic import Gic, KvmVfio
from midway.kernel.kvm import Kvm, Vm
from midway.uapi import kvm, kvm_arm64
from unit.fakes import FakeKernel, error, words


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.opens["/dev/kvm"] = 3
    fake.on(kvm.KVM_GET_API_VERSION, kvm.KVM_API_VERSION)
    fake.on(kvm.KVM_CHECK_EXTENSION, 44)
    fake.on(kvm.KVM_GET_VCPU_MMAP_SIZE, 0x2000)
    fake.ioctls[kvm.KVM_CREATE_VM] = lambda _, __: fake.new_fd()

    def create_device(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        kvm.CREATE_DEVICE.put(argument, "fd", fake.new_fd())
        return 0

    fake.ioctls[kvm.KVM_CREATE_DEVICE] = create_device
    return fake


@pytest.fixture
def vm(kernel: FakeKernel) -> Vm:
    with Kvm(kernel) as handle:
        return handle.create_vm(0)


def test_a_missing_dev_kvm_says_what_the_kernel_needs(kernel: FakeKernel) -> None:
    del kernel.opens["/dev/kvm"]
    with pytest.raises(HostError, match=r"/dev/kvm: No such file.*CONFIG_KVM"):
        Kvm(kernel)


def test_no_permission_for_dev_kvm_names_the_remedy(kernel: FakeKernel) -> None:
    kernel.opens["/dev/kvm"] = error(errno.EACCES)
    with pytest.raises(HostError, match=r"Permission denied.*root"):
        Kvm(kernel)


def test_another_abi_is_refused_and_nothing_stays_open(kernel: FakeKernel) -> None:
    kernel.on(kvm.KVM_GET_API_VERSION, 13)
    with pytest.raises(HostError, match="version 13"):
        Kvm(kernel)
    assert kernel.open_fds == set()


@pytest.mark.parametrize(
    ("highest", "bits"), [(0, 32), (0xFFFF_FFFF, 32), (0x1_0000_0000, 33), (0x8_3FFF_FFFF, 36)]
)
def test_a_vm_has_the_fewest_address_bits_that_do(kernel: FakeKernel, highest: int, bits: int) -> None:
    with Kvm(kernel) as handle:
        handle.create_vm(highest)
    assert kernel.arguments(kvm.KVM_CREATE_VM) == [bits]


def test_a_kernel_without_address_sizes_gets_type_zero(kernel: FakeKernel) -> None:
    kernel.on(kvm.KVM_CHECK_EXTENSION, 0)
    with Kvm(kernel) as handle:
        handle.create_vm((1 << 40) - 1)
    assert kernel.arguments(kvm.KVM_CREATE_VM) == [0]


def test_memory_beyond_the_hosts_address_bits_is_refused(kernel: FakeKernel) -> None:
    kernel.on(kvm.KVM_CHECK_EXTENSION, 36)
    with Kvm(kernel) as handle, pytest.raises(HostError, match="36 address bits, not 37"):
        handle.create_vm(1 << 36)


def test_the_gics_a_guest_can_have_come_newest_first(kernel: FakeKernel) -> None:
    with Kvm(kernel) as handle:
        assert handle.gic_versions() == (3, 2)


def test_a_gic_the_host_has_not_is_not_offered(kernel: FakeKernel) -> None:
    def only_v2(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        if kvm.CREATE_DEVICE.get(argument, "type") != kvm.KVM_DEV_TYPE_ARM_VGIC_V2:
            raise error(errno.ENODEV)
        return 0

    kernel.ioctls[kvm.KVM_CREATE_DEVICE] = only_v2
    with Kvm(kernel) as handle:
        assert handle.gic_versions() == (2,)


def test_a_failed_memory_slot_keeps_errno_and_names_the_device(kernel: FakeKernel, vm: Vm) -> None:
    kernel.fails(kvm.KVM_SET_USER_MEMORY_REGION, errno.EEXIST)
    with pytest.raises(KernelError, match=r"^ff0d0000\.ethernet: mapping 0x1000 bytes.*\[EEXIST\]") as caught:
        vm.set_memory(1, 0xA000000, 0x1000, 0x7F00_0000_0000, device="ff0d0000.ethernet")
    assert caught.value.errno == errno.EEXIST


def test_a_line_is_named_by_its_interrupt_id(kernel: FakeKernel, vm: Vm) -> None:
    vm.set_line(5, True)
    vm.set_line(5, False)
    first, second = kernel.arguments(kvm.KVM_IRQ_LINE)
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert words(first, 4, 4) == [1 << 24 | 37, 1]
    assert words(second, 4, 4) == [1 << 24 | 37, 0]


def test_an_irqfd_with_a_resample_eventfd_is_a_level_line(kernel: FakeKernel, vm: Vm) -> None:
    vm.attach_irqfd(20, 7, 21)
    vm.attach_irqfd(22, 8)
    vm.detach_irqfd(20, 7)
    found = [words(bytes(data), 4, 4, 4, 4) for data in kernel.arguments(kvm.KVM_IRQFD) if data]
    assert found == [
        [20, 7, kvm.KVM_IRQFD_FLAG_RESAMPLE, 21],
        [22, 8, 0, 0],
        [20, 7, kvm.KVM_IRQFD_FLAG_DEASSIGN, 0],
    ]


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        (3, (kvm_arm64.KVM_VGIC_V3_ADDR_TYPE_DIST, kvm_arm64.KVM_VGIC_V3_ADDR_TYPE_REDIST)),
        (2, (kvm_arm64.KVM_VGIC_V2_ADDR_TYPE_DIST, kvm_arm64.KVM_VGIC_V2_ADDR_TYPE_CPU)),
    ],
)
def test_a_gic_is_placed_sized_and_then_initialised(
    kernel: FakeKernel, vm: Vm, version: int, kinds: tuple[int, int]
) -> None:
    seen: list[tuple[int, int, int]] = []

    def set_attribute(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        address = kvm.DEVICE_ATTR.get(argument, "addr")
        value = int.from_bytes(kernel.buffer(address), "little") if address else -1
        group, attribute = kvm.DEVICE_ATTR.get(argument, "group"), kvm.DEVICE_ATTR.get(argument, "attr")
        seen.append((group, attribute, value))
        return 0

    kernel.ioctls[kvm.KVM_SET_DEVICE_ATTR] = set_attribute
    with Gic(vm, version, distributor=0x800_0000, second=0x80A_0000, spis=40) as gic:
        gic.initialise()
    assert seen == [
        (kvm_arm64.KVM_DEV_ARM_VGIC_GRP_ADDR, kinds[0], 0x800_0000),
        (kvm_arm64.KVM_DEV_ARM_VGIC_GRP_ADDR, kinds[1], 0x80A_0000),
        (kvm_arm64.KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 96),
        (kvm_arm64.KVM_DEV_ARM_VGIC_GRP_CTRL, kvm_arm64.KVM_DEV_ARM_VGIC_CTRL_INIT, -1),
    ]


def test_a_gic_that_cannot_be_placed_is_closed(kernel: FakeKernel, vm: Vm) -> None:
    before = set(kernel.open_fds)
    kernel.fails(kvm.KVM_SET_DEVICE_ATTR, errno.E2BIG)
    with pytest.raises(KernelError, match="GICv3"):
        Gic(vm, 3, distributor=0, second=0, spis=32)
    assert kernel.open_fds == before


def test_kvm_learns_of_a_group_and_lets_go_of_it(kernel: FakeKernel, vm: Vm) -> None:
    with KvmVfio(vm) as handle:
        handle.add_group(30, device="a")
        handle.remove_group(30, device="a")
    first, second = (bytes(data) for data in kernel.arguments(kvm.KVM_SET_DEVICE_ATTR) if data)
    assert kvm.DEVICE_ATTR.get(first, "attr") == kvm.KVM_DEV_VFIO_GROUP_ADD
    assert kvm.DEVICE_ATTR.get(second, "attr") == kvm.KVM_DEV_VFIO_GROUP_DEL
    assert kernel.buffer(kvm.DEVICE_ATTR.get(first, "addr")) == (30).to_bytes(4, "little")


def test_a_kvm_that_does_not_answer_is_closed(kernel: FakeKernel) -> None:
    kernel.fails(kvm.KVM_GET_API_VERSION, errno.ENOTTY)
    with pytest.raises(KernelError, match="asking KVM for its version"):
        Kvm(kernel)
    assert kernel.open_fds == set()
