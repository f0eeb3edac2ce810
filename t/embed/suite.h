/* suite.h: the public header, as a program of its own uses it: servers, hooks, rules, requests, signals and the exit in C (S2 to S6),
 * with timers, children and handlers of the program's, of which none is lost. Each file beside this one is such a program, on a loop
 * of its own: it defines
 *
 *   ADAPTER                        what an instance has in its loop
 *   ticks                          counted by a timer of its own, each 5 ms
 *   loop_open, loop_close          a loop
 *   loop_attach, loop_detach       an instance in it
 *   loop_turn                      wait for what comes next, for a moment at most */
#ifndef T_EMBED_SUITE_H
#define T_EMBED_SUITE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "curfew.h"
#include "tap.h"

#define SEC UINT64_C(1000000000)
#define MS  UINT64_C(1000000)

static char told[2048]; /* what the instance told the program, in order */

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
	size_t n = strlen(told);
	va_list ap;
	if (n && n < sizeof told - 2)
		told[n++] = ' ';
	va_start(ap, fmt);
	vsnprintf(told + n, sizeof told - n, fmt, ap);
	va_end(ap);
}

/* ---- one instance on one loop ---- */

struct host {
	ADAPTER adapter;
	struct curfew *c;
	struct curfew_err err;
	int code;
	bool over;
	char log[8192];
};

static void on_exit_code(void *ud, int code, bool kill)
{
	struct host *h = ud;
	h->code = kill ? code + 1000 : code;
	h->over = true;
}

static void keep_line(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields, size_t n)
{
	struct host *h = ud;
	size_t at = strlen(h->log);
	snprintf(h->log + at, sizeof h->log - at, "%d %s", (int)level, text);
	for (size_t i = 0; i < n; i++) {
		at = strlen(h->log);
		snprintf(h->log + at, sizeof h->log - at, " %s=%s", fields[i].key, fields[i].value);
	}
	at = strlen(h->log);
	snprintf(h->log + at, sizeof h->log - at, "\n");
}

static void open_with(struct host *h, struct curfew_options o)
{
	*h = (struct host){.code = -1};
	told[0] = '\0';
	o.size = sizeof o;
	o.on_exit = on_exit_code;
	o.ud = o.log_ud = h;
	o.log = keep_line;
	h->c = curfew_new(&o, &h->err);
	if (!h->c)
		tap_bail("curfew_new: %s", h->err.msg);
	if (loop_attach(&h->adapter, h->c))
		tap_bail("the loop does not take the instance");
}

static void open_host(struct host *h)
{
	open_with(h, (struct curfew_options){.exit_timeout_ns = 20 * SEC});
}

static void close_host(struct host *h)
{
	loop_detach(&h->adapter);
	curfew_free(h->c);
}

static uint64_t now(const struct host *h)
{
	struct timespec t;
	(void)h;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec;
}

static void turn(struct host *h)
{
	(void)h;
	loop_turn();
}

/* Turn until done, or for 20 s. */
#define turn_until(h, condition)                                                                                               \
	do {                                                                                                                   \
		uint64_t limit = now(h) + 20 * SEC;                                                                            \
		while (!(condition) && now(h) < limit)                                                                         \
			turn(h);                                                                                               \
	} while (0)

static bool is_state(const struct host *h, const char *state)
{
	return strcmp(curfew_state(h->c), state) == 0;
}

static int end_of(struct host *h)
{
	turn_until(h, h->over);
	return h->over ? h->code : -2;
}

/* ---- servers that write down what they are told ---- */

struct server {
	struct host *h;
	const char *name;
	bool slow; /* answers later */
	curfew_id id;
};

static void start(void *ud, curfew_id id)
{
	const struct server *s = ud;
	tell("start:%s", s->name);
	if (!s->slow)
		curfew_server_started(s->h->c, id);
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	const struct server *s = ud;
	tell("stop:%s%s", s->name, deadline_ns > now(s->h) && deadline_ns < now(s->h) + 60 * SEC ? "" : "(no deadline)");
	if (!s->slow)
		curfew_server_stopped(s->h->c, id);
}

static void cut(void *ud, curfew_id id)
{
	const struct server *s = ud;
	tell("abort:%s", s->name);
	curfew_server_stopped(s->h->c, id); /* not asked for: ignored */
}

static void lame(void *ud, curfew_id id, bool on)
{
	const struct server *s = ud;
	(void)id;
	tell("lame:%s:%d", s->name, on);
}

static size_t in_flight(void *ud, curfew_id id)
{
	(void)ud, (void)id;
	return 3;
}

static const struct curfew_server_ops ops = {
	.size = sizeof ops, .start = start, .stop = stop, .abort = cut, .lame = lame, .in_flight = in_flight};

static curfew_id add(struct host *h, struct server *s, const char *name, const char *after)
{
	const char *names[] = {after, NULL};
	*s = (struct server){.h = h, .name = name};
	struct curfew_server_options o = {.size = sizeof o, .name = name, .ops = &ops, .ud = s, .after = after ? names : NULL};
	return s->id = curfew_server_new(h->c, &o, &h->err);
}

/* ---- hooks ---- */

struct hook {
	struct host *h;
	const char *name;
	enum { AT_ONCE, FAILS, LATER } how;
	curfew_id run;
};

static const char *const phases[] = {"pre_start", "post_start", "pre_stop", "post_stop"};

static void on_hook(void *ud, const struct curfew_hook *hook)
{
	struct hook *k = ud;
	k->run = hook->run;
	tell("%s:%s:%s%s", phases[hook->phase], k->name, hook->trigger ? hook->trigger : "-", hook->abort ? "!" : "");
	if (k->how != LATER)
		curfew_hook_done(k->h->c, hook->run, k->how == FAILS ? "on purpose" : NULL);
}

static void on_cut(void *ud, curfew_id run)
{
	const struct hook *k = ud;
	tell("cut:%s:%d", k->name, run == k->run);
}

static curfew_id add_hook(struct host *h, struct hook *k, const char *name, curfew_id server, enum curfew_phase phase)
{
	*k = (struct hook){.h = h, .name = name, .how = k->how};
	struct curfew_hook_options o = {
		.size = sizeof o, .server = server, .phase = phase, .name = name, .fn = on_hook, .cut = on_cut, .ud = k};
	return curfew_hook_new(h->c, &o, &h->err);
}

static void test_life(void)
{
	struct host h;
	struct server db, web;
	struct hook k[6] = {{.how = AT_ONCE}};
	open_host(&h);
	ok(is_state(&h, "new"), "an instance is new");
	ok(add(&h, &db, "db", NULL) && add(&h, &web, "web", "db"), "two servers");
	ok(add_hook(&h, &k[0], "all", 0, CURFEW_PRE_STOP) && add_hook(&h, &k[1], "over", 0, CURFEW_POST_STOP) &&
		   add_hook(&h, &k[2], "web1", web.id, CURFEW_PRE_STOP) &&
		   add_hook(&h, &k[3], "web2", web.id, CURFEW_POST_STOP) &&
		   add_hook(&h, &k[4], "db1", db.id, CURFEW_PRE_START) && add_hook(&h, &k[5], "db2", db.id, CURFEW_POST_START),
	   "and hooks in all phases");
	is_int(curfew_start(h.c), 0, "started");
	turn_until(&h, is_state(&h, "started"));
	is_str(told, "pre_start:db1:- start:db post_start:db2:- start:web", "S3.1: what is depended on starts first");
	told[0] = '\0';
	curfew_signal(h.c, SIGTERM, 1);
	is_int(end_of(&h), 0, "S2.2: SIGTERM is a graceful stop, code 0");
	is_str(told,
	       "lame:db:1 lame:web:1 pre_stop:all:SIGTERM pre_stop:web1:SIGTERM stop:web post_stop:web2:SIGTERM stop:db "
	       "post_stop:over:SIGTERM",
	       "S4.1: the global hook, what depends on others first, hooks around each stop, the global hook");
	if (!ok(strstr(h.log, "1 stop: graceful, code 0, because of SIGTERM (1st)") && strstr(h.log, "1 exit 0"),
		"the log has its lines"))
		tap_diag("%s", h.log);
	int code = -1;
	ok(curfew_ended(h.c, &code) && code == 0, "and the end is known");
	close_host(&h);
}

