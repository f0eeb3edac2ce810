/* Memory that runs short: whatever a script does, each allocation on its way fails once, and each with the next few. Nothing crashes, nothing
 * leaks, what was promised an answer has one, and afterwards the policy goes on. */
#define _GNU_SOURCE
#include "short.h"
#include "client.h"
#include "fake.h"

#include "base/alloc.h"

/* ---- the instance has memory enough: it is policy that is short ---- */

#define ENOUGH(call)                                                                                                           \
	bool on = cfw_short.on;                                                                                                \
	cfw_short.on = false;                                                                                                  \
	call;                                                                                                                  \
	cfw_short.on = on

static void emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	ENOUGH(fake_emit(ud, level, msg, fields, n));
}

static cfw_id server_new(void *ud, const struct cfw_value *def, struct curfew_err *err)
{
	ENOUGH(cfw_id id = fake_server_new(ud, def, err));
	return id;
}

static struct cfw_value *server_info(void *ud, cfw_id server, bool with_stats)
{
	ENOUGH(struct cfw_value *v = fake_server_info(ud, server, with_stats));
	return v;
}

static int rule_added(void *ud, enum cfw_trigger_kind kind, int signo, struct curfew_err *err)
{
	ENOUGH(int rc = fake_rule_added(ud, kind, signo, err));
	return rc;
}

static int trigger(void *ud, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	ENOUGH(int rc = fake_trigger(ud, t, text, traceback));
	return rc;
}

static int request(void *ud, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err)
{
	ENOUGH(int rc = fake_request(ud, token, what, server, flag, err));
	return rc;
}

static int service(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	ENOUGH(int rc = fake_service(ud, token, name, args, err));
	return rc;
}

static void hook_done(void *ud, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback)
{
	ENOUGH(fake_hook_done(ud, run, outcome, code, text, traceback));
}

static void loaded_by(void *ud, const struct curfew_err *err)
{
	ENOUGH(fake_loaded(ud, err));
}

static struct cfw_policy_ops ops;

static void set_ops(void)
{
	ops = fake_ops;
	ops.server_new = server_new;
	ops.server_info = server_info;
	ops.rule_added = rule_added;
	ops.trigger = trigger;
	ops.request = request;
	ops.service = service;
	ops.service_later = service;
	ops.hook_done = hook_done;
	ops.loaded = loaded_by;
}

/* ---- what is done to a policy: each returns false where a promise was broken ---- */

static bool only_run(struct fake *f)
{
	fake_run(f, f->now + 10 * CFW_SEC);
	return true;
}

static bool call_hooks(struct fake *f)
{
	for (uint32_t i = 0; i < f->hooks; i++) {
		struct cfw_hook_call call = {.run = i + 1,
					     .ref = f->refs[i],
					     .phase = CFW_PRE_STOP,
					     .trigger = {.kind = CFW_T_ERROR},
					     .text = "boom",
					     .traceback = "trace",
					     .deadline_ns = f->now + 5 * CFW_SEC,
					     .began_ns = f->now,
					     .result = "stopped",
					     .what = "pre_stop of web (policy.lua:1)"};
		cfw_policy_call(f->p, &call);
	}
	only_run(f);
	for (size_t i = 0; i < f->services; i++)
		cfw_policy_answer(f->p, f->service[i].token, cfw_value_bool(true), NULL);
	only_run(f);
	return f->dones == f->hooks;
}

static bool emit_events(struct fake *f)
{
	struct cfw_value *v = cfw_value_map();
	if (v)
		cfw_value_set(v, "name", cfw_value_str("web"));
	for (int i = 0; i < 3; i++)
		cfw_policy_emit(f->p, "up", v);
	cfw_value_free(v);
	return only_run(f);
}

static bool answer_services(struct fake *f)
{
	struct curfew_err err;
	cfw_err_set(&err, CURFEW_ETIMEOUT, "too slow");
	for (size_t i = 0; i < f->services; i++) {
		struct cfw_value *v = i % 3 ? cfw_value_map() : NULL;
		if (v)
			cfw_value_set(v, "n", cfw_value_int(7));
		cfw_policy_answer(f->p, f->service[i].token, v, i % 3 ? NULL : &err);
		only_run(f);
	}
	return true;
}

static bool ask(struct fake *f)
{
	struct cfw_trigger t = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 1}, e = {.kind = CFW_T_CUSTOM, .custom = 1};
	cfw_policy_ask(f->p, &t, NULL, NULL);
	cfw_policy_ask(f->p, &e, "custom:deploy", "trace");
	return only_run(f);
}

static int reports;

static void count_report(void *ud, const struct cfw_report *r)
{
	(void)ud;
	reports += r->what == CFW_REPORT_STARTED || r->what == CFW_REPORT_START_FAILED;
}

