/* S6.1-S6.4: requests and connections. */
#define _GNU_SOURCE
#include "fake.h"

#include <errno.h>

#include "base/exchange.h"

/* A server's side: writes down what is done to it. */
struct conversation {
	struct cfw_exchange x;
	struct cfw_buf did;
	struct cfw_value *request;
	cfw_token read, flushed;
	bool refuse; /* replies fail: one was begun */
	int broken;  /* errno of writes and reads */
};

static struct conversation *of(struct cfw_exchange *x)
{
	return (struct conversation *)x;
}

static int x_reply(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n)
{
	if (of(x)->refuse)
		return CURFEW_ESTATE;
	cfw_buf_printf(&of(x)->did, "reply %d %s%.*s;", status, cfw_value_get_str(headers, "X", ""), (int)n,
		       (const char *)body);
	return 0;
}

static int x_begin(struct cfw_exchange *x, int status, const struct cfw_value *headers)
{
	(void)headers;
	cfw_buf_printf(&of(x)->did, "begin %d;", status);
	return 0;
}

static int x_end(struct cfw_exchange *x)
{
	cfw_buf_puts(&of(x)->did, "end;");
	return 0;
}

static int x_write(struct cfw_exchange *x, const void *data, size_t n)
{
	if (of(x)->broken) {
		errno = of(x)->broken;
		return CURFEW_ESYS;
	}
	cfw_buf_printf(&of(x)->did, "write %.*s;", (int)n, (const char *)data);
	return 0;
}

static int x_flush(struct cfw_exchange *x, uint64_t token)
{
	of(x)->flushed = token;
	return 0;
}

static int x_read(struct cfw_exchange *x, size_t max, uint64_t token)
{
	if (of(x)->broken)
		return CURFEW_ESTATE;
	cfw_buf_printf(&of(x)->did, "read %zu;", max);
	of(x)->read = token;
	return 0;
}

static void x_close(struct cfw_exchange *x)
{
	cfw_buf_puts(&of(x)->did, "close;");
}

static void x_release(struct cfw_exchange *x)
{
	cfw_buf_puts(&of(x)->did, "release;");
}

static const struct cfw_exchange_ops x_ops = {x_reply, x_begin, x_end, x_write, x_flush, x_read, x_close, x_release};

static void converse(struct conversation *c, enum cfw_exchange_kind kind)
{
	memset(c, 0, sizeof *c);
	c->request = cfw_value_map();
	cfw_value_set(c->request, "method", cfw_value_str("GET"));
	cfw_value_set(c->request, "path", cfw_value_str("/x"));
	c->x.kind = kind;
	c->x.ops = &x_ops;
	c->x.request = c->request;
}

static void forget(struct conversation *c)
{
	cfw_buf_clear(&c->did);
	cfw_value_free(c->request);
}

/* handler's body: a function of (x); returns what was done to the conversation. */
static struct fake *serve(struct conversation *c, enum cfw_exchange_kind kind, const char *body)
{
	struct fake *f = fake_new(5 * CFW_MS);
	char script[2048];
	snprintf(script, sizeof script,
		 "c.on_serve(function(kind, h, x, id) KIND = kind .. id return h(x) end) "
		 "c.server_new{name = 'web', handler = function(x) %s end}",
		 body);
	fake_load(f, script);
	converse(c, kind);
	int64_t ref = cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0);
	is_int(cfw_policy_serve(f->p, 1, ref, &c->x), 0, "served");
	fake_run(f, f->now + 10 * CFW_SEC);
	return f;
}

static void does(enum cfw_exchange_kind kind, const char *body, const char *want, const char *words)
{
	struct conversation c;
	struct fake *f = serve(&c, kind, body);
	is_str(fake_text(&c.did), want, "%s", words);
	is_str(asked(f), "", "%s: no trigger", words);
	fake_free(f);
	forget(&c);
}

/* What operations that fail say; broken: errno of the connection. */
static void says(enum cfw_exchange_kind kind, int broken, const char *body, const char *want, const char *words)
{
	struct conversation c;
	converse(&c, kind);
	c.broken = broken;
	struct fake *f = fake_new(0);
	char script[1024];
	snprintf(script, sizeof script,
		 "c.on_serve(function(kind, h, x) return h(x) end) c.server_new{name = 'web', handler = function(x) "
		 "local function tell(...) say(select(2, ...), select(3, ...)) end %s end}",
		 body);
	fake_load(f, script);
	cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &c.x);
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), want, "%s", words);
	fake_free(f);
	forget(&c);
}