static void test_answers(void)
{
	struct host h;
	struct server a, b;
	open_host(&h);
	add(&h, &a, "a", NULL);
	a.slow = true;
	curfew_start(h.c);
	turn_until(&h, strstr(told, "start:a"));
	turn(&h);
	ok(is_state(&h, "starting"), "a start that is not answered is waited for");
	curfew_server_stopped(h.c, a.id);
	turn(&h);
	ok(is_state(&h, "starting"), "an answer to another question is none");
	curfew_server_started(h.c, a.id);
	turn_until(&h, is_state(&h, "started"));
	ok(is_state(&h, "started"), "the right one is");
	curfew_stop(h.c);
	turn_until(&h, strstr(told, "stop:a"));
	turn(&h);
	ok(!h.over, "so is a stop");
	curfew_server_stopped(h.c, a.id);
	is_int(end_of(&h), 0, "its answer ends it");
	close_host(&h);

	open_host(&h);
	add(&h, &a, "a", NULL);
	add(&h, &b, "b", "a");
	a.slow = true;
	curfew_start(h.c);
	turn_until(&h, strstr(told, "start:a"));
	a.slow = false;
	curfew_server_failed(h.c, a.id, "no disk");
	int code = end_of(&h);
	is_int(code, 1, "S3.2: a start that fails ends with code 1");
	if (!ok(strstr(h.log, "no disk"), "and its reason is logged"))
		tap_diag("%s", h.log);
	ok(!strstr(told, "start:b"), "what depends on it is not started");
	close_host(&h);

	open_host(&h);
	add(&h, &a, "a", NULL);
	add(&h, &b, "b", NULL);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_server_closed(h.c, a.id, 7);
	if (!is_int(end_of(&h), 255, "S2.7: a server that ends by itself ends all, code 255"))
		tap_diag("%s", h.log);
	ok(strstr(told, "stop:b") || strstr(told, "abort:b"), "the others are stopped");
	close_host(&h);
}

/* What is said in JSON, and a buffer that is too small for it. */
static void test_status(void)
{
	struct host h;
	struct server a;
	char small[16], text[4096];
	open_host(&h);
	add(&h, &a, "a", NULL);
	a.slow = true;
	curfew_status(h.c, text, sizeof text);
	const char *since = strstr(text, "\"for\":");
	if (!ok(since && strtod(since + 6, NULL) < 60, "before the start a server has been there for a moment"))
		tap_diag("%s", text);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "starting"));
	size_t n = curfew_status(h.c, text, sizeof text);
	ok(n == strlen(text) && n < sizeof text, "its length is told");
	ok(text[0] == '{' && text[n - 1] == '}' && !strchr(text, '\n'), "one line of JSON");
	ok(strstr(text, "\"state\": \"starting\"") || strstr(text, "\"state\":\"starting\""), "with the state");
	ok(strstr(text, "\"name\":\"a\""), "and the servers");
	ok(curfew_status(h.c, small, sizeof small) >= sizeof small, "of a buffer that is too small the length is told");
	ok(strlen(small) == sizeof small - 1 && strncmp(small, text, 10) == 0, "and it is filled");
	ok(curfew_status(h.c, NULL, 0) >= sizeof small, "none at all is fine");
	curfew_trigger(h.c, "abort", NULL);
	turn_until(&h, h.over);
	close_host(&h);
}

/* options.watch: a save is a reload. */
static void test_watch(void)
{
	char path[] = "/tmp/curfew-embed-XXXXXX", other[40];
	struct host h;
	static const char first[] = "local curfew = require 'curfew' curfew.configure { health = { listen = '127.0.0.1:0' } }";
	static const char second[] =
		"local curfew = require 'curfew' curfew.on('SIGUSR1', curfew.ignore) -- longer than the first was, whatever";
	int fd = mkstemp(path);
	if (fd < 0 || pwrite(fd, first, sizeof first - 1, 0) < 0)
		tap_bail("a file for the policy");
	close(fd);
	struct server a;
	open_with(&h, (struct curfew_options){.watch = true});
	add(&h, &a, "a", NULL);
	is_int(curfew_load_file(h.c, path, &h.err), 0, "a policy that is watched");
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	ok(strstr(h.log, "health: it is of `curfew run`"), "what only `curfew run` has is told, and no error");
	snprintf(other, sizeof other, "%s.new", path);
	FILE *f = fopen(other, "w");
	if (!f || fputs(second, f) < 0 || fclose(f) || rename(other, path))
		tap_bail("another file for the policy");
	turn_until(&h, strstr(h.log, "generation 2"));
	ok(strstr(h.log, "watch: ") && strstr(h.log, "generation 2 of the policy is in force"),
	   "a file that is renamed over it is read");
	curfew_stop(h.c);
	is_int(end_of(&h), 0, "the stop");
	close_host(&h);
	unlink(path);
}

static void test_requests(void)
{
	struct host h;
	struct server web;
	open_host(&h);
	add(&h, &web, "web", NULL);
	is_int(curfew_request_begin(h.c, 12345), 0, "a request of no server is none");
	curfew_request_end(h.c, 0);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_id one = curfew_request_begin(h.c, web.id), two = curfew_request_begin(h.c, web.id);
	ok(one && two && one != two, "two requests are under way");
	curfew_stop(h.c);
	turn_until(&h, strstr(told, "stop:web"));
	turn(&h);
	ok(!h.over, "S9.4: the stop waits for both");
	curfew_request_end(h.c, one);
	curfew_request_end(h.c, one);
	turn(&h);
	ok(!h.over, "one that ends twice ends once");
	curfew_request_failed(h.c, two, "no idea");
	is_int(end_of(&h), 0, "S6.1: one that fails is over, and no reason for another code");
	if (!ok(strstr(h.log, "3 request failed server=web error=no idea\n"), "but it is logged"))
		tap_diag("%s", h.log);
	close_host(&h);

	open_with(&h, (struct curfew_options){.exit_timeout_ns = SEC});
	add(&h, &web, "web", NULL);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_request_begin(h.c, web.id);
	curfew_stop(h.c);
	is_int(end_of(&h), 255, "S4.8: a request that never ends is cut off");
	if (!ok(strstr(told, "stop:web abort:web"), "and the server is told"))
		tap_diag("%s", told);
	if (!ok(strstr(h.log, "2 web: 1 requests are cut off"), "which is logged"))
		tap_diag("%s", h.log);
	close_host(&h);
}

