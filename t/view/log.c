/* Log lines from the journal: what a scripted life says, literally. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "view/view.h"
#include "world.h"

static struct cfw_buf said;
static uint64_t seen;
static struct cfw_log sink;

static void emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	(void)ud, (void)fields, (void)n;
	cfw_buf_printf(&said, "%s %s\n", cfw_log_level_name(level), msg);
}

static const char *text_of(void *ud, uint32_t text)
{
	return text == 7 && ud == &said ? "no such host" : NULL;
}

static void watch(void)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(world.core, seen + 1))) {
		seen = e->seq;
		cfw_view_log(world.core, e, &sink, text_of, &said);
	}
}

static void open_log(enum cfw_log_level level)
{
	world_open(NULL);
	world.watch = watch;
	seen = 0;
	cfw_buf_reset(&said);
	sink = (struct cfw_log){.level = level, .emit = emit};
}

static const char *take(void)
{
	static char last[16384];
	snprintf(last, sizeof last, "%s", said.data ? said.data : "");
	cfw_buf_reset(&said);
	return last;
}

static void test_graceful(void)
{
	open_log(CFW_INFO);
	cfw_id web = world_server("web", 370 * CFW_MS)->id, db = world_server("db", 300 * CFW_MS)->id;
	world_hook(0, CFW_PRE_STOP, NULL, "policy.lua:3", 0);
	world_hook(web, CFW_PRE_STOP, "let the balancer notice", "policy.lua:12", 250 * CFW_MS);
	world_hook(web, CFW_POST_STOP, "bye", NULL, 40 * CFW_MS)->outcome = CFW_EXIT_CALL;
	world_after(web, db);
	world_start();
	is_str(take(),
	       "info db: started\n"
	       "info web: started\n"
	       "info started 2 servers\n",
	       "a start");
	world_signal(SIGTERM);
	world_run(world.now + 100 * CFW_MS);
	world_signal(SIGTERM);
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "info stop: graceful, code 0, because of SIGTERM (1st); ends within 5s\n"
	       "info pre_stop (policy.lua:3) took 0s\n"
	       "info SIGTERM (2nd): graceful, code 0; the stop goes on\n"
	       "info web: pre_stop \"let the balancer notice\" (policy.lua:12) took 250ms\n"
	       "info web: post_stop \"bye\" called os.exit after 40ms\n"
	       "info web: stopped\n"
	       "info db: stopped\n"
	       "info exit 0\n",
	       "a graceful stop: cause, budget, hooks with their lines and durations, S4.4");
	world_close();
}

static void test_cut(void)
{
	open_log(CFW_INFO);
	cfw_id web = world_server("web", 370 * CFW_MS)->id;
	world_server("db", never);
	cfw_id cache = world_server("cache", 80 * CFW_MS)->id;
	world_hook(web, CFW_PRE_STOP, "notice", "policy.lua:12", 250 * CFW_MS)->outcome = CFW_FAILED;
	world_hook(cache, CFW_PRE_STOP, "flush", "policy.lua:14", never);
	world_start();
	take();
	world_signal(SIGINT);
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "info stop: graceful, code 0, because of SIGINT (1st); ends within 5s\n"
	       "error web: pre_stop \"notice\" (policy.lua:12) failed after 250ms\n"
	       "info web: stopped\n"
	       "warn stop: the margin has come, 2 servers not stopped\n"
	       "warn db: cut off at the margin\n"
	       "warn cache: cut off at the margin\n"
	       "info db: stopped\n"
	       "error stop: the exit timeout has come\n"
	       "warn exit 255; cut off: db, cache; hooks failed: web\n",
	       "S4.7, S4.8, S4.9: what was cut, when, and why the code is 255");
	world_close();
}

static void test_hook_cut(void)
{
	open_log(CFW_INFO);
	world_server("web", 100 * CFW_MS);
	world_hook(0, CFW_POST_STOP, "telemetry", NULL, never);
	world_start();
	take();
	world_signal(SIGTERM);
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "info stop: graceful, code 0, because of SIGTERM (1st); ends within 5s\n"
	       "info web: stopped\n"
	       "warn stop: the margin has come\n"
	       "warn post_stop \"telemetry\" was cut off after 4.4s\n"
	       "warn exit 255; cut off: a global hook\n",
	       "S4.7: a global hook that the margin cuts");
	world_close();
}

static void test_abort(void)
{
	open_log(CFW_INFO);
	cfw_id web = world_server("web", 3 * CFW_SEC)->id;
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.server = web, .phase = CFW_PRE_STOP, .name = "slow", .timeout_ns = 300 * CFW_MS};
	world_add(cfw_core_hook_add(world.core, &o, &err), never)->hook = true;
	world_start();
	take();
	world_signal(SIGTERM);
	world_run(world.now + 500 * CFW_MS);
	world_signal(SIGHUP);
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "info stop: graceful, code 0, because of SIGTERM (1st); ends within 5s\n"
	       "error web: pre_stop \"slow\" passed its own limit, after 300ms\n"
	       "warn stop: turned into an abort, code 1, because of SIGHUP (1st); ends within 4.5s\n"
	       "info web: ended by the abort\n"
	       "warn exit 1; hooks failed: web\n",
	       "S4.5: an abort on top of a graceful stop");
	world_close();
}

static void test_deaths(void)
{
	open_log(CFW_INFO);
	struct curfew_err err = {0};
	struct cfw_server_opts o = {.name = "db",
				    .kind = "process",
				    .start_timeout_ns = never,
				    .stop_timeout_ns = never,
				    .restart = CFW_RESTART_FAILURE,
				    .restart_max = 1,
				    .backoff_ns = 200 * CFW_MS};
	cfw_id db = world_add(cfw_core_server_add(world.core, &o, &err), 0)->id;
	world_server("web", 0);
	world_start();
	take();
	world_feed((struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = db, .signo = SIGKILL});
	is_str(take(),
	       "error db: killed by SIGKILL\n"
	       "warn db: 1st restart in 200ms\n",
	       "a death that its own restart answers");
	world_run(world.now + 500 * CFW_MS);
	take();
	world_feed((struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = db, .code = 3, .text = 7});
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "error db: ended by itself, code 3: no such host\n"
	       "info stop: abort, code 255, because db ended by itself; ends within 5s\n"
	       "info web: ended by the abort\n"
	       "warn exit 255\n",
	       "S2.7: one that nothing answers: its code, its text, and the stop that follows from it");
	world_close();
}

static void test_start_failed(void)
{
	open_log(CFW_INFO);
	cfw_id web = world_server("web", 0)->id;
	world.things[0].starts_ns = never;
	world_feed((struct cfw_event){.type = CFW_EV_START});
	world_feed((struct cfw_event){.type = CFW_EV_SERVER_START_FAILED, .server = web, .attempt = 1, .text = 7});
	world_run(world.now + 60 * CFW_SEC);
	is_str(take(),
	       "error web: failed to start: no such host\n"
	       "info stop: graceful, code 1, because web failed to start; ends within 5s\n"
	       "info web: stopped\n"
	       "warn exit 1\n",
	       "S2.16: a failed start, with its reason, and the stop that follows");
	world_close();
}

/* What the first line of a stop says for each kind of trigger. */
static void test_causes(void)
{
	static const struct {
		struct cfw_trigger t;
		const char *line;
	} rows[] = {
		{{.kind = CFW_T_SIGNAL, .signo = SIGQUIT}, "graceful, code 0, because of SIGQUIT (1st)"},
		{{.kind = CFW_T_EXIT, .code = 0}, "graceful, code 0, because exit(0) was called"},
		{{.kind = CFW_T_EXIT, .code = 3}, "abort, code 3, because exit(3) was called"},
		{{.kind = CFW_T_ERROR, .text = 7}, "abort, code 1, because of an uncaught error"},
		{{.kind = CFW_T_REJECTION, .text = 7}, "abort, code 1, because a task failed and nobody awaited it"},
		{{.kind = CFW_T_IDLE}, "graceful, code 0, because nothing was left to do"},
		{{.kind = CFW_T_STOP}, "graceful, code 0, because a stop was asked for"},
		{{.kind = CFW_T_ABORT}, "abort, code 1, because an abort was asked for"},
		{{.kind = CFW_T_STALL}, "abort, code 255, because the loop stalled"},
		{{.kind = CFW_T_CRASH, .code = 139}, "because the orchestrator crashed"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		open_log(CFW_INFO);
		world_server("web", 0);
		world_start();
		take();
		world_feed((struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = rows[i].t});
		world_run(world.now + CFW_SEC);
		const char *got = take();
		const char *stop = strstr(got, "stop: ");
		ok(stop && strstr(stop, rows[i].line) && strstr(stop, rows[i].line) < strchr(stop, '\n'), "S2: %s",
		   rows[i].line);
		if (rows[i].t.text)
			ok(strstr(got, ": no such host\n") && strncmp(got, "error ", 6) == 0, "S2: with the error's own text");
		world_close();
	}
}

/* What a rule decides that stops nothing. */
static void decide(struct cfw_trigger t, struct cfw_decision d)
{
	struct cfw_action a;
	struct cfw_event ev = {.type = CFW_EV_TRIGGER, .trigger = t};
	cfw_core_feed(world.core, world.now, &ev);
	while (cfw_core_next(world.core, &a)) {
		if (a.type != CFW_ACT_ASK)
			continue;
		ev = (struct cfw_event){.type = CFW_EV_DECISION, .question = a.question, .decision = d};
		cfw_core_feed(world.core, world.now, &ev);
	}
	watch();
}

static void test_decisions(void)
{
	open_log(CFW_INFO);
	world_server("web", 0);
	world_start();
	take();
	decide((struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = SIGHUP}, (struct cfw_decision){CFW_D_RELOAD, 0});
	decide((struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = SIGHUP}, (struct cfw_decision){CFW_D_IGNORE, 0});
	is_str(take(),
	       "info SIGHUP: reload\n"
	       "info SIGHUP (2nd): ignore\n",
	       "S2.13: decisions that stop nothing");
	decide((struct cfw_trigger){.kind = CFW_T_STOP}, (struct cfw_decision){CFW_D_RESTART, 0});
	const char *got = take();
	ok(strncmp(got, "warn stop: restart is no answer to it now\n", 42) == 0, "S2.12: one that the trigger does not allow");
	world_close();

	open_log(CFW_INFO);
	world_server("web", 0);
	world_start();
	take();
	decide((struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = SIGINT}, (struct cfw_decision){CFW_D_KILL, 9});
	got = take();
	is_str(got,
	       "info stop: kill, code 9, because of SIGINT (1st)\n"
	       "info web: killed\n"
	       "warn exit 9\n",
	       "S4.14: a kill");
	world_close();
}

static void test_extend(void)
{
	open_log(CFW_INFO);
	cfw_id web = world_server("web", 0)->id;
	world_hook(web, CFW_PRE_STOP, "dump", "p.lua:1", 6 * CFW_SEC);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + CFW_SEC);
	take();
	struct cfw_hook_view v = {0};
	cfw_core_hook_view(world.core, cfw_core_hook_next(world.core, 0), &v);
	world_feed((struct cfw_event){.type = CFW_EV_EXTEND, .run = v.run, .ns = 8 * CFW_SEC});
	is_str(take(), "info web: pre_stop \"dump\" (p.lua:1) extends the stop: ends within 8s\n", "S4.6: an extension");
	world_close();
}