static void reasons(void)
{
	says(CFW_X_TCP, ECONNRESET, "tell(x:write('a'))", "write: Connection reset by peer ECONNRESET;",
	     "a write to a peer that has gone: errno");
	says(CFW_X_TCP, EPIPE, "tell(x:read())", "read: the connection was closed, or is being read already EBUSY;",
	     "a read that is refused");
	says(CFW_X_TCP, 0, "x:close() tell(x:write('a'))", "write: the connection was closed EBUSY;", "a write after a close");
	says(CFW_X_HTTP, 0, "tell(x:write('a')) tell(x:finish())",
	     "write: no reply was begun EBUSY;finish: no reply was begun EBUSY;", "pieces of a reply that was not begun");
	says(CFW_X_HTTP, 0, "x:begin(200) tell(x:begin(200)) tell(x:reply(200)) x:finish() tell(x:write('a')) tell(x:finish())",
	     "begin: a reply was begun already EBUSY;reply: a reply was begun already EBUSY;write: the reply has ended EBUSY;"
	     "finish: the reply has ended EBUSY;",
	     "a second reply, and more of one that has ended");
	says(CFW_X_HTTP, EPIPE, "x:begin(200) tell(x:write('a'))", "write: Broken pipe EPIPE;", "a client that has gone");
}

static void replies(void)
{
	does(CFW_X_HTTP,
	     "local r = x:request() assert(r == x:request() and KIND == 'http1') x:reply(200, {X = 'h '}, r.method .. r.path)",
	     "reply 200 h GET/x;release;", "a reply");
	does(CFW_X_HTTP, "x:begin(200) x:write('a') x:write('b') x:finish()", "begin 200;write a;write b;end;release;",
	     "a reply in pieces");
	does(CFW_X_HTTP, "", "release;", "S6.3: no reply: released, which is a 500");
	does(CFW_X_HTTP, "c.sleep(5) x:reply(204)", "reply 204 ;release;", "a handler may wait");
	does(CFW_X_HTTP, "c.timer(5, function() x:reply(201) end)", "reply 201 ;release;", "S6.1: a timer keeps the request");
	does(CFW_X_HTTP, "c.spawn(function() c.sleep(3) c.timer(5, function() c.spawn(function() x:reply(202) end) end) end)",
	     "reply 202 ;release;", "S6.1: what it began keeps it, however far");
	does(CFW_X_HTTP, "c.service('none', nil, function() x:reply(203) end)", "reply 203 ;release;",
	     "S6.1: a callback of a service keeps it");
	does(CFW_X_HTTP, "x:reply(200) c.sleep(5) say(tostring(x:begun()), select(3, x:reply(201)))", "reply 200 ;release;",
	     "S6.3: it may go on after its reply");
	does(CFW_X_HTTP, "x:hold() K = x c.timer(1, function() end)", "", "S6.3: held, it outlives its tasks");
	does(CFW_X_HTTP, "x:hold() x:reply(200)", "reply 200 ;release;", "held and answered: released");
	does(CFW_X_HTTP, "x:hold() local t = c.timer(1, function() x = nil collectgarbage() collectgarbage() end)", "release;",
	     "S6.3: held by nobody: released");
}

static void held(void)
{
	struct conversation c;
	struct fake *f = serve(&c, CFW_X_HTTP, "x:hold() K = x");
	ok(cfw_policy_busy(f->p), "S2.8: a request that is held is busy");
	fake_load(f, "K:reply(200, nil, 'late') say(select(3, K:reply(200)))");
	ok(has(fake_text(&c.did), "reply 200 late;release;"), "S6.3: the reply of a held request, later");
	is_str(said(f), "EPIPE;", "after that its userdata is stale");
	fake_free(f);
	forget(&c);
	f = serve(&c, CFW_X_HTTP, "x:hold() K = x");
	fake_free(f);
	is_str(fake_text(&c.did), "release;", "freeing the policy releases what is held");
	forget(&c);
}

