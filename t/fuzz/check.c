/* curfew check: the input is a script. Whatever it is, there is an answer and no error of ours: that it is no Lua, with a place in it, or
 * findings, each and each step of it within the file, in all three outputs, of which two are JSON. */
#include "fuzz_lua.h"

#include <jansson.h>

static size_t findings_in(const char *text, size_t n, bool sarif)
{
	json_error_t e;
	json_t *j = json_loadb(text, n, JSON_ALLOW_NUL, &e), *list = json_object_get(j, sarif ? "runs" : "findings");
	must(j, "it is no JSON: %s at %d: %s", e.text, e.position, text);
	if (sarif)
		list = json_object_get(json_array_get(list, 0), "results");
	size_t found = json_array_size(list);
	json_decref(j);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lua_State *L = fuzz_lua();
	const char *arg = size ? (const char *)data : "";
	size_t n;
	fuzz_call(L, "check", &arg, &size, 1, 4);
	if (lua_isnil(L, 2))
		return 0;
	size_t found = (size_t)lua_tointeger(L, 2);
	const char *text = lua_tolstring(L, 3, &n);
	for (size_t i = 0; i < n; i++)
		must((unsigned char)text[i] >= ' ' || text[i] == '\n', "S10.3: byte %zu of the text is %d", i, text[i]);
	const char *json = lua_tolstring(L, 4, &n);
	must(findings_in(json, n, false) == found, "the JSON has not %zu findings", found);
	const char *sarif = lua_tolstring(L, 5, &n);
	must(findings_in(sarif, n, true) == found, "the SARIF has not %zu findings", found);
	return 0;
}
