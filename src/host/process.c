/* The kind "process": a child process as a server. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "host/internal.h"
#include "host/launch.h"
#include "host/notify.h"
#include "host/output.h"
#include "host/process.h"
#include "host/ready.h"

enum state {
	DOWN,
	STARTING, /* it runs, and is not ready yet */
	RUNNING,  /* the start was answered: it is ready, or it failed to be in time and a stop is to be expected */
	ENDING,   /* being stopped, or ended by itself and what is left of its tree is being killed; why says what for */
};

enum why {
	W_CLOSED,       /* ended by itself after the start was answered */
	W_START_FAILED, /* reason says why */
	W_STOP,         /* asked for by stop or cut */
	W_FREE,         /* nobody is to be told */
};

struct process {
	struct cfw_child child; /* first */
	struct cfw_host *host;
	const struct cfw_env *env;
	cfw_id id;
	const struct cfw_value *def;
	const char *name;
	struct cfw_process_conf conf;
	enum state state;
	enum why why;
	uint32_t attempt; /* that the next report answers */
	bool died;        /* W_STOP: it ended in a way that nobody asked for */
	char *reason;
	uint64_t started_ns, exits;
	struct cfw_output *out[3];
	struct cfw_notify *notify;
	struct cfw_ready *ready;
	struct cfw_timer timer; /* of the present step */
	size_t step;
	int first; /* the signal of the first step; 0: as configured */
};

static void report(struct process *p, enum cfw_report_what what, const struct curfew_err *err)
{
	struct cfw_report r = {
		.what = what,
		.server = p->id,
		.attempt = p->attempt,
		.exit_code = p->child.code,
		.signo = p->child.signo,
		.err = err,
	};
	p->env->report(p->env->ud, &r);
}

static void close_all(struct process *p)
{
	cfw_timer_cancel(p->env->timers, &p->timer);
	cfw_ready_free(p->ready);
	p->ready = NULL;
	cfw_notify_free(p->notify);
	p->notify = NULL;
	for (int i = 0; i < 3; i++) {
		cfw_output_free(p->out[i]);
		p->out[i] = NULL;
	}
}

/* ---- the end ---- */

static void take_step(struct process *p)
{
	if (p->step >= p->conf.n_steps) {
		cfw_child_kill(&p->child);
		return;
	}
	const struct cfw_step *s = &p->conf.steps[p->step];
	int signo = p->step == 0 && p->first ? p->first : s->signo;
	if (signo == SIGKILL) {
		cfw_child_kill(&p->child);
		return;
	}
	cfw_child_signal(&p->child, signo, !p->conf.to_main);
	cfw_child_signal(&p->child, SIGCONT, !p->conf.to_main); /* one that is stopped has to wake to hear it */
	if (cfw_timer_set(p->env->timers, &p->timer, cfw_time_add(cfw_host_now(p->host), s->wait_ns)))
		cfw_child_kill(&p->child);
}

static void on_step_over(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct process *p = ud;
	p->step++;
	take_step(p);
}

/* The step that it is in has had its time. */
static void process_hurry(void *srv)
{
	struct process *p = srv;
	if (p->state != ENDING || p->why != W_STOP || p->step >= p->conf.n_steps)
		return;
	cfw_timer_cancel(p->env->timers, &p->timer);
	p->step++;
	take_step(p);
}

static void begin_steps(struct process *p)
{
	p->state = ENDING;
	cfw_ready_free(p->ready);
	p->ready = NULL;
	p->child.rest = p->conf.to_main ? CFW_REST_KILL : CFW_REST_LINGER;
	p->step = 0;
	take_step(p);
}

static void set_reason(struct process *p, const char *reason)
{
	free(p->reason);
	p->reason = strdup(reason);
}

/* "exited with code 3 before it was ready: last words". */
static void explain_early_end(struct process *p)
{
	char how[64], text[400];
	if (p->child.signo)
		snprintf(how, sizeof how, "was ended by %s", cfw_signal_name(p->child.signo));
	else
		snprintf(how, sizeof how, "exited with code %d", p->child.code);
	const char *last = "";
	for (int i = 2; i > 0 && !*last; i--) {
		cfw_output_drain(p->out[i]);
		last = cfw_output_last(p->out[i]);
	}
	snprintf(text, sizeof text, "%s before it was ready%s%s", how, *last ? ": " : "", last);
	set_reason(p, text);
}

static void on_ended(struct cfw_child *c)
{
	struct process *p = (struct process *)c;
	p->exits++;
	if (p->state == STARTING) {
		p->why = W_START_FAILED;
		explain_early_end(p);
	} else if (p->state == RUNNING)
		p->why = W_CLOSED;
	else /* by a signal of ours, or of its own accord after it: as asked */
		p->died = c->signo && !(c->asked >> (c->signo - 1) & 1);
	p->state = ENDING;
	cfw_ready_free(p->ready);
	p->ready = NULL;
}