static void test_hooks(void)
{
	struct host h;
	struct server a;
	struct hook fails = {.how = FAILS}, slow = {.how = LATER}, hangs = {.how = LATER};
	open_host(&h);
	add(&h, &a, "a", NULL);
	add_hook(&h, &fails, "fails", a.id, CURFEW_PRE_STOP);
	add_hook(&h, &slow, "slow", a.id, CURFEW_PRE_STOP);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_exit(h.c, 3);
	turn_until(&h, slow.run);
	turn(&h);
	ok(!h.over && !strstr(told, "stop:a"), "a hook is waited for");
	is_int(curfew_hook_extend(h.c, slow.run, 30 * SEC, &h.err), CURFEW_EREFUSED, "S4.6: in an abort nothing is extended");
	curfew_hook_done(h.c, slow.run, NULL);
	curfew_hook_done(h.c, slow.run, "too late");
	is_int(end_of(&h), 3, "S2.4, S4.9: the code is that of the exit, or more");
	if (!ok(strstr(h.log, "hooks failed: a"), "S4.9: a hook that failed is named"))
		tap_diag("%s", h.log);
	ok(strstr(h.log, "on purpose") && !strstr(h.log, "too late"), "with its reason; a late answer is none");
	close_host(&h);

	open_with(&h, (struct curfew_options){.exit_timeout_ns = 2 * SEC});
	add(&h, &a, "a", NULL);
	struct curfew_hook_options o = {.size = sizeof o,
					.server = a.id,
					.phase = CURFEW_PRE_STOP,
					.name = "hangs",
					.timeout_ns = 50 * MS,
					.fn = on_hook,
					.cut = on_cut,
					.ud = &hangs};
	hangs = (struct hook){.h = &h, .name = "hangs", .how = LATER};
	ok(curfew_hook_new(h.c, &o, &h.err), "a hook with a limit of its own");
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_stop(h.c);
	is_int(end_of(&h), 1, "S4.9: passing it makes the code 1");
	if (!ok(strstr(told, "cut:hangs:1 stop:a"), "the hook is told, and the stop goes on"))
		tap_diag("%s", told);
	close_host(&h);

	open_with(&h, (struct curfew_options){.exit_timeout_ns = 2 * SEC});
	add(&h, &a, "a", NULL);
	slow = (struct hook){.how = LATER};
	add_hook(&h, &slow, "slow", a.id, CURFEW_PRE_STOP);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_stop(h.c);
	turn_until(&h, slow.run);
	is_int(curfew_hook_extend(h.c, slow.run, 30 * SEC, &h.err), 0, "S4.6: a hook of a graceful stop extends it");
	curfew_hook_done(h.c, slow.run, NULL);
	is_int(end_of(&h), 0, "and is done");
	close_host(&h);
}

static struct curfew_decision rule(void *ud, const struct curfew_trigger_info *t)
{
	tell("ask:%s:%u:%s", t->name, t->count, t->text ? t->text : "-");
	return *(struct curfew_decision *)ud;
}

static void test_rules(void)
{
	struct host h;
	struct server a;
	struct curfew_decision ignore = {CURFEW_IGNORE, 0}, graceful = {CURFEW_GRACEFUL, 9}, none = {CURFEW_NO_ANSWER, 0};
	open_host(&h);
	add(&h, &a, "a", NULL);
	is_int(curfew_on(h.c, "SIGTRM", rule, &none, &h.err), CURFEW_ENOENT, "a rule for no trigger is refused");
	if (!ok(strstr(h.err.msg, "\"SIGTRM\""), "with its name"))
		tap_diag("%s", h.err.msg);
	is_int(curfew_on(h.c, "*", rule, &none, &h.err), 0, "a rule for everything that has no answer");
	is_int(curfew_on(h.c, "SIGTERM", rule, &ignore, &h.err), 0, "one for a signal");
	is_int(curfew_on(h.c, "custom:drain", rule, &graceful, &h.err), 0, "one for a trigger of the program's own");
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	told[0] = '\0';
	curfew_signal(h.c, SIGTERM, 1);
	turn_until(&h, *told);
	is_str(told, "ask:SIGTERM:1:-", "the rule for it is asked first");
	turn(&h);
	ok(!h.over && is_state(&h, "started"), "S2.11: it ignores it");
	is_int(curfew_trigger(h.c, "crash", &h.err), CURFEW_EREFUSED, "S10.1: what only curfew raises is refused");
	told[0] = '\0';
	is_int(curfew_trigger(h.c, "custom:drain", &h.err), 0, "its own trigger");
	is_int(end_of(&h), 9, "comes to what its rule says");
	if (!ok(strstr(told, "ask:custom:drain:1:-"), "asked by its name"))
		tap_diag("%s", told);
	is_int(curfew_start(h.c), CURFEW_ESTATE, "after the end nothing starts");
	is_int(curfew_load(h.c, "=late", "", 0, &h.err), CURFEW_ESTATE, "and no policy is taken");
	is_str(h.err.msg, "curfew_load: it has ended", "which is said");
	is_int(curfew_load_file(h.c, "/dev/null", &h.err), CURFEW_ESTATE, "nor from a file");
	close_host(&h);
}

/* S2.12: the newest is asked first; what is no answer, or none for this trigger, is logged, and the next one decides. */
static void test_bad_rules(void)
{
	static const struct {
		struct curfew_decision answer;
		const char *log;
		int code;
	} rows[] = {
		{{(enum curfew_answer)77, 0}, "reason=it answered something that is no decision error=77", 6},
		{{(enum curfew_answer) - 1, 0}, "reason=it answered something that is no decision error=-1", 6},
		{{CURFEW_RESTART, 0}, "reason=this trigger does not allow its decision error=restart", 6},
		{{CURFEW_GRACEFUL, 256}, NULL, 1}, /* S2.18 */
		{{CURFEW_GRACEFUL, 258}, NULL, 2},
		{{CURFEW_ABORT, -1}, NULL, 255},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct host h;
		struct server a;
		struct curfew_decision older = {CURFEW_GRACEFUL, 6}, newer = rows[i].answer;
		open_host(&h);
		add(&h, &a, "a", NULL);
		curfew_on(h.c, "SIGTERM", rule, &older, &h.err);
		curfew_on(h.c, "SIGTERM", rule, &newer, &h.err);
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		curfew_signal(h.c, SIGTERM, 1);
		is_int(end_of(&h), rows[i].code, "S2.12, S2.18: a rule in C answers %d(%d)", (int)newer.answer, newer.code);
		if (!ok(rows[i].log ? strstr(h.log, "a rule gave no decision trigger=SIGTERM") && strstr(h.log, rows[i].log)
				    : !strstr(h.log, "a rule gave"),
			"and the log %s", rows[i].log ? "says why it is none" : "has no complaint"))
			tap_diag("%s", h.log);
		close_host(&h);
	}
}

struct heard {
	struct curfew_err err;
	int times;
};
static void hear(void *ud, const struct curfew_err *err)
{
	struct heard *heard = ud;
	heard->times++;
	if (err)
		heard->err = *err;
}

/* Rules of scripts come before those in C; scripts have hooks for servers in C, and find them. A reload keeps all that is C. */
/* What is of `curfew run` alone says so, with the way out. */
static void test_kinds(void)
{
	static const char *const kinds[] = {"http", "tcp"};
	struct host h;
	char src[160], want[80];
	for (int i = 0; i < 2; i++) {
		open_host(&h);
		snprintf(src, sizeof src, "require 'curfew'.%s { name = 'w', listen = '127.0.0.1:0', %s function() end %s",
			 kinds[i], i ? "handler =" : "routes = { ['GET /'] =", i ? "}" : "} }");
		snprintf(want, sizeof want, "curfew.%s is of `curfew run`: here the program registers", kinds[i]);
		is_int(curfew_load(h.c, "=kinds", src, strlen(src), &h.err), 0, "a policy with a server of kind %s", kinds[i]);
		curfew_start(h.c);
		is_int(end_of(&h), 2, "does not load");
		if (!ok(strstr(h.log, want) && strstr(h.log, "curfew.find"), "and says why"))
			tap_diag("%s", h.log);
		close_host(&h);
	}
}

