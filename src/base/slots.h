/* slots.h: ids of slot and generation, so that a late answer to a freed thing is recognised, never followed.
 *
 * An id is 32 bits: 20 of slot + 1, 12 of generation; 0 is "none". */
#ifndef CFW_BASE_SLOTS_H
#define CFW_BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t cfw_id;

struct cfw_alloc;

struct cfw_slots {
	const struct cfw_alloc *alloc;
	unsigned char *items; /* item_size bytes each, preceded by nothing; zeroed when handed out */
	uint16_t *gen;
	uint32_t *next_free;               /* also marks used slots */
	size_t item_size, used, cap, high; /* high: slots ever handed out, for iteration */
	uint32_t free_head;
};

void cfw_slots_init(struct cfw_slots *s, const struct cfw_alloc *a, size_t item_size);
void cfw_slots_clear(struct cfw_slots *s);
cfw_id cfw_slots_new(struct cfw_slots *s, void **item);    /* 0 on failure; *item may move at the next _new */
void *cfw_slots_get(const struct cfw_slots *s, cfw_id id); /* NULL when it is stale */
void cfw_slots_del(struct cfw_slots *s, cfw_id id);
/* Iterate: start with 0; the next live id after id in slot order, 0 at the end. */
cfw_id cfw_slots_next(const struct cfw_slots *s, cfw_id id);

#endif