static void on_gone(struct cfw_child *c)
{
	struct process *p = (struct process *)c;
	close_all(p);
	p->state = DOWN;
	struct curfew_err err = {0};
	switch (p->why) {
	case W_CLOSED:
		report(p, CFW_REPORT_CLOSED, NULL);
		break;
	case W_START_FAILED:
		cfw_err_set(&err, CURFEW_ESTATE, "%s", p->reason ? p->reason : "out of memory");
		report(p, CFW_REPORT_START_FAILED, &err);
		break;
	case W_STOP:
		report(p, p->died ? CFW_REPORT_DIED : CFW_REPORT_STOPPED, NULL);
		break;
	case W_FREE:
		break;
	}
}

/* ---- the start ---- */

static void on_ready(void *ud, const char *failure)
{
	struct process *p = ud;
	struct curfew_err err = {0};
	cfw_ready_free(p->ready);
	p->ready = NULL;
	p->state = RUNNING;
	if (failure)
		cfw_err_set(&err, CURFEW_ETIMEOUT, "%s", failure);
	report(p, failure ? CFW_REPORT_START_FAILED : CFW_REPORT_STARTED, failure ? &err : NULL);
}

static void on_notify(void *ud)
{
	struct process *p = ud;
	if (p->ready)
		cfw_ready_told(p->ready);
}

static int launch(struct process *p, struct curfew_err *err)
{
	struct cfw_launch l = {
		.def = p->def,
		.command = cfw_value_get(p->def, "command"),
		.name = p->name,
		.fd = {-1, -1, -1},
		.group = p->conf.group,
	};
	int e = 0;
	if (cfw_ready_by_notify(cfw_value_get(p->def, "ready"))) {
		p->notify = cfw_notify_new(p->host, &p->child, p->name, on_notify, p, err);
		if (!p->notify)
			return CURFEW_ESYS;
		l.notify = cfw_notify_address(p->notify);
	}
	for (int i = 0; i < 3 && !e; i++)
		e = cfw_output_open(p->host, i, p->conf.stream[i], p->name, &l.fd[i], &p->out[i], err);
	if (!e)
		e = cfw_child_launch(p->host, &p->child, &l, err);
	for (int i = 0; i < 3; i++)
		if (l.fd[i] >= 0)
			close(l.fd[i]);
	return e;
}

static void process_start(void *srv, uint32_t attempt)
{
	struct process *p = srv;
	struct curfew_err err = {0};
	if (p->state != DOWN) {
		uint32_t other = p->attempt; /* still to be answered */
		p->attempt = attempt;
		cfw_err_set(&err, CURFEW_ESTATE, "still runs as process %d", (int)p->child.pid);
		report(p, CFW_REPORT_START_FAILED, &err);
		p->attempt = other;
		return;
	}
	p->attempt = attempt;
	p->child = (struct cfw_child){.ended = on_ended, .gone = on_gone, .rest = CFW_REST_KILL, .code = -1};
	p->died = false;
	p->first = 0;
	free(p->reason);
	p->reason = NULL;
	if (launch(p, &err)) {
		close_all(p);
		report(p, CFW_REPORT_START_FAILED, &err);
		return;
	}
	p->started_ns = cfw_host_now(p->host);
	p->state = STARTING;
	if (cfw_ready_at_once(cfw_value_get(p->def, "ready"))) {
		on_ready(p, NULL);
		return;
	}
	p->ready = cfw_ready_new(p->host, p->def, p->name, on_ready, p, &err);
	if (p->ready)
		return;
	p->why = W_START_FAILED;
	set_reason(p, err.msg);
	p->state = ENDING;
	cfw_child_kill(&p->child);
}

/* ---- what is asked for ---- */

/* A stop or cut is to be answered from here on. False: there is nothing to stop, and that was said. */
static bool asked_to_end(struct process *p, uint32_t attempt)
{
	p->attempt = attempt;
	if (p->state == DOWN) {
		p->child.code = -1;
		p->child.signo = 0;
		report(p, CFW_REPORT_STOPPED, NULL);
		return false;
	}
	if (p->state == ENDING && p->why == W_CLOSED)
		p->died = true; /* nobody has been told of it yet */
	p->why = W_STOP;
	return true;
}

static bool is_signal(int signo)
{
	return signo > 0 && signo <= CFW_CHILD_SIGNALS;
}