static void test_policy(void)
{
	char path[] = "/tmp/curfew-embed-XXXXXX";
	struct host h;
	struct server a;
	struct hook k = {.how = AT_ONCE}, g = {.how = AT_ONCE};
	struct curfew_decision seven = {CURFEW_GRACEFUL, 7};
	int fd = mkstemp(path);
	static const char first[] =
		"local curfew = require 'curfew' local a = curfew.find 'a' a:pre_stop(function() end, { name = 'lua1' }) "
		"curfew.on('SIGUSR1', curfew.graceful(4))";
	static const char second[] =
		"local curfew = require 'curfew' local a = curfew.find 'a' a:pre_stop(function() end, { name = 'lua2' })";
	static const char clash[] = "local curfew = require 'curfew'\ncurfew.server { name = 'a', start = function() end }";
	if (fd < 0 || pwrite(fd, first, sizeof first - 1, 0) < 0)
		tap_bail("a file for the policy");
	open_host(&h);
	add(&h, &a, "a", NULL);
	add_hook(&h, &k, "c1", a.id, CURFEW_PRE_STOP);
	add_hook(&h, &g, "all", 0, CURFEW_PRE_STOP);
	curfew_on(h.c, "SIGUSR1", rule, &seven, &h.err);
	if (!is_int(curfew_load_file(h.c, path, &h.err), 0, "a policy for servers in C"))
		tap_diag("%s", h.err.msg);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	for (int i = 0; i < 2; i++) {
		if (ftruncate(fd, 0) || pwrite(fd, second, sizeof second - 1, 0) < 0)
			tap_bail("a file for the policy");
		h.log[0] = '\0';
		is_int(curfew_reload(h.c, NULL, NULL, &h.err), 0, "a reload");
		turn_until(&h, strstr(h.log, "in force"));
		if (!ok(strstr(h.log, "is in force: 1 unchanged"), "S7.2: leaves the server in C as it is"))
			tap_diag("%s", h.log);
	}
	ok(!strstr(told, "stop:a") && is_state(&h, "started"), "and running");
	if (ftruncate(fd, 0) || pwrite(fd, clash, sizeof clash - 1, 0) < 0)
		tap_bail("a file for the policy");
	h.log[0] = '\0';
	struct heard heard = {0};
	curfew_reload(h.c, hear, &heard, &h.err);
	turn_until(&h, heard.times);
	if (!ok(strstr(heard.err.msg, ":2: curfew.server: there is a server named \"a\" already: it is the program's own"),
		"S7.1: a policy that takes its name for another is refused"))
		tap_diag("%s", heard.err.msg);
	h.log[0] = '\0';
	told[0] = '\0';
	curfew_signal(h.c, SIGUSR1, 1);
	is_int(end_of(&h), 7, "the rule in C is asked once the script has none");
	is_str(told, "ask:SIGUSR1:1:- lame:a:1 pre_stop:all:SIGUSR1 pre_stop:c1:SIGUSR1 stop:a",
	       "S7.2: hooks in C survive reloads");
	if (!ok(strstr(h.log, "lua2") && !strstr(h.log, "lua1"), "beside those of the policy in force"))
		tap_diag("%s", h.log);
	close_host(&h);
	close(fd);
	unlink(path);
}

static void test_null(void)
{
	struct host h;
	open_host(&h);
	is_int(curfew_load_file(h.c, NULL, &h.err), CURFEW_EINVAL, "no path");
	is_int(curfew_load(h.c, NULL, "x", 1, &h.err), CURFEW_EINVAL, "no name");
	is_int(curfew_load(h.c, "=x", NULL, 1, &h.err), CURFEW_EINVAL, "no text");
	is_int(curfew_trigger(h.c, NULL, &h.err), CURFEW_EINVAL, "no trigger");
	is_int(curfew_own_signals(h.c, NULL, 3, &h.err), CURFEW_EINVAL, "no signals");
	close_host(&h);
}

static void test_bad_triggers(struct host *h)
{
	static const struct {
		const char *name;
		int raised, ruled; /* what comes of curfew_trigger and of curfew_on */
	} names[] = {
		{"SIGKILL", CURFEW_EREFUSED, CURFEW_EINVAL},
		{"SIGSTOP", CURFEW_EREFUSED, CURFEW_EINVAL},
		{"SIGSEGV", CURFEW_EREFUSED, CURFEW_EINVAL},
		{"crash", CURFEW_EREFUSED, 0},
		{"SIGNONE", CURFEW_ENOENT, CURFEW_ENOENT},
		{"custom:", CURFEW_ENOENT, CURFEW_ENOENT},
		{"custom:a\nb", CURFEW_EINVAL, CURFEW_EINVAL},
		{"custom:\x7f", CURFEW_EINVAL, CURFEW_EINVAL},
		{"custom:\xc3\xbc b", 0, 0},
	};
	static const int signals[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV};
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		h->err = (struct curfew_err){0};
		is_int(curfew_on(h->c, names[i].name, rule, &ignore, &h->err), names[i].ruled, "curfew_on: %s", names[i].name);
		is_int(curfew_trigger(h->c, names[i].name, &h->err), names[i].raised, "curfew_trigger: %s", names[i].name);
		if (!ok(!names[i].raised || (h->err.msg[0] && !strpbrk(h->err.msg, "\n\x7f")), "with its reason, on a line"))
			tap_diag("%s", h->err.msg);
	}
	is_int(curfew_trigger(h->c, "SIGTRM", &h->err), CURFEW_ENOENT, "a name that is nearly one");
	if (!ok(strstr(h->err.msg, "did you mean \"SIGTERM\""), "has the nearest"))
		tap_diag("%s", h->err.msg);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		is_int(curfew_signal(h->c, signals[i], 1), CURFEW_EINVAL, "signal %d is none that can be caught", signals[i]);
}

/* Times that are no times: what the exit timeout is must be known. */
static void test_times(struct host *h)
{
	static const uint64_t bad[] = {CURFEW_NEVER, UINT64_MAX - 1, UINT64_C(1000000001) * SEC};
	struct curfew_err err = {0};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .exit_timeout_ns = bad[i]};
		struct curfew_server_options s = {.size = sizeof s, .name = "never", .start_timeout_ns = bad[i]};
		if (!ok(!curfew_new(&o, &err) && err.code == CURFEW_EINVAL && strstr(err.msg, "exit_timeout_ns"),
			"S4.6: there is an exit timeout"))
			tap_diag("%s", err.msg);
		s.stop_timeout_ns = i ? bad[i] : 1;
		s.start_timeout_ns = i ? 1 : bad[i];
		bool taken = curfew_server_new(h->c, &s, &err) != 0;
		ok(taken == (i == 0), "a server that has no limit is fine, one of more than thirty years is a slip");
		ok(taken || (err.code == CURFEW_EINVAL && strstr(err.msg, "stop_timeout_ns")), "which is named");
	}
}

static void test_bad(void)
{
	struct host h;
	struct server a;
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	ok(!curfew_new(NULL, &err) && err.code == CURFEW_EINVAL, "no options");
	o.size = 8;
	if (!ok(!curfew_new(&o, &err) && strstr(err.msg, "options.size"), "options of a wrong size"))
		tap_diag("%s", err.msg);
	o.size = sizeof o;
	o.on_exit = NULL;
	if (!ok(!curfew_new(&o, &err) && strstr(err.msg, "on_exit"), "nobody to tell the code"))
		tap_diag("%s", err.msg);
	open_host(&h);
	struct {
		struct curfew_server_options o;
		char more[64];
	} newer = {.o = {.size = sizeof newer, .name = "newer"}};
	ok(curfew_server_new(h.c, &newer.o, &err), "a struct of a newer header is fine while it says nothing new");
	newer.o.name = "newest";
	newer.more[3] = 1;
	ok(!curfew_server_new(h.c, &newer.o, &err) && err.code == CURFEW_EINVAL, "and refused when it does");
	if (!ok(add(&h, &a, "a", NULL) && !add(&h, &a, "a", NULL) && h.err.code == CURFEW_EEXIST, "a name that is taken"))
		tap_diag("%s", h.err.msg);
	if (!ok(!add(&h, &a, "b", "nobody") && h.err.code == CURFEW_ENOENT && strstr(h.err.msg, "nobody"),
		"a server after nobody"))
		tap_diag("%s", h.err.msg);
	ok(!add(&h, &a, "", NULL) && h.err.code == CURFEW_EINVAL, "a server without a name");
	ok(!add(&h, &a, "a\nb", NULL) && h.err.code == CURFEW_EINVAL, "S10.3: a server whose name has a line's end");
	struct hook k = {.how = AT_ONCE};
	if (!ok(!add_hook(&h, &k, "x", 4711, CURFEW_PRE_STOP) && h.err.code, "a hook of no server"))
		tap_diag("%s", h.err.msg);
	if (!ok(!add_hook(&h, &k, "x", 0, CURFEW_PRE_START) && h.err.code, "a global hook of a phase that has none"))
		tap_diag("%s", h.err.msg);
	ok(!add_hook(&h, &k, "x", 0, (enum curfew_phase)9) && h.err.code == CURFEW_EINVAL, "a hook of no phase");
	ok(!add_hook(&h, &k, "\x7f", 0, CURFEW_PRE_STOP) && h.err.code == CURFEW_EINVAL, "S10.3: a hook whose name is no text");
	test_bad_triggers(&h);
	test_times(&h);
	is_int(curfew_load(h.c, "=x", "x = = 1", 7, &h.err), CURFEW_ELUA, "a script that does not compile");
	if (!ok(strstr(h.err.msg, "x:1:"), "has its line"))
		tap_diag("%s", h.err.msg);
	close_host(&h);
	curfew_free(NULL);
	ok(*curfew_version() != '\0', "the version: %s", curfew_version());
}

