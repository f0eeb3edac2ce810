/* kinds.c: servers that are scripted: they are ready, stop, fail and die as a test says. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/value.h"
#include "instance.h"
#include "sim/impl.h"

#define DEFAULT_WAIT (10 * CFW_SEC) /* of a process between TERM and KILL */

struct cfw_sim_fake {
	struct cfw_sim *sim;
	struct cfw_sim_fake *next, **prev;
	const struct cfw_env *env;
	const struct cfw_value *def;
	const char *name;
	cfw_id id;
	enum { DOWN, STARTING, UP, STOPPING } state;
	uint32_t attempt;
	bool forced;                  /* its patience ends before it would have stopped */
	uint64_t stop_ns, hurried_ns; /* since when it stops; how much of its patience was skipped */
	int pid;
	char address[128];
	struct cfw_timer timer, death;
};

struct cfw_sim_script *cfw_sim_script_find(const struct cfw_sim *s, const char *name)
{
	struct cfw_sim_script *t = s->scripts;
	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	return t;
}

void cfw_sim_scripts_free(struct cfw_sim *s)
{
	while (s->scripts) {
		struct cfw_sim_script *t = s->scripts;
		s->scripts = t->next;
		free(t->name);
		free(t->where);
		free(t->start_error);
		free(t->stop_error);
		free(t);
	}
}

/* The end of the step of a process's stop that it is in after so long. */
static uint64_t step_end(const struct cfw_value *def, uint64_t after_ns)
{
	uint64_t sum = 0;
	const struct cfw_value *steps = cfw_value_get(def, "stop");
	for (size_t i = 0; i < cfw_value_len(steps) && sum <= after_ns; i++)
		sum = cfw_time_add(sum, cfw_value_get_ns(cfw_value_at(steps, i), "wait", DEFAULT_WAIT));
	return steps ? sum : DEFAULT_WAIT;
}

uint64_t cfw_sim_patience(const struct cfw_value *def)
{
	uint64_t sum = 0;
	const struct cfw_value *steps = cfw_value_get(def, "stop");
	if (strcmp(cfw_value_get_str(def, "kind", ""), "process") != 0)
		return cfw_value_get_ns(def, "drain", CFW_NEVER);
	for (size_t i = 0; i < cfw_value_len(steps); i++) {
		const struct cfw_value *step = cfw_value_at(steps, i);
		if (cfw_signal_number(cfw_value_get_str(step, "signal", "")) == SIGKILL)
			return sum;
		sum = cfw_time_add(sum, cfw_value_get_ns(step, "wait", DEFAULT_WAIT));
	}
	return steps ? sum : DEFAULT_WAIT;
}

static void report(const struct cfw_sim_fake *f, enum cfw_report_what what, int code, int signo, const char *text)
{
	struct curfew_err err = {0};
	struct cfw_report r = {
		.what = what, .server = f->id, .attempt = f->attempt, .exit_code = signo ? -1 : code, .signo = signo};
	if (text) {
		cfw_err_set(&err, CURFEW_ESTATE, "%s", text);
		r.err = &err;
	}
	f->env->report(f->env->ud, &r);
}

static void go_down(struct cfw_sim_fake *f)
{
	f->state = DOWN;
	f->pid = 0;
	cfw_timer_cancel(f->env->timers, &f->timer);
}

/* Its start or its stop has taken its time. */
static void on_timer(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_sim_fake *f = ud;
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	bool process = strcmp(cfw_value_get_str(f->def, "kind", ""), "process") == 0;
	if (f->state == STARTING && script && script->start_error) {
		go_down(f);
		report(f, CFW_REPORT_START_FAILED, -1, 0, script->start_error);
	} else if (f->state == STARTING) {
		f->state = UP;
		report(f, CFW_REPORT_STARTED, -1, 0, NULL);
	} else if (f->state == STOPPING && script && script->stop_error) {
		go_down(f);
		report(f, CFW_REPORT_DIED, -1, 0, script->stop_error);
	} else if (f->state == STOPPING) {
		go_down(f);
		report(f, CFW_REPORT_STOPPED, process ? 0 : -1, f->forced && process ? SIGKILL : 0, NULL);
	}
}

