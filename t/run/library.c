/* library.c: the library inside somebody's process: any loop, two instances at once, a kind of server of the host's own. */
#define _GNU_SOURCE
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/libevent.h"
#include "adapters/poll.h"
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "tap.h"

/* ---- a kind of the host's own: it starts and stops at once and writes down what it was told ---- */

struct host_server {
	const struct cfw_env *env;
	cfw_id id;
};

static char told[512];

static void tell(const char *word)
{
	size_t n = strlen(told);
	snprintf(told + n, sizeof told - n, "%s%s", n ? " " : "", word);
}

static void report(const struct host_server *s, enum cfw_report_what what, uint32_t attempt)
{
	struct cfw_report r = {.what = what, .server = s->id, .attempt = attempt, .exit_code = -1};
	s->env->report(s->env->ud, &r);
}

static void *open_server(void *ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	(void)ud;
	if (cfw_value_get_bool(def, "bad", false)) {
		cfw_err_set(err, CURFEW_EINVAL, "bad on purpose");
		return NULL;
	}
	struct host_server *s = calloc(1, sizeof *s);
	*s = (struct host_server){env, id};
	return s;
}

static void start_server(void *srv, uint32_t attempt)
{
	tell("start");
	report(srv, CFW_REPORT_STARTED, attempt);
}

static void stop_server(void *srv, const struct cfw_stop *stop)
{
	tell("stop");
	report(srv, CFW_REPORT_STOPPED, stop->attempt);
}

static void cut_server(void *srv, uint32_t attempt)
{
	tell("cut");
	report(srv, CFW_REPORT_STOPPED, attempt);
}

static void lame_server(void *srv)
{
	const struct host_server *s = srv;
	tell("lame");
	cfw_log_at(s->env->log, CFW_INFO, "lame");
}

static const struct cfw_kind host_kind = {.size = sizeof host_kind,
					  .name = "host",
					  .open = open_server,
					  .free = free,
					  .start = start_server,
					  .stop = stop_server,
					  .cut = cut_server,
					  .lame = lame_server};

/* ---- one instance on one loop ---- */

struct instance {
	struct curfew *c;
	int code;
	bool over;
	char log[4096];
	struct cfw_log sink;
	uint64_t journal; /* read so far */
};

static void on_exit_code(void *ud, int code, bool kill)
{
	struct instance *i = ud;
	(void)kill;
	i->code = code;
	i->over = true;
}

static void keep_line(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct instance *i = ud;
	(void)level;
	(void)fields;
	(void)n;
	size_t at = strlen(i->log);
	snprintf(i->log + at, sizeof i->log - at, "%s\n", msg);
}

/* The triggers and the beginning of a stop, as a log of the journal would have them. */
static void on_journal(void *ud)
{
	struct instance *i = ud;
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(curfew_core(i->c), i->journal + 1))) {
		i->journal = e->seq;
		if (e->what == CFW_J_TRIGGER || e->what == CFW_J_STOP)
			keep_line(i, CFW_INFO, e->what == CFW_J_STOP ? "[stop]" : "[trigger]", NULL, 0);
	}
}

static void open_instance(struct instance *i, const struct curfew_loop *loop)
{
	struct curfew_err err = {0};
	*i = (struct instance){.code = -1};
	i->sink = (struct cfw_log){CFW_INFO, keep_line, i};
	struct cfw_options o = {
		.size = sizeof o, .loop = loop, .log = &i->sink, .on_exit = on_exit_code, .on_journal = on_journal, .ud = i};
	i->c = cfw_new(&o, &err);
	if (!i->c)
		tap_bail("no instance: %s", err.msg);
}

static void load(struct instance *i, const char *src)
{
	struct curfew_err err = {0};
	if (curfew_load(i->c, "policy.lua", src, strlen(src), &err))
		tap_bail("load: %s", err.msg);
	curfew_start(i->c);
}

static uint64_t patience(void)
{
	return cfw_time_now() + 30 * CFW_SEC;
}

static void turn_until(struct curfew_loop *loop, const bool *over)
{
	for (uint64_t end = patience(); !*over && cfw_time_now() < end;)
		curfew_poll_turn(loop, cfw_time_now() + CFW_SEC);
}

static bool started(struct instance *i, struct curfew_loop *loop)
{
	for (uint64_t end = patience(); cfw_core_life(curfew_core(i->c)) != CFW_L_STARTED && cfw_time_now() < end;)
		curfew_poll_turn(loop, cfw_time_now() + CFW_SEC);
	return cfw_core_life(curfew_core(i->c)) == CFW_L_STARTED;
}