static bool live_servers(struct fake *f)
{
	struct cfw_env env = {.report = count_report};
	struct curfew_err err = {0};
	void *s[8] = {NULL};
	int started = 0;
	reports = 0;
	for (cfw_id i = 0; i < f->servers; i++) {
		s[i] = cfw_policy_kind.open(f->p, &env, i + 1, f->def[i], &err);
		if (s[i])
			cfw_policy_kind.start(s[i], 1);
		started += s[i] != NULL;
	}
	only_run(f);
	bool kept = reports == started;
	struct cfw_stop stop = {.attempt = 1, .deadline_ns = f->now + CFW_SEC};
	for (size_t i = 0; i < f->servers; i++)
		if (s[i])
			cfw_policy_kind.stop(s[i], &stop);
	only_run(f);
	for (size_t i = 0; i < f->servers; i++) {
		if (s[i])
			cfw_policy_kind.cut(s[i], 1);
		only_run(f);
		if (s[i])
			cfw_policy_kind.free(s[i]);
	}
	return kept;
}

static void gather(struct fake *f)
{
	ENOUGH(fake_load(f, "collectgarbage() collectgarbage()"));
}

static bool serve_as(struct fake *f, enum cfw_exchange_kind kind, bool refuses, bool gone)
{
	ENOUGH(struct cfw_value *asked = cfw_value_map(); cfw_value_set(asked, "method", cfw_value_str("GET"));
	       cfw_value_set(asked, "path", cfw_value_str("/x")));
	struct client c = {.x = {.kind = kind, .ops = &x_ops, .request = asked}, .refuses = refuses};
	bool kept = true;
	if (f->servers && cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &c.x) == 0) {
		only_run(f);
		for (int i = 0; i < 3; i++) {
			cfw_policy_answer(f->p, c.read, cfw_value_str("input"), NULL);
			cfw_policy_answer(f->p, c.flushed, cfw_value_bool(true), NULL);
			only_run(f);
		}
		if (gone)
			cfw_policy_gone(f->p, &c.x);
		only_run(f);
		if (!c.releases) /* held by nobody any more */
			gather(f);
		kept = gone || c.releases == 1;
		cfw_policy_gone(f->p, &c.x);
	}
	cfw_value_free(asked);
	return kept;
}

static bool serve(struct fake *f)
{
	return serve_as(f, CFW_X_HTTP, false, false) && serve_as(f, CFW_X_HTTP, true, false) &&
	       serve_as(f, CFW_X_TCP, false, false) && serve_as(f, CFW_X_HTTP, false, true);
}

static bool replace(struct fake *f)
{
	struct curfew_err err = {0};
	struct cfw_value *kept = cfw_policy_kept(f->p, &err);
	bool good = kept || err.code;
	if (kept)
		cfw_policy_keep(f->p, kept);
	cfw_value_free(kept);
	call_hooks(f);
	cfw_policy_retire(f->p, NULL, 0);
	only_run(f);
	cfw_policy_cut(f->p);
	only_run(f);
	return good && f->dones == f->hooks;
}

#define HOOK(body) "c.hook_new{phase = 'pre_stop', name = 'h', where = 'policy.lua:1', fn = function(x) " body " end} "

static bool leave(struct fake *f)
{
	cfw_policy_leave(f->p);
	return cfw_policy_leave(f->p); /* no module in C */
}

