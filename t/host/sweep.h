/* sweep.h: whatever the host is asked for, each allocation and each system call on its way fails once: the sweep over a scenario. */
#ifndef T_HOST_SWEEP_H
#define T_HOST_SWEEP_H

#include "faulty.h"
#include "faulty_curl.h"
#include "rig.h"
#include "serve.h"

static bool undisturbed; /* nothing fails: what is asked for has to be there */

struct scenario {
	const char *name;
	const char *(*play)(struct rig *r); /* why it is wrong; NULL: it is not */
	int most;   /* so many of its calls fail, one a run; 0: all of them, and then each with the next two */
	bool all;   /* also where all children are reaped */
	bool tight; /* no timer has its place before it is set */
};

static void say_nothing(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f, size_t n)
{
	(void)ud;
	(void)level;
	(void)msg;
	(void)f;
	(void)n;
}

static void reports(void *ud, const struct cfw_report *rep)
{
	bool on = cfw_short.on;
	cfw_short.on = false;
	rig_report(ud, rep);
	cfw_short.on = on;
}

/* Turn until cond; without a loop that fails, children are looked for at each turn. */
static void turn(struct rig *r)
{
	bool on = cfw_short.on;
	rig_turn(r);
	cfw_short.on = false;
	if (r->watch)
		cfw_host_reap(r->host);
	cfw_short.on = on;
}

#define until(r, cond)                                                                                                         \
	do {                                                                                                                   \
		uint64_t until_end = cfw_time_now() + 5 * CFW_SEC;                                                             \
		while (!(cond) && cfw_time_now() < until_end)                                                                  \
			turn(r);                                                                                               \
	} while (0)

static struct curfew_err refused;

/* 0 or the refusal, of which err says why. */
static int begin(struct rig *r, const char *name, const struct cfw_value *args)
{
	size_t n;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	while (strcmp(s->name, name) != 0)
		s++;
	refused = (struct curfew_err){0};
	return s->begin(s->ud, &r->env, 7, args, &refused);
}

/* The answer of a service, or the refusal to begin. NULL where it was one of them, in order; *answer is NULL in the second case. */
static const char *service(struct rig *r, const char *name, struct cfw_value *args, const struct rig_answer **answer)
{
	size_t before = r->n_answers;
	*answer = NULL;
	cfw_short.on = true;
	int rc = begin(r, name, args);
	until(r, rc || r->n_answers > before);
	short_end();
	cfw_value_free(args);
	if (rc)
		return refused.code && *refused.msg ? NULL : "it was refused without a reason";
	if (r->n_answers != before + 1)
		return "it was not answered";
	*answer = &r->answers[before % RIG_ANSWERS];
	return (*answer)->err.code && !*(*answer)->err.msg ? "it failed without a reason" : NULL;
}

/* What the tests themselves ask for does not fail. */
static bool is_told(struct rig *r, const char *file)
{
	cfw_short.on = false;
	bool told = strchr(rig_file(r, file), '\n') != NULL;
	cfw_short.on = true;
	return told;
}

/* Started and stopped; file: where it is told who else has to be gone then, once that is there. */
static const char *process_with(struct rig *r, struct cfw_value *def, const char *file)
{
	struct curfew_err err = {0};
	size_t before = r->n_reports;
	const char *wrong = NULL;
	cfw_short.on = true;
	void *p = cfw_process_kind.open(r->host, &r->env, 1, def, &err);
	if (!p) {
		short_end();
		cfw_value_free(def);
		return *err.msg && !undisturbed ? NULL : "it was not opened, and did not say why";
	}
	cfw_process_kind.start(p, 1);
	until(r, r->n_reports > before);
	enum cfw_report_what what = rig_last(r)->what;
	if (r->n_reports == before)
		wrong = "its start was not reported";
	else if (what == CFW_REPORT_START_FAILED && !*rig_last(r)->err)
		wrong = "its start failed without a reason";
	else if (undisturbed && what != CFW_REPORT_STARTED)
		wrong = rig_last(r)->err;
	cfw_value_free(cfw_process_kind.stats ? cfw_process_kind.stats(p) : NULL);
	if (!wrong && what == CFW_REPORT_STARTED) {
		until(r, !file || is_told(r, file));
		before = r->n_reports;
		struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER};
		cfw_process_kind.stop(p, &stop);
		until(r, r->n_reports > before);
		cfw_short.on = false;
		if (r->n_reports == before)
			wrong = "its stop was not reported";
		else if (file && rig_alive(strtol(rig_file(r, file), NULL, 10)))
			wrong = "something of its tree lives";
	}
	short_end();
	cfw_process_kind.free(p);
	cfw_value_free(def);
	return wrong;
}

