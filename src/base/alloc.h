/* alloc.h: the injected allocator. Tests fail its i-th call, hosts account with it. */
#ifndef CFW_BASE_ALLOC_H
#define CFW_BASE_ALLOC_H

#include <stddef.h>

/* One function as lua_Alloc: new_size 0 frees and returns NULL; ptr NULL allocates; NULL on failure leaves ptr valid. */
struct cfw_alloc {
	void *(*fn)(void *ud, void *ptr, size_t old_size, size_t new_size);
	void *ud;
};

/* The C library's realloc and free. */
extern const struct cfw_alloc cfw_alloc_std;

void *cfw_calloc(const struct cfw_alloc *a, size_t size); /* zeroed; NULL on failure */
void cfw_free(const struct cfw_alloc *a, void *ptr, size_t size);
char *cfw_strdup(const struct cfw_alloc *a, const char *s); /* free with cfw_strfree */
void cfw_strfree(const struct cfw_alloc *a, char *s);       /* s may be NULL */
/* Make room for at least need items of size each in *arr (capacity *cap, items); doubles. 0 or CURFEW_ENOMEM, *arr unharmed. */
int cfw_grow(const struct cfw_alloc *a, void *arr, size_t *cap, size_t need, size_t size);

#endif
