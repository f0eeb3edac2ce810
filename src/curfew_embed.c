/* curfew_embed.c: an instance for a program of its own: include/curfew.h on top of instance.h. */
#define _GNU_SOURCE
#include "curfew_embed.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/epoll.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/text.h"
#include "host/watch.h"
#include "version.h"
#include "view/view.h"

const char *curfew_version(void)
{
	return CURFEW_VERSION;
}

/* ---- what the instance tells ---- */

static void on_exit_code(void *ud, int code, bool kill)
{
	const struct cfw_embed *e = ud;
	e->opt.on_exit(e->opt.ud, code, kill);
}

static void on_deadline(void *ud, uint64_t margin_ns, uint64_t deadline_ns, bool decided)
{
	const struct cfw_embed *e = ud;
	(void)decided;
	if (e->opt.on_deadline)
		e->opt.on_deadline(e->opt.ud, margin_ns, deadline_ns);
}

static void on_lame(void *ud)
{
	const struct cfw_embed *e = ud;
	if (e->opt.on_lame)
		e->opt.on_lame(e->opt.ud, true);
}

static void on_unlame(void *ud)
{
	const struct cfw_embed *e = ud;
	if (e->opt.on_lame)
		e->opt.on_lame(e->opt.ud, false);
}

static void on_journal(void *ud)
{
	struct cfw_embed *e = ud;
	const struct cfw_journal_entry *j;
	if (!e->log.emit)
		return;
	while ((j = cfw_core_journal(curfew_core(e->c), e->logged + 1))) {
		e->logged = j->seq;
		cfw_view_log(curfew_core(e->c), j, &e->log, curfew_text, e->c);
	}
}

static void emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	enum { FIELDS = 16 }; /* no line has more */
	const struct cfw_embed *e = ud;
	struct curfew_log_field out[FIELDS];
	n = n < FIELDS ? n : FIELDS;
	for (size_t i = 0; i < n; i++)
		out[i] = (struct curfew_log_field){fields[i].key, fields[i].value};
	e->opt.log(e->opt.log_ud, (enum curfew_log_level)level, msg, out, n);
}

/* ---- the policy's files ---- */

static const struct cfw_log *log_of(const struct cfw_embed *e)
{
	return e->opt.log ? &e->log : NULL;
}

static void on_reloaded(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	const struct cfw_embed *e = ud;
	(void)value; /* both are in the log */
	(void)err;
	if (e->watch)
		cfw_watch_look(e->watch);
}

static void on_changed(void *ud, const char *name)
{
	struct cfw_embed *e = ud;
	struct curfew_err err = {0};
	if (e->c->ended)
		return;
	cfw_log_at(log_of(e), CFW_INFO, "watch: %s has changed", name);
	if (cfw_reload(e->c, on_reloaded, e, &err))
		cfw_log_at(log_of(e), CFW_WARN, "watch: %s", err.msg);
}

static void on_source(void *ud, const char *path)
{
	const struct cfw_embed *e = ud;
	cfw_watch_file(e->watch, path);
}

/* What of the settings is the program's part: it has a log of its own, and no listeners of ours. */
static int on_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	static const char *const absent[] = {"control", "health", "log", "stall_limit"};
	const struct cfw_embed *e = ud;
	bool reset = cfw_value_get_bool(conf, "reset", false);
	(void)err;
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		if (cfw_value_get(conf, absent[i]))
			cfw_log_at(log_of(e), CFW_WARN, "curfew.configure: %s: it is of `curfew run`, this program has none",
				   absent[i]);
	const struct cfw_value *watch = cfw_value_get(conf, "watch");
	if ((watch || reset) && cfw_watch_enable(e->watch, cfw_value_to_bool(watch)))
		cfw_log_at(log_of(e), CFW_ERROR, "watch: the policy's files cannot be watched");
	return 0;
}

/* S3.5. */
static void on_deactivate(void *ud)
{
	const struct cfw_embed *e = ud;
	cfw_exit_given_back(e->c);
	cfw_own_nothing(e->c);
}

/* ---- made and freed ---- */

/* What a struct that the program filled in says, as this library has it. false: it is none, or says what this one does not know. */
bool cfw_take_struct(void *to, size_t size, const void *from, size_t least)
{
	size_t n;
	memset(to, 0, size);
	if (!from)
		return false;
	memcpy(&n, from, sizeof n);
	if (n < least)
		return false;
	for (size_t i = size; i < n; i++)
		if (((const char *)from)[i])
			return false;
	memcpy(to, from, n < size ? n : size);
	return true;
}

static int refuse(struct curfew_err *err, const char *what)
{
	return cfw_err_set(err, CURFEW_EINVAL, "curfew_new: %s", what);
}

