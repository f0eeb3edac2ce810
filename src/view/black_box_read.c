/* black_box_read.c: a black box as a core that the views can show; the file is trusted in nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include "view/black_box.h"
#include "view/black_box_impl.h"

bool cfw_black_box_is(const void *at, size_t size)
{
	return size >= sizeof(struct head) && memcmp(at, BLACK_BOX_MAGIC, sizeof BLACK_BOX_MAGIC) == 0;
}

static int read_head(const void *at, size_t size, struct head *h, struct curfew_err *err)
{
	if (!cfw_black_box_is(at, size))
		return cfw_err_set(err, CURFEW_EINVAL, "it is no black box of curfew");
	memcpy(h, at, sizeof *h);
	if (h->version != VERSION || h->entry != sizeof(struct body))
		return cfw_err_set(err, CURFEW_EINVAL, "it is of another version (%u, this one reads %d)", h->version, VERSION);
	if (h->size != size || size < CFW_BLACK_BOX_LEAST)
		return cfw_err_set(err, CURFEW_EINVAL, "it has %zu bytes and says it has %llu: it was cut off", size,
				   (unsigned long long)h->size);
	return 0;
}

struct found {
	uint64_t seq;
	size_t at; /* of the body */
	size_t len;
};

/* The whole record at pos; 0: there is none. */
static size_t record_at(const char *at, size_t size, size_t pos, struct found *f)
{
	struct record r;
	if (size - pos < sizeof r)
		return 0;
	memcpy(&r, at + pos, sizeof r);
	uint32_t mark;
	memcpy(&mark, at + pos, sizeof mark);
	size_t room = size - pos - sizeof r;
	if (mark != RECORD || r.len < sizeof(struct body) || r.len > MOST || r.len > room)
		return 0;
	if (sum_of(r.seq, at + pos + sizeof r, r.len) != r.sum)
		return 0;
	struct body b;
	memcpy(&b, at + pos + sizeof r, sizeof b);
	size_t names = 0;
	for (size_t i = 0; i < NAMES; i++)
		names += b.names[i];
	if (names != r.len - sizeof b)
		return 0;
	*f = (struct found){.seq = r.seq, .at = pos + sizeof r, .len = r.len};
	return aligned(sizeof r + r.len);
}

static int by_seq(const void *pa, const void *pb)
{
	const struct found *a = pa, *b = pb;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static struct found *find_all(const char *at, size_t size, size_t *n, size_t *damaged)
{
	struct found *list = calloc(size / (sizeof(struct record) + sizeof(struct body)) + 1, sizeof *list);
	bool torn = false;
	*n = *damaged = 0;
	for (size_t pos = HEAD; list && pos + ALIGN <= size;) {
		size_t step = record_at(at, size, pos, &list[*n]);
		static const char zero[ALIGN];
		bool empty = !step && memcmp(at + pos, zero, ALIGN) == 0;
		if (step)
			++*n;
		else if (!empty && !torn)
			++*damaged;
		torn = !step && !empty;
		pos += step ? step : ALIGN;
	}
	if (list && *n)
		qsort(list, *n, sizeof *list, by_seq);
	return list;
}

int cfw_black_box_resume(struct cfw_black_box *b, void *at, size_t size, struct curfew_err *err)
{
	struct head h;
	size_t n, damaged;
	int rc = read_head(at, size, &h, err);
	if (rc)
		return rc;
	struct found *list = find_all(at, size, &n, &damaged);
	if (!list)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	*b = (struct cfw_black_box){.at = at, .size = size, .next = HEAD};
	if (n) {
		b->seq = list[n - 1].seq;
		b->next = aligned(list[n - 1].at + list[n - 1].len);
	}
	free(list);
	return 0;
}

/* Ids of the file, and those that the core has given to the same things. */
struct ids {
	struct {
		uint32_t was;
		cfw_id is;
	} * v;
	size_t n, cap;
};

static cfw_id look_up(const struct ids *ids, uint32_t was)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i].was == was)
			return ids->v[i].is;
	return 0;
}