/* ---- would it load ---- */

static void on_tried(void *ud, const struct curfew_err *err)
{
	struct host *h = ud;
	tell("tried:%s", err ? "no" : "yes");
	h->err = err ? *err : (struct curfew_err){0};
}

static int try_policy(struct host *h, const char *src)
{
	told[0] = '\0';
	int rc = curfew_try(h->c, "policy.lua", src, strlen(src), on_tried, h, &h->err);
	turn_until(h, rc || strstr(told, "tried:"));
	return rc;
}

/* What a top level does to the world when it is carried out: it is not, when it is tried. */
static void test_try_effects(struct host *h)
{
	static const char *const acts[] = {
		"os.execute('touch ' .. at)",
		"io.popen('touch ' .. at):read 'a'",
		"io.popen('touch ' .. at):close()",
		"local f = io.popen('cat >' .. at, 'w') f:write 'x' f:close()",
		"curfew.fs.write(at, 'x')",
		"curfew.fs.write(at, 'x', function() end)",
		"pcall(curfew.fs.write, at, 'x')",
		"pcall(os.execute, 'touch ' .. at) curfew.fs.write(at, 'x')",
		"io.open(at, 'w'):close()",
		"io.open(at, 'a+'):close()",
		"io.output(at) io.write 'x' io.close()",
		"assert(os.rename(was, at))",
		"curfew.fs.rename(was, at)",
		"pcall(os.rename, was, at) error 'it goes on after what it was not to do'",
		"os.tmpname()",
		"io.tmpfile()",
		"curfew.fetch('http://127.0.0.1:1/', { method = 'POST' })",
		"assert(io.open(was)):close() assert(io.open(was, 'rb')):close() assert(io.output() == io.stdout)",
	};
	static const char *const gone[] = {"assert(os.remove(was))", "curfew.fs.remove(was)",
					   "curfew.fs.remove(was, function() end)"};
	char dir[] = "/tmp/curfew-try-XXXXXX", at[64], was[64], src[512];
	if (!mkdtemp(dir))
		tap_bail("mkdtemp");
	snprintf(at, sizeof at, "%s/at", dir);
	snprintf(was, sizeof was, "%s/was", dir);
	close(open(was, O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < sizeof acts / sizeof *acts + sizeof gone / sizeof *gone; i++) {
		const char *act = i < sizeof acts / sizeof *acts ? acts[i] : gone[i - sizeof acts / sizeof *acts];
		const char *head = strstr(act, "curfew") ? "local curfew = require 'curfew'" : "";
		snprintf(src, sizeof src, "%s local at, was = '%s', '%s' %s", head, at, was, act);
		try_policy(h, src);
		if (!is_str(told, "tried:yes", "it would load: %s", act))
			tap_diag("%s", h->err.msg);
		if (!ok(access(at, F_OK) && !access(was, F_OK), "S7.1: and nothing has changed"))
			close(open(was, O_CREAT | O_WRONLY, 0600));
		unlink(at);
	}
	unlink(was);
	rmdir(dir);
}

static void test_try(void)
{
	static const char *const bad[][2] = {
		{"\nlocal = 1", "policy.lua:2: "},
		{"\n\nerror 'on purpose'", "policy.lua:3: on purpose"},
		{"require 'curfew'.on('SIGTRM', function() end)", "policy.lua:1: "},
		{"require 'curfew'.configure { exit_timeot = '1s' }", "policy.lua:1: "},
		{"for _ = 1, 2 do require 'curfew'.process { name = 'x', command = { 'true' } } end", "policy.lua:1: "},
	};
	static const char good[] = "local curfew = require 'curfew' curfew.find 'a':pre_stop(function() end) "
				   "curfew.process { name = 'p', command = { '/nonexistent' } } "
				   "curfew.spawn(function() error 'it runs' end) "
				   "curfew.exec { 'sleep', '1000' } error 'and goes on'";
	struct host h;
	struct server a;
	open_host(&h);
	add(&h, &a, "a", NULL);
	is_int(try_policy(&h, good), 0, "a policy is tried before the start");
	if (!is_str(told, "tried:yes", "and would load: nothing begins that it begins at top level"))
		tap_diag("%s", h.err.msg);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		is_int(try_policy(&h, bad[i][0]), 0, "a bad one is tried");
		is_str(told, "tried:no", "and would not load");
		if (!ok(strstr(h.err.msg, bad[i][1]), "S7.1: with file and line"))
			tap_diag("%s", h.err.msg);
	}
	try_policy(&h, good);
	is_str(told, "tried:yes", "a good one is tried once more");
	test_try_effects(&h);
	is_int(curfew_try(h.c, NULL, "", 0, on_tried, &h, &h.err), CURFEW_EINVAL, "one without a name is refused");
	is_int(curfew_try(h.c, "x", NULL, 0, on_tried, &h, &h.err), CURFEW_EINVAL, "one without a source, too");
	is_int(curfew_try(h.c, "x", "", 0, on_tried, &h, &h.err), 0, "one is asked for");
	is_int(curfew_try(h.c, "x", "", 0, on_tried, &h, &h.err), CURFEW_ESTATE, "and another one at once: refused");
	is_int(curfew_reload(h.c, on_tried, &h, &h.err), 0, "a reload meanwhile");
	told[0] = '\0';
	turn_until(&h, strstr(told, "yes tried:yes"));
	is_str(told, "tried:yes tried:yes", "is done besides");
	ok(!strstr(h.log, "refused") && !strstr(h.log, "it runs"), "the log has nothing of all that");
	told[0] = '\0';
	curfew_stop(h.c);
	is_int(end_of(&h), 0, "the stop");
	is_str(told, "lame:a:1 stop:a", "is that of the policy in force");
	is_int(curfew_try(h.c, "x", "", 0, on_tried, &h, &h.err), CURFEW_ESTATE, "and nothing is tried after it");
	close_host(&h);

	open_host(&h);
	is_int(curfew_try(h.c, "x", "", 0, on_tried, &h, &h.err), 0, "one that is not waited for");
	told[0] = '\0';
	close_host(&h);
	is_str(told, "tried:no", "is answered by curfew_free");
}

/* ---- one of several processes ---- */

static bool follow(void *ud)
{
	(void)ud;
	tell("asked");
	return false;
}

static void test_leader(void)
{
	static const char policy[] =
		"local curfew = require 'curfew' "
		"curfew.find 'a':pre_stop(function(ctx) curfew.log.info('leader', ctx.leader, ctx.leader) end)";
	for (int i = 0; i < 2; i++) {
		struct host h;
		struct server a;
		open_with(&h, (struct curfew_options){.exit_timeout_ns = 20 * SEC, .leader = i ? follow : NULL});
		add(&h, &a, "a", NULL);
		is_int(curfew_load(h.c, "=leader", policy, sizeof policy - 1, &h.err), 0, "a policy that asks who leads");
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		told[0] = '\0';
		curfew_stop(h.c);
		is_int(end_of(&h), 0, "a stop");
		if (!ok(strstr(h.log, i ? "leader false false" : "leader true true"),
			i ? "ctx.leader is what the program says" : "ctx.leader: one alone leads"))
			tap_diag("%s", h.log);
		is_int(strncmp(told, "lame:a:1 asked asked", 20) == 0, i, "which is asked each time that a script does");
		close_host(&h);
	}
}

