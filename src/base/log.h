/* log.h: the log sink. The library never prints: it hands records to the sink that the host gave it. */
#ifndef CFW_BASE_LOG_H
#define CFW_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum cfw_log_level { CFW_DEBUG, CFW_INFO, CFW_WARN, CFW_ERROR };

struct cfw_log_field {
	const char *key;
	const char *value; /* bytes as they are; the sink escapes (S10.3) */
};

struct cfw_log {
	enum cfw_log_level level; /* what is below is not handed over */
	void (*emit)(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n);
	void *ud;
};

/* msg is printf's; fields may follow through cfw_log_with. A NULL log or emit drops it. */
void cfw_log_at(const struct cfw_log *log, enum cfw_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* With fields: key, value, key, value, …, NULL; a NULL value leaves its pair out. */
void cfw_log_with(const struct cfw_log *log, enum cfw_log_level level, const char *msg, ...) __attribute__((sentinel));
const char *cfw_log_level_name(enum cfw_log_level level);

#endif