static bool remember(struct ids *ids, uint32_t was, cfw_id is)
{
	if (!is || cfw_grow(&cfw_alloc_std, &ids->v, &ids->cap, ids->n + 1, sizeof *ids->v))
		return false;
	ids->v[ids->n].was = was;
	ids->v[ids->n++].is = is;
	return true;
}

struct reader {
	struct cfw_core *core;
	struct ids servers, hooks;
	struct cfw_journal_entry *entries;
	size_t n;
	bool failed;
};

/* The i-th name, as a string; NULL: it has none, or one that no string is. */
static const char *name_of(const struct body *b, const char *names, size_t i, char text[NAME_MAX_ + 1])
{
	for (size_t k = 0; k < i; k++)
		names += b->names[k];
	if (!b->names[i] || b->names[i] > NAME_MAX_ || memchr(names, 0, b->names[i]))
		return NULL;
	memcpy(text, names, b->names[i]);
	text[b->names[i]] = '\0';
	return text;
}

static cfw_id server_of(struct reader *r, const struct body *b, const char *names)
{
	char name[NAME_MAX_ + 1], kind[NAME_MAX_ + 1], again[NAME_MAX_ + 24];
	cfw_id id = b->server ? look_up(&r->servers, b->server) : 0;
	if (id || !b->server)
		return id;
	const char *text = name_of(b, names, SERVER_NAME, name), *what = name_of(b, names, SERVER_KIND, kind);
	if (!text)
		return 0;
	struct cfw_server_opts o = {
		.name = text, .kind = what ? what : "?", .start_timeout_ns = CFW_NEVER, .stop_timeout_ns = CFW_NEVER};
	if (cfw_core_server_find(r->core, text)) { /* a reload has replaced it: the later one shows which server it is */
		snprintf(again, sizeof again, "%s'%zu", text, r->servers.n + 1);
		o.name = again;
		if (cfw_core_server_find(r->core, again))
			return 0; /* nobody was called that */
	}
	id = cfw_core_server_add(r->core, &o, NULL);
	r->failed |= !id || !remember(&r->servers, b->server, id);
	return id;
}

static cfw_id hook_of(struct reader *r, const struct body *b, const char *names, cfw_id server)
{
	char name[NAME_MAX_ + 1], where[NAME_MAX_ + 1];
	cfw_id id = b->hook ? look_up(&r->hooks, b->hook) : 0;
	if (id || !b->hook || b->phase >= CFW_PHASES || (!server && b->phase < CFW_PRE_STOP))
		return id;
	struct cfw_hook_opts o = {.server = server,
				  .phase = (enum cfw_phase)b->phase,
				  .name = name_of(b, names, HOOK_NAME, name),
				  .where = name_of(b, names, HOOK_WHERE, where),
				  .timeout_ns = CFW_NEVER};
	id = cfw_core_hook_add(r->core, &o, NULL);
	r->failed |= !id || !remember(&r->hooks, b->hook, id);
	return id;
}

/* A century: no clock that began with the machine says more. */
#define AGES (UINT64_C(100) * 366 * 86400 * CFW_SEC)

/* What no journal has said: its numbers are indexes into tables of the views, and its times are drawn. */
static bool is_sane(const struct body *b)
{
	return b->what < CFW_JOURNAL_WHATS && b->trigger_kind <= CFW_T_KINDS && b->stop_kind <= CFW_T_KINDS &&
	       (b->what != CFW_J_SERVER || (b->a < CFW_SERVER_STATES && b->b < CFW_SERVER_STATES)) &&
	       (b->what != CFW_J_LIFE || b->a < CFW_LIVES) && b->signo < 128 && b->stop_signo < 128 && b->at_ns < AGES &&
	       b->stop_at_ns < AGES;
}

