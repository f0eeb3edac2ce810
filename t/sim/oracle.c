/* The oracle believes nothing: journals made by hand that break a rule each, and one that breaks none. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "core/core.h"
#include "sim/oracle.h"
#include "tap.h"

static struct cfw_core *core;
static cfw_id web, db, job, web_pre, web_pre2, db_pre, web_post;
static struct cfw_oracle *oracle;
static uint64_t now;

static cfw_id add_server(const char *name, bool expect_exit)
{
	struct curfew_err err = {0};
	struct cfw_server_opts o = {.name = name,
				    .kind = "test",
				    .start_timeout_ns = CFW_NEVER,
				    .stop_timeout_ns = CFW_NEVER,
				    .expect_exit = expect_exit};
	return cfw_core_server_add(core, &o, &err);
}

static cfw_id add_hook(cfw_id server, enum cfw_phase phase)
{
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.server = server, .phase = phase, .where = "p.lua:1", .timeout_ns = CFW_NEVER};
	return cfw_core_hook_add(core, &o, &err);
}

static void see(struct cfw_journal_entry e)
{
	e.at_ns = now;
	cfw_oracle_see(oracle, core, &e);
}

static void state(cfw_id server, enum cfw_server_state to, enum cfw_server_state from)
{
	see((struct cfw_journal_entry){.what = CFW_J_SERVER, .server = server, .a = to, .b = from});
}

static void hook(cfw_id id, cfw_id server, enum cfw_outcome outcome)
{
	see((struct cfw_journal_entry){.what = CFW_J_HOOK_BEGIN, .hook = id, .server = server});
	see((struct cfw_journal_entry){.what = CFW_J_HOOK_END, .hook = id, .server = server, .a = outcome});
}

static void up(cfw_id server)
{
	state(server, CFW_S_STARTING, CFW_S_DOWN);
	state(server, CFW_S_STARTED, CFW_S_STARTING);
}

static void began(enum cfw_mode mode, int code)
{
	see((struct cfw_journal_entry){.what = CFW_J_STOP, .a = mode, .ns = now + 5 * CFW_SEC, .code = code});
}

static void stop_web(void)
{
	state(web, CFW_S_PRE_STOP, CFW_S_STARTED);
	hook(web_pre, web, CFW_OK);
	hook(web_pre2, web, CFW_OK);
	state(web, CFW_S_STOPPING, CFW_S_PRE_STOP);
	state(web, CFW_S_POST_STOP, CFW_S_STOPPING);
	hook(web_post, web, CFW_OK);
	state(web, CFW_S_DOWN, CFW_S_POST_STOP);
}

static void stop_db(void)
{
	state(db, CFW_S_PRE_STOP, CFW_S_STARTED);
	hook(db_pre, db, CFW_OK);
	state(db, CFW_S_STOPPING, CFW_S_PRE_STOP);
	state(db, CFW_S_DOWN, CFW_S_STOPPING);
}

static void ended(int code)
{
	see((struct cfw_journal_entry){.what = CFW_J_EXIT, .code = code});
}

static void fresh(void)
{
	cfw_oracle_reset(oracle);
	now = CFW_SEC;
	up(db);
	up(web);
}

static void breaks(const char *rule, const char *what)
{
	const char *said = cfw_oracle_broken(oracle, 0);
	ok(said && strncmp(said, rule, strlen(rule)) == 0, "%s: %s", rule, what);
	tap_diag("%s", said ? said : "nothing is said");
}

static void decided(enum cfw_decision_what what, int code)
{
	see((struct cfw_journal_entry){.what = CFW_J_DECISION, .a = what, .code = code});
}

static void good_runs(void)
{
	fresh();
	began(CFW_GRACEFUL, 3);
	stop_web();
	stop_db();
	ended(3);
	is_str(cfw_oracle_broken(oracle, 0), NULL, "an orderly stop breaks nothing");

	fresh();
	decided(CFW_D_KILL, 9);
	ended(9);
	is_str(cfw_oracle_broken(oracle, 0), NULL, "S4.14: kill calls no hook, and may");

	fresh();
	stop_web(); /* alone, then again: another life */
	up(web);
	began(CFW_ABORT, 1);
	hook(web_pre, web, CFW_OK);
	hook(web_pre2, web, CFW_OK);
	hook(db_pre, db, CFW_OK);
	ended(1);
	is_str(cfw_oracle_broken(oracle, 0), NULL, "a server that is started again owes its hooks again");

	fresh();
	up(job);
	state(job, CFW_S_DOWN, CFW_S_STARTED);
	is_str(cfw_oracle_broken(oracle, 0), NULL, "a server that was expected to end by itself, and has, owes nothing");
}

static void promise(void)
{
	fresh();
	began(CFW_GRACEFUL, 0);
	stop_web();
	ended(0);
	breaks("S4.12", "a started server whose hook was not called");

	fresh();
	up(job);
	state(job, CFW_S_DOWN, CFW_S_STOPPING);
	breaks("S4.12", "one that is expected to end by itself, but was stopped without its hooks");

	fresh();
	began(CFW_GRACEFUL, 0);
	state(web, CFW_S_STOPPING, CFW_S_STARTED);
	state(web, CFW_S_DOWN, CFW_S_STOPPING);
	breaks("S4.12", "a server that has stopped without its hooks");

	fresh();
	began(CFW_GRACEFUL, 0);
	hook(web_pre, web, CFW_OK);
	hook(web_pre, web, CFW_OK);
	breaks("S4.12", "a hook that is begun twice");
}

