/* Prints, for each way in which C programs ask for the time, the real time
 * before, the time shown and the real time after, in nanoseconds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long raw(int id)
{
	struct timespec ts;
	syscall(SYS_clock_gettime, id, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(void)
{
	struct timespec ts;
	struct timeval tv;
	struct timezone tz = {12345, 6789};
	time_t stored = 0;
	long long before, shown;
	int clocks[] = {CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID};
	const char *names[] = {"realtime", "coarse", "tai", "monotonic", "boottime", "cpu"};

	for (int i = 0; i < 6; i++) {
		before = raw(clocks[i]);
		if (clock_gettime(clocks[i], &ts) != 0)
			return 1;
		shown = ts.tv_sec * 1000000000LL + ts.tv_nsec;
		printf("%s %lld %lld %lld\n", names[i], before, shown, raw(clocks[i]));
	}
	before = raw(CLOCK_REALTIME);
	if (gettimeofday(&tv, NULL) != 0)
		return 2;
	shown = tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
	printf("gettimeofday %lld %lld %lld\n", before, shown, raw(CLOCK_REALTIME));
	before = raw(CLOCK_REALTIME);
	shown = time(&stored) * 1000000000LL;
	printf("time %lld %lld %lld\n", before, shown, raw(CLOCK_REALTIME));
	if (stored * 1000000000LL != shown)
		return 3;
	/* the time zone comes from the kernel, with and without the time */
	if (gettimeofday(&tv, &tz) != 0 || tz.tz_minuteswest == 12345)
		return 4;
	/* an invalid clock stays an error */
	if (clock_gettime(10, &ts) == 0 && clock_gettime(1000, &ts) == 0)
		return 5;
	return 0;
}
