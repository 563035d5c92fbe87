# SPDX-License-Identifier: Apache-2.0
"""What the demonstration found, for a person: what held, what did not, and the numbers."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from midway.config import InterruptMode

__all__ = ["failures", "show"]


def failures(result: Mapping[str, Any]) -> list[str]:
    """What the demonstration promises and this run did not show, one sentence each."""
    promises = {
        "the guest's pings were not all answered": result["ping"]["sent"] == result["ping"]["received"] > 0,
        "the guest's download is not what was served": result["download"]["sha256_ok"],
        "the host's own download meanwhile is not what was served": result["host_nic"]["sha256_ok"],
        "the guest had not as many interrupts as the host": result["irq"]["guest"]
        == result["irq"]["host"]
        > 0,
        "interrupts passed through user space": result["irq"]["mode"] == InterruptMode.USERSPACE
        or result["irq"]["user_exits_per_irq"] == 0,
        "the device's registers are not all mapped": result["regions"]["trapped"] == 0,
        "the device is not back with the driver that it was taken from": result["released"]["driver"]
        == result["taken_from"],
        "its link is not up there": result["released"]["link_up"],
        "the download after the device's return is not what was served": result["released"]["sha256_ok"],
    }
    return [sentence for sentence, held in promises.items() if not held]


def show(result: Mapping[str, Any], console: Console) -> None:
    """Print the summary; every number in it is one of `result`."""
    broken = failures(result)
    story = "The crossing failed." if broken else _story(result)
    console.print(Group(Text(story), Text(), _numbers(result)))
    for finding in result["findings"]:
        remedy = f" ({finding['remedy']})" if finding["remedy"] else ""
        console.print(
            f"{finding['severity']}: {finding['subject']}: {finding['cause']}{remedy}",
            style="yellow" if finding["severity"] == "warning" else "dim",
            highlight=False,
            soft_wrap=True,
        )
    for sentence in broken:
        console.print(f"failed: {sentence}", style="bold red", highlight=False)


def _story(result: Mapping[str, Any]) -> str:
    deliverer = "Midway" if result["irq"]["mode"] == InterruptMode.USERSPACE else "the kernel"
    return (
        f"{result['device']} of the {result['board']} board was taken from its driver, given to a KVM guest, "
        f"carried traffic there with its registers mapped and its interrupts delivered by {deliverer}, "
        f"and is back with its own driver, {result['released']['driver']}."
    )


def _numbers(result: Mapping[str, Any]) -> Table:
    irq, ping, download = result["irq"], result["ping"], result["download"]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    for name, value in (
        ("kernel of host and guest", result["kernel"]),
        ("registers", f"{result['regions']['mapped']} mapped, {result['regions']['trapped']} trapped"),
        ("DMA", result["dma"]),
        ("interrupts", f"{irq['host']} on the host, {irq['guest']} in the guest, mode {irq['mode']}"),
        ("exits per interrupt", f"{irq['exits_per_irq']}, to user space {irq['user_exits_per_irq']}"),
        ("pings from the guest", f"{ping['received']} of {ping['sent']} answered"),
        ("download in the guest", f"{download['bytes']} bytes, {_verdict(download['sha256_ok'])}"),
        ("host's own NIC meanwhile", _verdict(result["host_nic"]["sha256_ok"])),
        ("after its return", f"the same download, {_verdict(result['released']['sha256_ok'])}"),
        ("Midway beside the guest's RAM", f"{result['vmm']['rss_mb']} MB"),
        (
            "exec to the guest's first instruction",
            f"{result['vmm']['exec_to_first_instruction_s']} s, emulated",
        ),
        ("guest's boot", f"{result['guest']['boot_s']} s, emulated"),
    ):
        table.add_row(name, value)
    return table


def _verdict(good: bool) -> str:
    return "SHA-256 right" if good else "SHA-256 WRONG"
