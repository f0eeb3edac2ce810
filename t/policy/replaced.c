/* S7.3: what of a policy that was replaced goes on, what is cut, and what it is still used for. */
#define _GNU_SOURCE
#include "client.h"
#include "fake.h"

static int reports;

static void report(void *ud, const struct cfw_report *r)
{
	(void)ud, (void)r;
	reports++;
}

static void *open_server(struct fake *f, cfw_id id)
{
	static const struct cfw_env env = {.report = report};
	struct curfew_err err = {0};
	void *s = cfw_policy_kind.open(f->p, &env, id, f->def[id - 1], &err);
	if (!s)
		tap_bail("no server: %s", err.msg);
	cfw_policy_kind.start(s, 1);
	fake_run(f, f->now);
	return s;
}

/* Tasks that servers began live as long as these; all others end. */
static void cut_beside_servers(void)
{
	struct fake *f = fake_new(0);
	fake_load(
		f,
		"for _, name in ipairs{'a', 'b'} do c.server_new{name = name, start = function() "
		"c.spawn(function() c.sleep(20000000000) say(name) end) "
		"c.timer(21000000000, function() say('late') end) end} end "
		"c.server_new{name = 'slow', start = function() c.sleep(20000000000) say('NEVER') end} "
		"c.spawn(function() c.sleep(20000000000) say('NEVER') end) c.timer(20000000000, function() say('NEVER') end)");
	void *a = open_server(f, 1), *b = open_server(f, 2);
	cfw_policy_retire(f->p, NULL, 0);
	fake_run(f, f->now);
	is_int(cfw_policy_use(f->p), CFW_USE_SERVERS,
	       "S7.3: retired, it is used by the servers that it started, with what they began");
	reports = 0;
	is_int((long)cfw_policy_cut(f->p), 0, "cut: nothing had to fail");
	fake_run(f, f->now + 30 * CFW_SEC);
	ok(!strcmp(said(f), "a;b;late;late;") || !strcmp(said(f), "b;a;late;late;"),
	   "what the servers began goes on, and nothing else does");
	cfw_policy_kind.free(a);
	cfw_policy_kind.free(b);
	is_int(cfw_policy_use(f->p), 0, "with the servers its use has ended");
	fake_free(f);
}

static void cut_what_works(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.server_new{name = 'slow', start = function() c.sleep(20000000000) say('NEVER') end} "
		     "c.hook_new{phase = 'pre_stop', fn = function() c.spawn(function() c.sleep(20000000000) say('NEVER') end) "
		     "c.sleep(20000000000) say('NEVER') end} c.spawn(function() c.sleep(20000000000) say('NEVER') end)");
	reports = 0;
	void *slow = open_server(f, 1);
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_int(cfw_policy_use(f->p), CFW_USE_SERVERS | CFW_USE_WORK, "a function of a server and a hook run");
	is_int((long)cfw_policy_cut(f->p), 2, "cut: both fail");
	fake_run(f, f->now + 30 * CFW_SEC);
	is_str(said(f), "", "and with them what they and nobody began");
	ok(f->dones == 1 && f->done[0].outcome == CFW_FAILED && has(f->done[0].text, "its policy was replaced"),
	   "S4.9: the hook has failed, and why");
	is_int(reports, 1, "the server's start is answered");
	cfw_policy_kind.free(slow);
	fake_free(f);
}

/* ---- requests ---- */

static struct fake *serve(const struct cfw_policy_config *config, struct client *x, const char *script)
{
	struct curfew_err err = {0};
	struct fake *f = fake_make(&fake_ops, config, &err);
	if (!f->p)
		tap_bail("no policy: %s", err.msg);
	fake_load(f, script);
	x->replies = x->status = 0;
	cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &x->x);
	fake_run(f, f->now + CFW_SEC);
	return f;
}

