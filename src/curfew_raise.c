/* curfew_raise.c: triggers by name, from whoever is outside of the policy, and what was decided on them. */
#define _POSIX_C_SOURCE 200809L
#include "curfew_impl.h"

#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

static const char *nearest(const char *name)
{
	static const char *const signals[] = {"SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH", NULL};
	const char *near = cfw_nearest(name, cfw_trigger_names());
	return near ? near : cfw_nearest(name, signals);
}

/* No process ever sees some signals, and others tell of a fault of its own: there is nothing to decide. */
static const char *no_trigger(int signo)
{
	switch (signo) {
	case SIGKILL:
	case SIGSTOP:
		return "no process sees this signal";
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
		return "this signal is a fault of the process itself";
	default:
		return NULL;
	}
}

bool cfw_can_be_trigger(int signo)
{
	return signo > 0 && signo < CFW_PAGE_SIGNALS && !no_trigger(signo);
}

int cfw_trigger_named(const char *name, struct cfw_trigger *t, struct curfew_err *err)
{
	if (strncmp(name, "custom:", 7) == 0 && name[7]) {
		t->kind = CFW_T_CUSTOM;
		return cfw_is_name(name) ? 0
					 : cfw_err_set(err, CURFEW_EINVAL, "the name of a trigger has no control characters");
	}
	if (cfw_trigger_parse(name, &t->kind, &t->signo)) {
		const char *near = nearest(name);
		return near ? cfw_err_set(err, CURFEW_ENOENT, "there is no trigger \"%.60s\"; did you mean \"%s\"?", name, near)
			    : cfw_err_set(err, CURFEW_ENOENT,
					  "there is no trigger \"%.60s\"; a policy's own are named \"custom:NAME\"", name);
	}
	const char *closed = t->kind == CFW_T_SIGNAL ? no_trigger(t->signo) : NULL;
	return closed ? cfw_err_set(err, CURFEW_EINVAL, "%s: %s", name, closed) : 0;
}

int cfw_trigger_open(const char *name, struct cfw_trigger *t, struct curfew_err *err)
{
	int rc = cfw_trigger_named(name, t, err);
	const char *closed = rc == CURFEW_EINVAL && t->kind == CFW_T_SIGNAL ? no_trigger(t->signo) : NULL;
	if (!closed && !rc)
		closed = cfw_trigger_closed(t->kind);
	if (closed)
		return cfw_err_set(err, CURFEW_EREFUSED, "%s: %s", name, closed); /* S10.1 */
	return rc;
}

int curfew_raise(struct curfew *c, const char *name, int code, curfew_answer_fn *fn, void *ud, struct curfew_err *err)
{
	struct cfw_trigger t = {0};
	int rc = cfw_trigger_open(name, &t, err);
	if (rc)
		return rc;
	if (c->ended)
		return cfw_err_set(err, CURFEW_ESTATE, "it has ended");
	if (t.kind == CFW_T_EXIT)
		t.code = code != 0 && (code & 255) == 0 ? 1 : code & 255; /* S2.18 */
	if (fn) {
		t.request = cfw_asker_new(c, 0, fn, ud);
		if (!t.request)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		c->waiters[c->nwaiters - 1].what = CFW_ASKS_DECISION;
	}
	return cfw_raise_trigger(c->gen, &t, t.kind == CFW_T_CUSTOM ? name : NULL, NULL);
}

static struct cfw_value *decision_value(const struct curfew *c, const struct cfw_journal_entry *e)
{
	const char *custom = e->trigger_kind == CFW_T_CUSTOM ? curfew_text((void *)(uintptr_t)c, e->text) : NULL;
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "trigger", cfw_value_str(custom ? custom : cfw_trigger_name(e->trigger_kind, e->signo))) |
		  cfw_value_set(v, "decision", cfw_value_str(cfw_decision_name((enum cfw_decision_what)e->a))) |
		  cfw_value_set(v, "code", cfw_value_int(e->code)) | cfw_value_set(v, "default", cfw_value_bool(e->b));
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}

void cfw_raise_note(struct curfew *c, const struct cfw_journal_entry *e)
{
	if (e->what != CFW_J_DECISION || !e->ns)
		return;
	const char *decision = cfw_decision_name((enum cfw_decision_what)e->a);
	for (size_t i = 0; i < c->nwaiters; i++) {
		struct cfw_waiter w = c->waiters[i];
		bool no_reload = w.what == CFW_ASKS_RELOAD && e->a != CFW_D_RELOAD; /* it would be waited for in vain */
		if (w.request != e->ns || (w.what != CFW_ASKS_DECISION && !no_reload))
			continue;
		c->waiters[i] = c->waiters[--c->nwaiters];
		struct curfew_err err = {0};
		struct cfw_value *v = no_reload ? NULL : decision_value(c, e);
		if (no_reload)
			cfw_err_set(&err, CURFEW_EREFUSED, "the policy has answered it with %s", decision);
		if (w.fn)
			w.fn(w.ud, v, no_reload ? &err : NULL);
		else
			cfw_gens_answer(c, w.token, NULL, &err);
		cfw_value_free(v);
		return;
	}
}