static void failures(void)
{
	static const char *const bodies[][2] = {
		{"error('boom')", "an error"},
		{"c.sleep(1) error('boom')", "an error after a wait"},
		{"c.timer(5, function() error('boom') end)", "an error in a timer"},
		{"c.spawn(function() c.sleep(1) error('boom') end)", "an error in a spawned task"},
		{"c.service('none', nil, function() error('boom') end)", "an error in a callback"},
		{"c.spawn(function() c.spawn(function() c.timer(1, function() error('boom') end) end) end)",
		 "an error far away"},
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct conversation c;
		struct fake *f = serve(&c, CFW_X_HTTP, bodies[i][0]);
		is_str(fake_text(&c.did), "reply 500 Internal Server Error\n;release;", "S6.2: %s is a 500", bodies[i][1]);
		ok(has(logged(f), "request=GET /x") && has(logged(f), "error=policy.lua:1: boom") &&
			   has(logged(f), "traceback=stack"),
		   "S6.2: logged with its traceback: %s", bodies[i][1]);
		is_str(asked(f), "", "S6.2: no trigger: %s", bodies[i][1]);
		fake_free(f);
		forget(&c);
	}
	does(CFW_X_HTTP, "while true do pcall(function() while true do end end) end",
	     "reply 500 Internal Server Error\n;release;", "S6.5: a loop");
	does(CFW_X_HTTP, "local s = 'x' while true do s = s .. s end", "reply 500 Internal Server Error\n;release;",
	     "S6.5: memory");
	does(CFW_X_HTTP, "local function f() return 1 + f() end f()", "reply 500 Internal Server Error\n;release;",
	     "S6.5: recursion");
	does(CFW_X_HTTP, "x:begin(200) x:write('a') error('boom')", "begin 200;write a;close;release;",
	     "S6.2: begun, the connection is closed");
	does(CFW_X_HTTP, "x:reply(200) error('boom')", "reply 200 ;release;", "S6.2: replied, nothing more is sent");
	does(CFW_X_TCP, "error('boom')", "close;release;", "S6.2: a connection is closed");
	does(CFW_X_HTTP, "pcall(error, 'x') local t = c.spawn(error, 'y') t:await() x:reply(200)", "reply 200 ;release;",
	     "S6.2: what is caught or awaited is no failure");
	struct conversation c;
	struct fake *f = serve(&c, CFW_X_HTTP, "c.sleep(1)");
	is_str(fake_text(&c.did), "release;", "S6.3: no reply: who has the connection answers 500");
	ok(has(logged(f), "without a reply") && has(logged(f), "request=GET /x"), "S6.3: which is logged");
	fake_free(f);
	forget(&c);
	f = serve(&c, CFW_X_HTTP, "x:reply(200)");
	ok(!has(logged(f), "without a reply"), "S6.3: as nothing is that was answered");
	fake_free(f);
	forget(&c);
	f = fake_new(0);
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.strict = true;
	cfw_policy_configure(f->p, &config);
	fake_load(f, "c.server_new{name = 'web', handler = function() error('boom') end}");
	converse(&c, CFW_X_HTTP);
	cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &c.x);
	fake_run(f, f->now);
	is_str(fake_text(&c.did), "reply 500 Internal Server Error\n;release;", "S6.4: strict: the 500 is sent");
	is_str(asked(f), "error policy.lua:1: boom;", "S6.4: strict: and it is a trigger");
	fake_free(f);
	forget(&c);
	f = serve(&c, CFW_X_HTTP, "pcall(os.exit, 4) x:reply(200)");
	is_str(asked(f), "exit 4;", "S5.1: os.exit in a handler is the exit trigger");
	is_str(fake_text(&c.did), "release;", "S6.3: its request is released, which is a 500");
	fake_free(f);
	forget(&c);
}

static void streams(void)
{
	struct conversation c;
	struct fake *f = serve(&c, CFW_X_TCP,
			       "while true do local s, m, n = x:read(8) if not s then say('end', tostring(m), "
			       "tostring(x:alive())) break end x:write(s) say(tostring(x:flush())) end");
	cfw_policy_answer(f->p, c.read, cfw_value_str("hi"), NULL);
	fake_run(f, f->now);
	is_str(fake_text(&c.did), "read 8;write hi;", "tcp: read, write");
	cfw_policy_answer(f->p, c.flushed, cfw_value_bool(true), NULL);
	fake_run(f, f->now);
	cfw_policy_answer(f->p, c.read, NULL, NULL);
	fake_run(f, f->now);
	is_str(said(f), "true;end nil true;", "tcp: flush, end of input");
	is_str(fake_text(&c.did), "read 8;write hi;read 8;release;", "tcp: released at the handler's end");
	fake_free(f);
	forget(&c);

	f = serve(&c, CFW_X_TCP,
		  "local s, m, n = x:read() say(tostring(s), m, n) say(select(3, x:write('x'))) "
		  "say(tostring(x:alive()), select(3, x:request()))");
	cfw_policy_gone(f->p, &c.x);
	fake_run(f, f->now);
	is_str(said(f), "nil the peer is gone EPIPE;EPIPE;false EPIPE;", "a client that leaves");
	is_str(fake_text(&c.did), "read 0;", "after gone the exchange is not touched");
	fake_free(f);
	forget(&c);
}

static void gone(void)
{
	struct conversation c;
	struct fake *f = serve(&c, CFW_X_HTTP, "c.sleep(20000000000) say(select(3, x:reply(200)))");
	cfw_policy_gone(f->p, &c.x);
	cfw_policy_gone(f->p, &c.x);
	fake_run(f, f->now + 20 * CFW_SEC);
	is_str(said(f), "EPIPE;", "the handler of a client that left goes on, its reply is refused");
	is_str(fake_text(&c.did), "", "nothing was done to it");
	ok(!cfw_policy_busy(f->p), "S2.8: nothing is left");
	fake_free(f);
	forget(&c);
	f = fake_new(0);
	fake_load(f, "c.server_new{name = 'web', handler = function() say('called') end}");
	converse(&c, CFW_X_HTTP);
	cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &c.x);
	cfw_policy_gone(f->p, &c.x);
	fake_run(f, f->now);
	is_str(said(f), "", "one that left before its handler began");
	fake_free(f);
	forget(&c);
}

int main(void)
{
	reasons();
	replies();
	held();
	failures();
	streams();
	gone();
	return tap_done();
}
