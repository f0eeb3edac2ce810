/* curfew_inbox.c: what has happened and was not fed yet, and the texts that it and the journal refer to. */
#define _POSIX_C_SOURCE 200809L
#include "curfew_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

/* It grows while there is still room: memory that is gone for a moment costs no event. */
static int make_room(struct curfew *c)
{
	return cfw_grow(&cfw_alloc_std, &c->inbox, &c->inbox_cap, 2 * (c->inbox_n + 1), sizeof *c->inbox);
}

int cfw_inbox_open(struct curfew *c)
{
	return make_room(c);
}

void cfw_inbox_put(struct curfew *c, const struct cfw_event *e)
{
	if (c->inbox_n == c->inbox_at)
		c->inbox_n = c->inbox_at = 0;
	if (make_room(c) && c->inbox_n == c->inbox_cap) {
		cfw_log_at(c->opt.log, CFW_ERROR, "out of memory: an event is lost");
		return;
	}
	c->inbox[c->inbox_n++] = *e;
	cfw_wake(c);
}

static void free_text(struct cfw_text *t)
{
	free(t->text);
	free(t->traceback);
	*t = (struct cfw_text){0};
}

uint32_t cfw_text_keep(struct curfew *c, const char *text, const char *traceback)
{
	if (!text)
		return 0;
	if (++c->ntexts == 0)
		c->ntexts = 1;
	struct cfw_text *t = &c->texts[c->ntexts % CFW_TEXTS];
	free_text(t);
	t->text = strdup(text);
	t->traceback = traceback ? strdup(traceback) : NULL;
	t->handle = t->text ? c->ntexts : 0;
	return t->handle;
}

const struct cfw_text *cfw_text_find(const struct curfew *c, uint32_t handle)
{
	const struct cfw_text *t = &c->texts[handle % CFW_TEXTS];
	return handle && t->handle == handle ? t : NULL;
}

const char *curfew_text(void *c, uint32_t text)
{
	const struct cfw_text *t = cfw_text_find(c, text);
	return t ? t->text : NULL;
}

void cfw_texts_clear(struct curfew *c)
{
	for (size_t i = 0; i < CFW_TEXTS; i++)
		free_text(&c->texts[i]);
}
