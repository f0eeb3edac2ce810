/* short.h: memory runs short. Of the allocations of the C code under test, which is linked with --wrap for each of these functions (rules.mk
 * beside the test), those are counted that are made while counting is on, and some of them fail. */
#ifndef T_SHORT_H
#define T_SHORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool on;
	unsigned long calls, fail_at, fail_n; /* the fail_n calls from the fail_at-th on fail; fail_at 0: none */
	long live;                            /* allocated and not given back */
	unsigned long failed;
} cfw_short;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);

static inline bool short_fails(void)
{
	if (!cfw_short.on)
		return false;
	unsigned long i = ++cfw_short.calls;
	bool fails = cfw_short.fail_at && i >= cfw_short.fail_at && i - cfw_short.fail_at < cfw_short.fail_n;
	cfw_short.failed += fails;
	return fails;
}

void *__wrap_malloc(size_t size)
{
	void *p = short_fails() ? NULL : __real_malloc(size);
	cfw_short.live += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = short_fails() ? NULL : __real_calloc(n, size);
	cfw_short.live += p != NULL;
	return p;
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q = short_fails() ? NULL : __real_realloc(p, size);
	cfw_short.live += q && !p;
	return q;
}

void __wrap_free(void *p)
{
	cfw_short.live -= p != NULL;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = __wrap_malloc(n);
	return p ? memcpy(p, s, n) : NULL;
}

static inline void short_begin(unsigned long fail_at, unsigned long fail_n)
{
	cfw_short.calls = cfw_short.failed = 0;
	cfw_short.fail_at = fail_at;
	cfw_short.fail_n = fail_n;
	cfw_short.on = true;
}

static inline void short_end(void)
{
	cfw_short.on = false;
}

#endif
