/* What the views show of a stop that is steered: log lines, events, status, the display and the timeline. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/value.h"
#include "view/status.h"
#include "view/view.h"
#include "world.h"

static struct cfw_buf said, out;
static uint64_t seen;
static struct cfw_log sink;
static cfw_id web;

static void emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	(void)ud, (void)fields, (void)n;
	cfw_buf_printf(&said, "%s %s\n", cfw_log_level_name(level), msg);
}

static void watch(void)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(world.core, seen + 1))) {
		seen = e->seq;
		cfw_view_log(world.core, e, &sink, NULL, NULL);
	}
}

/* web, with a hook that ends by itself after 30 seconds, in a stop that has lasted a second. */
static void stopping(void)
{
	struct cfw_core_config conf;
	cfw_core_config_default(&conf);
	conf.exit_timeout_ns = 60 * CFW_SEC;
	world_open(&conf);
	world.watch = watch;
	seen = 0;
	sink = (struct cfw_log){.level = CFW_INFO, .emit = emit};
	web = world_server("web", 100 * CFW_MS)->id;
	world_hook(web, CFW_PRE_STOP, "hold", "p.lua:1", 30 * CFW_SEC);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + CFW_SEC);
	cfw_buf_reset(&said);
}

static const char *steer(enum cfw_trigger_kind kind, cfw_id server, uint64_t ns)
{
	world_feed((struct cfw_event){.type = CFW_EV_TRIGGER,
				      .trigger = {.kind = kind, .server = server, .ns = ns, .request = 1}});
	world_run(world.now);
	return said.data ? said.data : "";
}

static const char *shown(void)
{
	return out.data && !out.failed ? out.data : "";
}

static const char *timeline(void)
{
	cfw_buf_reset(&out);
	cfw_view_timeline(world.core, 80, 24, false, true, &out);
	return shown();
}

static bool has(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	tap_diag("no \"%s\" in:\n%s", part, text);
	return false;
}

/* Of the last entry of that kind, as an event: a value of it as text. */
static const char *event(enum cfw_journal_what what, const char *key)
{
	static char text[128];
	const struct cfw_journal_entry *e;
	struct cfw_value *v = NULL;
	for (uint64_t seq = 1; (e = cfw_core_journal(world.core, seq)); seq = e->seq + 1)
		if (e->what == what) {
			cfw_value_free(v);
			v = cfw_view_event(world.core, e, NULL, NULL);
		}
	const struct cfw_value *f = cfw_value_get(v, key);
	snprintf(text, sizeof text, "%s %s", cfw_value_get_str(v, "event", "none"),
		 cfw_value_type(f) == CFW_V_BOOL ? (cfw_value_get_bool(v, key, false) ? "true" : "false")
						 : cfw_value_to_str(f, "nothing"));
	cfw_value_free(v);
	return text;
}

static bool status(const char *key)
{
	struct cfw_value *v = cfw_view_status(world.core, world.now, NULL, NULL);
	bool is = cfw_value_get_bool(cfw_value_get(v, "stop"), key, false);
	cfw_value_free(v);
	return is;
}

static void hurried(void)
{
	stopping();
	ok(!status("hurried"), "status: not hurried");
	is_str(steer(CFW_T_HURRY, 0, 0), "info hurry: accept\ninfo the stop is hurried: holds and waits are skipped\n",
	       "hurry: log");
	ok(status("hurried"), "status: hurried");
	is_str(event(CFW_J_HURRY, "x"), "hurry nothing", "an event");
	world_close();
}

static void extended(void)
{
	stopping();
	is_str(steer(CFW_T_EXTEND, 0, 60 * CFW_SEC),
	       "info extend: accept\nwarn extend: refused: the stop ends at max_exit_timeout "
	       "already\n",
	       "extend: a refusal in the log");
	is_str(event(CFW_J_REFUSED, "reason"), "refused the stop ends at max_exit_timeout already", "and as an event");
	is_str(event(CFW_J_REFUSED, "default"), "refused false", "of which no default decided");
	world_close();
}

static void skipped(void)
{
	stopping();
	is_str(steer(CFW_T_SKIP, web, 0),
	       "info web: skip: accept\nwarn web: pre_stop \"hold\" (p.lua:1) was skipped after 1s\n",
	       "skip: a hook, in one line");
	is_str(event(CFW_J_HOOK_END, "skipped"), "hook_end true", "its end as an event");
	is_str(event(CFW_J_HOOK_END, "limit"), "hook_end false", "which is not that of its own limit");
	cfw_buf_reset(&said);
	is_str(steer(CFW_T_SKIP, web, 0), "info web: skip (2nd): accept\nwarn web: it is skipped\nwarn web: cut off\n",
	       "skip: a drain");
	is_str(event(CFW_J_SKIP, "server"), "skip web", "as an event");
	world_run(world.now + CFW_SEC);
	ok(has(said.data, "exit 1; cut off: web\n"), "the last line names it");
	ok(has(timeline(), "cut"), "and the timeline marks it");
	world_close();
}

static void cancelled(void)
{
	stopping();
	is_str(steer(CFW_T_CANCEL, 0, 0), "info cancel: accept\ninfo the stop is to be cancelled, as soon as no hook runs\n",
	       "cancel: log");
	ok(status("cancelling"), "status: cancelling");
	is_str(event(CFW_J_CANCEL, "cancel"), "cancel asked", "as an event");
	cfw_buf_reset(&out);
	cfw_view_waiting(world.core, world.now, 100, 20, false, true, &out);
	ok(has(shown(), "stopping, to be cancelled, code 0"), "the display says so");
	cfw_buf_reset(&said);
	world_run(world.now + 40 * CFW_SEC);
	is_str(said.data,
	       "info web: pre_stop \"hold\" (p.lua:1) took 30s\ninfo web: serves on\ninfo the stop is cancelled: all is as "
	       "before\n",
	       "cancelled: log");
	is_str(event(CFW_J_CANCEL, "cancel"), "cancel done", "as an event");
	is_str(event(CFW_J_LIFE, "state"), "state started", "and all is started");
	const char *chart = timeline();
	ok(has(chart, "stop, cancelled, took 30s of 1m00s, because of SIGTERM\n") && has(chart, " cancelled |\n"),
	   "the timeline shows it as what it was");
	cfw_buf_reset(&out);
	cfw_view_timeline_json(world.core, &out);
	ok(has(shown(), "\"cancelled\":true"), "so does its JSON");
	chart = timeline();
	ok(!strstr(chart, "cut") && !strstr(chart, "failed"), "with nothing that went wrong");
	cfw_buf_reset(&said);
	world_signal(SIGTERM);
	world_run(world.now + 40 * CFW_SEC);
	is_int(world.exit_code, 0, "the next stop");
	chart = timeline();
	ok(has(chart, "stop took 30.1s") && !strstr(chart, "cancelled"), "has its own");
	world_close();
}

static void dropped(void)
{
	stopping();
	steer(CFW_T_CANCEL, 0, 0);
	cfw_buf_reset(&said);
	world_signal(SIGTERM);
	world_run(world.now);
	ok(has(said.data, "warn the stop goes on: it is not cancelled after all\n"), "a cancel that is dropped: log");
	is_str(event(CFW_J_CANCEL, "cancel"), "cancel dropped", "as an event");
	world_close();
}

int main(void)
{
	cfw_buf_init(&said);
	cfw_buf_init(&out);
	hurried();
	extended();
	skipped();
	cancelled();
	dropped();
	cfw_buf_clear(&said);
	cfw_buf_clear(&out);
	return tap_done();
}
