#define _GNU_SOURCE
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static void vset(struct curfew_err *err, int code, const char *fmt, va_list ap)
{
	if (!err)
		return;
	err->code = code;
	err->sys_errno = 0;
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
}

int cfw_err_set(struct curfew_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vset(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int cfw_err_sys(struct curfew_err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	va_start(ap, fmt);
	vset(err, CURFEW_ESYS, fmt, ap);
	va_end(ap);
	if (err) {
		size_t n = strlen(err->msg);
		snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(saved));
		err->sys_errno = saved;
	}
	errno = saved;
	return CURFEW_ESYS;
}

void cfw_err_prefix(struct curfew_err *err, const char *fmt, ...)
{
	if (!err)
		return;
	char old[sizeof err->msg];
	memcpy(old, err->msg, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	size_t at = n < 0 ? 0 : (size_t)n < sizeof err->msg ? (size_t)n : sizeof err->msg - 1;
	snprintf(err->msg + at, sizeof err->msg - at, "%s", old);
}

const char *cfw_err_name(const struct curfew_err *err)
{
	static const char *const names[] = {
		[0] = "OK",
		[-CURFEW_ENOMEM] = "ENOMEM",
		[-CURFEW_EINVAL] = "EINVAL",
		[-CURFEW_ENOENT] = "ENOENT",
		[-CURFEW_EEXIST] = "EEXIST",
		[-CURFEW_ECYCLE] = "ELOOP",
		[-CURFEW_ESTATE] = "EBUSY",
		[-CURFEW_EREFUSED] = "EPERM",
		[-CURFEW_ESYS] = "EIO",
		[-CURFEW_ELUA] = "ELUA",
		[-CURFEW_ETIMEOUT] = "ETIMEDOUT",
		[-CURFEW_ECANCELED] = "ECANCELED",
		[-CURFEW_ELIMIT] = "ELIMIT",
	};
	if (!err)
		return "OK";
	if (err->sys_errno) {
		const char *name = strerrorname_np(err->sys_errno);
		if (name)
			return name;
	}
	size_t i = (size_t)(err->code < 0 ? -err->code : 0);
	return i < sizeof names / sizeof *names && names[i] ? names[i] : "EIO";
}