static const struct part {
	const char *name, *script;
	bool (*then)(struct fake *f);
	bool staged;
} parts[] = {
	{"tasks",
	 "local t = c.spawn(function() c.sleep(5) return 1, 2 end) t:await() local u = c.spawn(error, 'x') u:await() "
	 "c.any{c.spawn(function() c.sleep(1) end), c.spawn(function() c.sleep(10^10 | 0) end)} "
	 "c.spawn(function() c.sleep(10^10 | 0) end):await(1000) c.spawn(function() error({}) end)",
	 only_run, false},
	{"thousands of values",
	 "local t = {} for i = 1, 3000 do t[i] = i end local function count(...) return select('#', ...) end "
	 "c.spawn(count, table.unpack(t)):await() local co = coroutine.create(function(...) coroutine.yield(1) "
	 "coroutine.yield(table.unpack(t)) end) coroutine.resume(co, table.unpack(t)) coroutine.resume(co)",
	 only_run, false},
	{"thousands of results",
	 "local co = coroutine.create(function() local t = {} for i = 1, 3000 do t[i] = i end coroutine.yield(table.unpack(t)) "
	 "end) coroutine.resume(co)",
	 only_run, false},
	{"starts that fail", "c.server_new{name = 'w', start = function() return nil, 'no', 'ENOENT' end}", live_servers,
	 false},
	{"a policy that is left",
	 "for i = 1, 3 do setmetatable({}, {__gc = function() say('gone') end}) end c.spawn(function() c.sleep(10^11 | 0) end)",
	 leave, false},
	{"a wait with a limit", "c.spawn(function() c.wait_event('up') end):await(1000)", only_run, false},
	{"a file", "loadfile('/proc/self/stat') pcall(dofile, '/proc/self/cmdline')", only_run, false},
	{"timers",
	 "local h = c.timer(1, function() c.sleep(1) end, 10^9 | 0) c.timer(2, function() error('x') end) c.sleep(9) "
	 "h:cancel()",
	 only_run, false},
	{"events", "c.subscribe('up', function(v) c.sleep(1) end) c.spawn(function() c.wait_event('up') end)", emit_events,
	 false},
	{"services",
	 "c.service('a', {b = {1, 2, {c = 'd'}}, e = 0.5, f = true}, function(v) c.sleep(1) end) c.service('none', nil, "
	 "function() end) c.spawn(function() c.service('g', {}) end) c.service('h', {1, 2}) c.request('start')",
	 answer_services, false},
	{"hooks",
	 HOOK("c.spawn(function() c.sleep(1) end) c.sleep(3)") HOOK("error('x')") HOOK("error({})") HOOK("os.exit(3)")
		 HOOK("local t <close> = setmetatable({}, {__close = function() end}) c.sleep(10)") HOOK("c.request('stop')"),
	 call_hooks, false},
	{"rules",
	 "c.rule('SIGTERM', function(t) return c.decision('abort', t.count) end) c.rule('*', function(t) error('x') end) "
	 "c.rule('SIGTERM', function(t) c.spawn(function() c.sleep(1) end) end) c.rule('custom:deploy', function() return 7 "
	 "end)",
	 ask, false},
	{"servers",
	 "c.server_new{name = 's', start = function(x) c.sleep(5) end, stop = function(x) c.sleep(5) end, abort = function() "
	 "end} "
	 "c.server_new{name = 'u', start = function() error('no') end} c.server_new{name = 'v', stop = function() error('no') "
	 "end} "
	 "c.server_after(2, 1) c.server_info(1, true)",
	 live_servers, false},
	{"requests",
	 "c.on_serve(function(kind, h, x, id) return h(x) end) c.server_new{name = 'web', handler = function(x) x:request() "
	 "c.spawn(function() c.sleep(1) end) c.timer(1, function() end) x:read(8) x:begin(200, {X = 'y'}) x:write('a') "
	 "x:flush() "
	 "x:finish() x:reply(200) end}",
	 serve, false},
	{"requests that fail",
	 "c.on_serve(function(kind, h, x, id) return h(x) end) c.server_new{name = 'web', handler = function(x) "
	 "c.spawn(function() error('far') end) c.timer(1, function() error('farther') end) error('boom') end}",
	 serve, false},
	{"a request that is held",
	 "c.on_serve(function(kind, h, x, id) return h(x) end) c.server_new{name = 'web', handler = function(x) x:hold() "
	 "c.timer(3, function() x:reply(200) x = nil collectgarbage() collectgarbage() end) end}",
	 serve, false},
	{"coroutines",
	 "local w = coroutine.wrap(function(a) c.sleep(a) coroutine.yield(a) error('x') end) w(1) pcall(w) "
	 "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() c.sleep(1) end}) "
	 "coroutine.yield() end) coroutine.resume(co) coroutine.close(co)",
	 only_run, false},
	{"finalizers",
	 "for i = 1, 3 do setmetatable({}, {__gc = function() c.sleep(1) say('gone') end}) end collectgarbage() "
	 "collectgarbage() c.sleep(5)",
	 only_run, false},
	{"the library",
	 "local s = ('ab'):rep(5) s:find('(a)(b)') s:gsub('a', '%0%0') s:gsub('a', {a = 'c'}) for k in s:gmatch('b') do end "
	 "table.concat({1, 2, 'x'}, ',') table.sort({3, 1, 2}) table.unpack({1, 2}) load('return 1')() xpcall(error, "
	 "function(m) return m end, 'x') require 'curfew'",
	 only_run, false},
	{"an exit", "c.spawn(function() c.sleep(1) os.exit(2) end) c.sleep(5)", only_run, false},
	{"a policy that is replaced",
	 "c.kept().a = {1, 'b', {c = true}} c.timer(10^9 | 0, function() end) c.spawn(function() c.sleep(10^11 | 0) end) " HOOK(
		 "c.sleep(10^11 | 0)") "c.subscribe('up', function() end)",
	 replace, false},
	{"a policy that is staged",
	 "c.timer(5, function() c.sleep(1) end) c.timer(6, error, 10^9 | 0) c.service('a', nil, function() end) "
	 "c.spawn(function() c.sleep(1) end)",
	 only_run, true},
};

