/* tester.c: a test file and the simulations that it drives are two worlds that exchange plain data: the file runs in an instance whose
 * services open a simulation, let its time pass, and report. Its own clock is virtual too. */
#define _GNU_SOURCE
#include "sim/tester.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/virtual.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/value.h"
#include "instance.h"
#include "sim/explore.h"
#include "sim/sim.h"

/* CPU time of one slice of a test, and memory of its state. */
#define TEST_CPU    (5 * CFW_SEC)
#define TEST_MEMORY (INT64_C(1) << 30)

struct job { /* a simulation is to go on: outside the test's slice, whose CPU time is bounded */
	struct job *next;
	uint64_t token;
	struct cfw_value *args;
	bool schedule; /* or one schedule is run */
};

struct tests {
	const struct cfw_tester *out;
	const char *path;
	struct curfew_loop loop;
	struct curfew *curfew;
	struct cfw_log sink;
	struct cfw_buf said; /* its log, for what does not load */
	struct cfw_sim **runs;
	size_t nruns, runs_cap;
	struct job *jobs, **jobs_end;
	bool done, ended;
};

static struct cfw_sim *run_of(const struct tests *t, const struct cfw_value *args)
{
	int64_t n = cfw_value_get_int(args, "run", 0);
	return n > 0 && (size_t)n <= t->nruns ? t->runs[n - 1] : NULL;
}

/* ---- services ---- */

/* A path of the test is meant from its own folder, or else from where we are. */
static char *resolve(const struct tests *t, const char *path)
{
	const char *slash = strrchr(t->path, '/');
	char *full = NULL;
	if (*path != '/' && slash && asprintf(&full, "%.*s/%s", (int)(slash - t->path), t->path, path) < 0)
		return NULL;
	if (full && access(full, F_OK) == 0)
		return full;
	free(full);
	return strdup(path);
}