/* ---- a listener ---- */

static int connecting(const struct sockaddr *at, socklen_t n)
{
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, at, n) && errno != EINPROGRESS && errno != ECONNREFUSED))
		tap_bail("no connection: %d", errno);
	return fd;
}

/* S9.1, over TCP: the handshake is over when connect returns, unless the kernel has dropped its first step. */
static void test_bar_tcp(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at, len;
	struct curfew_err err = {0};
	struct tcp_info info = {0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), before, after, in;
	is_int(curfew_bar_listener(fd, &err), CURFEW_ESYS, "a socket that does not listen is refused");
	is_int(err.sys_errno, EINVAL, "with the reason");
	if (bind(fd, (struct sockaddr *)&at, n) || listen(fd, 8) || getsockname(fd, (struct sockaddr *)&at, &n))
		tap_bail("no listener");
	before = connecting((struct sockaddr *)&at, n);
	is_int(curfew_bar_listener(fd, &err), 0, "S9.1: a listener is barred");
	after = connecting((struct sockaddr *)&at, n);
	len = sizeof info;
	getsockopt(after, IPPROTO_TCP, TCP_INFO, &info, &len);
	is_int(info.tcpi_state, TCP_SYN_SENT, "nobody new is let in");
	in = accept(fd, NULL, NULL);
	ok(in >= 0, "who was in its queue is");
	ok(accept(fd, NULL, NULL) < 0 && errno == EAGAIN, "and nobody else");
	ok(send(before, "x", 1, MSG_NOSIGNAL) == 1, "and may speak");
	close(in), close(before), close(after), close(fd);
	is_int(curfew_bar_listener(-1, NULL), CURFEW_ESYS, "no descriptor is none");
}

static void test_bar_unix(void)
{
	char dir[] = "/tmp/curfew-embed-XXXXXX";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), before, after, in;
	if (!mkdtemp(dir))
		tap_bail("no directory");
	snprintf(at.sun_path, sizeof at.sun_path, "%s/s", dir);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 8))
		tap_bail("no listener");
	before = connecting((struct sockaddr *)&at, sizeof at);
	is_int(curfew_bar_listener(fd, NULL), 0, "so is one of a unix socket");
	after = connecting((struct sockaddr *)&at, sizeof at);
	ok(send(after, "x", 1, MSG_NOSIGNAL) < 0, "nobody new is let in");
	in = accept(fd, NULL, NULL);
	ok(in >= 0 && send(before, "x", 1, MSG_NOSIGNAL) == 1, "who was in its queue is");
	close(in), close(before), close(after), close(fd);
	unlink(at.sun_path);
	rmdir(dir);
}

/* ---- allocations ---- */

