/* Runs the machine code of asm/ with a real time and a control page of the
 * caller's choice: reads records of seven 64-bit numbers (clock, real time,
 * base, offset, rate, period, delta), writes what the code answers, as the
 * two numbers of a struct timespec. Arguments: the file of the code, the offset
 * of its control_ref, of its original, and its size. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int64_t real;

static int original(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = real / 1000000000;
	ts->tv_nsec = real % 1000000000;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	int fd = open(argv[1], O_RDONLY);
	long ref = atol(argv[2]), orig = atol(argv[3]), size = atol(argv[4]);
	unsigned char *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || code == MAP_FAILED || read(fd, code, 4096) != size)
		return 3;
	unsigned char *page = code + 4096;
	int32_t displacement = (int32_t)(page - (code + ref + 7));
	memcpy(code + ref + 3, &displacement, 4);
	/* movabs $original, %rax; jmp *%rax */
	uint64_t address = (uint64_t)(uintptr_t)original;
	memcpy(code + orig, "\x48\xb8", 2);
	memcpy(code + orig + 2, &address, 8);
	memcpy(code + orig + 10, "\xff\xe0", 2);
	int (*skewed)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))(void *)code;

	int64_t record[7];
	uint32_t counter = 0xfffffff0u; /* it wraps around on the way */
	while (fread(record, sizeof record, 1, stdin) == 1) {
		counter++;
		real = record[1];
		memcpy(page + 64 + 64 * (counter % 16), &record[2], 40);
		memcpy(page, &counter, 4);
		struct timespec ts = {-1, -1};
		if (skewed((clockid_t)record[0], &ts) != 0)
			return 4;
		int64_t out[2] = {ts.tv_sec, ts.tv_nsec};
		if (fwrite(out, sizeof out, 1, stdout) != 1)
			return 5;
	}
	return 0;
}
