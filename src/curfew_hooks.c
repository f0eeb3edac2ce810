/* curfew_hooks.c: hooks in C. The core knows them as it knows a script's; their ref says that they are the program's. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "curfew_embed.h"
#include "curfew_stage.h"

static struct cfw_host_hook *by_ref(const struct curfew *c, int64_t ref)
{
	return &c->embed->hooks[ref & ~CFW_REF_HOST];
}

static uint64_t within(uint64_t ns)
{
	return ns ? ns : CFW_NEVER;
}

/* Registered in the core, and in the page. */
static cfw_id add(struct curfew *c, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	cfw_id id = cfw_core_hook_add(c->core, opts, err);
	if (id && cfw_page_hook_room(c, id) == 0) {
		cfw_page_place_hook(c, c->gen, id);
		cfw_page_note_hook(c, id);
	}
	return id;
}

curfew_id curfew_hook_new(struct curfew *c, const struct curfew_hook_options *options, struct curfew_err *err)
{
	struct curfew_hook_options o;
	struct cfw_embed *e = c->embed;
	struct cfw_host_hook h;
	if (!cfw_take_struct(&o, sizeof o, options, offsetof(struct curfew_hook_options, cut)) || !o.fn ||
	    (unsigned)o.phase > CURFEW_POST_STOP) {
		cfw_err_set(err, CURFEW_EINVAL, "curfew_hook_new: options.size is wrong, or phase or fn is missing");
		return 0;
	}
	if (o.name && !cfw_is_name(o.name)) {
		cfw_err_set(err, CURFEW_EINVAL, "curfew_hook_new: options.name is empty or has control characters");
		return 0;
	}
	if (cfw_grow(&cfw_alloc_std, &e->hooks, &e->hooks_cap, e->nhooks + 1, sizeof *e->hooks)) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return 0;
	}
	h = (struct cfw_host_hook){.fn = o.fn, .cut = o.cut, .ud = o.ud, .name = o.name ? strdup(o.name) : NULL};
	h.opts = (struct cfw_hook_opts){.server = o.server,
					.phase = (enum cfw_phase)o.phase,
					.name = h.name,
					.where = "C",
					.timeout_ns = within(o.timeout_ns),
					.ref = CFW_REF_HOST | (int64_t)e->nhooks};
	h.id = o.name && !h.name ? 0 : add(c, &h.opts, err);
	if (!h.id) {
		free(h.name);
		if (err && !err->code)
			cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return 0;
	}
	e->hooks[e->nhooks++] = h;
	return h.id;
}

/* ---- a call ---- */

void cfw_host_hook_call(struct curfew *c, const struct cfw_hook_call *call)
{
	struct cfw_host_hook *h = by_ref(c, call->ref);
	bool stops = call->trigger.kind != CFW_T_KINDS;
	const struct curfew_hook view = {
		.size = sizeof view,
		.run = call->run,
		.server = call->server,
		.phase = (enum curfew_phase)call->phase,
		.abort = call->mode == CFW_ABORT,
		.trigger = !stops ? NULL
			   : call->trigger.kind == CFW_T_CUSTOM && call->text
				   ? call->text
				   : cfw_trigger_name(call->trigger.kind, call->trigger.signo),
		.text = call->text,
		.began_ns = call->began_ns,
		.deadline_ns = call->deadline_ns,
	};
	cfw_hook_begins(c, call->run);
	h->run = call->run;
	uint32_t before = c->embed->calling;
	c->embed->calling = call->run;
	h->fn(h->ud, &view);
	c->embed->calling = before;
}

void cfw_host_hook_exits(struct curfew *c)
{
	if (c->embed && c->embed->calling)
		curfew_hook_done(c, c->embed->calling, NULL);
}

void cfw_host_hook_cut(struct curfew *c, cfw_id hook, uint32_t run)
{
	struct cfw_hook_view view;
	if (cfw_core_hook_view(c->core, hook, &view))
		return;
	struct cfw_host_hook *h = by_ref(c, view.ref);
	h->run = 0;
	if (h->cut)
		h->cut(h->ud, run);
}

void curfew_hook_done(struct curfew *c, curfew_id run, const char *why)
{
	struct cfw_hook_view view;
	if (cfw_core_hook_view(c->core, cfw_core_run_hook(c->core, run), &view) || !(view.ref & CFW_REF_HOST))
		return;
	struct cfw_host_hook *h = by_ref(c, view.ref);
	if (h->run != run) /* a late or doubled answer */
		return;
	h->run = 0;
	cfw_hook_ends(c, run, why ? CFW_FAILED : CFW_OK, 0, why, NULL);
}

int curfew_hook_extend(struct curfew *c, curfew_id run, uint64_t ns, struct curfew_err *err)
{
	return cfw_hook_extend(c, run, ns, err);
}

/* ---- reload: a swap drops all hooks ---- */

static bool stays(const struct cfw_stage *st, cfw_id server)
{
	return !server || cfw_staged_of(st, server);
}

int cfw_host_hooks_stage(struct cfw_gen *g, struct curfew_err *err)
{
	struct cfw_embed *e = g->c->embed;
	struct cfw_stage *st = g->stage;
	size_t own = st->nhooks, n = 0;
	for (size_t i = 0; e && i < e->nhooks; i++) {
		if (!stays(st, e->hooks[i].opts.server))
			continue;
		if (!cfw_stage_hook(g, &e->hooks[i].opts, err))
			return CURFEW_ENOMEM;
		n++;
	}
	if (!n)
		return 0;
	/* in front of the new policy's: the order in which they are committed is the order in which they run */
	cfw_id *all = calloc(own + n, sizeof *all);
	if (!all)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	memcpy(all, st->hooks + own, n * sizeof *all);
	memcpy(all + n, st->hooks, own * sizeof *all);
	free(st->hooks);
	st->hooks = all;
	st->hooks_cap = own + n;
	return 0;
}

void cfw_host_hooks_swapped(struct curfew *c, const struct cfw_stage *st)
{
	struct cfw_hook_view view;
	for (size_t i = 0; i < st->nhooks; i++)
		if (cfw_core_hook_view(c->core, st->hooks[i], &view) == 0 && view.ref & CFW_REF_HOST)
			by_ref(c, view.ref)->id = st->hooks[i];
}
