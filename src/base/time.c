#define _POSIX_C_SOURCE 200809L
#include "base/time.h"

#include <time.h>

uint64_t cfw_time_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CFW_SEC + (uint64_t)ts.tv_nsec;
}
