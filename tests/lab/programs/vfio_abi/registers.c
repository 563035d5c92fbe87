// SPDX-License-Identifier: Apache-2.0
/* Registers: read, written, mapped. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

static void check_access(struct subject *subject)
{
	uint64_t offset = region_offset(subject->device, 0);
	uint64_t end = offset + subject->size;
	char buffer[16];

	require("1 byte is read", pread(subject->device, buffer, 1, offset) == 1);
	require("2 bytes are read", pread(subject->device, buffer, 2, offset) == 2);
	require("4 bytes are read", pread(subject->device, buffer, 4, offset) == 4);
	require("8 bytes are read", pread(subject->device, buffer, 8, offset) == 8);
	require("16 bytes are read", pread(subject->device, buffer, 16, offset) == 16);
	require("4 bytes are read from an odd offset", pread(subject->device, buffer, 4, offset + 1) == 4);
	require("0 bytes are read", pread(subject->device, buffer, 0, offset) == 0);
	if (!subject->hole)
		require("a read across the end is cut", pread(subject->device, buffer, 16, end - 4) == 4);
	EXPECT("a read at the end", EINVAL, pread(subject->device, buffer, 4, end));
	EXPECT("a read far behind the end", EINVAL, pread(subject->device, buffer, 4, offset + (1UL << 40) - 4));
	EXPECT("a read of a region that is not", EINVAL,
	       pread(subject->device, buffer, 4, (uint64_t)subject->regions << VFIO_FORWARD_OFFSET_SHIFT));
	EXPECT("a read of the last region that a file has room for", EINVAL,
	       pread(subject->device, buffer, 4, INT64_MAX - 8));
	EXPECT("a read from before the file", EINVAL, pread(subject->device, buffer, 4, -4));
	EXPECT("a read to no address", EFAULT, pread(subject->device, NOWHERE, 4, offset));
	EXPECT("a write from no address", EFAULT, pwrite(subject->device, NOWHERE, 4, offset));
	EXPECT("a write at the end", EINVAL, pwrite(subject->device, buffer, 4, end));
	EXPECT("a write to a region that is not", EINVAL,
	       pwrite(subject->device, buffer, 4, (uint64_t)subject->regions << VFIO_FORWARD_OFFSET_SHIFT));
}

/* The errno with which a mapping ends; 0, and no mapping left, for success. */
static int mapping(struct subject *subject, size_t size, int protection, int flags, uint64_t offset)
{
	void *address = mmap(NULL, size, protection, flags, subject->device, offset);

	if (address == MAP_FAILED)
		return errno;
	munmap(address, size);
	return 0;
}

static uint32_t load(const void *address, unsigned long offset)
{
	return *(const volatile uint32_t *)((const char *)address + offset);
}

/* The signal with which a process ends that reads there; 0 for none. */
static int signal_of(const void *address, unsigned long offset)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		load(address, offset);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void check_mapping(struct subject *subject)
{
	const int both = PROT_READ | PROT_WRITE;
	uint64_t offset = region_offset(subject->device, 0);
	int possible = subject->mappable ? 0 : EINVAL;
	void *address;
	uint32_t word;

	report("the region mapped", possible, mapping(subject, PAGE, both, MAP_SHARED, offset));
	report("the region mapped read-only", possible, mapping(subject, PAGE, PROT_READ, MAP_SHARED, offset));
	report("a private mapping", EINVAL, mapping(subject, PAGE, both, MAP_PRIVATE, offset));
	report("an executable mapping", EINVAL, mapping(subject, PAGE, both | PROT_EXEC, MAP_SHARED, offset));
	report("a mapping behind the end", EINVAL,
	       mapping(subject, PAGE, both, MAP_SHARED, offset + (subject->size + PAGE - 1) / PAGE * PAGE));
	report("a mapping across the end", EINVAL,
	       mapping(subject, subject->size / PAGE * PAGE + PAGE, both, MAP_SHARED, offset));
	report("a mapping of a region that is not", EINVAL,
	       mapping(subject, PAGE, both, MAP_SHARED, (uint64_t)subject->regions << VFIO_FORWARD_OFFSET_SHIFT));
	report("a mapping of the last offset", EINVAL, mapping(subject, PAGE, both, MAP_SHARED, INT64_MAX & -PAGE));
	if (!subject->mappable)
		return;

	address = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, subject->device, offset);
	EXPECT("made executable later", EACCES, mprotect(address, PAGE, PROT_READ | PROT_EXEC));
	EXPECT("made writable later", 0, mprotect(address, PAGE, both));
	require("a mapping and a system call read the same",
		pread(subject->device, &word, 4, offset + subject->constant) == 4 &&
			word == load(address, subject->constant));
	EXPECT("a mapping grown", EFAULT,
	       mremap(address, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	close(subject->device);
	subject->device = -1;
	require("a mapping outlives its file descriptor", load(address, subject->constant) == word);
	if (subject->hole)
		require("an access that the bus refuses kills its user only",
			signal_of(address, subject->hole) == SIGBUS);
	munmap(address, PAGE);
}

static void check_before_direct(struct subject *subject)
{
	uint64_t offset = region_offset(subject->device, 0);
	uint32_t word = 0;

	EXPECT("a read before memory was given", EACCES, pread(subject->device, &word, 4, offset));
	EXPECT("a write before memory was given", EACCES, pwrite(subject->device, &word, 4, offset));
	report("a mapping before memory was given", subject->mappable ? EACCES : EINVAL,
	       mapping(subject, PAGE, PROT_READ, MAP_SHARED, offset));
}

void check_registers(struct subject *subject)
{
	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	if (!subject->unverified) {
		if (subject->direct)
			check_before_direct(subject);
		give_no_memory(subject);
	}
	check_access(subject);
	check_mapping(subject);
	close_all(subject);
}
