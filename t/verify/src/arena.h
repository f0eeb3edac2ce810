/* arena.h: memory for one core that can be put back as it was. Only what is big, the journal, stays out: the core writes it and never
 * reads it. */
#ifndef T_VERIFY_ARENA_H
#define T_VERIFY_ARENA_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE = 1 << 16, ARENA_BIG = 1 << 14, ARENA_BIGS = 1 << 20 };

static struct arena {
	size_t used;
	_Alignas(16) unsigned char at[ARENA_SIZE];
} arena;
static _Alignas(16) unsigned char arena_big[ARENA_BIGS];
static size_t arena_big_used;

/* As struct cfw_alloc wants it. Nothing is ever given back. */
static void *arena_fn(void *ud, void *p, size_t old_size, size_t new_size)
{
	(void)ud;
	if (!new_size)
		return NULL;
	if (p && new_size <= old_size)
		return p;
	int big = new_size >= ARENA_BIG;
	size_t *used = big ? &arena_big_used : &arena.used;
	size_t rounded = (new_size + 15) & ~(size_t)15;
	if (*used + rounded > (big ? ARENA_BIGS : ARENA_SIZE)) {
		puts("conform: the arena is too small");
		exit(1);
	}
	unsigned char *to = (big ? arena_big : arena.at) + *used;
	*used += rounded;
	memset(to, 0, rounded);
	if (p)
		memcpy(to, p, old_size);
	return to;
}

static void arena_keep(struct arena *in)
{
	in->used = arena.used;
	memcpy(in->at, arena.at, arena.used);
}

static void arena_put_back(const struct arena *from)
{
	arena.used = from->used;
	memcpy(arena.at, from->at, from->used);
}

#endif
