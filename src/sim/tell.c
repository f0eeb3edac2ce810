/* tell.c: what whoever drives a simulation says: how servers behave, which trigger comes when. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/text.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "sim/impl.h"

/* ---- servers ---- */

/* false is never. */
static uint64_t take_ns(const struct cfw_value *v)
{
	return cfw_value_type(v) == CFW_V_INT ? (uint64_t)cfw_value_to_int(v, 0) : CFW_NEVER;
}

static int replace(char **to, const char *s)
{
	char *copy = s ? strdup(s) : NULL;
	if (s && !copy)
		return CURFEW_ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static struct cfw_sim_script *script_of(struct cfw_sim *s, const char *name)
{
	struct cfw_sim_script *t = cfw_sim_script_find(s, name);
	if (t || !(t = calloc(1, sizeof *t)))
		return t;
	t->dies_ns = CFW_NEVER;
	if (replace(&t->name, name)) {
		free(t);
		return NULL;
	}
	t->next = s->scripts;
	s->scripts = t;
	return t;
}

static int tell_server(struct cfw_sim *s, const struct cfw_value *v, struct curfew_err *err)
{
	struct cfw_sim_script *t = script_of(s, cfw_value_get_str(v, "name", ""));
	const struct cfw_value *starts = cfw_value_get(v, "starts"), *stops = cfw_value_get(v, "stops"),
			       *dies = cfw_value_get(v, "dies");
	if (!t || replace(&t->where, cfw_value_get_str(v, "where", NULL)))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (starts) {
		t->says_start = true;
		t->starts_ns = take_ns(starts);
	}
	if (stops) {
		t->says_stop = true;
		t->stops_ns = take_ns(stops);
	}
	const char *start_error = cfw_value_get_str(v, "start_error", NULL),
		   *stop_error = cfw_value_get_str(v, "stop_error", NULL);
	if ((start_error && replace(&t->start_error, start_error)) || (stop_error && replace(&t->stop_error, stop_error)))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (dies) {
		t->dies_ns = take_ns(dies);
		t->signo = (int)cfw_value_get_int(v, "signal", 0);
		t->code = (int)cfw_value_get_int(v, "code", 0);
		cfw_sim_fake_told(s, t);
	}
	return 0;
}

/* ---- triggers ---- */

static bool is_caught(const struct cfw_sim *s, int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGQUIT || signo == SIGHUP ||
	       curfew_signal_has_rule(s->curfew, signo);
}

static bool ends_by_default(int signo)
{
	return signo != SIGCHLD && signo != SIGCONT && signo != SIGURG && signo != SIGWINCH && signo != SIGPIPE;
}

static int steer(struct cfw_sim *s, const struct cfw_sim_at *a, enum cfw_trigger_kind kind, struct curfew_err *err)
{
	static const enum curfew_steer_what ways[CFW_T_KINDS] = {
		[CFW_T_HURRY] = CURFEW_HURRY,
		[CFW_T_EXTEND] = CURFEW_EXTEND,
		[CFW_T_SKIP] = CURFEW_SKIP,
		[CFW_T_CANCEL] = CURFEW_CANCEL,
		[CFW_T_SERVER_START] = CURFEW_SERVER_START,
		[CFW_T_SERVER_STOP] = CURFEW_SERVER_STOP,
		[CFW_T_SERVER_RESTART] = CURFEW_SERVER_RESTART,
	};
	const struct curfew_steer how = {.what = ways[kind], .server = a->server, .ns = a->by_ns};
	return curfew_steer(s->curfew, &how, NULL, NULL, err);
}

static void raise_trigger(struct cfw_sim *s, const struct cfw_sim_at *a)
{
	struct curfew_err err = {0};
	enum cfw_trigger_kind kind;
	int signo = 0;
	if (cfw_trigger_parse(a->trigger, &kind, &signo))
		kind = CFW_T_CUSTOM;
	if (kind == CFW_T_EXIT) {
		curfew_exit(s->curfew, a->code);
	} else if (kind != CFW_T_SIGNAL) {
		if (cfw_trigger_steers(kind) ? steer(s, a, kind, &err) : curfew_trigger(s->curfew, a->trigger, &err))
			cfw_log_at(&s->sink, CFW_ERROR, "%s%s%s", a->where ? a->where : "", a->where ? ": " : "", err.msg);
	} else if (is_caught(s, signo)) {
		curfew_signal(s->curfew, signo, a->times);
	} else {
		cfw_log_at(&s->sink, CFW_WARN, "%s: no rule names %s, so it is not caught%s", a->where ? a->where : "at",
			   a->trigger, ends_by_default(signo) ? ": a real process would have been ended by it" : "");
	}
}

static const struct cfw_sim_at *next_at(const struct cfw_sim *s)
{
	const struct cfw_sim_at *best = NULL;
	for (size_t i = 0; i < s->nat; i++)
		if (!best || s->at[i].ns < best->ns || (s->at[i].ns == best->ns && s->at[i].order < best->order))
			best = &s->at[i];
	return best;
}

static void at_clear(const struct cfw_sim_at *a)
{
	free(a->trigger);
	free(a->where);
	free(a->server);
}

static void on_at(void *ud)
{
	struct cfw_sim *s = ud;
	const struct cfw_sim_at *a;
	while ((a = next_at(s)) && a->ns <= cfw_sim_now(s)) {
		raise_trigger(s, a);
		at_clear(a);
		s->at[a - s->at] = s->at[--s->nat];
	}
	cfw_sim_at_arm(s);
}

void cfw_sim_at_arm(struct cfw_sim *s)
{
	const struct cfw_sim_at *a = next_at(s);
	s->loop.ops->timer(s->loop.loop, a ? cfw_time_add(CFW_SIM_START, a->ns) : CFW_NEVER, on_at, s);
}

void cfw_sim_at_free(struct cfw_sim *s)
{
	while (s->nat) {
		at_clear(&s->at[--s->nat]);
	}
	free(s->at);
}

static int tell_at(struct cfw_sim *s, const struct cfw_value *v, struct curfew_err *err)
{
	const char *trigger = cfw_value_get_str(v, "trigger", "");
	if (cfw_grow(&cfw_alloc_std, &s->at, &s->at_cap, s->nat + 1, sizeof *s->at))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	struct cfw_sim_at *a = &s->at[s->nat];
	*a = (struct cfw_sim_at){.ns = cfw_value_get_ns(v, "ns", 0),
				 .order = ++s->orders,
				 .by_ns = cfw_value_get_ns(v, "by", 0),
				 .code = (int)cfw_value_get_int(v, "code", 0),
				 .times = (unsigned)cfw_value_get_int(v, "times", 1)};
	if (replace(&a->trigger, trigger) || replace(&a->where, cfw_value_get_str(v, "where", NULL)) ||
	    replace(&a->server, cfw_value_get_str(v, "server", NULL))) {
		at_clear(a);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	s->nat++;
	return 0;
}

/* ---- both ---- */

static int each(struct cfw_sim *s, const struct cfw_value *list,
		int (*fn)(struct cfw_sim *s, const struct cfw_value *v, struct curfew_err *err), struct curfew_err *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < cfw_value_len(list); i++)
		rc = fn(s, cfw_value_at(list, i), err);
	return rc;
}

int cfw_sim_tell(struct cfw_sim *s, const struct cfw_value *what, struct curfew_err *err)
{
	int rc = each(s, cfw_value_get(what, "servers"), tell_server, err);
	if (!rc)
		rc = each(s, cfw_value_get(what, "at"), tell_at, err);
	if (!rc)
		rc = each(s, cfw_value_get(what, "answers"), cfw_sim_answer, err);
	cfw_sim_at_arm(s);
	return rc;
}
