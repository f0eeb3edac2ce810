#include "shell/reserve.h"

#include <event2/event.h>
#include <stdlib.h>

enum { RESERVE = 64 * 1024 };

static void *reserve; /* never touched: an address range, no pages */

static void *resize(void *old, size_t size)
{
	void *p = realloc(old, size);
	if (!p && reserve) {
		free(reserve);
		reserve = NULL;
		p = realloc(old, size);
	}
	if (p && !reserve)
		reserve = malloc(RESERVE);
	return p;
}

static void *make(size_t size)
{
	return resize(NULL, size);
}

void cfw_reserve_open(void)
{
	reserve = malloc(RESERVE);
	event_set_mem_functions(make, resize, free);
}
