/* marks.h: what the probe and the children under test share, in a mapped file. */
#ifndef CURFEW_BENCH_MARKS_H
#define CURFEW_BENCH_MARKS_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

struct bench_mark {
	int32_t pid;
	uint64_t ready_ns; /* its handler is in place */
	uint64_t term_ns;  /* its handler runs; 0: never */
	uint64_t end_ns;   /* just before its end; 0: it was killed */
};

struct bench_marks {
	uint32_t capacity;
	_Atomic uint32_t claimed, ready;
	struct bench_mark mark[];
};

/* CLOCK_MONOTONIC; async-signal-safe. */
static inline uint64_t bench_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

#endif
