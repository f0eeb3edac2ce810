/* steer_host.c: a host in C steers its instance; its own kind of server hears of it; and what cannot even be asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/poll.h"
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "tap.h"

static const struct cfw_env *env;
static cfw_id server;
static uint32_t attempt;
static char told[512];
static bool slow; /* its stop is not answered before it is hurried */

static void tell(const char *word)
{
	size_t n = strlen(told);
	snprintf(told + n, sizeof told - n, "%s%s", n ? " " : "", word);
}

static void report(enum cfw_report_what what)
{
	struct cfw_report r = {.what = what, .server = server, .attempt = attempt, .exit_code = -1};
	env->report(env->ud, &r);
}

static void *open_server(void *ud, const struct cfw_env *e, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	(void)ud;
	(void)def;
	(void)err;
	env = e;
	server = id;
	return malloc(1);
}

static void start_server(void *srv, uint32_t n)
{
	(void)srv;
	tell("start");
	attempt = n;
	report(CFW_REPORT_STARTED);
}

static void stop_server(void *srv, const struct cfw_stop *stop)
{
	(void)srv;
	tell(stop->hurried ? "stop in a hurry" : "stop");
	attempt = stop->attempt;
	if (!slow)
		report(CFW_REPORT_STOPPED);
}

static void cut_server(void *srv, uint32_t n)
{
	(void)srv;
	tell("cut");
	attempt = n;
	report(CFW_REPORT_STOPPED);
}

static void lame_server(void *srv)
{
	(void)srv;
	tell("lame");
}

static void unlame_server(void *srv)
{
	(void)srv;
	tell("unlame");
}

static void hurry_server(void *srv)
{
	(void)srv;
	tell("hurry");
	report(CFW_REPORT_STOPPED);
}

static const struct cfw_kind kind = {.size = sizeof kind,
				     .name = "host",
				     .open = open_server,
				     .free = free,
				     .start = start_server,
				     .stop = stop_server,
				     .cut = cut_server,
				     .lame = lame_server,
				     .unlame = unlame_server,
				     .hurry = hurry_server};

static struct curfew *c;
static struct curfew_loop loop;
static int answers, answer; /* the code of the last; 0: well */
static bool over;

static void on_exit_code(void *ud, int code, bool kill)
{
	(void)ud;
	(void)kill;
	tell(code ? "exit 1" : "exit 0");
	over = true;
}

static void on_lame(void *ud)
{
	(void)ud;
	tell("host-lame");
}

static void on_unlame(void *ud)
{
	(void)ud;
	tell("host-unlame");
}

static void on_answer(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	(void)ud;
	(void)value;
	answers++;
	answer = err ? err->code : 0;
}

static void turns(void)
{
	for (int i = 0; i < 100 && !over; i++)
		curfew_poll_turn(&loop, cfw_time_now());
}

static void has(const char *part, const char *what)
{
	if (!ok(strstr(told, part) != NULL, "%s", what))
		tap_diag("%s", told);
}

static int steer(enum curfew_steer_what what, const char *name, uint64_t ns)
{
	struct curfew_err err = {0};
	int before = answers, rc = curfew_steer(c, &(struct curfew_steer){what, name, ns}, on_answer, NULL, &err);
	turns();
	if (rc)
		return answers == before && err.msg[0] ? rc : 1;
	return answers == before + 1 ? answer : 2;
}

static void open_instance(const char *policy)
{
	struct curfew_err err = {0};
	over = slow = false;
	told[0] = '\0';
	curfew_poll_new(&loop, &err);
	struct cfw_options o = {
		.size = sizeof o, .loop = &loop, .on_exit = on_exit_code, .on_lame = on_lame, .on_unlame = on_unlame};
	c = cfw_new(&o, &err);
	struct cfw_value *def = cfw_value_map();
	if (!c || curfew_kind_add(c, &kind, NULL) || cfw_value_set(def, "kind", cfw_value_str("host")) ||
	    cfw_value_set(def, "name", cfw_value_str("mine")) || !curfew_server_add(c, def, &err) ||
	    curfew_load(c, "policy.lua", policy, strlen(policy), &err))
		tap_bail("no instance: %s", err.msg);
	cfw_value_free(def);
	curfew_start(c);
	turns();
}