static size_t taken;
static void *counting(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	(void)ud;
	taken += new_size;
	taken -= ptr ? old_size : 0;
	if (new_size)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

static size_t fails_at; /* counted down to the first that fails, as do all after it; 0: none does */
static void *failing(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	if (new_size > old_size && fails_at == 1)
		return NULL;
	fails_at -= new_size > old_size && fails_at;
	return counting(ud, ptr, old_size, new_size);
}

/* There is less and less too little memory, until one instance has all that it needs. */
static void test_no_memory(void)
{
	const struct curfew_options o = {.size = sizeof o, .alloc = failing, .on_exit = on_exit_code};
	size_t n = 0, wrong = 0, kept = 0;
	for (struct curfew *c = NULL; !c && n < 20000;) {
		struct curfew_err err = {0};
		size_t before = taken;
		fails_at = ++n;
		c = curfew_new(&o, &err);
		wrong += !c && err.code != CURFEW_ENOMEM;
		curfew_free(c);
		kept += taken != before;
	}
	if (!ok(n > 100 && n < 20000, "each allocation of curfew_new is the first to fail once"))
		tap_diag("%zu", n);
	is_int(wrong, 0, "which is CURFEW_ENOMEM");
	is_int(kept, 0, "and nothing is kept");
	fails_at = 0;
}

static void test_alloc(void)
{
	struct host h;
	struct server a;
	open_with(&h, (struct curfew_options){.alloc = counting, .exit_timeout_ns = 5 * SEC});
	add(&h, &a, "a", NULL);
	ok(taken > 10000, "registry and Lua are in the program's own memory: %zu bytes", taken);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	curfew_stop(h.c);
	is_int(end_of(&h), 0, "which serves");
	close_host(&h);
	is_int(taken, 0, "and is given back to the last byte");
}

/* ---- signals and exit ---- */

static volatile sig_atomic_t own_count;
static void own_handler(int signo)
{
	(void)signo;
	own_count++;
}

static void test_signals(void)
{
	struct host one, two;
	struct server a;
	int both[] = {SIGUSR2}, bad[] = {SIGKILL}, term[] = {SIGTERM};
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	struct sigaction act = {.sa_handler = own_handler}, after;
	sigaction(SIGUSR2, &act, NULL);
	open_host(&one);
	open_host(&two);
	add(&one, &a, "a", NULL);
	curfew_on(one.c, "SIGUSR2", rule, &ignore, NULL);
	curfew_on(two.c, "SIGUSR2", rule, &ignore, NULL);
	is_int(curfew_own_signals(one.c, bad, 1, &one.err), CURFEW_EINVAL, "SIGKILL is nobody's");
	is_int(curfew_own_signals(one.c, both, 1, &one.err), 0, "a signal is owned");
	is_int(curfew_own_signals(two.c, both, 1, &two.err), 0, "by two instances");
	is_int(curfew_own_signals(one.c, both, 1, &one.err), 0, "once more is the same");
	raise(SIGUSR2);
	is_int(own_count, 1, "the handler that was there is called");
	turn_until(&one, strstr(told, "SIGUSR2:1:- ask"));
	turn(&one);
	is_str(told, "ask:SIGUSR2:1:- ask:SIGUSR2:1:-", "it is a trigger of both, once each");
	close_host(&two);
	raise(SIGUSR2);
	turn_until(&one, strstr(told, "ask:SIGUSR2:2"));
	ok(strstr(told, "ask:SIGUSR2:2"), "one that has gone leaves it to the other");
	is_int(curfew_own_signals(one.c, term, 1, &one.err), 0, "SIGTERM, too");
	curfew_start(one.c);
	turn_until(&one, is_state(&one, "started"));
	raise(SIGTERM);
	is_int(end_of(&one), 0, "which stops");
	close_host(&one);
	sigaction(SIGUSR2, NULL, &after);
	ok(after.sa_handler == own_handler && !(after.sa_flags & SA_SIGINFO), "in the end the program's own handler is back");
	sigaction(SIGTERM, NULL, &after);
	ok(after.sa_handler == SIG_DFL, "and the default, where there was none");
	act.sa_handler = SIG_DFL;
	sigaction(SIGUSR2, &act, NULL);
}

/* A handler of the program's that calls the one it found, which was ours; and then another instance owns the signal. */
static struct sigaction found;
static void calling_handler(int signo)
{
	own_count++;
	if (found.sa_flags & SA_SIGINFO)
		found.sa_sigaction(signo, NULL, NULL);
}

static void test_chain(void)
{
	struct host one, two;
	int usr2[] = {SIGUSR2};
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	struct sigaction act = {.sa_handler = calling_handler};
	open_host(&one);
	is_int(curfew_own_signals(one.c, usr2, 1, &one.err), 0, "one instance owns a signal");
	sigaction(SIGUSR2, &act, &found);
	close_host(&one);
	open_host(&two);
	curfew_on(two.c, "SIGUSR2", rule, &ignore, NULL);
	is_int(curfew_own_signals(two.c, usr2, 1, &two.err), 0, "and another, on top of a handler that calls the first one's");
	own_count = 0;
	raise(SIGUSR2);
	is_int(own_count, 1, "which is called once");
	turn_until(&two, strstr(told, "SIGUSR2:1"));
	ok(strstr(told, "SIGUSR2:1:-") && !strstr(told, "SIGUSR2:2"), "and it is a trigger once");
	close_host(&two);
	act.sa_handler = SIG_DFL;
	sigaction(SIGUSR2, &act, NULL);
}

static int reap(pid_t pid)
{
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void report_hook(void *ud, const struct curfew_hook *hook)
{
	const struct hook *k = ud;
	static const char mark[] = "hook";
	ssize_t n = write((int)(intptr_t)k->name, mark, sizeof mark - 1);
	(void)n;
	curfew_hook_done(k->h->c, hook->run, NULL);
}

/* exit(3) within a hook, once more while another one's exit is under way. */
static void exit_in_hook(void *ud, const struct curfew_hook *hook)
{
	const struct hook *k = ud;
	static const char mark[] = "hook";
	ssize_t n = write((int)(intptr_t)k->name, mark, sizeof mark - 1);
	(void)n;
	(void)hook;
	exit(9);
}

static struct curfew_decision call_exit(void *ud, const struct curfew_trigger_info *t)
{
	(void)ud, (void)t;
	exit(6);
}

/* A child that exits: from main, or from within a callback; what its hook wrote. */
static int exits(bool inside, int code, curfew_hook_fn *fn, char *out)
{
	int pipes[2];
	if (pipe(pipes))
		tap_bail("pipe");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		loop_open(); /* none that the parent has, too */
		struct host h;
		struct server a, b;
		struct hook k = {.name = (const char *)(intptr_t)pipes[1]};
		open_host(&h);
		k.h = &h;
		add(&h, &a, "a", NULL);
		struct curfew_hook_options o = {.size = sizeof o, .server = a.id, .phase = CURFEW_PRE_STOP, .fn = fn, .ud = &k};
		curfew_hook_new(h.c, &o, NULL);
		if (fn == exit_in_hook) { /* and then another */
			add(&h, &b, "b", NULL);
			o.server = b.id;
			o.fn = report_hook;
			curfew_hook_new(h.c, &o, NULL);
		}
		curfew_on(h.c, "SIGUSR1", call_exit, NULL, NULL);
		if (curfew_own_exit(h.c, NULL) || curfew_own_exit(h.c, NULL))
			_exit(90);
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		if (!inside)
			exit(code);
		curfew_signal(h.c, SIGUSR1, 1);
		turn_until(&h, false);
		_exit(91);
	}
	close(pipes[1]);
	size_t at = 0;
	for (ssize_t n; at < 15 && (n = read(pipes[0], out + at, 15 - at)) > 0;)
		at += (size_t)n;
	out[at] = '\0';
	close(pipes[0]);
	return reap(pid);
}

static void test_exit(void)
{
	char out[16];
	struct host one, two;
	is_int(exits(false, 0, report_hook, out), 0, "S5.3: exit(0) ends with 0");
	is_str(out, "hook", "and the hook has run");
	is_int(exits(false, 5, report_hook, out), 5, "S5.3: exit(5) with 5");
	is_str(out, "hook", "and the hook has run");
	is_int(exits(true, 0, report_hook, out), 6, "S5.3: exit(6) within a callback with 6");
	is_str(out, "hook", "and the hook has run");
	is_int(exits(false, 0, exit_in_hook, out), 9, "S4.9: exit(9) within a hook of the stop that exit(0) began: 9");
	is_str(out, "hookhook", "and the hooks of the others run all the same");
	open_host(&one);
	open_host(&two);
	is_int(curfew_own_exit(one.c, &one.err), 0, "the exit has one owner");
	is_int(curfew_own_exit(two.c, &two.err), CURFEW_EEXIST, "and no second");
	close_host(&one);
	is_int(curfew_own_exit(two.c, &two.err), 0, "before the first has gone");
	close_host(&two);
}

#include "exits.h"
#include "freed.h"
#include "handlers.h"
#include "process.h"
#include "trial.h"

/* ---- what is the program's own ---- */

static void test_own(void)
{
	struct host h;
	struct server a;
	int status = -1, before = ticks;
	open_host(&h);
	add(&h, &a, "a", NULL);
	static const char policy[] =
		"local curfew = require 'curfew' curfew.process { name = 'p', command = { 'sleep', '99' } }";
	is_int(curfew_load(h.c, "=own", policy, sizeof policy - 1, &h.err), 0, "a policy with a process");
	pid_t child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(42);
	}
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	ok(is_state(&h, "started"), "it starts beside a server in C");
	turn_until(&h, ticks > before + 3);
	ok(ticks > before + 3, "the program's own timer runs");
	is_int(waitpid(child, &status, 0), child, "the program's own child is the program's to reap");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 42, "with its status");
	curfew_stop(h.c);
	is_int(end_of(&h), 0, "the stop");
	is_int(waitpid(-1, &status, WNOHANG), -1, "S9.3: no child of the policy's is left");
	before = ticks;
	turn_until(&h, ticks > before + 3);
	ok(ticks > before + 3, "and the program's timer runs on");
	close_host(&h);
}

/* ---- the rules, one by one: two servers in C, b after a, each with a pre_stop hook in C, and what a policy says ---- */

struct row {
	const char *rule, *policy;
	/* What happens, in order: a signal's name, exit:N, closed:N (of b), any other trigger by its name. First "-" while the servers
	 * start, and do not end to; "slow": neither stops by itself; "hang": nor does the hook of b end. */
	const char *acts;
	int code;
	const char *told; /* from the first act on, without lame:…; NULL: any */
};

#define GRACEFUL "pre_stop:b stop:b pre_stop:a stop:a"
#define ABORT    "pre_stop:a! pre_stop:b! abort:a abort:b"