static void take(struct reader *r, const struct body *b, const char *names)
{
	cfw_id server = server_of(r, b, names), hook = hook_of(r, b, names, server);
	if (r->failed)
		return;
	r->entries[r->n++] = (struct cfw_journal_entry){.at_ns = b->at_ns,
							.what = (enum cfw_journal_what)b->what,
							.trigger_kind = (enum cfw_trigger_kind)b->trigger_kind,
							.signo = (int)b->signo,
							.code = (int)b->code,
							.server = server,
							.hook = hook,
							.run = b->run,
							.a = b->a,
							.b = b->b,
							.ns = b->ns};
}

static bool begins_stop(const struct body *b)
{
	return b->what == CFW_J_STOP && !b->b;
}

static void note(struct cfw_black_box_info *info, const struct body *b)
{
	info->last_ns = b->at_ns;
	if (begins_stop(b)) {
		info->stopped = true;
		info->exited = false;
	}
	if (b->what == CFW_J_EXIT)
		info->exited = true;
}

static struct cfw_trigger trigger_of(const struct reader *r, const struct body *b)
{
	return (struct cfw_trigger){.kind = b->stop_kind < CFW_T_KINDS ? (enum cfw_trigger_kind)b->stop_kind : CFW_T_SIGNAL,
				    .signo = (int)b->stop_signo,
				    .code = (int)b->stop_code,
				    .server = look_up(&r->servers, b->stop_server),
				    .count = b->stop_count,
				    .at_ns = b->stop_at_ns};
}

static size_t count_stops(const char *at, const struct found *list, size_t n)
{
	size_t stops = 0;
	for (size_t i = 0; i < n; i++) {
		struct body b;
		memcpy(&b, at + list[i].at, sizeof b);
		stops += is_sane(&b) && begins_stop(&b);
	}
	return stops;
}

static void read_all(struct reader *r, const char *at, const struct found *list, size_t n, size_t back,
		     struct cfw_black_box_info *info)
{
	struct cfw_trigger first = {.kind = CFW_T_SIGNAL};
	size_t begun = 0;
	info->stops = count_stops(at, list, n);
	for (size_t i = 0; i < n && !r->failed; i++) {
		struct body b;
		memcpy(&b, at + list[i].at, sizeof b);
		if (!is_sane(&b)) {
			info->damaged++;
			continue;
		}
		begun += begins_stop(&b);
		if (begun + back > info->stops)
			break;
		take(r, &b, at + list[i].at + sizeof b);
		note(info, &b);
		if (begins_stop(&b)) {
			first = trigger_of(r, &b);
			info->crash = first.kind == CFW_T_CRASH || first.kind == CFW_T_STALL;
		}
	}
	info->entries = r->n;
	r->failed |= cfw_core_restore(r->core, r->entries, r->n, &first) != 0;
}

struct cfw_core *cfw_black_box_read(const void *at, size_t size, size_t back, struct cfw_black_box_info *info,
				    struct curfew_err *err)
{
	struct head h = {.pid = 0};
	struct cfw_core_config config;
	struct reader r = {.core = NULL};
	size_t n;
	*info = (struct cfw_black_box_info){.pid = 0};
	if (read_head(at, size, &h, err))
		return NULL;
	info->pid = (pid_t)h.pid;
	info->began_ns = h.began_ns;
	info->began_wall_ns = h.began_wall_ns;
	cfw_core_config_default(&config);
	if (h.exit_timeout_ns) {
		config.exit_timeout_ns = h.exit_timeout_ns;
		config.stop_margin_ns = h.stop_margin_ns;
	}
	struct found *list = find_all(at, size, &n, &info->damaged);
	r.entries = list ? calloc(n + 1, sizeof *r.entries) : NULL;
	r.core = r.entries ? cfw_core_new(&cfw_alloc_std, &config) : NULL;
	if (r.core)
		read_all(&r, at, list, n, back, info);
	if (!r.core || r.failed) {
		cfw_core_free(r.core);
		r.core = NULL;
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	free(list);
	free(r.entries);
	free(r.servers.v);
	free(r.hooks.v);
	return r.core;
}