static void close_instance(void)
{
	curfew_free(c);
	curfew_poll_free(&loop);
}

static void asked_in_vain(void)
{
	open_instance("");
	is_int(steer((enum curfew_steer_what)99, NULL, 0), CURFEW_EINVAL, "a way to steer that is none");
	is_int(steer(CURFEW_SKIP, NULL, 0), CURFEW_EINVAL, "skip: which server?");
	is_int(steer(CURFEW_SERVER_STOP, "nope", 0), CURFEW_ENOENT, "a server that is not there");
	is_int(steer(CURFEW_SERVER_STOP, CURFEW_GLOBAL, 0), CURFEW_ENOENT, "the global hooks are no server");
	is_int(steer(CURFEW_HURRY, NULL, 0), CURFEW_ESTATE, "nothing to hurry");
	is_int(curfew_steer(c, &(struct curfew_steer){.what = CURFEW_HURRY}, NULL, NULL, NULL), 0,
	       "nobody need hear the answer");
	turns();
	struct curfew_err err = {0};
	is_int(curfew_trigger(c, "skip", &err), CURFEW_EREFUSED, "what says more than its name is no trigger by name");
	is_int(curfew_raise(c, "stop_server", 0, NULL, NULL, &err), CURFEW_EREFUSED, "in no way");
	curfew_stop(c);
	turns();
	is_int(steer(CURFEW_HURRY, NULL, 0), CURFEW_ESTATE, "after the end nothing is steered");
	is_str(told, "start lame host-lame stop exit 0", "and nothing of that has reached the server");
	close_instance();
}

static void heard(void)
{
	open_instance("local c = require 'curfew' c.pre_stop(function() c.sleep(50) end)");
	curfew_stop(c);
	turns();
	is_int(steer(CURFEW_CANCEL, NULL, 0), 0, "cancel");
	is_str(told, "start lame host-lame unlame host-unlame", "the server and the host hear that all serves again");
	is_int(steer(CURFEW_SERVER_RESTART, "mine", 0), 0, "restart");
	has("host-unlame stop start", "one server");
	told[0] = '\0';
	curfew_stop(c);
	turns();
	is_int(steer(CURFEW_EXTEND, NULL, 20 * CFW_SEC), 0, "extend");
	struct cfw_stop_view v;
	cfw_core_stop_view(curfew_core(c), &v);
	ok(v.deadline_ns > v.began_ns + 15 * CFW_SEC, "S4.6: the end has moved");
	slow = true;
	is_int(steer(CURFEW_HURRY, NULL, 0), 0, "hurry");
	for (uint64_t end = cfw_time_now() + 30 * CFW_SEC; !strstr(told, "stop") && cfw_time_now() < end;)
		curfew_poll_turn(&loop, cfw_time_now() + 10 * CFW_MS);
	has("stop in a hurry", "a server that stops in a hurry is told");
	ok(!over, "it is not done yet");
	is_int(steer(CURFEW_HURRY, NULL, 0), 0, "hurry");
	turns();
	has("stop in a hurry hurry exit 0", "one that stops hears of the next");
	close_instance();
}

/* Who is not answered yet is when the instance is freed. */
static void freed(void)
{
	open_instance("local c = require 'curfew' c.pre_stop(function() c.wait 'never' end)");
	curfew_stop(c);
	turns();
	is_int(steer(CURFEW_CANCEL, NULL, 0), 2, "a cancel that waits for a hook");
	int before = answers;
	close_instance();
	ok(answers == before + 1 && answer == CURFEW_ESTATE, "is answered when the instance goes");
}

int main(void)
{
	asked_in_vain();
	heard();
	freed();
	return tap_done();
}
