/* fake.h: the instance behind a policy, scripted: time stands still until the test moves it, and all that policy asks for is
 * written down. */
#ifndef T_POLICY_FAKE_H
#define T_POLICY_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/page.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/policy.h"
#include "tap.h"

enum { FAKE_MAX = 2048 };

struct fake_done {
	uint32_t run;
	enum cfw_outcome outcome;
	int code;
	char *text, *trace;
};

struct fake_service {
	cfw_token token;
	char name[64];
	struct cfw_value *args;
	bool canceled;
};

struct fake {
	struct cfw_policy *p;
	struct cfw_page *page;
	uint64_t now;
	struct cfw_log sink;
	struct cfw_buf log;     /* a line a record */
	struct cfw_buf said;    /* what scripts told with c.log("info", …): "a;b;" */
	struct cfw_buf asked;   /* triggers: "exit 1;", "error policy.lua:1: x;" */
	char *trace;            /* of the last trigger */
	struct cfw_buf loaded;  /* "ok;" or the message and ";" */
	int64_t refs[FAKE_MAX]; /* of hooks, in order of registration */
	size_t hooks, dones, services;
	struct fake_done done[FAKE_MAX];
	struct fake_service service[FAKE_MAX];
	struct cfw_value *def[FAKE_MAX]; /* of servers: id = index + 1 */
	size_t servers;
	struct cfw_buf rules;
	int wakes;
	void (*in_configure)(struct fake *f); /* called by c.configure{} while a script runs */
	uint64_t until;                       /* of every hook; 0: it does not run */
	uint64_t start_until;
	bool stopping; /* because of cause, with this text and traceback */
	struct cfw_trigger cause;
	const char *cause_text, *cause_trace;
};

static uint64_t fake_now(void *ud)
{
	return ((struct fake *)ud)->now;
}

static const struct cfw_log *fake_log(void *ud)
{
	return &((struct fake *)ud)->sink;
}

static void fake_emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct fake *f = ud;
	if (level == CFW_INFO) {
		cfw_buf_printf(&f->said, "%s;", msg);
		return;
	}
	cfw_buf_puts(&f->log, msg);
	for (size_t i = 0; i < n; i++)
		cfw_buf_printf(&f->log, " %s=%s", fields[i].key, fields[i].value);
	cfw_buf_putc(&f->log, '\n');
}

static void fake_wake(void *ud)
{
	((struct fake *)ud)->wakes++;
}

static cfw_id fake_server_new(void *ud, const struct cfw_value *def, struct curfew_err *err)
{
	struct fake *f = ud;
	if (!cfw_value_get_str(def, "name", NULL)) {
		cfw_err_set(err, CURFEW_EINVAL, "a server needs a name");
		return 0;
	}
	f->def[f->servers++] = cfw_value_copy(def);
	return (cfw_id)f->servers;
}

static int fake_server_after(void *ud, cfw_id server, cfw_id on, struct curfew_err *err)
{
	struct fake *f = ud;
	if (!server || !on || server > f->servers || on > f->servers)
		return cfw_err_set(err, CURFEW_ENOENT, "no such server");
	return server == on ? cfw_err_set(err, CURFEW_ECYCLE, "a -> a") : 0;
}

static cfw_id fake_server_find(void *ud, const char *name)
{
	struct fake *f = ud;
	for (size_t i = 0; i < f->servers; i++)
		if (!strcmp(cfw_value_get_str(f->def[i], "name", ""), name))
			return (cfw_id)i + 1;
	return 0;
}

static cfw_id fake_hook_new(void *ud, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	struct fake *f = ud;
	(void)err;
	f->refs[f->hooks++] = opts->ref;
	return (cfw_id)f->hooks;
}

static struct cfw_value *fake_server_info(void *ud, cfw_id server, bool with_stats)
{
	struct fake *f = ud;
	if (!server || server > f->servers)
		return NULL;
	struct cfw_value *v = cfw_value_map();
	cfw_value_set(v, "name", cfw_value_str(cfw_value_get_str(f->def[server - 1], "name", "")));
	if (with_stats)
		cfw_value_set(v, "stats", cfw_value_map());
	return v;
}