static void order(void)
{
	fresh();
	began(CFW_GRACEFUL, 0);
	stop_db();
	breaks("S4.1", "db stops before web, which depends on it");

	fresh();
	began(CFW_GRACEFUL, 0);
	hook(web_pre2, web, CFW_OK);
	hook(web_pre, web, CFW_OK);
	breaks("S4.1", "hooks that are not in the order of registration");

	fresh();
	began(CFW_GRACEFUL, 0);
	see((struct cfw_journal_entry){.what = CFW_J_HOOK_BEGIN, .hook = web_pre, .server = web});
	see((struct cfw_journal_entry){.what = CFW_J_HOOK_BEGIN, .hook = web_pre2, .server = web});
	breaks("S4.1", "two hooks of one server at once");

	fresh();
	state(web, CFW_S_BACKOFF, CFW_S_STARTED);
	began(CFW_GRACEFUL, 0);
	state(web, CFW_S_STARTING, CFW_S_BACKOFF);
	breaks("S4.13", "a restart during the stop");
}

static void end_of_it(enum cfw_mode mode)
{
	fresh();
	began(mode, 0);
	stop_web();
	stop_db();
}

/* A stop that was taken back owes its hooks to the next one. */
static void cancelled(bool whole)
{
	fresh();
	began(CFW_GRACEFUL, 3);
	state(web, CFW_S_HELD, CFW_S_STARTED);
	state(web, CFW_S_PRE_STOP, CFW_S_HELD);
	hook(web_pre, web, CFW_FAILED);
	if (whole)
		state(web, CFW_S_STARTED, CFW_S_PRE_STOP);
	see((struct cfw_journal_entry){.what = CFW_J_CANCEL, .a = 0});
	see((struct cfw_journal_entry){.what = CFW_J_CANCEL, .a = 1});
}

static void cancels(void)
{
	cancelled(true);
	began(CFW_GRACEFUL, 0);
	stop_web();
	stop_db();
	ended(0);
	is_str(cfw_oracle_broken(oracle, 0), NULL,
	       "a cancelled stop: hooks are called again in the next, its code is forgotten");

	cancelled(true);
	began(CFW_GRACEFUL, 0);
	hook(web_pre2, web, CFW_OK);
	state(web, CFW_S_STOPPING, CFW_S_PRE_STOP);
	state(web, CFW_S_DOWN, CFW_S_STOPPING);
	breaks("S4.12", "one that is not called again after a cancelled stop");

	cancelled(false);
	breaks("the stop was cancelled, and web is pre_stop", "a server that is left in a cancelled stop");

	fresh();
	see((struct cfw_journal_entry){.what = CFW_J_CANCEL, .a = 1});
	breaks("a stop was cancelled while there was none", "a cancel without a stop");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_SKIP, .server = web});
	ended(0);
	breaks("the code of the end is 0, it has to be at least 1 (S4.11: something was skipped", "a skip and code 0");
}

static void code_and_time(void)
{
	end_of_it(CFW_GRACEFUL);
	decided(CFW_D_GRACEFUL, 4);
	ended(3);
	breaks("the code of the end is 3, it has to be at least 4 (S4.3", "a code that goes down");

	fresh();
	began(CFW_GRACEFUL, 0);
	hook(web_pre, web, CFW_FAILED);
	hook(web_pre2, web, CFW_OK);
	hook(db_pre, db, CFW_OK);
	ended(0);
	breaks("the code of the end is 0, it has to be at least 1 (S4.9", "a failed hook and code 0");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_MARGIN, .a = 1});
	ended(1);
	breaks("the code of the end is 1, it has to be at least 255 (S4.11", "a cut and code 1");

	end_of_it(CFW_GRACEFUL);
	now += 5 * CFW_SEC + 1;
	ended(0);
	breaks("S4.8", "an end past the exit timeout");

	end_of_it(CFW_ABORT);
	see((struct cfw_journal_entry){.what = CFW_J_EXTEND, .ns = now + 6 * CFW_SEC});
	breaks("S4.6", "an abort that is extended");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_EXTEND, .ns = now + 61 * CFW_SEC});
	breaks("S4.6", "an end that is moved past max_exit_timeout");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_STOP, .a = CFW_ABORT, .b = 1, .ns = now + 9 * CFW_SEC});
	breaks("S4.6", "an abort that moves the end");
}

static void starts(void)
{
	cfw_oracle_reset(oracle);
	state(web, CFW_S_STARTING, CFW_S_WAITING);
	breaks("S3.1", "a start before what it depends on is started");

	fresh();
	see((struct cfw_journal_entry){.what = CFW_J_CLOSED, .server = web, .code = 2});
	began(CFW_ABORT, 1);
	is_int(cfw_oracle_most(oracle), 1, "a death before the stop asks for no code");
	see((struct cfw_journal_entry){.what = CFW_J_MARGIN});
	is_int(cfw_oracle_most(oracle), 1, "nor does the margin of an abort");
}

