/* plan_json.c: a plan as JSON; times in seconds, null where there is none. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "sim/plan.h"
#include "view/words.h"

static json_t *text(const char *s)
{
	struct cfw_buf b;
	if (!s)
		return json_null();
	cfw_buf_init(&b);
	cfw_buf_put_safe(&b, s, strlen(s)); /* JSON takes UTF-8 alone */
	json_t *v = json_string(b.data ? b.data : "");
	cfw_buf_clear(&b);
	return v;
}

static json_t *seconds(uint64_t ns)
{
	return ns == CFW_NEVER ? json_null() : json_real((double)ns / 1e9);
}

static json_t *times(const struct cfw_plan_time *t)
{
	return json_pack("{s:o, s:o, s:b}", "begins", seconds(t->begin_ns), "ends", seconds(t->end_ns), "cut", t->cut);
}

static json_t *hooks(const struct cfw_plan *p, size_t server)
{
	json_t *list = json_array();
	for (size_t i = 0; i < p->model->nhooks; i++) {
		const struct cfw_model_hook *h = &p->model->hooks[i];
		if (h->server != server || h->opts.phase < CFW_PRE_STOP)
			continue;
		json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "phase",
						      cfw_view_phase_name((int)h->opts.phase), "name", text(h->opts.name),
						      "where", text(h->opts.where), "limit", seconds(h->opts.timeout_ns),
						      "best", times(&p->best.hooks[i]), "worst", times(&p->worst.hooks[i])));
	}
	return list;
}

static json_t *server(const struct cfw_plan *p, size_t i)
{
	const struct cfw_model_server *s = &p->model->servers[i];
	json_t *after = json_array();
	for (size_t k = s->non; k-- > 0;)
		json_array_append_new(after, text(p->model->servers[s->on[k]].opts.name));
	return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "name", text(s->opts.name), "kind",
			 text(s->opts.kind), "address", text(s->address), "wave", (json_int_t)p->wave[i], "after", after,
			 "limit", seconds(cfw_plan_stop_limit(p, i)), "hooks", hooks(p, i + 1), "best",
			 times(&p->best.servers[i]), "worst", times(&p->worst.servers[i]));
}

static json_t *decisions(const struct cfw_plan *p)
{
	json_t *list = json_array();
	for (size_t i = 0; i < p->ndecisions; i++) {
		const struct cfw_plan_decision *d = &p->decisions[i];
		json_array_append_new(list, json_pack("{s:o, s:o, s:i, s:s, s:i, s:b}", "at", seconds(d->at_ns), "trigger",
						      text(d->trigger), "count", (int)d->count, "decision",
						      cfw_decision_name(d->what), "code", d->code, "refused", d->refused));
	}
	return list;
}

static json_t *whole(const struct cfw_plan_case *c)
{
	return json_pack("{s:b, s:b, s:b, s:b, s:i, s:o, s:o, s:o}", "stops", c->stops, "ended", c->ended, "aborted",
			 c->aborted, "cut", c->cut, "code", c->code, "ends", seconds(c->end_ns), "margin",
			 seconds(c->stops ? c->margin_ns : CFW_NEVER), "exit_timeout", seconds(c->deadline_ns));
}

void cfw_plan_put_json(const struct cfw_plan *p, struct cfw_buf *out)
{
	json_t *servers = json_array();
	for (size_t i = 0; i < p->model->nservers; i++)
		json_array_append_new(servers, server(p, i));
	json_t *all = json_pack("{s:i, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "version", 1, "policy", text(p->path), "decisions",
				decisions(p), "waves", (json_int_t)p->nwaves, "hooks", hooks(p, 0), "servers", servers, "best",
				whole(&p->best), "worst", whole(&p->worst));
	char *s = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
	if (s)
		cfw_buf_printf(out, "%s\n", s);
	else
		out->failed = 1;
	free(s);
	json_decref(all);
}