static void on_death(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_sim_fake *f = ud;
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	if (!script || f->state == DOWN)
		return;
	bool was_up = f->state == UP, was_starting = f->state == STARTING;
	go_down(f);
	report(f,
	       was_up         ? CFW_REPORT_CLOSED
	       : was_starting ? CFW_REPORT_START_FAILED
			      : CFW_REPORT_DIED,
	       script->code, script->signo, was_starting ? "it ended before it was ready" : NULL);
}

static void arm_death(struct cfw_sim_fake *f)
{
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	if (!script || script->dies_ns == CFW_NEVER || script->dies_ns < cfw_sim_now(f->sim))
		return;
	cfw_timer_set(f->env->timers, &f->death, cfw_time_add(CFW_SIM_START, script->dies_ns));
}

void cfw_sim_fake_told(struct cfw_sim *s, const struct cfw_sim_script *script)
{
	for (struct cfw_sim_fake *f = s->fakes; f; f = f->next)
		if (strcmp(f->name, script->name) == 0)
			arm_death(f);
}

/* In ns; at once when that is 0, never for CFW_NEVER. */
static void take(struct cfw_sim_fake *f, uint64_t ns)
{
	if (ns != CFW_NEVER && cfw_timer_set(f->env->timers, &f->timer, cfw_time_add(f->env->now_ns(f->env->ud), ns)))
		on_timer(&f->timer, 0, f); /* no memory: at once */
}

/* Port 0 takes any free one, and here all are free. */
static void take_address(struct cfw_sim_fake *f)
{
	const struct cfw_value *listen = cfw_value_get(f->def, "listen");
	const char *first = cfw_value_to_str(cfw_value_at(listen, 0), NULL);
	size_t n = first ? strlen(first) : 0;
	if (!first || *f->address)
		return;
	if (n > 2 && strcmp(first + n - 2, ":0") == 0)
		snprintf(f->address, sizeof f->address, "%.*s%d", (int)(n < 100 ? n - 1 : 99), first, 40000 + ++f->sim->ports);
	else
		snprintf(f->address, sizeof f->address, "%s", first);
}

static void fake_start(void *srv, uint32_t attempt)
{
	struct cfw_sim_fake *f = srv;
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	f->state = STARTING;
	f->attempt = attempt;
	if (strcmp(cfw_value_get_str(f->def, "kind", ""), "process") == 0)
		f->pid = 1000 + ++f->sim->pids;
	take_address(f);
	take(f,
	     script && script->says_start ? script->starts_ns : cfw_value_get_ns(cfw_value_get(f->def, "ready"), "delay", 0));
}

static void fake_stop(void *srv, const struct cfw_stop *stop)
{
	struct cfw_sim_fake *f = srv;
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	uint64_t wants = script && script->says_stop ? script->stops_ns : 0, patience = cfw_sim_patience(f->def);
	f->attempt = stop->attempt;
	if (f->state == DOWN) {
		report(f, CFW_REPORT_STOPPED, -1, 0, NULL);
		return;
	}
	cfw_timer_cancel(f->env->timers, &f->timer);
	f->state = STOPPING;
	f->stop_ns = f->env->now_ns(f->env->ud);
	f->hurried_ns = 0;
	f->forced = wants > patience;
	take(f, cfw_time_min(wants, patience));
}

/* A process gets its next signal now, and what that means to it is what it would have meant later. */
static void fake_hurry(void *srv)
{
	struct cfw_sim_fake *f = srv;
	const struct cfw_sim_script *script = cfw_sim_script_find(f->sim, f->name);
	if (f->state != STOPPING || strcmp(cfw_value_get_str(f->def, "kind", ""), "process") != 0)
		return;
	uint64_t took = cfw_time_left(f->stop_ns, f->env->now_ns(f->env->ud));
	uint64_t wants = cfw_time_left(took, script && script->says_stop ? script->stops_ns : 0);
	f->hurried_ns = step_end(f->def, cfw_time_add(took, f->hurried_ns)) - took;
	uint64_t patience = cfw_time_left(cfw_time_add(took, f->hurried_ns), cfw_sim_patience(f->def));
	cfw_timer_cancel(f->env->timers, &f->timer);
	f->forced = wants > patience;
	take(f, cfw_time_min(wants, patience));
}

