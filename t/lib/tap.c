#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count, failed;

static bool report(bool held, const char *file, int line, const char *fmt, va_list ap)
{
	printf("%s %d - ", held ? "ok" : "not ok", ++count);
	vprintf(fmt, ap);
	putchar('\n');
	if (!held) {
		failed++;
		fflush(stdout);
		fprintf(stderr, "#   at %s line %d\n", file, line);
	}
	fflush(stdout);
	return held;
}

bool tap_ok(bool held, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report(held, file, line, fmt, ap);
	va_end(ap);
	return held;
}

bool tap_int(long long got, long long want, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	bool held = report(got == want, file, line, fmt, ap);
	va_end(ap);
	if (!held)
		fprintf(stderr, "#   got %lld, want %lld\n", got, want);
	return held;
}

bool tap_str(const char *got, const char *want, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	bool held = report(got && want ? strcmp(got, want) == 0 : got == want, file, line, fmt, ap);
	va_end(ap);
	if (!held)
		fprintf(stderr, "#   got  %s\n#   want %s\n", got ? got : "(null)", want ? want : "(null)");
	return held;
}

void tap_diag(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("# ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void tap_bail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("Bail out! ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
	exit(255);
}

int tap_done(void)
{
	printf("1..%d\n", count);
	fflush(stdout);
	return failed || count == 0 ? 1 : 0;
}
