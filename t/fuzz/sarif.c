/* The writers of curfew check: a finding whose file, message and step are any bytes, as JSON and as SARIF: both are JSON, what is UTF-8
 * comes back as it was, of what is not each wrong byte is U+FFFD, and the URI of the file decodes to its name. */
#include "fuzz_lua.h"

#include <ctype.h>
#include <jansson.h>

struct text {
	char *s;
	size_t n;
};

static void same(const json_t *j, const struct text *t, const char *tail)
{
	const char *got = json_string_value(j);
	size_t n = json_string_length(j), more = strlen(tail);
	json_t *as_is = json_stringn(t->s, t->n);
	must(got, "a text is lost");
	if (as_is) {
		must(n == t->n + more && toupper((unsigned char)*got) == toupper((unsigned char)(t->n ? *t->s : *tail)) &&
			     (!t->n || !memcmp(got + 1, t->s + 1, t->n - 1)),
		     "\"%s\" came back as \"%s\"", t->s, got);
	} else {
		must(strstr(got, "\xef\xbf\xbd") || memchr(got, 0, n), "what is no UTF-8 came back as \"%s\"", got);
	}
	json_decref(as_is);
}

static void same_uri(const char *uri, const struct text *t)
{
	size_t i = 0;
	must(uri, "no URI");
	for (const char *at = uri; *at; i++) {
		unsigned c = (unsigned char)*at;
		if (c == '%') {
			must(sscanf(at + 1, "%2x", &c) == 1, "%s: a broken escape", uri);
			at += 3;
		} else {
			must(isalnum((int)c) || strchr("-._~/", (int)c), "%s: %c", uri, (int)c);
			at++;
		}
		must(i < t->n && (unsigned char)t->s[i] == c, "%s is not the file's name", uri);
	}
	must(i == t->n, "%s is a part of the file's name", uri);
}

static json_t *parse(const char *text, size_t n)
{
	json_error_t e;
	json_t *j = json_loadb(text, n, JSON_ALLOW_NUL, &e);
	must(j, "it is no JSON: %s at %d: %s", e.text, e.position, text);
	return j;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct text t[3];
	lua_State *L = fuzz_lua();
	size_t n;
	for (int i = 0; i < 3; i++)
		t[i].s = i < 2 ? fuzz_bytes(&f, 60, &t[i].n) : fuzz_rest(&f, &t[i].n);
	const char *const args[] = {t[0].s, t[1].s, t[2].s};
	fuzz_call(L, "write", args, (size_t[]){t[0].n, t[1].n, t[2].n}, 3, 2);
	const char *text = lua_tolstring(L, 2, &n);
	json_t *json = parse(text, n), *finding = json_array_get(json_object_get(json, "findings"), 0);
	same(json_object_get(finding, "file"), &t[0], "");
	same(json_object_get(finding, "message"), &t[1], "");
	same(json_object_get(json_array_get(json_object_get(finding, "path"), 1), "text"), &t[2], "");
	text = lua_tolstring(L, 3, &n);
	json_t *sarif = parse(text, n), *run = json_array_get(json_object_get(sarif, "runs"), 0);
	const json_t *result = json_array_get(json_object_get(run, "results"), 0);
	const json_t *step = json_array_get(json_object_get(result, "relatedLocations"), 0);
	const json_t *at = json_object_get(json_object_get(step, "physicalLocation"), "artifactLocation");
	same(json_object_get(json_object_get(result, "message"), "text"), &t[1], ".");
	same(json_object_get(json_object_get(step, "message"), "text"), &t[2], "");
	same_uri(json_string_value(json_object_get(at, "uri")), &t[0]);
	json_decref(json);
	json_decref(sarif);
	for (int i = 0; i < 3; i++)
		free(t[i].s);
	return 0;
}