static void long_stops(void)
{
	fresh();
	see((struct cfw_journal_entry){.what = CFW_J_STOP, .a = CFW_GRACEFUL, .ns = now + 5 * CFW_SEC + 1});
	breaks("S4.6: the stop would end later", "a stop that is given more than exit_timeout");

	end_of_it(CFW_GRACEFUL);
	now += 4600 * CFW_MS;
	ended(0);
	breaks("S4.7", "a graceful end past the margin, which was not told");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_CLOSED, .server = web, .signo = 9});
	ended(0);
	breaks("the code of the end is 0, it has to be at least 1 (S4.11: a server died", "a death in the stop and code 0");

	end_of_it(CFW_GRACEFUL);
	see((struct cfw_journal_entry){.what = CFW_J_SKIP, .server = web, .hook = web_post});
	is_int(cfw_oracle_most(oracle), 1, "a hook of the stop that was skipped");
}

static void undecided(void)
{
	cfw_oracle_reset(oracle);
	see((struct cfw_journal_entry){.what = CFW_J_TRIGGER, .seq = 1});
	see((struct cfw_journal_entry){.what = CFW_J_TRIGGER, .seq = 2});
	see((struct cfw_journal_entry){.what = CFW_J_DECISION, .a = CFW_D_IGNORE, .seq = 3});
	see((struct cfw_journal_entry){.what = CFW_J_EXIT, .seq = 4});
	breaks("S4.10", "a trigger that was not decided on");

	cfw_oracle_reset(oracle);
	see((struct cfw_journal_entry){.what = CFW_J_TRIGGER, .seq = 1});
	see((struct cfw_journal_entry){.what = CFW_J_EXIT, .seq = 3});
	is_str(cfw_oracle_broken(oracle, 0), NULL, "where entries were dropped nobody knows");
}

static void global_hooks(void)
{
	cfw_id global = add_hook(0, CFW_PRE_STOP);
	end_of_it(CFW_ABORT);
	ended(0);
	breaks("S4.12: the process ends, and the global pre_stop hook", "a global hook that was not called");

	end_of_it(CFW_GRACEFUL);
	hook(global, 0, CFW_OK);
	see((struct cfw_journal_entry){.what = CFW_J_LIFE, .a = CFW_L_STOPPED, .seq = 8});
	began(CFW_GRACEFUL, 0);
	ended(0);
	is_str(cfw_oracle_broken(oracle, 0), NULL, "a second stop, and nothing was started since the first");

	end_of_it(CFW_GRACEFUL);
	hook(global, 0, CFW_OK);
	see((struct cfw_journal_entry){.what = CFW_J_LIFE, .a = CFW_L_STOPPED, .seq = 8});
	up(db);
	began(CFW_ABORT, 0);
	hook(db_pre, db, CFW_OK);
	ended(0);
	breaks("S4.12: the process ends, and the global pre_stop hook", "S3.4: a second life owes it anew");
}

/* Their places grow when one is looked at that was not seen yet. */
static void many(void)
{
	enum { MANY = 200 };
	cfw_id ids[MANY];
	char name[16];
	struct cfw_oracle *other = cfw_oracle_new();
	struct cfw_oracle *kept = oracle;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "m%d", i);
		ids[i] = add_server(name, false);
	}
	for (int i = 0; i + 1 < MANY; i++)
		if (cfw_core_server_after(core, ids[i], ids[i + 1], NULL))
			tap_bail("an edge was refused");
	oracle = other;
	for (int i = 0; i + 1 < MANY; i++)
		state(ids[i], CFW_S_STARTING, CFW_S_WAITING); /* what it depends on has the next place */
	breaks("S3.1", "each of many starts before what it depends on");
	oracle = kept;
	cfw_oracle_free(other);
}

int main(void)
{
	struct cfw_core_config config;
	struct curfew_err err = {0};
	cfw_core_config_default(&config);
	core = cfw_core_new(&cfw_alloc_std, &config);
	oracle = cfw_oracle_new();
	if (!core || !oracle)
		tap_bail("out of memory");
	db = add_server("db", false);
	web = add_server("web", false);
	is_int(cfw_core_server_after(core, web, db, &err), 0, "web depends on db");
	is_int(cfw_core_server_on(core, web, 0), db, "which can be read back");
	is_int(cfw_core_server_on(core, web, 1), 0, "and nothing more");
	web_pre = add_hook(web, CFW_PRE_STOP);
	web_pre2 = add_hook(web, CFW_PRE_STOP);
	web_post = add_hook(web, CFW_POST_STOP);
	db_pre = add_hook(db, CFW_PRE_STOP);
	job = add_server("job", true);
	add_hook(job, CFW_PRE_STOP);
	good_runs();
	promise();
	order();
	code_and_time();
	cancels();
	starts();
	long_stops();
	undecided();
	global_hooks();
	many();
	cfw_oracle_free(oracle);
	cfw_core_free(core);
	return tap_done();
}