static void test_levels(void)
{
	open_log(CFW_ERROR);
	world_server("web", 0);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + CFW_SEC);
	is_str(take(), "", "at level error a life without errors says nothing");
	world_close();

	open_log(CFW_DEBUG);
	cfw_id web = world_server("web", 0)->id;
	world_hook(web, CFW_PRE_STOP, "x", NULL, 0);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + CFW_SEC);
	const char *got = take();
	ok(strstr(got, "debug web: starting\n") && strstr(got, "debug life: stopping\n") &&
		   strstr(got, "debug web: pre_stop \"x\" begins\n") && strstr(got, "debug trigger SIGTERM (1st)\n"),
	   "at level debug every step is told");
	world_feed((struct cfw_event){.type = CFW_EV_SERVER_STOPPED, .server = web, .attempt = 1});
	ok(strstr(take(), "debug an answer came too late") != NULL, "late answers too");
	world_close();
	cfw_view_log(NULL, NULL, NULL, NULL, NULL);
}

int main(void)
{
	cfw_buf_init(&said);
	test_graceful();
	test_cut();
	test_hook_cut();
	test_abort();
	test_deaths();
	test_start_failed();
	test_causes();
	test_decisions();
	test_extend();
	test_levels();
	cfw_buf_clear(&said);
	return tap_done();
}