static void process_stop(void *srv, const struct cfw_stop *stop)
{
	struct process *p = srv;
	bool ending = p->state == ENDING, signal = is_signal(stop->signo);
	if (!asked_to_end(p, stop->attempt) || ending)
		return;
	if (p->conf.forward && signal)
		p->first = stop->signo;
	if (p->conf.group == CFW_GROUP_KEEP && signal)
		p->child.asked |= UINT64_C(1) << (stop->signo - 1); /* a terminal sent it to both of us */
	begin_steps(p);
}

static void process_cut(void *srv, uint32_t attempt)
{
	struct process *p = srv;
	if (!asked_to_end(p, attempt))
		return;
	p->state = ENDING;
	cfw_timer_cancel(p->env->timers, &p->timer);
	cfw_ready_free(p->ready);
	p->ready = NULL;
	cfw_child_kill(&p->child);
}

static int process_signal(void *srv, int signo)
{
	struct process *p = srv;
	if (!is_signal(signo))
		return CURFEW_EINVAL;
	return cfw_child_signal(&p->child, signo, !p->conf.to_main);
}

static int process_pid(void *srv)
{
	const struct process *p = srv;
	return (int)p->child.pid;
}

static struct cfw_value *process_stats(void *srv)
{
	const struct process *p = srv;
	struct cfw_value *v = cfw_value_map();
	if (!v)
		return NULL;
	if (p->child.pid) {
		cfw_value_set(v, "pid", cfw_value_int(p->child.pid));
		cfw_value_set(v, "uptime_ns", cfw_value_int((int64_t)(cfw_host_now(p->host) - p->started_ns)));
	}
	cfw_value_set(v, "exits", cfw_value_int((int64_t)p->exits));
	if (*cfw_notify_status(p->notify))
		cfw_value_set(v, "status", cfw_value_str(cfw_notify_status(p->notify)));
	return v;
}

/* What a process is made of; all else can change while it runs. */
static const char *const made_of[] = {"command", "env",    "clear_env", "cwd",         "user",      "group",
				      "stdin",   "stdout", "stderr",    "new_session", "foreground"};

static bool process_fits(const void *srv, const void *next)
{
	const struct process *p = srv, *n = next;
	for (size_t i = 0; p->state != DOWN && i < sizeof made_of / sizeof *made_of; i++)
		if (!cfw_value_equal(cfw_value_get(p->def, made_of[i]), cfw_value_get(n->def, made_of[i])))
			return false;
	return true;
}

/* A program that is not there is better known now than when the old one has stopped. */
static int process_prepare(void *srv, struct curfew_err *err)
{
	const struct process *p = srv;
	struct cfw_launch l = {.def = p->def, .command = cfw_value_get(p->def, "command"), .name = p->name, .fd = {-1, -1, -1}};
	struct cfw_plan plan;
	if (!err)
		return 0; /* after the swap */
	int rc = cfw_plan_make(&plan, &l, "", err);
	if (!rc)
		rc = cfw_plan_check(&plan, err);
	cfw_plan_clear(&plan);
	if (rc) {
		struct curfew_err why = *err;
		cfw_err_set(err, why.code, "%s: %s", p->name, why.msg);
		err->sys_errno = why.sys_errno;
	}
	return rc;
}

static bool process_renew(void *srv, void *next)
{
	struct process *p = srv, *n = next;
	struct cfw_process_conf conf = p->conf;
	p->conf = n->conf;
	n->conf = conf;
	p->def = n->def;
	return false;
}

/* ---- life of the object ---- */

static void *process_open(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def,
			  struct curfew_err *err)
{
	struct process *p = calloc(1, sizeof *p);
	if (!p) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	p->host = kind_ud;
	p->env = env;
	p->id = id;
	p->def = def;
	p->name = cfw_value_get_str(def, "name", "process");
	p->child.code = -1;
	p->timer.fn = on_step_over;
	p->timer.ud = p;
	if (cfw_process_conf_read(&p->conf, def, err)) {
		cfw_process_conf_clear(&p->conf);
		free(p);
		return NULL;
	}
	return p;
}

static void process_free(void *srv)
{
	struct process *p = srv;
	if (p->state != DOWN) { /* it should not run: end it here and now, for a second at most */
		p->why = W_FREE;
		p->state = ENDING;
		cfw_child_clear(&p->child, cfw_time_add(cfw_host_now(p->host), CFW_SEC));
		close_all(p);
	}
	cfw_process_conf_clear(&p->conf);
	free(p->reason);
	free(p);
}

const struct cfw_kind cfw_process_kind = {
	.size = sizeof(struct cfw_kind),
	.name = "process",
	.open = process_open,
	.free = process_free,
	.start = process_start,
	.stop = process_stop,
	.cut = process_cut,
	.hurry = process_hurry,
	.stats = process_stats,
	.pid = process_pid,
	.signal = process_signal,
	.fits = process_fits,
	.renew = process_renew,
	.prepare = process_prepare,
};
