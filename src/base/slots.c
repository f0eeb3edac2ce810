#include "base/slots.h"

#include <string.h>

#include "base/alloc.h"

enum { SLOT_BITS = 20, GEN_MASK = 0xfff };

#define USED    UINT32_MAX
#define NO_FREE (UINT32_MAX - 1)

static cfw_id id_of(const struct cfw_slots *s, size_t slot)
{
	return (cfw_id)(((uint32_t)s->gen[slot] & GEN_MASK) << SLOT_BITS | (uint32_t)(slot + 1));
}

void cfw_slots_init(struct cfw_slots *s, const struct cfw_alloc *a, size_t item_size)
{
	memset(s, 0, sizeof *s);
	s->alloc = a;
	s->item_size = item_size;
	s->free_head = NO_FREE;
}

void cfw_slots_clear(struct cfw_slots *s)
{
	cfw_free(s->alloc, s->items, s->cap * s->item_size);
	cfw_free(s->alloc, s->gen, s->cap * sizeof *s->gen);
	cfw_free(s->alloc, s->next_free, s->cap * sizeof *s->next_free);
	cfw_slots_init(s, s->alloc, s->item_size);
}

/* Three arrays grow to one capacity; a failure part way leaves all of them usable at the old one. */
static int grow(struct cfw_slots *s)
{
	size_t want = s->cap ? s->cap * 2 : 8;
	if (want > (size_t)1 << SLOT_BITS)
		want = ((size_t)1 << SLOT_BITS) - 1;
	if (want <= s->cap)
		return 0;
	const struct cfw_alloc *a = s->alloc;
	unsigned char *items = a->fn(a->ud, NULL, 0, want * s->item_size);
	uint16_t *gen = a->fn(a->ud, NULL, 0, want * sizeof *gen);
	uint32_t *next_free = a->fn(a->ud, NULL, 0, want * sizeof *next_free);
	if (!items || !gen || !next_free) {
		cfw_free(a, items, want * s->item_size);
		cfw_free(a, gen, want * sizeof *gen);
		cfw_free(a, next_free, want * sizeof *next_free);
		return 0;
	}
	if (s->cap) {
		memcpy(items, s->items, s->cap * s->item_size);
		memcpy(gen, s->gen, s->cap * sizeof *gen);
		memcpy(next_free, s->next_free, s->cap * sizeof *next_free);
	}
	cfw_free(a, s->items, s->cap * s->item_size);
	cfw_free(a, s->gen, s->cap * sizeof *s->gen);
	cfw_free(a, s->next_free, s->cap * sizeof *s->next_free);
	s->items = items;
	s->gen = gen;
	s->next_free = next_free;
	s->cap = want;
	return 1;
}

cfw_id cfw_slots_new(struct cfw_slots *s, void **item)
{
	size_t slot;
	if (s->free_head != NO_FREE) {
		slot = s->free_head;
		s->free_head = s->next_free[slot];
	} else {
		if (s->high == s->cap && !grow(s))
			return 0;
		slot = s->high++;
		s->gen[slot] = 0;
	}
	s->next_free[slot] = USED;
	s->used++;
	*item = s->items + slot * s->item_size;
	memset(*item, 0, s->item_size);
	return id_of(s, slot);
}

/* Slot of a live id, or SIZE_MAX. */
static size_t slot_of(const struct cfw_slots *s, cfw_id id)
{
	size_t slot = (id & ((1u << SLOT_BITS) - 1));
	if (slot == 0 || slot > s->high)
		return SIZE_MAX;
	slot--;
	return s->next_free[slot] == USED && id_of(s, slot) == id ? slot : SIZE_MAX;
}

void *cfw_slots_get(const struct cfw_slots *s, cfw_id id)
{
	size_t slot = slot_of(s, id);
	return slot == SIZE_MAX ? NULL : s->items + slot * s->item_size;
}

void cfw_slots_del(struct cfw_slots *s, cfw_id id)
{
	size_t slot = slot_of(s, id);
	if (slot == SIZE_MAX)
		return;
	s->gen[slot] = (uint16_t)((s->gen[slot] + 1) & GEN_MASK);
	s->next_free[slot] = s->free_head;
	s->free_head = (uint32_t)slot;
	s->used--;
}

cfw_id cfw_slots_next(const struct cfw_slots *s, cfw_id id)
{
	size_t slot = id & ((1u << SLOT_BITS) - 1); /* slot + 1 of id: the slot after it */
	for (; slot < s->high; slot++)
		if (s->next_free[slot] == USED)
			return id_of(s, slot);
	return 0;
}
