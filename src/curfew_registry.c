#include "curfew_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"

enum { SLOT_MASK = 0xfffff };

int curfew_kind_add(struct curfew *c, const struct cfw_kind *kind, void *kind_ud)
{
	if (!c || !kind || kind->size < sizeof *kind)
		return CURFEW_EINVAL;
	if (cfw_grow(&cfw_alloc_std, &c->kinds, &c->kinds_cap, c->nkinds + 1, sizeof *c->kinds))
		return CURFEW_ENOMEM;
	c->kinds[c->nkinds].kind = kind;
	c->kinds[c->nkinds++].ud = kind_ud;
	return 0;
}

int curfew_service_add(struct curfew *c, const struct cfw_service *service)
{
	if (!c || !service)
		return CURFEW_EINVAL;
	if (cfw_grow(&cfw_alloc_std, &c->services, &c->services_cap, c->nservices + 1, sizeof *c->services))
		return CURFEW_ENOMEM;
	c->services[c->nservices++] = *service;
	return 0;
}

struct cfw_entry *cfw_entry_get(const struct curfew *c, cfw_id id)
{
	size_t slot = (id & SLOT_MASK) - 1; /* id 0 wraps past every slot */
	return slot < c->nservers && c->servers[slot].id == id ? &c->servers[slot] : NULL;
}

void cfw_server_opts_read(const struct cfw_value *def, struct cfw_server_opts *o)
{
	const struct cfw_value *restart = cfw_value_get(def, "restart");
	const char *on = cfw_value_get_str(restart, "on", restart ? "failure" : "never");
	*o = (struct cfw_server_opts){
		.name = cfw_value_get_str(def, "name", ""),
		.kind = cfw_value_get_str(def, "kind", ""),
		.start_timeout_ns = cfw_value_get_ns(def, "start_timeout", CFW_NEVER),
		.stop_timeout_ns = cfw_value_get_ns(def, "stop_timeout", CFW_NEVER),
		.restart = strcmp(on, "always") == 0    ? CFW_RESTART_ALWAYS
			   : strcmp(on, "failure") == 0 ? CFW_RESTART_FAILURE
							: CFW_RESTART_NEVER,
		.restart_max = (uint32_t)cfw_value_get_int(restart, "max", 5),
		.backoff_ns = cfw_value_get_ns(restart, "backoff", 200 * CFW_MS),
		.expect_exit = cfw_value_get_bool(def, "expect_exit", false),
	};
}

