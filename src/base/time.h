/* time.h: time is a uint64_t of nanoseconds on the monotonic clock, passed as an argument. */
#ifndef CFW_BASE_TIME_H
#define CFW_BASE_TIME_H

#include <stdint.h>

#define CFW_NEVER UINT64_MAX
#define CFW_MS    UINT64_C(1000000)
#define CFW_SEC   UINT64_C(1000000000)

/* a + b, CFW_NEVER on overflow or when either is CFW_NEVER. */
static inline uint64_t cfw_time_add(uint64_t a, uint64_t b)
{
	return a > CFW_NEVER - b ? CFW_NEVER : a + b;
}

static inline uint64_t cfw_time_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t cfw_time_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What is left from now until at; 0 when it has passed, CFW_NEVER for never. */
static inline uint64_t cfw_time_left(uint64_t now, uint64_t at)
{
	return at == CFW_NEVER ? CFW_NEVER : at > now ? at - now : 0;
}

/* CLOCK_MONOTONIC; async-signal-safe. The only reader of a clock in base; the core never calls it. */
uint64_t cfw_time_now(void);

#define CFW_LONGEST (UINT64_C(1000000000) * CFW_SEC) /* thirty years: of what somebody sets, more is a slip */

#endif
