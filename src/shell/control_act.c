/* control_act.c: what can be asked for by the control API, and its answers, which come later. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/control_impl.h"

void cfw_control_reply_err(struct cfw_control_conn *c, const struct curfew_err *err)
{
	static const struct {
		int code, status;
		const char *name;
	} kinds[] = {{CURFEW_ESTATE, 409, "state"},        {CURFEW_EREFUSED, 403, "refused"},
		     {CURFEW_ENOENT, 404, "not_found"},    {CURFEW_ETIMEOUT, 504, "timeout"},
		     {CURFEW_ENOMEM, 503, "memory"},       {CURFEW_EINVAL, 422, "invalid"},
		     {CURFEW_ECANCELED, 409, "cancelled"}, {0, 422, "failed"}};
	size_t i = 0;
	while (kinds[i].code && kinds[i].code != err->code)
		i++;
	cfw_control_reply_error(c, kinds[i].status, kinds[i].name, "%s", err->msg);
}

void cfw_control_asked_free(struct cfw_control_asked *a)
{
	if (a->conn)
		a->conn->asked = NULL;
	TAILQ_REMOVE(&a->ctl->asked, a, link);
	cfw_value_free(a->decision);
	free(a);
}

static struct cfw_control_asked *asked_new(struct cfw_control_conn *c, const struct cfw_control_request *r)
{
	struct cfw_control_asked *a = calloc(1, sizeof *a);
	if (!a) {
		cfw_control_reply(c, 503, NULL);
		return NULL;
	}
	a->ctl = c->ctl;
	a->conn = c;
	a->wait = cfw_control_flag(r, "wait");
	c->asked = a;
	TAILQ_INSERT_TAIL(&c->ctl->asked, a, link);
	return a;
}

/* It could not even be asked. */
static void not_asked(struct cfw_control_asked *a, const struct curfew_err *err)
{
	struct cfw_control_conn *c = a->conn;
	cfw_control_asked_free(a);
	cfw_control_reply_err(c, err);
}

static struct cfw_value *done(void)
{
	struct cfw_value *v = cfw_value_map();
	if (!cfw_value_set(v, "done", cfw_value_bool(true)))
		return v;
	cfw_value_free(v);
	return NULL;
}

static void on_answer(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	struct cfw_control_asked *a = ud;
	struct cfw_control_conn *c = a->conn;
	cfw_control_asked_free(a);
	if (c && err)
		cfw_control_reply_err(c, err);
	else if (c)
		cfw_control_reply(c, 200, cfw_value_type(value) == CFW_V_MAP ? cfw_value_copy(value) : done());
}

/* ---- triggers ---- */

static bool stops(const char *decision)
{
	return !strcmp(decision, "graceful") || !strcmp(decision, "abort") || !strcmp(decision, "kill");
}

static void on_decision(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	struct cfw_control_asked *a = ud;
	const char *decision = cfw_value_get_str(value, "decision", "");
	if (!err && !stops(decision) && a->must_stop && a->conn) {
		struct curfew_err no = {0};
		cfw_err_set(&no, CURFEW_EREFUSED, "the policy has answered it with %s", decision);
		on_answer(a, NULL, &no);
	} else if (!err && a->wait && stops(decision) && a->conn) {
		a->decision = cfw_value_copy(value); /* see cfw_control_stop_over */
	} else {
		on_answer(a, value, err);
	}
}

void cfw_control_stop_over(struct cfw_control *ctl, bool ended, int code)
{
	struct cfw_control_asked *a, *next;
	for (a = TAILQ_FIRST(&ctl->asked); a; a = next) {
		next = TAILQ_NEXT(a, link);
		if (!a->decision)
			continue;
		const char *state = cfw_life_name(cfw_core_life(curfew_core(*ctl->curfew)));
		if (cfw_value_set(a->decision, "state", cfw_value_str(state)) == 0 && ended)
			(void)cfw_value_set(a->decision, "exit", cfw_value_int(code));
		struct cfw_value *v = a->decision;
		a->decision = NULL;
		on_answer(a, v, NULL);
		cfw_value_free(v);
	}
}

static void raise_named(struct cfw_control_conn *c, struct cfw_control_request *r, const char *name, bool must_stop)
{
	struct curfew_err err = {0};
	int code = (int)cfw_control_number(r, "code", 0);
	struct cfw_control_asked *a = asked_new(c, r);
	if (!a)
		return;
	a->must_stop = must_stop;
	if (curfew_raise(*c->ctl->curfew, name, code, on_decision, a, &err))
		not_asked(a, &err);
}

void cfw_control_stop(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	raise_named(c, r, "stop", true);
}

void cfw_control_abort(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	raise_named(c, r, "abort", true);
}

void cfw_control_trigger(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	raise_named(c, r, r->arg, false);
}

void cfw_control_reload(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct curfew_err err = {0};
	struct cfw_control_asked *a = asked_new(c, r);
	if (a && cfw_reload(*c->ctl->curfew, on_answer, a, &err))
		not_asked(a, &err);
}

/* ---- steering ---- */

static void steer(struct cfw_control_conn *c, struct cfw_control_request *r, uint64_t ns)
{
	struct curfew_err err = {0};
	struct curfew_steer s = {.what = r->steer, .server = r->arg, .ns = ns};
	bool global = s.what == CURFEW_SKIP && r->arg && !strcmp(r->arg, CURFEW_GLOBAL);
	if (r->arg && !global && !cfw_core_server_find(curfew_core(*c->ctl->curfew), r->arg)) {
		cfw_control_reply_error(c, 404, "not_found", "there is no server \"%.200s\"", r->arg);
		return;
	}
	struct cfw_control_asked *a = asked_new(c, r);
	if (a && curfew_steer(*c->ctl->curfew, &s, on_answer, a, &err))
		not_asked(a, &err);
}

void cfw_control_steer(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	steer(c, r, 0);
}

void cfw_control_extend(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	const char *by = cfw_control_param(r, "by");
	double number = cfw_value_to_num(cfw_value_get(r->body, "by"), 0);
	uint64_t ns = number > 0 && number < 1e6 ? (uint64_t)(number * 1e9) : 0;
	struct curfew_err err = {0};
	if (by && cfw_parse_duration(by, &ns, &err))
		cfw_control_reply_error(c, 400, "bad_request", "by: %s", err.msg);
	else if (!ns)
		cfw_control_reply_error(c, 400, "bad_request", "by is missing: how long, such as {\"by\":\"30s\"}");
	else
		steer(c, r, ns);
}