static void fake_cut(void *srv, uint32_t attempt)
{
	struct cfw_sim_fake *f = srv;
	go_down(f);
	f->attempt = attempt;
	report(f, CFW_REPORT_STOPPED, -1, SIGKILL, NULL);
}

static const char *fake_address(void *srv)
{
	const struct cfw_sim_fake *f = srv;
	return *f->address ? f->address : NULL;
}

static int fake_pid(void *srv)
{
	const struct cfw_sim_fake *f = srv;
	return f->pid;
}

static int fake_signal(void *srv, int signo)
{
	const struct cfw_sim_fake *f = srv;
	char name[256];
	snprintf(name, sizeof name, "%.200s gets %s", f->name, cfw_signal_name(signo));
	cfw_sim_event(f->sim, name, NULL);
	return 0;
}

static void *fake_open(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_sim *s = kind_ud;
	struct cfw_sim_fake *f = calloc(1, sizeof *f);
	if (!f) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	f->sim = s;
	f->env = env;
	f->def = def;
	f->id = id;
	f->name = cfw_value_get_str(def, "name", "");
	f->timer = (struct cfw_timer){.fn = on_timer, .ud = f};
	f->death = (struct cfw_timer){.fn = on_death, .ud = f};
	f->prev = &s->fakes;
	f->next = s->fakes;
	if (f->next)
		f->next->prev = &f->next;
	s->fakes = f;
	arm_death(f);
	return f;
}

static void fake_free(void *srv)
{
	struct cfw_sim_fake *f = srv;
	cfw_timer_cancel(f->env->timers, &f->timer);
	cfw_timer_cancel(f->env->timers, &f->death);
	*f->prev = f->next;
	if (f->next)
		f->next->prev = f->prev;
	free(f);
}

/* Of Lua's own servers those that the test has a word on; the functions of the others run. */
static bool is_scripted(void *kind_ud, const struct cfw_value *def)
{
	return cfw_sim_script_find(kind_ud, cfw_value_get_str(def, "name", "")) != NULL;
}

/* S7.2: as the real kinds have it. */
static bool fake_fits(const void *srv, const void *next)
{
	static const char *const made_of[] = {"listen", "command", "env",    "clear_env", "cwd",         "user",
					      "group",  "stdin",   "stdout", "stderr",    "new_session", "foreground"};
	const struct cfw_sim_fake *f = srv, *n = next;
	for (size_t i = 0; f->state != DOWN && i < sizeof made_of / sizeof *made_of; i++)
		if (!cfw_value_equal(cfw_value_get(f->def, made_of[i]), cfw_value_get(n->def, made_of[i])))
			return false;
	return true;
}

static bool fake_renew(void *srv, void *next)
{
	struct cfw_sim_fake *f = srv;
	const struct cfw_sim_fake *n = next;
	f->def = n->def;
	return false;
}

#define FAKE(kind_name, which)                                                                                                 \
	{                                                                                                                      \
		.size = sizeof(struct cfw_kind), .name = (kind_name), .open = fake_open, .free = fake_free,                    \
		.start = fake_start, .stop = fake_stop, .cut = fake_cut, .hurry = fake_hurry, .address = fake_address,         \
		.pid = fake_pid, .signal = fake_signal, .takes = (which), .fits = fake_fits, .renew = fake_renew,              \
	}

int cfw_sim_kinds_add(struct cfw_sim *s, struct curfew_err *err)
{
	static const struct cfw_kind kinds[] = {FAKE("http", NULL), FAKE("tcp", NULL), FAKE("process", NULL),
						FAKE("server", is_scripted)};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int rc = curfew_kind_add(s->curfew, &kinds[i], s);
		if (rc)
			return cfw_err_set(err, rc, "out of memory");
	}
	return 0;
}

void cfw_sim_model_of(const struct cfw_sim *s, cfw_id id, uint64_t *patience_ns, const char **address)
{
	const struct cfw_sim_fake *f = s->fakes;
	while (f && f->id != id)
		f = f->next;
	*patience_ns = f ? cfw_sim_patience(f->def) : CFW_NEVER;
	*address = f ? cfw_value_to_str(cfw_value_at(cfw_value_get(f->def, "listen"), 0), NULL) : NULL;
}
