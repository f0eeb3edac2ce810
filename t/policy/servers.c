/* The kind "server": functions that start, stop and end it. */
#define _GNU_SOURCE
#include "fake.h"

static struct cfw_buf reports;

static void report(void *ud, const struct cfw_report *r)
{
	static const char *const names[] = {"started", "start_failed", "stopped", "closed", "died"};
	(void)ud;
	cfw_buf_printf(&reports, "%s %u%s%.40s;", names[r->what], r->attempt, r->err ? " " : "", r->err ? r->err->msg : "");
}

static void report_all(void *ud, const struct cfw_report *r)
{
	(void)ud;
	cfw_buf_printf(&reports, "%s %u", r->what == CFW_REPORT_STARTED ? "started" : "start_failed", r->attempt);
	if (r->err)
		cfw_buf_printf(&reports, " %s %s", r->err->msg, cfw_err_name(r->err));
	cfw_buf_printf(&reports, "%s%s;", r->traceback ? " " : "", r->traceback ? r->traceback : "");
}

static void results(void)
{
	static const char *const bodies[][2] = {
		{"return nil", "started 1;"},
		{"return", "started 1;"},
		{"return 0, 'x'", "started 1;"},
		{"return nil, nil, 'EPERM'", "started 1;"},
		{"return nil, 'no luck'", "start_failed 1 no luck ELUA;"},
		{"return nil, 'no file', 'ENOENT'", "start_failed 1 no file ENOENT;"},
		{"return nil, 'slow', 'ETIMEDOUT'", "start_failed 1 slow ETIMEDOUT;"},
		{"return nil, 'big', 'ELIMIT'", "start_failed 1 big ELIMIT;"},
		{"return false, 'no', 'EWHATEVER'", "start_failed 1 no ELUA;"},
		{"return nil, 'no', {}", "start_failed 1 no ELUA;"},
		{"return false", "start_failed 1 start returned false ELUA;"},
		{"return nil, {}", "start_failed 1 start returned nil and something that is no message ELUA;"},
		{"local function f() error('boom') end f() return 1",
		 "start_failed 1 policy.lua:1: boom ELUA stack traceback:\n\t[C]: in "},
		{"os.exit(3)", "start_failed 1 start called os.exit ELUA;"},
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char script[256];
		struct cfw_env env = {.report = report_all};
		struct curfew_err err = {0};
		struct fake *f = fake_new(0);
		snprintf(script, sizeof script, "c.server_new{name = 's', start = function() %s end}", bodies[i][0]);
		fake_load(f, script);
		void *s = cfw_policy_kind.open(f->p, &env, 1, f->def[0], &err);
		cfw_policy_kind.start(s, 1);
		fake_run(f, f->now);
		ok(has(fake_text(&reports), bodies[i][1]), "S3.2: start: %s", bodies[i][0]);
		cfw_buf_reset(&reports);
		cfw_policy_kind.free(s);
		fake_free(f);
	}
	cfw_buf_clear(&reports);
}

static void contexts(void)
{
	struct fake *f = fake_new(0);
	struct cfw_env env = {.report = report};
	struct curfew_err err = {0};
	fake_load(f, "local function tell(x) say(x.phase, x.mode, tostring(x.deadline), x.trigger and x.trigger.name .. ' ' .. "
		     "x.trigger.error .. ' ' .. x.trigger.traceback or 'nil') end "
		     "c.server_new{name = 's', start = tell, stop = tell, abort = tell}");
	void *s = cfw_policy_kind.open(f->p, &env, 1, f->def[0], &err);
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = 9 * CFW_SEC};
	f->start_until = 31 * CFW_SEC;
	for (int i = 0; i < 2; i++) {
		cfw_policy_kind.start(s, 1);
		fake_run(f, f->now);
		cfw_policy_kind.stop(s, &stop);
		fake_run(f, f->now);
		cfw_policy_kind.cut(s, 3);
		fake_run(f, f->now);
		f->stopping = true;
		f->cause = (struct cfw_trigger){.kind = CFW_T_ERROR};
		f->cause_text = "boom";
		f->cause_trace = "trace";
	}
	is_str(said(f),
	       "start graceful 31.0 nil;stop graceful 9.0 nil;abort abort nil nil;"
	       "start graceful 31.0 nil;stop abort 9.0 error boom trace;abort abort nil error boom trace;",
	       "what the functions of a server are told, alone and in a stop");
	cfw_policy_kind.free(s);
	cfw_buf_clear(&reports);
	fake_free(f);
}

static void kind(void)
{
	struct fake *f = fake_new(5 * CFW_MS);
	struct curfew_err err = {0};
	struct cfw_env env = {.report = report};
	fake_load(
		f,
		"c.server_new{name = 'good', start = function(x) c.sleep(5) say(x.phase, x.server) end, stop = function(x) "
		"c.sleep(5) say(x.phase, tostring(x.deadline)) end, abort = function(x) say(x.phase) end} "
		"c.server_new{name = 'bad', start = function() error('no start') end, stop = function() error('no stop') end} "
		"c.server_new{name = 'bare'} "
		"c.server_new{name = 'stuck', start = function() local x <close> = setmetatable({}, {__close = function() "
		"say('closed') "
		"end}) c.wait_event('never') end, stop = function() while true do end end}");
	void *s[4];
	for (cfw_id i = 0; i < 4; i++)
		s[i] = cfw_policy_kind.open(f->p, &env, i + 1, f->def[i], &err);
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = 9 * CFW_SEC};
	for (int i = 0; i < 4; i++)
		cfw_policy_kind.start(s[i], 1);
	fake_run(f, f->now + 100);
	ok(has(fake_text(&reports), "started 1;") && has(fake_text(&reports), "start_failed 1 policy.lua:1: no start"),
	   "S3.2: starts");
	cfw_buf_reset(&reports);
	cfw_policy_kind.cut(s[3], 1);
	is_str(fake_text(&reports), "stopped 1;", "cut ends a start that waits");
	ok(has(said(f), "closed;"), "its coroutine is closed");
	cfw_buf_reset(&reports);
	for (int i = 0; i < 4; i++)
		cfw_policy_kind.stop(s[i], &stop);
	fake_run(f, f->now + 100);
	ok(has(fake_text(&reports), "stopped 2;"), "S4.1: stops");
	ok(has(fake_text(&reports), "died 2 policy.lua:1: no stop"), "S4.11: a stop that fails is a death unasked");
	ok(has(fake_text(&reports), "died 2 passed hook_cpu_limit (5ms)"), "S4.11: so is one that loops");
	ok(has(said(f), "start 1;") && has(said(f), "stop 9.0;"), "what the functions are told");
	cfw_buf_reset(&reports);
	cfw_policy_kind.cut(s[0], 3);
	is_str(fake_text(&reports), "", "cut with an abort function: once that has ended");
	fake_run(f, f->now);
	is_str(fake_text(&reports), "stopped 3;", "then stopped");
	cfw_policy_kind.free(s[0]);
	cfw_policy_kind.start(s[1], 4);
	fake_free(f);
	for (int i = 1; i < 4; i++)
		cfw_policy_kind.free(s[i]);
	ok(true, "servers may outlive the policy");
	cfw_buf_clear(&reports);
}

int main(void)
{
	kind();
	results();
	contexts();
	return tap_done();
}
