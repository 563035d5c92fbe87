// SPDX-License-Identifier: Apache-2.0
/*
 * A VFIO client that is not Midway's: it drives the raw ABI of one platform device and compares every answer.
 *
 *   vfio-abi COMMAND GROUP DEVICE [NAME=NUMBER...]
 *
 * The pairs say what is true of the device, see struct subject; and for the commands cycles, race and fuzz: count, seed.  Exit status 0 if every
 * answer was the expected one, 1 if not, 2 if a check could not be made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

static const struct {
	const char *name;
	void (*run)(struct subject *subject);
} checks[] = {
	{ "opening", check_opening },	{ "information", check_information }, { "registers", check_registers },
	{ "lines", check_lines },	{ "features", check_features },	      { "direct", check_direct },
	{ "interrupts", check_interrupts },		{ "hold", hold_open },
};

static unsigned long pair(int count, char **pairs, const char *name)
{
	size_t length = strlen(name);
	int index;

	for (index = 0; index < count; index++)
		if (!strncmp(pairs[index], name, length) && pairs[index][length] == '=')
			return strtoul(pairs[index] + length + 1, NULL, 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct subject subject = { 0 };
	size_t index;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4) {
		fprintf(stderr, "usage: vfio-abi COMMAND GROUP DEVICE [NAME=NUMBER...]\n");
		return 2;
	}
	subject.group_path = argv[2];
	subject.name = argv[3];
	subject.regions = pair(argc - 4, argv + 4, "regions");
	subject.lines = pair(argc - 4, argv + 4, "lines");
	subject.size = pair(argc - 4, argv + 4, "size");
	subject.mappable = pair(argc - 4, argv + 4, "mappable");
	subject.level = pair(argc - 4, argv + 4, "level");
	subject.direct = pair(argc - 4, argv + 4, "direct");
	subject.constant = pair(argc - 4, argv + 4, "constant");
	subject.hole = pair(argc - 4, argv + 4, "hole");
	subject.reset = pair(argc - 4, argv + 4, "reset");
	subject.unverified = pair(argc - 4, argv + 4, "unverified");

	if (!strcmp(argv[1], "cycles"))
		run_cycles(&subject, pair(argc - 4, argv + 4, "count"));
	else if (!strcmp(argv[1], "race"))
		run_race(&subject, pair(argc - 4, argv + 4, "count"));
	else if (!strcmp(argv[1], "fuzz"))
		run_fuzz(&subject, pair(argc - 4, argv + 4, "seed"), pair(argc - 4, argv + 4, "count"));
	else
		for (index = 0; index < sizeof(checks) / sizeof(checks[0]); index++)
			if (!strcmp(argv[1], checks[index].name))
				checks[index].run(&subject);
	return failures() ? 1 : 0;
}