static const char *process(struct rig *r, struct cfw_value *def)
{
	return process_with(r, def, NULL);
}

/* ---- the sweep ---- */

static const char *play(const struct scenario *s, enum cfw_reap reap, unsigned long fail_at, unsigned long fail_n, bool *failed)
{
	short_begin(fail_at, fail_n);
	short_end();
	size_t fds = rig_fds(), children = rig_children();
	long live = cfw_short.live;
	struct rig *r = rig_new(reap);
	r->log.emit = say_nothing;
	r->env.report = reports;
	static struct cfw_timer
		room[32]; /* that a timer has no place is no matter of the host's where it tries them as it goes */
	for (size_t i = 0; !s->tight && i < sizeof room / sizeof *room; i++)
		cfw_timer_set(&r->timers, &room[i], CFW_NEVER - 1);
	for (size_t i = 0; !s->tight && i < sizeof room / sizeof *room; i++)
		cfw_timer_cancel(&r->timers, &room[i]);
	const char *wrong = s->play(r);
	*failed = cfw_short.failed > 0;
	for (size_t i = 0; i < RIG_ANSWERS; i++) {
		cfw_value_free(r->answers[i].value);
		r->answers[i].value = NULL;
	}
	static char copy[300];
	snprintf(copy, sizeof copy, "%s", wrong ? wrong : "");
	rig_free(r);
	if (!wrong && rig_children() > children)
		return "a child is left";
	if (!wrong && rig_fds() != fds)
		return "a descriptor is left";
	if (!wrong && cfw_short.live != live)
		return "memory is left";
	return wrong ? copy : NULL;
}

static void sweep(const struct scenario *s, enum cfw_reap reap)
{
	bool failed = true;
	int bad = 0, runs = 0;
	const char *how = reap == CFW_REAP_ALL ? "all are reaped" : "its own are reaped";
	undisturbed = true;
	const char *wrong = play(s, reap, 0, 0, &failed);
	ok(!wrong, "%s (%s): as it is%s%s", s->name, how, wrong ? ": " : "", wrong ? wrong : "");
	faulty_interrupts = true;
	wrong = play(s, reap, 1, 100000, &failed);
	if (wrong && bad++ < 3)
		tap_diag("%s (%s): all is interrupted: %s", s->name, how, wrong);
	for (unsigned long i = 1; i < 30 && failed; i++) {
		wrong = play(s, reap, i, 1, &failed);
		if (wrong && bad++ < 3)
			tap_diag("%s (%s): call %lu is interrupted: %s", s->name, how, i, wrong);
	}
	is_int(bad, 0, "%s (%s): nothing comes of interruptions", s->name, how);
	faulty_interrupts = undisturbed = false;
	bad = 0;
	for (unsigned long n = 1; n <= (s->most ? 1 : 3); n += 2) {
		failed = true;
		for (unsigned long i = 1; failed && (!s->most || i <= (unsigned long)s->most); i++, runs++) {
			wrong = play(s, reap, i, n, &failed);
			if (wrong && bad++ < 8)
				tap_diag("%s (%s): call %lu (%lu) fails: %s", s->name, how, i, n, wrong);
		}
	}
	is_int(bad, 0, "%s (%s): %d runs, each with another call that fails", s->name, how, runs);
}

/* All of them, or the one of that name. */
static void sweep_all(const struct scenario *s, size_t n, const char *only)
{
	for (size_t i = 0; i < n; i++)
		if (!only || !strcmp(only, s[i].name)) {
			sweep(&s[i], CFW_REAP_PIDFD);
			if (s[i].all)
				sweep(&s[i], CFW_REAP_ALL);
		}
}

#endif