static void test_poll(void)
{
	struct curfew_loop loop;
	struct instance i;
	struct curfew_err err = {0};
	curfew_poll_new(&loop, NULL);
	open_instance(&i, &loop);
	is_int(curfew_kind_add(i.c, &host_kind, NULL), 0, "a kind of the host's own");
	struct cfw_value *def = cfw_value_map();
	cfw_value_set(def, "kind", cfw_value_str("host"));
	cfw_value_set(def, "name", cfw_value_str("mine"));
	ok(curfew_server_add(i.c, def, &err) != 0, "a server from plain values");
	is_int(curfew_server_add(i.c, def, &err), 0, "its name is taken then");
	cfw_value_set(def, "name", cfw_value_str("bad"));
	cfw_value_set(def, "bad", cfw_value_bool(true));
	is_int(curfew_server_add(i.c, def, &err), 0, "what a kind refuses is refused");
	is_str(err.msg, "bad on purpose", "with its words");
	cfw_value_set(def, "kind", cfw_value_str("nokind"));
	is_int(curfew_server_add(i.c, def, &err), 0, "a kind that nobody added is refused");
	cfw_value_free(def);
	load(&i,
	     "local curfew = require 'curfew' curfew.pre_stop(function() curfew.sleep('20ms') curfew.log.info('hook') end)\n"
	     "curfew.on('stop', function() curfew.log.info('rule') end)");
	ok(started(&i, &loop), "S3.1: started, on poll(2)");
	is_int(curfew_trigger(i.c, "crash", &err), CURFEW_EREFUSED, "S10.1: nobody outside raises crash");
	is_int(curfew_trigger(i.c, "nope", &err), CURFEW_ENOENT, "an unknown trigger is an error");
	is_int(curfew_trigger(i.c, "stop", &err), 0, "S2.9: stop by name");
	turn_until(&loop, &i.over);
	is_int(i.code, 0, "S2.9: code 0");
	is_str(told, "start lame stop", "S9.1: the host's server is told of the stop, then stopped");
	ok(strstr(i.log, "hook") != NULL, "its policy's hook ran, and slept, on that loop");
	is_str(i.log, "[trigger]\nrule\n[stop]\nlame\nhook\n", "what is logged and what the journal tells come in order");
	int code = -1;
	ok(curfew_ended(i.c, &code) && code == 0, "curfew_ended tells");
	is_int(curfew_step(i.c), 0, "a step after the end does nothing");
	ok(curfew_deadline(i.c) == CFW_NEVER, "and nothing is due any more");
	curfew_free(i.c);
	curfew_poll_free(&loop);
}

static void test_codes(void)
{
	static const struct {
		int asked, want;
	} rows[] = {{0, 0}, {7, 7}, {256, 1}, {257, 1}, {-1, 255}, {512 + 9, 9}};
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		struct curfew_loop loop;
		struct instance i;
		curfew_poll_new(&loop, NULL);
		open_instance(&i, &loop);
		load(&i, "require 'curfew'.server { name = 's', start = function() end }");
		ok(started(&i, &loop), "started");
		curfew_exit(i.c, rows[k].asked);
		turn_until(&loop, &i.over);
		is_int(i.code, rows[k].want, "S2.18: curfew_exit(%d)", rows[k].asked);
		curfew_free(i.c);
		curfew_poll_free(&loop);
	}
}

static void test_two(void)
{
	struct curfew_loop loop;
	struct instance a, b;
	struct curfew_err err = {0};
	curfew_poll_new(&loop, NULL);
	open_instance(&a, &loop);
	open_instance(&b, &loop);
	load(&a, "require 'curfew'.server { name = 's', start = function() end } who = 'a'");
	load(&b, "require 'curfew'.server { name = 's', start = function() end } assert(who == nil)");
	ok(started(&a, &loop) && started(&b, &loop), "two instances on one loop, each with a server of the same name");
	curfew_signal(a.c, SIGHUP, 1);
	turn_until(&loop, &a.over);
	is_int(a.code, 1, "one is aborted");
	is_int(cfw_core_life(curfew_core(b.c)), CFW_L_STARTED, "the other one does not notice");
	curfew_free(a.c);
	curfew_trigger(b.c, "SIGTERM", &err);
	turn_until(&loop, &b.over);
	is_int(b.code, 0, "and stops by itself later");
	curfew_free(b.c);
	curfew_poll_free(&loop);
}

static void *wake_from_thread(void *c)
{
	curfew_exit_from_thread(c, 5);
	return NULL;
}

