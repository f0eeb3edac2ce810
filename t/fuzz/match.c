/* Lua's patterns as policies have them (policy/match.c), which are matched under a budget, beside Lua's own: the input is a subject, a
 * pattern and what replaces it, and find, match, gmatch, gsub and rep do the same with them in both: the same values, or an error. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <lauxlib.h>
#include <lualib.h>

#include "../policy/fake.h"

enum { SUBJECT = 40, PATTERN = 16, REPLACEMENT = 12, REPEATS = 3, EACH = 2000 };

static const char script[] =
	"local out = {} "
	"local function show(what, ok, ...) "
	"  local v = table.pack(...) "
	"  for i = 1, v.n do v[i] = math.type(v[i]) or type(v[i]) == 'string' and ('%q'):format(v[i]) or type(v[i]) end "
	"  out[#out + 1] = what .. ' ' .. (ok and table.concat(v, ' ') or 'fails') "
	"end "
	"local function all(s, p, at) "
	"  local n = 0 "
	"  for a, b in string.gmatch(s, p, at) do n = n + 1 show('gmatch ' .. n, true, a, b) if n > 100 then break end end "
	"end "
	"show('find', pcall(string.find, S, P)) show('from', pcall(string.find, S, P, AT)) show('plain', pcall(string.find, S, "
	"P, AT, true)) "
	"show('match', pcall(string.match, S, P, AT)) show('gmatch', pcall(all, S, P, AT)) show('gsub', pcall(string.gsub, S, "
	"P, R)) "
	"show('some', pcall(string.gsub, S, P, R, AT)) "
	"show('calls', pcall(string.gsub, S, P, function(a, b) return b or a and a .. '!' end)) "
	"show('table', pcall(string.gsub, S, P, { a = 'A', b = false, [1] = 'one' })) show('rep', pcall(string.rep, P, AT % 9, "
	"R)) "
	"return table.concat(out, '\\n')";

static void put_string(struct cfw_buf *b, const char *name, const char *s, size_t n)
{
	cfw_buf_printf(b, "local %s = '", name);
	for (size_t i = 0; i < n; i++)
		cfw_buf_printf(b, "\\%03u", (unsigned char)s[i]);
	cfw_buf_puts(b, "' ");
}

/* Many of these in one pattern take Lua's own for ever. */
static bool is_quick(const char *p, size_t n)
{
	size_t repeats = 0;
	for (size_t i = 0; i < n; i++)
		repeats += memchr("*+-?", p[i], 4) != NULL;
	return repeats <= REPEATS;
}

static void by_policy(const struct cfw_buf *chunk, struct cfw_buf *got)
{
	static struct fake *f;
	static unsigned used;
	struct curfew_err err = {0};
	struct cfw_buf b;
	if (f && used++ % EACH == 0) {
		fake_free(f);
		f = NULL;
	}
	if (!f)
		f = fake_new(CFW_SEC);
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "local function run() %s end require 'curfew.core'.log('info', run())", chunk->data);
	cfw_buf_reset(&f->said);
	cfw_buf_reset(&f->loaded);
	must(!cfw_policy_load(f->p, "t.lua", b.data, b.len, &err), "%s", err.msg);
	fake_run(f, f->now);
	must(!strcmp(fake_text(&f->loaded), "ok;"), "%s", fake_text(&f->loaded));
	cfw_buf_puts(got, fake_text(&f->said));
	cfw_buf_clear(&b);
}

static void by_lua(const struct cfw_buf *chunk, struct cfw_buf *got)
{
	static lua_State *L;
	if (!L) {
		L = luaL_newstate();
		luaL_openlibs(L);
	}
	must(!luaL_loadbuffer(L, chunk->data, chunk->len, "=t") && !lua_pcall(L, 0, 1, 0), "%s", lua_tostring(L, -1));
	cfw_buf_printf(got, "%s;", lua_tostring(L, -1));
	lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct cfw_buf chunk, ours, theirs;
	size_t ns, np, nr;
	int at = (int)fuzz_below(&f, SUBJECT) - 4;
	char *s = fuzz_bytes(&f, SUBJECT, &ns), *p = fuzz_bytes(&f, PATTERN, &np), *r = fuzz_bytes(&f, REPLACEMENT, &nr);
	cfw_buf_init(&chunk);
	cfw_buf_init(&ours);
	cfw_buf_init(&theirs);
	put_string(&chunk, "S", s, ns);
	put_string(&chunk, "P", p, np);
	put_string(&chunk, "R", r, nr);
	cfw_buf_printf(&chunk, "local AT = %d %s", at, script);
	if (is_quick(p, np)) {
		by_policy(&chunk, &ours);
		by_lua(&chunk, &theirs);
		must(!strcmp(ours.data, theirs.data), "ours:\n%s\nLua's:\n%s", ours.data, theirs.data);
	}
	cfw_buf_clear(&chunk);
	cfw_buf_clear(&ours);
	cfw_buf_clear(&theirs);
	free(s);
	free(p);
	free(r);
	return 0;
}