static int fake_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	struct fake *f = ud;
	if (f->in_configure)
		f->in_configure(f);
	return cfw_value_get(conf, "bad") ? cfw_err_set(err, CURFEW_EINVAL, "no such setting: bad") : 0;
}

static int fake_rule_added(void *ud, enum cfw_trigger_kind kind, int signo, struct curfew_err *err)
{
	struct fake *f = ud;
	(void)err;
	cfw_buf_printf(&f->rules, "%s;", cfw_trigger_name(kind, signo));
	return 0;
}

static int fake_trigger(void *ud, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	struct fake *f = ud;
	cfw_buf_puts(&f->asked, cfw_trigger_name(t->kind, t->signo));
	if (t->kind == CFW_T_EXIT || t->kind == CFW_T_CUSTOM)
		cfw_buf_printf(&f->asked, " %d", t->code);
	if (text)
		cfw_buf_printf(&f->asked, " %s", text);
	cfw_buf_putc(&f->asked, ';');
	free(f->trace);
	f->trace = traceback ? strdup(traceback) : NULL;
	return 0;
}

static int fake_begin(struct fake *f, cfw_token token, const char *name, const struct cfw_value *args)
{
	struct fake_service *s = &f->service[f->services++];
	*s = (struct fake_service){.token = token, .args = args ? cfw_value_copy(args) : NULL};
	snprintf(s->name, sizeof s->name, "%s", name);
	return 0;
}

static int fake_request(void *ud, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err)
{
	static const char *const names[] = {"start",          "stop",   "server_start", "server_stop",
					    "server_restart", "reload", "deactivate"};
	(void)server;
	if (what == CFW_REQ_RELOAD)
		return cfw_err_set(err, CURFEW_EREFUSED, "no reload during a stop");
	char name[64];
	snprintf(name, sizeof name, "request %s%s", names[what], flag ? " flag" : "");
	return fake_begin(ud, token, name, NULL);
}

static int fake_service(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	if (!strcmp(name, "none"))
		return cfw_err_set(err, CURFEW_ENOENT, "no service \"none\"");
	return fake_begin(ud, token, name, args);
}

static void fake_cancel(void *ud, cfw_token token)
{
	struct fake *f = ud;
	for (size_t i = 0; i < f->services; i++)
		if (f->service[i].token == token)
			f->service[i].canceled = true;
}

static int fake_extend(void *ud, uint32_t run, uint64_t ns, struct curfew_err *err)
{
	(void)ud;
	(void)run;
	return ns > CFW_SEC ? cfw_err_set(err, CURFEW_EREFUSED, "past the margin") : 0;
}

static uint64_t fake_hook_until(void *ud, uint32_t run)
{
	(void)run;
	return ((struct fake *)ud)->until;
}

static bool fake_stop_cause(void *ud, enum cfw_mode *mode, struct cfw_trigger *t, const char **text, const char **traceback)
{
	const struct fake *f = ud;
	if (!f->stopping)
		return false;
	*mode = CFW_ABORT;
	*t = f->cause;
	*text = f->cause_text;
	*traceback = f->cause_trace;
	return true;
}

static uint64_t fake_start_until(void *ud, cfw_id server)
{
	(void)server;
	return ((struct fake *)ud)->start_until;
}

static void fake_hook_done(void *ud, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback)
{
	struct fake *f = ud;
	f->done[f->dones++] =
		(struct fake_done){run, outcome, code, text ? strdup(text) : NULL, traceback ? strdup(traceback) : NULL};
}

static void fake_loaded(void *ud, const struct curfew_err *err)
{
	struct fake *f = ud;
	cfw_buf_printf(&f->loaded, "%s;", err ? err->msg : "ok");
}

static const char *fake_life(void *ud)
{
	(void)ud;
	return "starting";
}

static const struct cfw_policy_ops fake_ops = {
	.now_ns = fake_now,
	.log = fake_log,
	.wake = fake_wake,
	.server_new = fake_server_new,
	.server_after = fake_server_after,
	.server_find = fake_server_find,
	.hook_new = fake_hook_new,
	.server_info = fake_server_info,
	.configure = fake_configure,
	.rule_added = fake_rule_added,
	.trigger = fake_trigger,
	.request = fake_request,
	.service = fake_service,
	.cancel = fake_cancel,
	.extend = fake_extend,
	.hook_until = fake_hook_until,
	.stop_cause = fake_stop_cause,
	.start_until = fake_start_until,
	.hook_done = fake_hook_done,
	.loaded = fake_loaded,
	.life = fake_life,
};

