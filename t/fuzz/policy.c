/* The loader of policies: the input is the text of one that is tried beside a running one (S7.1), in the sandbox, so that whatever it
 * says opens, runs and deletes nothing. It loads, or a reason says why not, with its line where it does not compile; and in either
 * case the running policy, its servers and its rules are untouched: not one entry came to the journal. */
#include "fuzz.h"

#include <event2/event.h>
#include <lauxlib.h>
#include <signal.h>

#include "adapters/virtual.h"
#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/http.h"
#include "shell/tcp.h"

#define CHUNK "policy.lua"
static const char running[] = "local curfew = require 'curfew' "
			      "local function nothing() end "
			      "local db = curfew.server { name = 'db', start = nothing, stop = nothing } "
			      "local web = curfew.server { name = 'web', start = nothing, stop = nothing } "
			      "web:after(db) web:pre_stop(nothing) curfew.kept.n = 7 "
			      "curfew.on('SIGTERM', function(t) return curfew.graceful(curfew.kept.n) end) "
			      "curfew.on('SIGINT', curfew.ignore)";

static struct curfew_loop loop;
static struct curfew *c;
static bool answered, ended;
static struct curfew_err answer;

static void on_end(void *ud, int code, bool kill)
{
	(void)ud, (void)code, (void)kill;
	ended = true;
}

static int take_configuration(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	(void)ud, (void)conf, (void)err;
	return 0;
}

static void on_answer(void *ud, const struct curfew_err *err)
{
	(void)ud;
	answered = true;
	answer = err ? *err : (struct curfew_err){0};
}

static struct cfw_value *list_of(const char *word)
{
	struct cfw_value *list = cfw_value_list();
	cfw_value_push(list, cfw_value_str(word));
	return list;
}

/* Until done (NULL: nothing is due any more). */
static void turn(const bool *done)
{
	for (unsigned n = 0; !done || !*done; n++) {
		uint64_t due = curfew_virtual_due(&loop);
		if (!done && due == CFW_NEVER)
			return;
		must(due != CFW_NEVER && n < 1000000, "it is never answered");
		curfew_virtual_turn(&loop, due);
	}
}

static void begin(void)
{
	static struct cfw_value *overrides, *sandbox;
	struct curfew_err err = {0};
	struct event_base *base = event_base_new();
	overrides = cfw_value_map();
	cfw_value_set(overrides, "load_limit", cfw_value_int(50 * (int64_t)CFW_MS));
	cfw_value_set(overrides, "hook_cpu_limit", cfw_value_int(20 * (int64_t)CFW_MS));
	cfw_value_set(overrides, "memory_limit", cfw_value_int(16 << 20));
	cfw_value_set(overrides, "start_timeout", cfw_value_int((int64_t)CFW_SEC));
	sandbox = cfw_value_map();
	cfw_value_set(sandbox, "listen", list_of("127.0.0.1:*"));
	cfw_value_set(sandbox, "exec", list_of("/bin/true"));
	must(!curfew_virtual_new(&loop, CFW_SEC, &err), "%s", err.msg);
	c = cfw_new(&(struct cfw_options){.size = sizeof(struct cfw_options),
					  .loop = &loop,
					  .on_exit = on_end,
					  .on_configure = take_configuration,
					  .overrides = overrides,
					  .sandbox = sandbox},
		    &err);
	must(c && base && !curfew_kind_add(c, &cfw_http_kind, base) && !curfew_kind_add(c, &cfw_tcp_kind, base), "%s", err.msg);
	must(!curfew_load(c, CHUNK, running, sizeof running - 1, &err) && !curfew_start(c), "%s", err.msg);
	turn(NULL);
	must(!strcmp(curfew_state(c), "started"), "it is %s", curfew_state(c));
}

static uint64_t last_entry(void)
{
	uint64_t seq = 0;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(curfew_core(c), seq + 1)); seq = e->seq)
		;
	return seq;
}

static void is_as_it_was(uint64_t entries)
{
	struct cfw_trigger term = {.kind = CFW_T_SIGNAL, .signo = SIGTERM, .count = 1};
	struct cfw_trigger intr = {.kind = CFW_T_SIGNAL, .signo = SIGINT, .count = 1};
	struct cfw_decision d = curfew_ask(c, &term, NULL);
	must(!ended && !strcmp(curfew_state(c), "started"), "the instance is %s", curfew_state(c));
	must(last_entry() == entries, "something has happened in the core");
	must(d.what == CFW_D_GRACEFUL && d.code == 7, "SIGTERM means something else");
	must(curfew_ask(c, &intr, NULL).what == CFW_D_IGNORE, "SIGINT means something else");
	size_t servers = 0;
	for (cfw_id id = 0; (id = cfw_core_server_next(curfew_core(c), id));)
		servers++;
	must(servers == 2, "there are %zu servers", servers);
	struct cfw_value *generations = curfew_generations(c);
	must(cfw_value_len(generations) == 1, "%zu policies are there", cfw_value_len(generations));
	cfw_value_free(generations);
}

/* What Lua itself says to it. */
static bool compiles(const char *src, size_t n)
{
	lua_State *L = luaL_newstate();
	if (n && *src == '#') {
		const char *end = memchr(src, '\n', n);
		n -= end ? (size_t)(end - src) : n;
		src = end ? end : src + n;
	}
	bool good = luaL_loadbufferx(L, src, n, "@" CHUNK, "t") == LUA_OK;
	lua_close(L);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct curfew_err err = {0};
	unsigned line;
	size_t n;
	if (!c)
		begin();
	uint64_t entries = last_entry();
	char *src = fuzz_rest(&f, &n);
	bool good = compiles(src, n);
	answered = false;
	must(!curfew_try(c, CHUNK, src, n, on_answer, NULL, &err), "%s", err.msg);
	turn(&answered);
	must(good || answer.code, "it does not compile, and was loaded");
	must(!answer.code || *answer.msg, "no reason");
	must(good || sscanf(answer.msg, CHUNK ":%u: ", &line) == 1 || !strncmp(answer.msg, CHUNK ": ", strlen(CHUNK) + 2), "%s",
	     answer.msg);
	turn(NULL);
	is_as_it_was(entries);
	free(src);
	return 0;
}