static const struct row rows[] = {
	{"S2.1", "", "SIGTERM", 0, GRACEFUL},
	{"S2.1", "", "SIGINT", 0, GRACEFUL},
	{"S2.1", "", "SIGQUIT", 0, GRACEFUL},
	{"S2.2", "", "SIGHUP", 1, ABORT},
	{"S2.3", "", "exit:0", 0, GRACEFUL},
	{"S2.4", "", "exit:5", 5, ABORT},
	{"S2.5", "curfew.on('custom:x', function() curfew.after(0, function() error 'late' end) return curfew.ignore end)",
	 "custom:x", 1, ABORT},
	{"S2.6", "curfew.on('custom:x', function() curfew.spawn(function() error 'x' end) return curfew.ignore end)",
	 "custom:x", 1, ABORT},
	{"S2.7", "", "closed:3", 255, "pre_stop:a! pre_stop:b! abort:a"},
	{"S2.9", "", "stop", 0, GRACEFUL},
	{"S2.9", "", "abort", 1, ABORT},
	{"S2.11", "curfew.on('SIGTERM', curfew.graceful(3)) curfew.on('SIGTERM', function() end)", "SIGTERM", 3, GRACEFUL},
	{"S2.11", "curfew.on('*', curfew.graceful(4))", "SIGHUP", 4, GRACEFUL},
	{"S2.12", "curfew.on('SIGTERM', function() error 'no' end)", "SIGTERM", 0, GRACEFUL},
	{"S2.12", "curfew.on('SIGTERM', function() while true do end end)", "SIGTERM", 0, GRACEFUL},
	{"S2.12", "curfew.on('SIGTERM', function() curfew.sleep(1) end)", "SIGTERM", 0, GRACEFUL},
	{"S2.12", "curfew.on('SIGTERM', curfew.restart)", "SIGTERM", 0, GRACEFUL},
	{"S2.13", "curfew.on('SIGUSR1', function(t) return t.count < 3 and curfew.ignore or curfew.graceful(t.count) end)",
	 "SIGUSR1 SIGUSR1 SIGUSR1", 3, GRACEFUL},
	{"S2.14", "curfew.on('custom:x', function() curfew.after(0, function() error(nil) end) return curfew.ignore end)",
	 "custom:x", 1, ABORT},
	{"S2.18", "", "exit:256", 1, ABORT},
	{"S2.18", "", "exit:-1", 255, ABORT},
	{"S3.3", "", "- SIGHUP", 1, NULL},
	{"S4.3", "curfew.on('SIGUSR1', curfew.graceful(9))", "slow SIGUSR1 exit:3", 9, NULL},
	{"S4.4", "", "slow SIGTERM SIGTERM", 255, "pre_stop:b stop:b pre_stop:a abort:a abort:b"},
	{"S4.5", "", "slow SIGTERM exit:9", 9, "pre_stop:b stop:b pre_stop:a! abort:a abort:b"},
	{"S4.7", "", "slow SIGTERM", 255, "pre_stop:b stop:b pre_stop:a abort:a abort:b"},
	{"S4.8", "", "hang SIGTERM", 255, NULL},
	{"S4.9", "curfew.find 'b':pre_stop(function() error 'no' end)", "SIGTERM", 1, GRACEFUL},
	{"S4.9", "curfew.find 'b':pre_stop(function() while true do end end)", "SIGTERM", 1, GRACEFUL},
	{"S4.9", "curfew.find 'b':pre_stop(function() os.exit(0) end)", "SIGTERM", 0, GRACEFUL},
	{"S4.9", "curfew.find 'b':pre_stop(function() os.exit(7) end)", "SIGTERM", 7, NULL},
	{"S4.10", "curfew.find 'b':pre_stop(function() curfew.after(0, function() error 'x' end) curfew.sleep '20ms' end)",
	 "SIGTERM", 1, NULL},
	{"S4.13", "curfew.find 'b':pre_stop(function() curfew.sleep '50ms' end)", "SIGTERM closed:0", 1,
	 "pre_stop:b pre_stop:a stop:a"},
	{"S4.14", "curfew.on('SIGUSR1', curfew.kill(6))", "SIGUSR1", 1006, "abort:a abort:b"},
	{"S5.1",
	 "curfew.on('custom:x', function() curfew.spawn(function() os.exit(2) error 'never' end) return curfew.ignore end)",
	 "custom:x", 2, ABORT},
	{"S5.2",
	 "curfew.on('custom:x', function() curfew.spawn(function() pcall(os.exit, 2) while true do end end) return "
	 "curfew.ignore end)",
	 "custom:x", 2, ABORT},
};

static void act(struct host *h, const struct server *b, const char *word)
{
	int n;
	if (sscanf(word, "exit:%d", &n) == 1)
		curfew_exit(h->c, n);
	else if (sscanf(word, "closed:%d", &n) == 1)
		curfew_server_closed(h->c, b->id, n);
	else if (curfew_trigger(h->c, word, &h->err))
		tap_bail("%s: %s", word, h->err.msg);
}

/* What was told, without what is told beside. */
static const char *short_told(void)
{
	static char text[sizeof told];
	char copy[sizeof told];
	text[0] = '\0';
	snprintf(copy, sizeof copy, "%s", told);
	for (char *rest = copy, *word; (word = strtok_r(rest, " ", &rest));) {
		if (!strncmp(word, "lame:", 5))
			continue;
		char *trigger = !strncmp(word, "pre_stop:", 9) ? strrchr(word, ':') : NULL; /* another test's */
		bool abort = trigger && strchr(trigger, '!');
		if (trigger)
			*trigger = '\0';
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", text[0] ? " " : "", word, abort ? "!" : "");
	}
	return text;
}

static void test_row(const struct row *r)
{
	struct host h;
	struct server a, b;
	struct hook ka = {.how = AT_ONCE}, kb = {.how = AT_ONCE};
	char acts[80], policy[400], *rest = acts, *word;
	bool hurts = strstr(r->acts, "slow") || strstr(r->acts, "hang") || r->acts[0] == '-';
	snprintf(acts, sizeof acts, "%s", r->acts);
	open_with(&h, (struct curfew_options){.exit_timeout_ns = hurts ? SEC / 2 : 20 * SEC});
	add(&h, &a, "a", NULL);
	add(&h, &b, "b", "a");
	if (strstr(acts, "hang"))
		kb.how = LATER;
	add_hook(&h, &ka, "a", a.id, CURFEW_PRE_STOP);
	add_hook(&h, &kb, "b", b.id, CURFEW_PRE_STOP);
	b.slow = acts[0] == '-'; /* its start */
	snprintf(policy, sizeof policy, "local curfew = require 'curfew' %s", r->policy);
	if (curfew_load(h.c, "=rule", policy, strlen(policy), &h.err))
		tap_bail("%s: %s", r->rule, h.err.msg);
	curfew_start(h.c);
	turn_until(&h, acts[0] == '-' ? strstr(told, "start:b") != NULL : is_state(&h, "started"));
	a.slow = b.slow = strstr(r->acts, "slow") != NULL;
	told[0] = '\0';
	while ((word = strtok_r(rest, " ", &rest)))
		if (*word != '-' && strcmp(word, "slow") && strcmp(word, "hang")) {
			act(&h, &b, word);
			for (int i = 0; i < 3; i++)
				turn(&h); /* each by itself */
		}
	if (!is_int(end_of(&h), r->code, "%s: %s: %s: its code", r->rule, r->acts, r->policy))
		tap_diag("%s", h.log);
	if (r->told && !is_str(short_told(), r->told, "%s: %s: in this order", r->rule, r->acts))
		tap_diag("%s", told);
	close_host(&h);
}

/* The rules that a policy is no part of, or more than that. */
static void test_rest(void)
{
	struct host h;
	struct server a;
	static const char bad[] = "local curfew = require 'curfew' curfew.sleep '1ms' error 'it fails'";
	static const char twice[] =
		"local curfew = require 'curfew' curfew.on('custom:again', function() curfew.spawn(function() "
		"curfew.stop { exit = false } curfew.start() end) return curfew.ignore end)";
	open_host(&h);
	curfew_start(h.c);
	is_int(end_of(&h), 0, "S2.8: nothing is left to do");
	ok(strstr(h.log, "idle"), "S2.8: which is the trigger idle");
	close_host(&h);
	open_host(&h);
	add(&h, &a, "a", NULL);
	curfew_load(h.c, "=bad", bad, sizeof bad - 1, &h.err);
	curfew_start(h.c);
	is_int(end_of(&h), 2, "S3.7: a main script that fails before its first start is code 2");
	ok(!strstr(told, "start:a"), "S3.7: and no server has started");
	close_host(&h);
	open_host(&h);
	add(&h, &a, "a", NULL);
	curfew_load(h.c, "=twice", twice, sizeof twice - 1, &h.err);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	told[0] = '\0';
	curfew_trigger(h.c, "custom:again", &h.err);
	turn_until(&h, strstr(told, "start:a"));
	ok(strstr(told, "stop:a") && !h.over, "S3.4: a stop without an end, and a start after it");
	turn_until(&h, is_state(&h, "started"));
	curfew_signal(h.c, SIGTERM, 1);
	is_int(end_of(&h), 0, "S3.4: and an end after that");
	close_host(&h);
}

static void test_contract(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		test_row(&rows[i]);
	test_rest();
}

int main(void)
{
	loop_open();
	test_exits(); /* before there are so many handlers of exit(3) that the C library has them in parts, which threads free */
	test_contract();
	test_own();
	test_life();
	test_answers();
	test_requests();
	test_status();
	test_watch();
	test_hooks();
	test_rules();
	test_bad_rules();
	test_policy();
	test_kinds();
	test_bad();
	test_null();
	test_try();
	test_trial();
	test_leader();
	test_bar_tcp();
	test_bar_unix();
	test_alloc();
	test_no_memory();
	test_signals();
	test_chain();
	test_exit();
	test_process();
	test_handlers();
	test_freed();
	loop_close();
	return tap_done();
}

#endif
