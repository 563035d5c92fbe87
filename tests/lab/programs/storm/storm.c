// SPDX-License-Identifier: GPL-2.0-only
/*
 * For guests: handles the interrupt of a real-time clock (Arm's PL031) and
 * leaves its line asserted, for ever.
 */
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/of_address.h>
#include <linux/of_irq.h>

/* DDI 0224, Programmer's Model */
#define RTCDR	0x00
#define RTCMR	0x04
#define RTCIMSC	0x10

static irqreturn_t storm_handler(int irq, void *data)
{
	return IRQ_HANDLED;
}

static int __init storm_load(void)
{
	struct device_node *node;
	void __iomem *registers;
	int ret;

	node = of_find_compatible_node(NULL, NULL, "arm,pl031");
	if (!node)
		return -ENODEV;
	registers = of_iomap(node, 0);
	if (!registers)
		return -ENOMEM;
	ret = request_irq(irq_of_parse_and_map(node, 0), storm_handler, 0,
			  "storm", registers);
	if (ret) {
		iounmap(registers);
		return ret;
	}
	writel(1, registers + RTCIMSC);
	writel(readl(registers + RTCDR) + 1, registers + RTCMR);
	return 0;
}
module_init(storm_load);

MODULE_DESCRIPTION("An interrupt that does not end");
MODULE_LICENSE("GPL");
