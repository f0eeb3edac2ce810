#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void *std_fn(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	(void)ud;
	(void)old_size;
	if (new_size == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, new_size);
}

const struct cfw_alloc cfw_alloc_std = {std_fn, NULL};

void *cfw_calloc(const struct cfw_alloc *a, size_t size)
{
	void *p = a->fn(a->ud, NULL, 0, size);
	if (p)
		memset(p, 0, size);
	return p;
}

void cfw_free(const struct cfw_alloc *a, void *ptr, size_t size)
{
	if (ptr)
		a->fn(a->ud, ptr, size, 0);
}

char *cfw_strdup(const struct cfw_alloc *a, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = a->fn(a->ud, NULL, 0, n);
	if (p)
		memcpy(p, s, n);
	return p;
}

void cfw_strfree(const struct cfw_alloc *a, char *s)
{
	if (s)
		a->fn(a->ud, s, strlen(s) + 1, 0);
}

int cfw_grow(const struct cfw_alloc *a, void *arr, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return 0;
	size_t n = *cap ? *cap : 4;
	while (n < need) {
		if (n > SIZE_MAX / 2)
			return CURFEW_ENOMEM;
		n *= 2;
	}
	if (n > SIZE_MAX / size)
		return CURFEW_ENOMEM;
	void *old;
	memcpy(&old, arr, sizeof old); /* arr is a pointer to any pointer type */
	void *p = a->fn(a->ud, old, *cap * size, n * size);
	if (!p)
		return CURFEW_ENOMEM;
	memcpy(arr, &p, sizeof p);
	*cap = n;
	return 0;
}
