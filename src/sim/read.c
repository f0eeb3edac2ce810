/* read.c: a schedule from the items of a test, as put.c writes them. */
#include <string.h>

#include "base/err.h"
#include "base/value.h"
#include "sim/model.h"
#include "sim/schedule.h"

/* false is never. */
static uint64_t get_ns(const struct cfw_value *v, const char *key, uint64_t none)
{
	const struct cfw_value *t = cfw_value_get(v, key);
	if (!t)
		return none;
	return cfw_value_type(t) == CFW_V_INT ? (uint64_t)cfw_value_to_int(t, 0) : CFW_NEVER;
}

/* Index + 1; 0: there is none of this name. */
static size_t server_named(const struct cfw_model *m, const char *name)
{
	for (size_t i = 0; name && i < m->nservers; i++)
		if (strcmp(m->servers[i].opts.name, name) == 0)
			return i + 1;
	return 0;
}

static int unknown(const char *what, const char *name, struct curfew_err *err)
{
	return cfw_err_set(err, CURFEW_ENOENT, "the policy has no %s \"%.200s\"", what, name);
}

static int read_server(const struct cfw_model *m, const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	const char *name = cfw_value_get_str(v, "server", "");
	size_t i = server_named(m, name);
	if (!i)
		return unknown("server", name, err);
	s->servers[i - 1] = (struct cfw_schedule_server){.start_ns = get_ns(v, "starts", 0),
							 .stop_ns = get_ns(v, "stops", 0),
							 .dies_ns = get_ns(v, "dies", CFW_NEVER),
							 .cut_ns = get_ns(v, "cut", 0),
							 .lives_ns = get_ns(v, "lives", 0),
							 .signo = (int)cfw_value_get_int(v, "signal", 0),
							 .code = (int)cfw_value_get_int(v, "code", 0),
							 .fails = cfw_value_get_bool(v, "fails", false)};
	return 0;
}

static int read_hook(const struct cfw_model *m, const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	const char *name = cfw_value_get_str(v, "hook", "");
	char label[300];
	size_t i = 0;
	for (; i < m->nhooks; i++) {
		cfw_schedule_hook_label(m, i, label, sizeof label);
		if (strcmp(label, name) == 0)
			break;
	}
	if (i == m->nhooks)
		return unknown("hook", name, err);
	int64_t code = cfw_value_get_int(v, "exits", -1);
	s->hooks[i] = (struct cfw_schedule_hook){.ns = get_ns(v, "takes", 0),
						 .full = cfw_value_get_bool(v, "full", false),
						 .extend_ns = get_ns(v, "extends", 0),
						 .outcome = cfw_value_get_bool(v, "fails", false) ? CFW_FAILED
							    : code >= 0                           ? CFW_EXIT_CALL
												  : CFW_OK,
						 .code = code >= 0 ? (int)code : 0};
	return 0;
}

static int read_trigger(const struct cfw_model *m, const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	const char *name = cfw_value_get_str(v, "trigger", ""), *of = cfw_value_get_str(v, "of", NULL);
	if (s->nat == CFW_MODEL_AT)
		return cfw_err_set(err, CURFEW_ELIMIT, "more than %d triggers", CFW_MODEL_AT);
	struct cfw_schedule_at *a = &s->at[s->nat];
	*a = (struct cfw_schedule_at){.at_ns = get_ns(v, "at", 0),
				      .code = (int)cfw_value_get_int(v, "code", 0),
				      .server = server_named(m, of),
				      .ns = get_ns(v, "by", 0),
				      .times = (unsigned)cfw_value_get_int(v, "times", 0),
				      .no_exit = !cfw_value_get_bool(v, "exit", true),
				      .asks = cfw_value_get_bool(v, "asks", false)};
	if (of && !a->server)
		return unknown("server", of, err);
	if (cfw_trigger_parse(name, &a->kind, &a->signo))
		return cfw_err_set(err, CURFEW_ENOENT, "there is no trigger \"%.60s\"", name);
	s->nat++;
	return 0;
}

static int read_answer(const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	bool again = cfw_value_get(v, "again");
	if (s->nanswers == CFW_MODEL_ANSWERS)
		return cfw_err_set(err, CURFEW_ELIMIT, "more than %d answers", CFW_MODEL_ANSWERS);
	s->answers[s->nanswers++] = (struct cfw_schedule_answer){.nth = (unsigned)cfw_value_get_int(v, "answer", 0),
								 .ns = get_ns(v, again ? "again" : "late", 0),
								 .again = again};
	return 0;
}

static int read_build(const struct cfw_model *m, const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	if (s->nbuilds == CFW_MODEL_BUILDS)
		return cfw_err_set(err, CURFEW_ELIMIT, "more than %d reloads", CFW_MODEL_BUILDS);
	struct cfw_schedule_build *b = &s->builds[s->nbuilds++];
	*b = (struct cfw_schedule_build){.takes_ns = get_ns(v, "takes", 0),
					 .broken = strcmp(cfw_value_get_str(v, "reload", ""), "broken") == 0};
	for (int what = 0; what < CFW_M_CHANGES; what++) {
		const char *name = cfw_value_get_str(v, cfw_change_names[what], NULL);
		if (!name)
			continue;
		b->what = (enum cfw_model_change)what;
		b->server = server_named(m, name);
		if (!b->server)
			return unknown("server", name, err);
	}
	return 0;
}

static int read_one(const struct cfw_model *m, const struct cfw_value *v, struct cfw_schedule *s, struct curfew_err *err)
{
	if (cfw_value_get(v, "server"))
		return read_server(m, v, s, err);
	if (cfw_value_get(v, "hook"))
		return read_hook(m, v, s, err);
	if (cfw_value_get(v, "trigger"))
		return read_trigger(m, v, s, err);
	if (cfw_value_get(v, "answer"))
		return read_answer(v, s, err);
	if (cfw_value_get(v, "reload"))
		return read_build(m, v, s, err);
	unsigned memory = (unsigned)cfw_value_get_int(v, "memory", 0);
	if (cfw_value_get(v, "question")) {
		s->ask_starves = (unsigned)cfw_value_get_int(v, "question", 0);
		s->ask_memory = memory;
	} else if (memory) {
		s->memory = memory;
		s->memory_all = cfw_value_get_bool(v, "all", false);
	} else {
		s->until_ns = get_ns(v, "finish", s->until_ns);
	}
	return 0;
}

int cfw_schedule_read(const struct cfw_model *m, const struct cfw_value *items, struct cfw_schedule *s, struct curfew_err *err)
{
	int rc = 0;
	s->until_ns = 10 * CFW_SEC;
	for (size_t i = 0; !rc && i < cfw_value_len(items); i++)
		rc = read_one(m, cfw_value_at(items, i), s, err);
	return rc;
}