/* The names in def.after become edges; each must exist already. */
static int add_edges(struct curfew *c, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	const struct cfw_value *after = cfw_value_get(def, "after");
	for (size_t i = 0; i < cfw_value_len(after); i++) {
		const char *name = cfw_value_to_str(cfw_value_at(after, i), "");
		cfw_id on = cfw_core_server_find(c->core, name);
		if (!on)
			return cfw_err_set(err, CURFEW_ENOENT, "%s: after: there is no server named \"%.60s\"",
					   cfw_value_get_str(def, "name", "?"), name);
		int rc = cfw_core_server_after(c->core, id, on, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Place for the slot of id, zeroed where it is new. */
struct cfw_entry *cfw_entry_room(struct curfew *c, cfw_id id)
{
	size_t slot = (id & SLOT_MASK) - 1;
	if (cfw_grow(&cfw_alloc_std, &c->servers, &c->servers_cap, slot + 1, sizeof *c->servers))
		return NULL;
	for (; c->nservers <= slot; c->nservers++)
		c->servers[c->nservers] = (struct cfw_entry){0};
	return &c->servers[slot];
}

/* The newest kind of that name that takes the definition. */
const struct cfw_kind *cfw_kind_find(const struct curfew *c, const struct cfw_gen *g, const struct cfw_value *def, void **ud,
				     struct curfew_err *err)
{
	const char *name = cfw_value_get_str(def, "kind", "");
	for (size_t k = c->nkinds; k-- > 0;) {
		const struct cfw_kind *kind = c->kinds[k].kind;
		*ud = kind == &cfw_policy_kind ? g->policy : c->kinds[k].ud;
		if (strcmp(kind->name, name) == 0 && (!kind->takes || kind->takes(*ud, def)))
			return kind;
	}
	if (strcmp(name, "http") == 0 || strcmp(name, "tcp") == 0)
		cfw_err_set(err, CURFEW_ENOENT,
			    "curfew.%s is of `curfew run`: here the program registers its servers, which curfew.find(NAME) "
			    "knows, and a "
			    "policy has curfew.process and curfew.server",
			    name);
	else
		cfw_err_set(err, CURFEW_ENOENT, "there is no kind of server named \"%.60s\" here", name);
	return NULL;
}

cfw_id cfw_entry_new(struct curfew *c, const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_server_opts opts;
	void *ud;
	cfw_server_opts_read(def, &opts);
	const struct cfw_kind *kind = cfw_kind_find(c, c->gen, def, &ud, err);
	if (!kind)
		return 0;
	cfw_id id = cfw_core_server_add(c->core, &opts, err);
	if (!id)
		return 0;
	struct cfw_value *copy = cfw_value_copy(def);
	struct cfw_entry *s = copy ? cfw_entry_room(c, id) : NULL;
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", opts.name);
		goto fail;
	}
	if (add_edges(c, id, def, err))
		goto fail;
	void *srv = kind->open(ud, &c->env, id, copy, err);
	if (!srv)
		goto fail;
	*s = (struct cfw_entry){.id = id,
				.kind = kind,
				.gen = c->gen,
				.srv = srv,
				.def = copy,
				.decides = cfw_value_get_bool(def, "decides", false)};
	cfw_page_place_server(c, c->gen, id);
	return id;
fail:
	cfw_value_free(copy);
	cfw_core_server_remove(c->core, id, NULL);
	return 0;
}

void cfw_entry_free(struct cfw_entry *s)
{
	s->kind->free(s->srv);
	cfw_value_free(s->def);
	cfw_value_free(s->first_def);
	*s = (struct cfw_entry){0};
}

void cfw_entries_free(struct curfew *c)
{
	for (size_t i = 0; i < c->nservers; i++) {
		struct cfw_entry *s = &c->servers[i];
		if (s->id)
			cfw_entry_free(s);
	}
	free(c->servers);
	c->servers = NULL;
	c->nservers = c->servers_cap = 0;
}

cfw_id curfew_server_add(struct curfew *c, const struct cfw_value *def, struct curfew_err *err)
{
	cfw_id id = cfw_entry_new(c, def, err);
	if (id)
		cfw_entry_get(c, id)->host = true;
	return id;
}

int curfew_server_signal(struct curfew *c, cfw_id server, int signo, struct curfew_err *err)
{
	const struct cfw_entry *s = cfw_entry_get(c, server);
	if (!s)
		return cfw_err_set(err, CURFEW_ENOENT, "server gone");
	if (!s->kind->signal)
		return cfw_err_set(err, CURFEW_EINVAL, "a server of kind %s takes no signals", s->kind->name);
	return s->kind->signal(s->srv, signo);
}

uint32_t cfw_text_keep_err(struct curfew *c, const struct curfew_err *err, const char *traceback)
{
	uint32_t handle = cfw_text_keep(c, err->msg, traceback);
	if (handle) {
		c->texts[handle % CFW_TEXTS].code = err->code;
		c->texts[handle % CFW_TEXTS].sys_errno = err->sys_errno;
	}
	return handle;
}

/* Some kinds name the server in their errors, as those of a bad definition must; whoever shows this one does so himself. */
static uint32_t keep_reason(struct curfew *c, const struct cfw_report *r)
{
	struct curfew_err err = *r->err;
	struct cfw_server_view view;
	char line[128];
	if (cfw_core_server_view(c->core, r->server, &view) != 0)
		return cfw_text_keep_err(c, &err, r->traceback);
	size_t n = strlen(view.name);
	if (strncmp(err.msg, view.name, n) == 0 && strncmp(err.msg + n, ": ", 2) == 0)
		memmove(err.msg, err.msg + n + 2, strlen(err.msg + n + 2) + 1);
	snprintf(line, sizeof line, "%.80s: traceback of the error", view.name);
	if (r->traceback) /* the line of the journal has no room for it */
		cfw_log_with(c->opt.log, CFW_ERROR, line, "traceback", r->traceback, NULL);
	return cfw_text_keep_err(c, &err, r->traceback);
}

void cfw_report(void *ud, const struct cfw_report *r)
{
	struct curfew *c = ud;
	struct cfw_entry *s = cfw_entry_get(c, r->server);
	struct cfw_event e = {.server = r->server, .attempt = r->attempt, .signo = r->signo, .code = r->exit_code};
	if (r->err && r->err->msg[0])
		e.text = keep_reason(c, r);
	switch (r->what) {
	case CFW_REPORT_STARTED:
		e.type = CFW_EV_SERVER_STARTED;
		break;
	case CFW_REPORT_START_FAILED:
		e.type = CFW_EV_SERVER_START_FAILED;
		break;
	case CFW_REPORT_STOPPED:
		e.type = CFW_EV_SERVER_STOPPED;
		e.code = 0;
		if (s && s->decides && (!s->result || strcmp(s->result, "cut") != 0))
			e.code = r->signo ? 128 + r->signo : r->exit_code > 0 ? r->exit_code : 0;
		if (s && s->kind == &cfw_policy_kind && r->exit_code > 0) /* its abort failed, or called os.exit */
			e.code = r->exit_code;
		if (s && !s->result)
			s->result = "stopped";
		break;
	case CFW_REPORT_CLOSED:
	case CFW_REPORT_DIED:
		e.type = CFW_EV_SERVER_CLOSED;
		if (s) /* what its post_stop hooks are told: it ended by itself */
			s->result = "failed";
		break;
	}
	cfw_inbox_put(c, &e);
}

int cfw_service_begin(struct curfew *c, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	const struct cfw_service *service = NULL;
	for (size_t i = 0; i < c->nservices; i++)
		if (strcmp(c->services[i].name, name) == 0)
			service = &c->services[i];
	if (!service)
		return cfw_err_set(err, CURFEW_ENOENT, "%s is not to be had here", name);
	if (cfw_sandbox_service(c, name, args, err))
		return CURFEW_EREFUSED;
	if (cfw_grow(&cfw_alloc_std, &c->running, &c->running_cap, c->nrunning + 1, sizeof *c->running))
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
	c->running[c->nrunning++] = (struct cfw_running){token, service};
	int rc = service->begin(service->ud, &c->env, token, args, err);
	if (rc) {
		/* begin may have been answered or have failed: either way it is no longer waited for */
		for (size_t i = c->nrunning; i-- > 0;)
			if (c->running[i].token == token) {
				c->running[i] = c->running[--c->nrunning];
				break;
			}
	}
	return rc;
}

/* The service a token waits for, forgotten; NULL when there is none. */
static const struct cfw_service *take_running(struct curfew *c, cfw_token token)
{
	for (size_t i = c->nrunning; i-- > 0;)
		if (c->running[i].token == token) {
			const struct cfw_service *service = c->running[i].service;
			c->running[i] = c->running[--c->nrunning];
			return service;
		}
	return NULL;
}

void cfw_service_cancel(struct curfew *c, cfw_token token)
{
	const struct cfw_service *service = take_running(c, token);
	if (service)
		service->cancel(service->ud, token);
}

void cfw_service_answer(void *ud, uint64_t token, struct cfw_value *value, const struct curfew_err *err)
{
	struct curfew *c = ud;
	take_running(c, token); /* an exchange's token is none of ours: fine */
	cfw_gens_answer(c, token, value, err);
}