static int open_run(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	struct tests *t = ud;
	char *path = resolve(t, cfw_value_get_str(args, "path", ""));
	if (!path || cfw_grow(&cfw_alloc_std, &t->runs, &t->runs_cap, t->nruns + 1, sizeof(struct cfw_sim *))) {
		free(path);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	struct cfw_sim *s = cfw_sim_new(path, cfw_value_get(args, "opts"), err);
	struct cfw_value *v = s ? cfw_value_map() : NULL;
	if (s)
		t->runs[t->nruns++] = s;
	bool bad = cfw_value_set(v, "run", cfw_value_int((int64_t)t->nruns)) || cfw_value_set(v, "path", cfw_value_str(path));
	free(path);
	if (!s)
		return err->code ? err->code : CURFEW_EINVAL;
	if (bad) {
		cfw_value_free(v);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	env->answer(env->ud, token, v, NULL);
	return 0;
}

static void go_on(struct tests *t, const struct job *j)
{
	static const char *const states[] = {[CFW_SIM_ENDED] = "ended",
					     [CFW_SIM_ASKS] = "asks",
					     [CFW_SIM_THEN] = "then",
					     [CFW_SIM_QUIET] = "quiet",
					     [CFW_SIM_STUCK] = "stuck"};
	const struct cfw_env *env = curfew_env(t->curfew);
	struct curfew_err err = {0};
	struct cfw_sim *s = run_of(t, j->args);
	struct cfw_value *report = NULL;
	if (!s) {
		cfw_err_set(&err, CURFEW_ENOENT, "this run is over: its test has ended");
	} else if (cfw_sim_tell(s, cfw_value_get(j->args, "tell"), &err) == 0) {
		enum cfw_sim_state state = cfw_sim_run(s, cfw_value_get_ns(j->args, "till", CFW_NEVER));
		report = cfw_sim_report(s);
		if (!report || cfw_value_set(report, "state", cfw_value_str(states[state])))
			cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	}
	env->answer(env->ud, j->token, report, err.code ? &err : NULL);
}

static void run_schedule(struct tests *t, const struct job *j)
{
	const struct cfw_env *env = curfew_env(t->curfew);
	struct curfew_err err = {0};
	struct cfw_buf text;
	char *path = resolve(t, cfw_value_get_str(j->args, "path", ""));
	cfw_buf_init(&text);
	if (!path)
		cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	else
		cfw_explore_again(path, cfw_value_get(j->args, "items"), &text, &err);
	env->answer(env->ud, j->token, err.code ? NULL : cfw_value_str(text.data ? text.data : ""), err.code ? &err : NULL);
	cfw_buf_clear(&text);
	free(path);
}

static void run_jobs(void *ud)
{
	struct tests *t = ud;
	while (t->jobs) {
		struct job *j = t->jobs;
		t->jobs = j->next;
		if (!t->jobs)
			t->jobs_end = &t->jobs;
		if (j->schedule)
			run_schedule(t, j);
		else
			go_on(t, j);
		cfw_value_free(j->args);
		free(j);
	}
}

static int add_job(struct tests *t, uint64_t token, const struct cfw_value *args, bool schedule, struct curfew_err *err)
{
	struct job *j = calloc(1, sizeof *j);
	if (!j || !(j->args = cfw_value_copy(args))) {
		free(j);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	j->token = token;
	j->schedule = schedule;
	*t->jobs_end = j;
	t->jobs_end = &j->next;
	return t->loop.ops->defer(t->loop.loop, run_jobs, t);
}

static int run_run(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	(void)env;
	return add_job(ud, token, args, false, err);
}

static int begin_schedule(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args,
			  struct curfew_err *err)
{
	(void)env;
	return add_job(ud, token, args, true, err);
}

static int close_run(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	struct tests *t = ud;
	struct cfw_sim *s = run_of(t, args);
	(void)err;
	if (s) {
		t->runs[cfw_value_get_int(args, "run", 0) - 1] = NULL;
		cfw_sim_free(s);
	}
	env->answer(env->ud, token, NULL, NULL);
	return 0;
}

static int take_result(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args,
		       struct curfew_err *err)
{
	const struct tests *t = ud;
	(void)err;
	t->out->result(t->out->ud, cfw_value_get_str(args, "name", "?"), cfw_value_get_bool(args, "ok", false),
		       cfw_value_get_str(args, "text", NULL));
	env->answer(env->ud, token, NULL, NULL);
	return 0;
}

static int take_done(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	struct tests *t = ud;
	(void)args;
	(void)err;
	t->done = true;
	env->answer(env->ud, token, NULL, NULL);
	return 0;
}

static int refuse(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	(void)ud;
	(void)env;
	(void)token;
	(void)args;
	return cfw_err_set(err, CURFEW_EREFUSED,
			   "a test runs no command, fetches nothing and has no files but those of io.open");
}

static void forget(void *ud, uint64_t token)
{
	(void)ud; /* all but sim.run and sim.schedule have answered already, and its answer goes to nobody */
	(void)token;
}

static int add_services(struct tests *t, struct curfew_err *err)
{
	const struct cfw_service services[] = {
		{"sim.open", open_run, forget, t},
		{"sim.run", run_run, forget, t},
		{"sim.close", close_run, forget, t},
		{"sim.result", take_result, forget, t},
		{"sim.schedule", begin_schedule, forget, t},
		{"sim.done", take_done, forget, t},
		{"exec", refuse, forget, t},
		{"fetch", refuse, forget, t},
		{"fs.exists", refuse, forget, t},
		{"fs.stat", refuse, forget, t},
		{"fs.read", refuse, forget, t},
		{"fs.write", refuse, forget, t},
		{"fs.rename", refuse, forget, t},
		{"fs.remove", refuse, forget, t},
	};
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		if (curfew_service_add(t->curfew, &services[i]))
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return 0;
}

/* ---- the instance ---- */

static void take_log(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct tests *t = ud;
	(void)fields;
	(void)n;
	if (level >= CFW_ERROR)
		cfw_buf_printf(&t->said, "%s%s", t->said.len ? "\n" : "", msg);
}

static void on_exit_code(void *ud, int code, bool kill)
{
	struct tests *t = ud;
	(void)code;
	(void)kill;
	t->ended = true;
}

static int open_curfew(struct tests *t, struct curfew_err *err)
{
	struct cfw_value *settings = cfw_value_map();
	int bad = cfw_value_set(settings, "hook_cpu_limit", cfw_value_int((int64_t)TEST_CPU)) |
		  cfw_value_set(settings, "memory_limit", cfw_value_int(TEST_MEMORY));
	t->sink = (struct cfw_log){.level = CFW_DEBUG, .emit = take_log, .ud = t};
	struct cfw_options o = {
		.size = sizeof o, .loop = &t->loop, .log = &t->sink, .on_exit = on_exit_code, .overrides = settings, .ud = t};
	t->curfew = bad ? NULL : cfw_new(&o, err);
	cfw_value_free(settings);
	if (!t->curfew)
		return bad ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : err->code;
	return add_services(t, err);
}

static int turn_until_done(struct tests *t, struct curfew_err *err)
{
	while (!t->done && !t->ended) {
		uint64_t due = curfew_virtual_due(&t->loop);
		if (due == CFW_NEVER)
			return cfw_err_set(err, CURFEW_ESTATE, "%s: it waits for something that never comes", t->path);
		curfew_virtual_turn(&t->loop, due);
	}
	if (t->done)
		return 0;
	const char *why = t->said.len ? t->said.data : "it ended by itself: a test calls no os.exit";
	size_t n = strlen(t->path);
	if (n < 5 || (n >= 9 && strcmp(t->path + n - 9, "_test.lua") == 0))
		return cfw_err_set(err, CURFEW_ELUA, "%s", why);
	return cfw_err_set(err, CURFEW_ELUA, "%s\nIs it a policy? Its tests are in another file, which loads it: %.*s_test.lua",
			   why, (int)n - 4, t->path);
}

static void close_all(struct tests *t)
{
	while (t->jobs) {
		struct job *j = t->jobs;
		t->jobs = j->next;
		cfw_value_free(j->args);
		free(j);
	}
	for (size_t i = 0; i < t->nruns; i++)
		cfw_sim_free(t->runs[i]);
	free(t->runs);
	curfew_free(t->curfew);
	curfew_virtual_free(&t->loop);
	cfw_buf_clear(&t->said);
}

int cfw_tester_file(const struct cfw_tester *out, const char *path, struct curfew_err *err)
{
	static const char all[] = "require 'curfew.sim'.run_all()";
	struct tests t = {.out = out, .path = path};
	t.jobs_end = &t.jobs;
	cfw_buf_init(&t.said);
	int rc = curfew_virtual_new(&t.loop, CFW_SIM_START, err);
	if (!rc)
		rc = open_curfew(&t, err);
	if (!rc)
		rc = curfew_load_file(t.curfew, path, err);
	if (!rc)
		rc = curfew_load(t.curfew, "=curfew.sim", all, sizeof all - 1, err);
	if (!rc)
		rc = turn_until_done(&t, err);
	close_all(&t);
	return rc;
}