static void test_thread(void)
{
	struct curfew_loop loop;
	struct instance i;
	pthread_t thread;
	curfew_poll_new(&loop, NULL);
	open_instance(&i, &loop);
	load(&i, "require 'curfew'.server { name = 's', start = function() end }");
	ok(started(&i, &loop), "started");
	pthread_create(&thread, NULL, wake_from_thread, i.c);
	turn_until(&loop, &i.over);
	pthread_join(thread, NULL);
	is_int(i.code, 5, "an exit call from another thread wakes the loop");
	curfew_free(i.c);
	curfew_poll_free(&loop);
}

/* The host's children and signals stay the host's. */
static void test_host_keeps(void)
{
	struct curfew_loop loop;
	struct instance i;
	struct sigaction term, child;
	curfew_poll_new(&loop, NULL);
	open_instance(&i, &loop);
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	load(&i, "local curfew = require 'curfew'\n"
		 "curfew.process { name = 'p', command = { 'sleep', '99' } }:post_start(function()\n"
		 "	curfew.log.info('code ' .. curfew.exec { 'sh', '-c', 'exit 4' }.code)\n"
		 "	curfew.after(0, curfew.stop)\n"
		 "end)");
	turn_until(&loop, &i.over);
	is_int(i.code, 0, "a child as a server, without a handler for SIGCHLD");
	ok(strstr(i.log, "code 4") != NULL, "and one that a script ran");
	int status = 0;
	is_int(waitpid(pid, &status, 0), pid, "field: the host's own child is still the host's to reap");
	is_int(WEXITSTATUS(status), 3, "with its code");
	sigaction(SIGTERM, NULL, &term);
	sigaction(SIGCHLD, NULL, &child);
	ok(term.sa_handler == SIG_DFL && child.sa_handler == SIG_DFL, "uvicorn#1579: no disposition was touched");
	curfew_free(i.c);
	curfew_poll_free(&loop);
}

static void test_libevent(void)
{
	struct event_base *base = event_base_new();
	struct curfew_loop loop;
	struct instance i;
	struct curfew_err err = {0};
	curfew_libevent_new(base, &loop, NULL);
	open_instance(&i, &loop);
	is_int(curfew_load(i.c, "x.lua", "x x", 3, &err), CURFEW_ELUA, "a syntax error is returned");
	ok(strncmp(err.msg, "x.lua:1:", 8) == 0, "with file and line");
	is_int(curfew_load_file(i.c, "/no/such.lua", &err), CURFEW_ESYS, "a file that is not there");
	load(&i, "local curfew = require 'curfew' curfew.spawn(function() curfew.sleep('20ms') end)");
	for (uint64_t end = patience(); !i.over && cfw_time_now() < end;)
		event_base_loop(base, EVLOOP_ONCE);
	is_int(i.code, 0, "S2.8: idle, on libevent");
	curfew_free(i.c);
	curfew_free(NULL);
	struct cfw_options o = {.size = 8, .loop = &loop, .on_exit = on_exit_code};
	ok(!cfw_new(&o, &err) && err.code == CURFEW_EINVAL, "options of another version are refused");
	ok(!cfw_new(NULL, &err), "so are none");
	curfew_libevent_free(&loop);
	event_base_free(base);
}

static int count(const char *in, const char *what)
{
	int n = 0;
	for (const char *at = in; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Scripts that are busy do not keep the host's loop for longer than 10 ms and one slice. */
static void test_turns(void)
{
	struct curfew_loop loop;
	struct instance i;
	curfew_poll_new(&loop, NULL);
	open_instance(&i, &loop);
	load(&i, "local curfew = require 'curfew' curfew.server { name = 's', start = function() end }\n"
		 "curfew.after(0, function() for _ = 1, 6 do curfew.spawn(function()\n"
		 "local t = os.clock() while os.clock() - t < 0.012 do end curfew.log.info 'spun' end) end end)");
	int most = 0, spun = 0;
	for (uint64_t end = patience(); spun < 6 && cfw_time_now() < end;) {
		curfew_step(i.c);
		int now = count(i.log, "spun");
		most = now - spun > most ? now - spun : most;
		spun = now;
	}
	is_int(spun, 6, "six tasks that compute have their turns");
	is_int(most, 1, "no more than one of them in each turn of the host's loop");
	curfew_stop(i.c);
	turn_until(&loop, &i.over);
	curfew_free(i.c);
	curfew_poll_free(&loop);
}

int main(void)
{
	test_poll();
	test_codes();
	test_two();
	test_thread();
	test_host_keeps();
	test_libevent();
	test_turns();
	return tap_done();
}