/* Freed by fake_free; p is NULL and *err set where no policy could be made. */
static inline struct fake *fake_make(const struct cfw_policy_ops *ops, const struct cfw_policy_config *config,
				     struct curfew_err *err)
{
	struct fake *f = calloc(1, sizeof *f);
	if (!f)
		exit(1);
	f->now = CFW_SEC;
	f->start_until = CFW_NEVER;
	f->sink = (struct cfw_log){CFW_DEBUG, fake_emit, f};
	f->page = cfw_page_new();
	f->p = cfw_policy_new(ops, f, f->page, config, err);
	return f;
}

/* limit_ns 0: the default CPU limit. */
static inline struct fake *fake_new(uint64_t limit_ns)
{
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	if (limit_ns)
		config.hook_cpu_limit_ns = limit_ns;
	struct fake *f = fake_make(&fake_ops, &config, &err);
	if (!f->p)
		tap_bail("no policy: %s", err.msg);
	return f;
}

static inline void fake_free(struct fake *f)
{
	cfw_policy_free(f->p);
	cfw_page_free(f->page);
	for (size_t i = 0; i < f->dones; i++) {
		free(f->done[i].text);
		free(f->done[i].trace);
	}
	for (size_t i = 0; i < f->services; i++)
		cfw_value_free(f->service[i].args);
	for (size_t i = 0; i < f->servers; i++)
		cfw_value_free(f->def[i]);
	cfw_buf_clear(&f->log);
	cfw_buf_clear(&f->said);
	cfw_buf_clear(&f->asked);
	cfw_buf_clear(&f->loaded);
	cfw_buf_clear(&f->rules);
	free(f->trace);
	free(f);
}

/* Step, and let time pass up to until, as long as something is due. */
static inline void fake_run(struct fake *f, uint64_t until)
{
	for (int i = 0; i < 100000; i++) {
		uint64_t at = cfw_policy_deadline(f->p);
		if (at == CFW_NEVER || at > until)
			return;
		f->now = cfw_time_max(f->now, at);
		cfw_policy_step(f->p, f->now);
	}
	tap_diag("fake_run: never comes to rest");
}

#define PRELUDE "local c = require 'curfew.core' local function say(...) c.log('info', table.concat({...}, ' ')) end "

/* Load as policy.lua (all on its first line) and run for ten seconds of its time. */
static inline int fake_load(struct fake *f, const char *script)
{
	struct cfw_buf b;
	struct curfew_err err = {0};
	cfw_buf_init(&b);
	cfw_buf_puts(&b, PRELUDE);
	cfw_buf_puts(&b, script);
	int rc = cfw_policy_load(f->p, "policy.lua", b.data, b.len, &err);
	if (rc)
		cfw_buf_printf(&f->loaded, "%s;", err.msg);
	cfw_buf_clear(&b);
	fake_run(f, f->now + 10 * CFW_SEC);
	return rc;
}

static inline const char *fake_text(const struct cfw_buf *b)
{
	return b->data ? b->data : "";
}

static inline bool has(const char *text, const char *part)
{
	if (text && strstr(text, part))
		return true;
	tap_diag("\"%s\" is not in: %s", part, text ? text : "(null)");
	return false;
}

/* Call the i-th hook as run run in the next step. */
static inline void fake_call(struct fake *f, size_t i, uint32_t run)
{
	struct cfw_hook_call call = {.run = run,
				     .ref = f->refs[i],
				     .phase = CFW_PRE_STOP,
				     .trigger = {.kind = CFW_T_SIGNAL, .signo = 15},
				     .deadline_ns = f->now + 5 * CFW_SEC,
				     .began_ns = f->now,
				     .what = "pre_stop of web (policy.lua:1)"};
	cfw_policy_call(f->p, &call);
}

#define said(f)   fake_text(&(f)->said)
#define asked(f)  fake_text(&(f)->asked)
#define loaded(f) fake_text(&(f)->loaded)
#define logged(f) fake_text(&(f)->log)

#endif
