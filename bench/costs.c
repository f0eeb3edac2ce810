/* costs.c: what the library's own work costs, in this process alone: a server's start and stop, a hook in C and one in Lua, the bracket of
 * a request, a waiting coroutine. Each line: a key, nanoseconds (or bytes), and beside it what the same run needs for a thing that
 * everybody knows, as a ratio: malloc and free, or a coroutine of plain Lua. */
#define _GNU_SOURCE
#include <curfew.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef SERVERS
#define SERVERS 10000
#endif
enum { BRACKETS = 2000000, ROUNDS = 5, TASKS = 10000 };

/* Its own work: what else the machine does is not counted. */
static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "costs: %s\n", what);
	exit(1);
}

/* ---- an instance ---- */

static int exit_code = -1;
static void on_exit_code(void *ud, int code, bool at_once)
{
	(void)ud, (void)at_once;
	exit_code = code;
}

static struct curfew *open_instance(void)
{
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .exit_timeout_ns = 60 * UINT64_C(1000000000)};
	struct curfew *c = curfew_new(&o, &err);
	exit_code = -1;
	if (!c)
		die(err.msg);
	return c;
}

static void load(struct curfew *c, const char *text)
{
	struct curfew_err err = {0};
	if (curfew_load(c, "=costs", text, strlen(text), &err))
		die(err.msg);
}

static void until(struct curfew *c, const char *state)
{
	while (exit_code < 0 && strcmp(curfew_state(c), state))
		curfew_step(c);
	if (exit_code > 0)
		die("the policy failed");
}

static void finish(struct curfew *c)
{
	curfew_stop(c);
	while (exit_code < 0)
		curfew_step(c);
	if (exit_code)
		die("a stop failed");
}

static void stop_now(void *ud, curfew_id server, uint64_t deadline_ns)
{
	(void)deadline_ns;
	curfew_server_stopped(*(struct curfew **)ud, server);
}

static void start_now(void *ud, curfew_id server)
{
	curfew_server_started(*(struct curfew **)ud, server);
}

static void hook_now(void *ud, const struct curfew_hook *hook)
{
	curfew_hook_done(*(struct curfew **)ud, hook->run, NULL);
}

static curfew_id add_servers(struct curfew **c, int n, bool hooks)
{
	struct curfew_server_ops ops = {.size = sizeof ops, .start = start_now, .stop = stop_now};
	struct curfew_err err = {0};
	curfew_id id = 0;
	for (int i = 0; i < n; i++) {
		char name[24];
		snprintf(name, sizeof name, "s%d", i);
		struct curfew_server_options o = {.size = sizeof o, .name = name, .ops = &ops, .ud = c};
		id = curfew_server_new(*c, &o, &err);
		struct curfew_hook_options h = {
			.size = sizeof h, .server = id, .phase = CURFEW_PRE_STOP, .name = "h", .fn = hook_now, .ud = c};
		if (!id || (hooks && !curfew_hook_new(*c, &h, &err)))
			die(err.msg);
	}
	return id;
}

/* ---- the measures: nanoseconds, each the least of some rounds, for other work of the machine only adds ---- */

static double least(double (*measure)(void))
{
	double best = 1e18;
	for (int i = 0; i < ROUNDS; i++) {
		double ns = measure();
		best = ns < best ? ns : best;
	}
	return best;
}

static double malloc_free(void)
{
	void *volatile p;
	uint64_t began = now();
	for (int i = 0; i < BRACKETS; i++) {
		p = malloc(48);
		free(p);
	}
	return (double)(now() - began) / BRACKETS;
}

static double bracket(void)
{
	struct curfew *c = open_instance();
	curfew_id server = add_servers(&c, 1, false);
	curfew_start(c);
	until(c, "started");
	uint64_t began = now();
	for (int i = 0; i < BRACKETS; i++)
		curfew_request_end(c, curfew_request_begin(c, server));
	double ns = (double)(now() - began) / BRACKETS;
	finish(c);
	curfew_free(c);
	return ns;
}

