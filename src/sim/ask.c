/* ask.c: exec, fetch and fs.* as questions: to be answered by whoever drives the simulation, as soon as they like, and as if it had
 * taken the time that they say. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/value.h"
#include "instance.h"
#include "sim/impl.h"

static void forget(struct cfw_sim *s, struct cfw_sim_asked *q)
{
	struct cfw_sim_asked **at = &s->asked;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	cfw_timer_cancel(curfew_env(s->curfew)->timers, &q->timer);
	cfw_value_free(q->args);
	cfw_value_free(q->answer);
	free(q->error);
	free(q->service);
	free(q);
}

void cfw_sim_asked_free(struct cfw_sim *s)
{
	while (s->asked)
		forget(s, s->asked);
}

static void give(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_sim_asked *q = ud;
	const struct cfw_env *env = curfew_env(q->sim->curfew);
	struct cfw_value *answer = q->answer;
	q->answer = NULL;
	env->answer(env->ud, q->token, answer, q->error);
	forget(q->sim, q);
}

static int begin(struct cfw_sim *s, const char *service, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	struct cfw_sim_asked *q = calloc(1, sizeof *q), **end = &s->asked;
	char *name = strdup(service);
	struct cfw_value *copy = args ? cfw_value_copy(args) : cfw_value_map();
	if (!q || !name || !copy) {
		free(q);
		free(name);
		cfw_value_free(copy);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	*q = (struct cfw_sim_asked){.sim = s, .token = token, .id = ++s->ids, .service = name, .args = copy};
	q->timer = (struct cfw_timer){.fn = give, .ud = q};
	while (*end)
		end = &(*end)->next;
	*end = q;
	return 0;
}

static void cancel(void *ud, uint64_t token)
{
	struct cfw_sim *s = ud;
	for (struct cfw_sim_asked *q = s->asked; q; q = q->next)
		if (q->token == token) {
			forget(s, q);
			return;
		}
}

/* A service is told apart by its function alone. */
#define QUESTION(id, name)                                                                                                     \
	static int begin_##id(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args,               \
			      struct curfew_err *err)                                                                          \
	{                                                                                                                      \
		(void)env;                                                                                                     \
		return begin(ud, name, token, args, err);                                                                      \
	}
QUESTION(exec, "exec")
QUESTION(fetch, "fetch")
QUESTION(exists, "fs.exists")
QUESTION(stat, "fs.stat")
QUESTION(read, "fs.read")
QUESTION(write, "fs.write")
QUESTION(rename, "fs.rename")
QUESTION(remove, "fs.remove")

/* The policy's own side, lua/curfew/sim/inside.lua, asks how it is to be set up. */
static int begin_setup(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args,
		       struct curfew_err *err)
{
	const struct cfw_sim *s = ud;
	struct cfw_value *v = s->opts ? cfw_value_copy(s->opts) : cfw_value_map();
	(void)args;
	if (cfw_value_set(v, "zero", cfw_value_int((int64_t)(CFW_SIM_START / CFW_SEC)))) {
		cfw_value_free(v);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	env->answer(env->ud, token, v, NULL);
	return 0;
}

int cfw_sim_services_add(struct cfw_sim *s, struct curfew_err *err)
{
	const struct cfw_service services[CFW_SIM_SERVICES] = {
		{"exec", begin_exec, cancel, s},        {"fetch", begin_fetch, cancel, s},
		{"fs.exists", begin_exists, cancel, s}, {"fs.stat", begin_stat, cancel, s},
		{"fs.read", begin_read, cancel, s},     {"fs.write", begin_write, cancel, s},
		{"fs.rename", begin_rename, cancel, s}, {"fs.remove", begin_remove, cancel, s},
		{"sim.setup", begin_setup, cancel, s},
	};
	memcpy(s->services, services, sizeof services);
	for (size_t i = 0; i < CFW_SIM_SERVICES; i++) {
		int rc = curfew_service_add(s->curfew, &s->services[i]);
		if (rc)
			return cfw_err_set(err, rc, "out of memory");
	}
	return 0;
}

bool cfw_sim_asks(const struct cfw_sim *s)
{
	const struct cfw_sim_asked *q = s->asked;
	while (q && q->answered)
		q = q->next;
	return q != NULL;
}

static int set_error(struct cfw_sim_asked *q, const char *message, const char *code)
{
	q->error = calloc(1, sizeof *q->error);
	if (!q->error)
		return CURFEW_ENOMEM;
	cfw_err_set(q->error, CURFEW_ESTATE, "%s", message);
	for (int e = 1; code && e < 134; e++) {
		const char *known = strerrorname_np(e);
		if (known && strcmp(known, code) == 0) {
			q->error->code = CURFEW_ESYS;
			q->error->sys_errno = e;
		}
	}
	return 0;
}

int cfw_sim_answer(struct cfw_sim *s, const struct cfw_value *answer, struct curfew_err *err)
{
	int64_t id = cfw_value_get_int(answer, "id", 0);
	struct cfw_sim_asked *q = s->asked;
	while (q && (q->id != id || q->answered))
		q = q->next;
	if (!q)
		return 0; /* who asked has been cut meanwhile */
	const struct cfw_value *value = cfw_value_get(answer, "value");
	const char *message = cfw_value_get_str(answer, "error", NULL);
	uint64_t takes = cfw_value_get_ns(answer, "takes", 0), most = cfw_value_get_ns(q->args, "timeout", CFW_NEVER);
	if (takes > most) {
		takes = most;
		value = NULL;
		if (set_error(q, "it did not end within its timeout", "ETIMEDOUT"))
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	} else if (message && set_error(q, message, cfw_value_get_str(answer, "code", NULL))) {
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	q->answer = value && !q->error ? cfw_value_copy(value) : NULL;
	q->answered = true;
	const struct cfw_env *env = curfew_env(s->curfew);
	return cfw_timer_set(env->timers, &q->timer, cfw_time_add(env->now_ns(env->ud), takes))
		       ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory")
		       : 0;
}

struct cfw_value *cfw_sim_asks_report(struct cfw_sim *s)
{
	struct cfw_value *list = cfw_value_list();
	for (struct cfw_sim_asked *q = s->asked; q && list; q = q->next) {
		if (q->told)
			continue;
		q->told = true;
		struct cfw_value *one = cfw_value_map();
		if (cfw_value_set(one, "id", cfw_value_int(q->id)) ||
		    cfw_value_set(one, "service", cfw_value_str(q->service)) ||
		    cfw_value_set(one, "args", cfw_value_copy(q->args)))
			s->failed = true;
		if (cfw_value_push(list, one))
			s->failed = true;
	}
	return list;
}