static void cut_requests(void)
{
	struct cfw_value *asked = cfw_value_map();
	struct client x = {.x = {.kind = CFW_X_HTTP, .ops = &x_ops, .request = asked}};
	struct fake *f = serve(NULL, &x,
			       "c.on_serve(function(k, h, x) return h(x) end) c.server_new{name = 'web', "
			       "handler = function(x) x:hold() K = x end}");
	is_int(cfw_policy_use(f->p), CFW_USE_WORK, "a request that is held is work");
	is_int((long)cfw_policy_cut(f->p), 1, "S7.3: cut, it fails");
	ok(x.replies == 1 && x.status == 500, "with a 500");
	fake_free(f);

	/* S6.5: what a limit ends takes its own timers with it, and nobody else's */
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.request_cpu_limit_ns = 5 * CFW_MS;
	f = serve(&config, &x,
		  "c.on_serve(function(k, h, x) return h(x) end) c.timer(5000000000, function() say('other') end) "
		  "c.server_new{name = 'web', handler = function(x) c.timer(1, function() say('NEVER') end) "
		  "while true do end end}");
	fake_run(f, f->now + 10 * CFW_SEC);
	ok(x.replies == 1 && x.status == 500, "S6.5: a request that passes its limit is a 500");
	ok(has(logged(f), "passed request_cpu_limit (5ms)"), "logged as that");
	is_str(said(f), "other;", "its timer is gone, another is not");
	fake_free(f);

	config.request_cpu_limit_ns = CFW_NEVER;
	f = serve(&config, &x,
		  "c.on_serve(function(k, h, x) return h(x) end) c.server_new{name = 'web', handler = function(x) "
		  "x:reply(200) end}");
	is_int(x.status, 200, "a request without a limit");
	fake_free(f);
	cfw_value_free(asked);
}

/* ---- staged, tried, after a crash ---- */

static void released_twice(void)
{
	struct fake *f = fake_new(0);
	cfw_policy_stage(f->p);
	fake_load(f, "c.timer(1, function() say('once') end) c.service('x', nil, function() say('NEVER') end)");
	is_str(said(f), "", "S7.1: staged, no timer fires");
	cfw_policy_release(f->p);
	cfw_policy_release(f->p);
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), "once;", "released, and once more: it fires once");
	is_int((long)f->services, 0, "an instance that begins nothing later begins no operation either");
	fake_free(f);
}

static void tried(void)
{
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	config.tried = true;
	struct fake *f = fake_make(&fake_ops, &config, &err);
	fake_load(f, "for _, of in ipairs{{'fetch', {}}, {'fetch', {method = 'GET'}}, {'fetch', {method = 'HEAD'}}, "
		     "{'fs.read', {}}, "
		     "{'fetch', {method = 'POST'}}, {'fs.write', {}}, {'fs.rename', {}}, {'fs.remove', {}}} do "
		     "c.spawn(function() local done, why = pcall(c.service, of[1], of[2]) say(of[1], of[2].method or '', "
		     "tostring(done)) end) end");
	is_str(said(f), "fetch POST false;fs.write  false;fs.rename  false;fs.remove  false;",
	       "S7.1: tried, what changes something outside is held back");
	is_int((long)f->services, 4, "what only reads is begun");
	ok(cfw_policy_held_back(f->p), "and it is known");
	fake_free(f);
}

static void after_a_crash(void)
{
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	config.afterlife = true;
	struct fake *f = fake_make(&fake_ops, &config, &err);
	fake_load(f, "c.timer(1, function() say('NEVER') end) c.hook_new{phase = 'pre_stop', fn = function() "
		     "c.timer(1, function() say('timer') end) c.spawn(function() say('task') end) c.sleep(5) say('hook') end}");
	fake_call(f, 0, 1);
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), "task;timer;hook;", "S8.2: after a crash hooks and what they begin run, and nothing else");
	fake_free(f);
}

/* ---- values that come in ---- */

static void values(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = print} c.spawn(function() say(tostring(c.service('x', {}) == print)) "
		     "local v, n = c.service('y', {}), 0 while v do v, n = v[1], n + 1 end say(n) end)");
	cfw_policy_answer(f->p, f->service[0].token, cfw_value_ref(f->refs[0]), NULL);
	fake_run(f, f->now);
	struct cfw_value *v = cfw_value_list();
	for (int i = 0; i < 150; i++) {
		struct cfw_value *outer = cfw_value_list();
		cfw_value_push(outer, v);
		v = outer;
	}
	cfw_policy_answer(f->p, f->service[1].token, v, NULL);
	fake_run(f, f->now);
	is_str(said(f), "true;101;", "a function is what it was; what is nested past a hundred levels is cut off");
	fake_free(f);
}

int main(void)
{
	cut_beside_servers();
	cut_what_works();
	cut_requests();
	released_twice();
	tried();
	after_a_crash();
	values();
	return tap_done();
}