static struct life {
	double start_ns, stop_ns;
} life(bool hooks, const char *policy)
{
	struct life l;
	struct curfew *c = open_instance();
	add_servers(&c, SERVERS, hooks);
	if (policy)
		load(c, policy);
	uint64_t began = now();
	curfew_start(c);
	until(c, "started");
	l.start_ns = (double)(now() - began) / SERVERS;
	began = now();
	finish(c);
	l.stop_ns = (double)(now() - began) / SERVERS;
	curfew_free(c);
	return l;
}

static double start_bare(void)
{
	return life(false, NULL).start_ns;
}
static double stop_bare(void)
{
	return life(false, NULL).stop_ns;
}
static double stop_hooks(void)
{
	return life(true, NULL).stop_ns;
}
static double stop_lua_hooks(void)
{
	return life(false, "local curfew = require 'curfew' local f = function() end "
			   "for i = 0, 1e9 do local s = curfew.find('s' .. i) if not s then break end s:pre_stop(f) end")
		.stop_ns;
}

/* What plain Lua, the same one, needs to make a coroutine and run it to its end. */
static double lua_ns;
static void keep_number(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields,
			size_t n)
{
	(void)ud, (void)level, (void)fields, (void)n;
	sscanf(text, "costs %lf", &lua_ns);
}

static double lua_coroutine(void)
{
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .log = keep_number, .log_level = 0};
	struct curfew *c = curfew_new(&o, &err);
	exit_code = -1;
	if (!c)
		die(err.msg);
	load(c, "local curfew = require 'curfew' local new, resume, f = coroutine.create, coroutine.resume, function() end "
		"local began = os.clock() for i = 1, 100000 do resume(new(f)) end "
		"curfew.log.info('costs ' .. (os.clock() - began) * 1e9 / 100000) os.exit(0)");
	while (exit_code < 0)
		curfew_step(c);
	curfew_free(c);
	return lua_ns;
}

static size_t live;
static void *count(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	(void)ud;
	live += new_size - (ptr ? old_size : 0);
	if (new_size)
		return realloc(ptr, new_size);
	free(ptr);
	return NULL;
}

/* Bytes of Lua and curfew for one task that sleeps. */
static double task_bytes(void)
{
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .alloc = count};
	size_t before[2];
	for (int i = 0; i < 2; i++) {
		struct curfew *c = curfew_new(&o, &err);
		char text[400];
		exit_code = -1;
		if (!c)
			die(err.msg);
		snprintf(text, sizeof text,
			 "local curfew = require 'curfew' for i = 1, %d do curfew.spawn(curfew.sleep, '60s') end curfew.sleep "
			 "'1ms' "
			 "collectgarbage() curfew.start() collectgarbage() curfew.after('5ms', function() curfew.stop() end)",
			 i * TASKS);
		add_servers(&c, 1, false);
		load(c, text);
		until(c, "started");
		before[i] = live;
		finish(c);
		curfew_free(c);
	}
	return (double)(before[1] - before[0]) / TASKS;
}

static void print(const char *key, const char *unit, double value, const char *beside, double known)
{
	printf("%s %.1f %s", key, value, unit);
	if (beside)
		printf(" %.2f %s", value / known, beside);
	printf("\n");
}

int main(void)
{
	double m = least(malloc_free), co = least(lua_coroutine);
	double bare = least(stop_bare), hooks = least(stop_hooks), lua = least(stop_lua_hooks);
	print("malloc_free", "ns", m, NULL, 0);
	print("lua_coroutine", "ns", co, NULL, 0);
	print("request_bracket", "ns", least(bracket), "malloc_free", m);
	print("server_start", "ns", least(start_bare), "malloc_free", m);
	print("server_stop", "ns", bare, "malloc_free", m);
	print("hook_in_c", "ns", hooks - bare, "malloc_free", m);
	print("hook_in_lua", "ns", lua - bare, "lua_coroutine", co);
	print("waiting_task", "bytes", task_bytes(), NULL, 0);
	return 0;
}
