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
	bool ample;                           /* what fails is something else than memory */
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
	unsigned long i = __atomic_add_fetch(&cfw_short.calls, 1, __ATOMIC_RELAXED);
	bool fails = cfw_short.fail_at && i >= cfw_short.fail_at && i - cfw_short.fail_at < cfw_short.fail_n;
	if (fails)
		__atomic_add_fetch(&cfw_short.failed, 1, __ATOMIC_RELAXED);
	return fails;
}

static inline void short_holds(long n)
{
	__atomic_add_fetch(&cfw_short.live, n, __ATOMIC_RELAXED);
}

void *__wrap_malloc(size_t size)
{
	void *p = !cfw_short.ample && short_fails() ? NULL : __real_malloc(size);
	short_holds(p != NULL);
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = !cfw_short.ample && short_fails() ? NULL : __real_calloc(n, size);
	short_holds(p != NULL);
	return p;
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q = !cfw_short.ample && short_fails() ? NULL : __real_realloc(p, size);
	short_holds(q && !p);
	return q;
}

void __wrap_free(void *p)
{
	short_holds(-(p != NULL));
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
