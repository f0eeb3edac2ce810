#include "base/log.h"

#include <stdarg.h>

#include "base/buf.h"

static int wanted(const struct cfw_log *log, enum cfw_log_level level)
{
	return log && log->emit && level >= log->level;
}

void cfw_log_at(const struct cfw_log *log, enum cfw_log_level level, const char *fmt, ...)
{
	if (!wanted(log, level))
		return;
	struct cfw_buf b;
	cfw_buf_init(&b);
	va_list ap;
	va_start(ap, fmt);
	cfw_buf_vprintf(&b, fmt, ap);
	va_end(ap);
	log->emit(log->ud, level, b.failed || !b.data ? fmt : b.data, NULL, 0);
	cfw_buf_clear(&b);
}

void cfw_log_with(const struct cfw_log *log, enum cfw_log_level level, const char *msg, ...)
{
	enum { MOST = 16 };
	if (!wanted(log, level))
		return;
	struct cfw_log_field fields[MOST];
	size_t n = 0;
	va_list ap;
	va_start(ap, msg);
	for (const char *key; n < MOST && (key = va_arg(ap, const char *));) {
		const char *value = va_arg(ap, const char *);
		if (value)
			fields[n++] = (struct cfw_log_field){key, value};
	}
	va_end(ap);
	log->emit(log->ud, level, msg, fields, n);
}

const char *cfw_log_level_name(enum cfw_log_level level)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	return (unsigned)level < sizeof names / sizeof *names ? names[level] : "?";
}
