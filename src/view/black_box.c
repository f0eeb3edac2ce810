#include "view/black_box.h"

#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "view/black_box_impl.h"

void cfw_black_box_format(struct cfw_black_box *b, void *at, size_t size, pid_t pid, uint64_t now_ns, uint64_t wall_ns)
{
	struct head h = {.version = VERSION,
			 .entry = sizeof(struct body),
			 .size = size,
			 .pid = pid,
			 .began_ns = now_ns,
			 .began_wall_ns = wall_ns};
	memcpy(h.magic, BLACK_BOX_MAGIC, sizeof h.magic);
	memset(at, 0, size);
	memcpy(at, &h, sizeof h);
	*b = (struct cfw_black_box){.at = at, .size = size, .next = HEAD};
}

static uint16_t put_name(char *to, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	n = n < NAME_MAX_ ? n : NAME_MAX_;
	if (n)
		memcpy(to, s, n);
	return (uint16_t)n;
}

/* Whatever is there now is not whole any more. */
static void invalidate(struct cfw_black_box *b, size_t from, size_t n)
{
	size_t to = from + n < b->size ? from + n : b->size;
	memset(b->at + from, 0, to - from);
}

static void put_record(struct cfw_black_box *b, const void *data, size_t n)
{
	size_t need = aligned(sizeof(struct record) + n);
	if (b->next + need > b->size) {
		invalidate(b, b->next, b->size - b->next);
		b->next = HEAD;
	}
	struct record *r = (struct record *)(void *)(b->at + b->next);
	invalidate(b, b->next, need);
	r->len = (uint32_t)n;
	r->seq = ++b->seq;
	memcpy(r + 1, data, n);
	r->sum = sum_of(r->seq, data, n);
	atomic_store_explicit(&r->magic, RECORD, memory_order_release);
	b->next += need;
}

static void note_config(struct cfw_black_box *b, const struct cfw_core *core)
{
	struct head *h = (struct head *)(void *)b->at;
	h->exit_timeout_ns = cfw_core_config_get(core)->exit_timeout_ns;
	h->stop_margin_ns = cfw_core_config_get(core)->stop_margin_ns;
}

void cfw_black_box_put(struct cfw_black_box *b, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	_Alignas(8) char space[MOST];
	struct cfw_stop_view stop;
	struct cfw_server_view s = {.name = NULL};
	struct cfw_hook_view h = {.name = NULL};
	cfw_core_stop_view(core, &stop);
	struct body o = {.at_ns = e->at_ns,
			 .ns = e->what == CFW_J_DECISION || e->what == CFW_J_REFUSED ? 0 : e->ns,
			 .what = e->what,
			 .trigger_kind = e->trigger_kind,
			 .signo = (uint32_t)e->signo,
			 .code = (uint32_t)e->code,
			 .server = e->server,
			 .hook = e->hook,
			 .run = e->run,
			 .a = e->a,
			 .b = e->b,
			 .stop_kind = stop.first.kind,
			 .stop_signo = (uint32_t)stop.first.signo,
			 .stop_code = (uint32_t)stop.first.code,
			 .stop_server = stop.first.server,
			 .stop_count = stop.first.count,
			 .stop_at_ns = stop.first.at_ns};
	if (e->server && cfw_core_server_view(core, e->server, &s))
		o.server = 0;
	if (e->hook && cfw_core_hook_view(core, e->hook, &h))
		o.hook = 0;
	o.phase = h.phase;
	if (e->what == CFW_J_STOP && !e->b)
		note_config(b, core);
	const char *const names[NAMES] = {
		[SERVER_NAME] = s.name, [SERVER_KIND] = s.kind, [HOOK_NAME] = h.name, [HOOK_WHERE] = h.where};
	char *to = space + sizeof o;
	for (size_t i = 0; i < NAMES; i++) {
		o.names[i] = put_name(to, names[i]);
		to += o.names[i];
	}
	memcpy(space, &o, sizeof o);
	put_record(b, space, (size_t)(to - space));
}