static const struct cfw_alloc *lua_alloc; /* NULL: as policy has it */

static bool play(const struct part *part, unsigned long fail_at, unsigned long fail_n, bool *failed)
{
	struct curfew_err err = {0};
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.alloc = lua_alloc;
	cfw_short.on = false;
	struct fake *f = fake_make(&ops, &config, &err);
	if (!f->p)
		tap_bail("no policy: %s", err.msg);
	f->sink.emit = emit;
	if (part->staged)
		cfw_policy_stage(f->p);
	struct cfw_buf script;
	cfw_buf_init(&script);
	cfw_buf_printf(&script, "%s%s", PRELUDE, part->script);
	short_begin(fail_at, fail_n);
	int rc = cfw_policy_load(f->p, "policy.lua", script.data, script.len, &err);
	bool kept = rc ? err.code == rc && *err.msg : true;
	only_run(f);
	if (part->staged)
		cfw_policy_release(f->p);
	kept = part->then(f) && kept;
	only_run(f);
	short_end();
	cfw_buf_clear(&script);
	*failed = cfw_short.failed > 0;
	bool ends = strstr(asked(f), "exit") != NULL || strstr(part->name, "replaced") || part->then == leave;
	if (!rc && !ends && !*loaded(f)) /* what waits for an answer that was lost has not ended: it may be waiting */
		kept = kept && cfw_policy_busy(f->p);
	cfw_buf_reset(&f->said);
	if (!ends && *loaded(f))
		kept = fake_load(f, "say('alive')") == 0 && strstr(said(f), "alive;") && kept;
	if (!kept)
		tap_diag("%s: allocation %lu (%lu): rc %d, loaded \"%s\", %zu of %zu hooks, then \"%s\"", part->name, fail_at,
			 fail_n, rc, loaded(f), f->dones, f->hooks, said(f));
	fake_free(f);
	return kept;
}

static void sweep(const struct part *part)
{
	bool failed = true;
	int bad = 0, leaks = 0, runs = 0;
	for (unsigned long n = 1; n <= 4; n *= 2) /* Lua tries each of its own once more */
		for (unsigned long i = 1; i == 1 || failed; i++, runs++) {
			long before = cfw_short.live;
			bad += !play(part, i, n, &failed);
			if (cfw_short.live != before && leaks++ < 3)
				tap_diag("%s: allocation %lu (%lu): %ld leaked", part->name, i, n, cfw_short.live - before);
		}
	ok(runs > 4, "%s: %d runs, each with another allocation that fails", part->name, runs);
	is_int(bad, 0, "%s: nothing is forgotten, and the policy goes on", part->name);
	is_int(leaks, 0, "%s: nothing leaks", part->name);
}

static void *plain(void *ud, void *ptr, size_t old, size_t size)
{
	(void)ud;
	(void)old;
	if (size)
		return __real_realloc(ptr, size);
	__real_free(ptr);
	return NULL;
}

static void *counted(void *ud, void *ptr, size_t old, size_t size)
{
	(void)ud;
	(void)old;
	if (size && size > old && short_fails())
		return NULL;
	return plain(ud, ptr, old, size);
}

/* A policy is made, whole or not at all. */
static void making(void)
{
	bool failed = true;
	int made = 0, refused = 0, bad = 0;
	for (unsigned long i = 1; failed; i++) {
		struct curfew_err err = {0};
		long before = cfw_short.live;
		struct cfw_page *page = cfw_page_new();
		struct cfw_policy_config config;
		cfw_policy_config_default(&config);
		struct fake f = {.now = CFW_SEC, .sink = {CFW_DEBUG, emit, &f}};
		short_begin(i, 4);
		struct cfw_policy *p = cfw_policy_new(&ops, &f, page, &config, &err);
		short_end();
		failed = cfw_short.failed > 0;
		made += p != NULL;
		refused += !p;
		bad += !p && err.code != CURFEW_ENOMEM;
		cfw_policy_free(p);
		cfw_page_free(page);
		cfw_buf_clear(&f.log);
		bad += cfw_short.live != before;
	}
	ok(made > 0 && refused > 10, "a policy is made (%d) or refused (%d)", made, refused);
	is_int(bad, 0, "with ENOMEM, and nothing leaks");
}

int main(void)
{
	static const struct cfw_alloc ample = {plain, NULL}, scarce = {counted, NULL};
	set_ops();
	making();
	lua_alloc = &ample;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		sweep(&parts[i]);
	lua_alloc = &scarce;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		sweep(&parts[i]);
	return tap_done();
}