static int check(struct cfw_embed *e, const struct curfew_options *o, struct curfew_err *err)
{
	if (!cfw_take_struct(&e->opt, sizeof e->opt, o, offsetof(struct curfew_options, on_deadline)))
		return refuse(
			err,
			"options.size is not that of struct curfew_options, or of a newer one with what this library lacks");
	if (!e->opt.on_exit)
		return refuse(err, "options.on_exit is missing: whom to tell the exit code");
	if (e->opt.exit_timeout_ns > CFW_LONGEST)
		return refuse(err, "options.exit_timeout_ns is more than thirty years: a stop has an end (S4.6)");
	if (e->opt.loop && (!e->opt.loop->ops || e->opt.loop->ops->size < sizeof(struct curfew_loop_ops)))
		return refuse(err, "options.loop->ops is of another version");
	return e->opt.loop ? 0 : curfew_epoll_new(&e->own_loop, err);
}

static struct cfw_value *overrides_of(const struct curfew_options *o)
{
	struct cfw_value *v = cfw_value_map();
	int bad = o->exit_timeout_ns ? cfw_value_set(v, "exit_timeout", cfw_value_int((int64_t)o->exit_timeout_ns)) : 0;
	if (o->watch)
		bad |= cfw_value_set(v, "watch", cfw_value_bool(true));
	if (!v || bad) {
		cfw_value_free(v);
		return NULL;
	}
	return v;
}

void cfw_embed_free(struct cfw_embed *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->nhooks; i++)
		free(e->hooks[i].name);
	for (size_t i = 0; i < e->nrules; i++)
		free(e->rules[i].custom);
	free(e->hooks);
	free(e->rules);
	cfw_slots_clear(&e->requests);
	cfw_watch_free(e->watch);
	curfew_epoll_free(&e->own_loop);
	free(e);
}

struct curfew *curfew_new(const struct curfew_options *options, struct curfew_err *err)
{
	struct cfw_embed *e = calloc(1, sizeof *e);
	struct cfw_value *overrides = NULL;
	struct curfew *c = NULL;
	if (!e) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	cfw_slots_init(&e->requests, &cfw_alloc_std, sizeof(cfw_id));
	if (check(e, options, err))
		goto end;
	overrides = overrides_of(&e->opt);
	e->watch = cfw_watch_new(e->opt.loop ? e->opt.loop : &e->own_loop, on_changed, e);
	if (!overrides || !e->watch) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		goto end;
	}
	e->alloc = e->opt.alloc ? (struct cfw_alloc){e->opt.alloc, e->opt.alloc_ud} : cfw_alloc_std;
	e->log = (struct cfw_log){.level = (enum cfw_log_level)e->opt.log_level, .emit = e->opt.log ? emit : NULL, .ud = e};
	struct cfw_options o = {
		.size = sizeof o,
		.loop = e->opt.loop ? e->opt.loop : &e->own_loop,
		.log = log_of(e),
		.alloc = &e->alloc,
		.own_children = e->opt.own_children,
		.on_exit = on_exit_code,
		.on_deadline = on_deadline,
		.on_lame = on_lame,
		.on_unlame = on_unlame,
		.on_journal = on_journal,
		.on_configure = on_configure,
		.on_deactivate = on_deactivate,
		.on_source = on_source,
		.overrides = overrides,
		.embed = e,
		.ud = e,
	};
	c = cfw_new(&o, err);
	if (c && curfew_kind_add(c, &cfw_host_kind, e)) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		curfew_free(c); /* and e with it */
		c = NULL;
		e = NULL;
	}
end:
	cfw_value_free(overrides);
	if (!c)
		cfw_embed_free(e);
	return c;
}

/* ---- what is said without values ---- */

struct asked {
	curfew_done_fn *fn;
	void *ud;
};

static void on_answer(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	struct asked *a = ud;
	(void)value;
	if (a->fn)
		a->fn(a->ud, err);
	free(a);
}

int curfew_reload(struct curfew *c, curfew_done_fn *fn, void *ud, struct curfew_err *err)
{
	struct asked *a = malloc(sizeof *a);
	if (!a)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	*a = (struct asked){fn, ud};
	int rc = cfw_reload(c, on_answer, a, err);
	if (rc)
		free(a);
	return rc;
}

/* ---- without a loop of the program's ---- */

static struct curfew_loop *own_loop(const struct curfew *c)
{
	return c->embed && c->embed->own_loop.ops ? &c->embed->own_loop : NULL;
}

int curfew_fd(const struct curfew *c)
{
	return own_loop(c) ? curfew_epoll_fd(own_loop(c)) : -1;
}

int curfew_step(struct curfew *c)
{
	if (own_loop(c))
		curfew_epoll_turn(own_loop(c)); /* the step is one of its calls */
	else
		cfw_step(c);
	return 0;
}

uint64_t curfew_deadline(const struct curfew *c)
{
	return c->ended ? CURFEW_NEVER : own_loop(c) ? curfew_epoll_due(own_loop(c)) : cfw_deadline(c);
}

const char *curfew_state(const struct curfew *c)
{
	return cfw_life_name(cfw_core_life(curfew_core(c)));
}
