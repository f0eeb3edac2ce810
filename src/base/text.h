/* text.h: durations, sizes, signal names, the nearest valid name. */
#ifndef CFW_BASE_TEXT_H
#define CFW_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct curfew_err;

/* "250ms", "5s", "1m30s", "1h", "1.5s", "100us", "7ns" and a bare number of seconds. 0 or CURFEW_EINVAL with a text that
 * names the valid units. */
int cfw_parse_duration(const char *s, uint64_t *ns, struct curfew_err *err);
/* A duration for people, at most three figures: "250ms", "1.25s", "1m30s". buf has at least 32 bytes; returns buf. */
char *cfw_format_duration(char *buf, size_t n, uint64_t ns);
/* "64MB", "1KB", "1GiB", "512": powers of 1024 throughout. */
int cfw_parse_size(const char *s, uint64_t *bytes, struct curfew_err *err);

/* Number of "SIGTERM", "TERM", "term"; -1 when there is none. Real-time ones as "SIGRTMIN+3". */
int cfw_signal_number(const char *name);
/* "SIGTERM"; static storage, "SIG?" for an unknown number. Async-signal-safe. */
const char *cfw_signal_name(int signo);

/* What may be a name, as it is written to logs: not empty, and no control characters (S10.3). */
bool cfw_is_name(const char *s);

/* The nearest of names (NULL-terminated) to word, NULL when none is near enough to suggest. */
const char *cfw_nearest(const char *word, const char *const *names);

#endif
