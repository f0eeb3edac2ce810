/* control_params.c: what a request of the control API may say: each parameter is known to its path and makes sense, or the request is
 * refused as a whole. In the query values are text, in the body they have their JSON type. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/value.h"
#include "shell/control_impl.h"

enum { CODES = 255, MOST = 1000000000 };

/* A whole number from 0 to most. */
static bool is_count(const char *s, const struct cfw_value *v, int64_t most)
{
	if (v)
		return cfw_value_type(v) == CFW_V_INT && cfw_value_to_int(v, -1) >= 0 && cfw_value_to_int(v, -1) <= most;
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) <= 10 && strtoll(s, NULL, 10) <= most;
}

static bool is_code(const char *s, const struct cfw_value *v)
{
	return is_count(s, v, CODES);
}

static bool is_number(const char *s, const struct cfw_value *v)
{
	return is_count(s, v, MOST);
}

static bool is_seq(const char *s, const struct cfw_value *v)
{
	return v ? is_count(s, v, INT64_MAX) : *s && strspn(s, "0123456789") == strlen(s) && strlen(s) <= 19;
}

static bool is_flag(const char *s, const struct cfw_value *v)
{
	if (v)
		return cfw_value_type(v) == CFW_V_BOOL;
	return !*s || !strcmp(s, "1") || !strcmp(s, "0") || !strcmp(s, "true") || !strcmp(s, "false");
}

static bool is_text(const char *s, const struct cfw_value *v)
{
	(void)s;
	return !v || cfw_value_type(v) == CFW_V_STR;
}

/* Its own reader looks closer. */
static bool is_duration(const char *s, const struct cfw_value *v)
{
	return is_text(s, v) || cfw_value_type(v) == CFW_V_INT || cfw_value_type(v) == CFW_V_NUM;
}

static const struct param {
	const char *name, *expected;
	bool (*fits)(const char *s, const struct cfw_value *v);
} params[] = {
	{"code", "an exit code from 0 to 255", is_code},
	{"wait", "true or false", is_flag},
	{"color", "true or false", is_flag},
	{"ascii", "true or false", is_flag},
	{"width", "a number of columns", is_number},
	{"since", "the number of an event", is_seq},
	{"format", "a word", is_text},
	{"by", "a duration such as \"30s\"", is_duration},
};

/* Is it in words, "wait code"? */
static bool has(const char *words, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = words; n && (at = strstr(at, name)); at += n)
		if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

static bool check(struct cfw_control_conn *c, const char *words, const char *name, const char *s, const struct cfw_value *v)
{
	if (!has(words, name)) {
		cfw_control_reply_error(c, 400, "bad_request", "there is no parameter \"%.60s\" here%s%s", name,
					*words ? ", there are: " : "", words);
		return false;
	}
	for (size_t i = 0; i < sizeof params / sizeof *params; i++)
		if (!strcmp(params[i].name, name) && !params[i].fits(s, v)) {
			cfw_control_reply_error(c, 400, "bad_request", "%s: expected %s", name, params[i].expected);
			return false;
		}
	return true;
}

bool cfw_control_check_params(struct cfw_control_conn *c, const struct cfw_control_request *r, const char *words)
{
	const struct evkeyval *h;
	for (size_t i = 0; i < cfw_value_len(r->body); i++)
		if (!check(c, words, cfw_value_key(r->body, i), "", cfw_value_at(r->body, i)))
			return false;
	TAILQ_FOREACH(h, &r->query, next)
	if (!check(c, words, h->key, h->value, NULL))
		return false;
	return true;
}

const char *cfw_control_param(const struct cfw_control_request *r, const char *key)
{
	const char *s = cfw_value_get_str(r->body, key, NULL);
	return s ? s : evhttp_find_header(&r->query, key);
}

bool cfw_control_flag(const struct cfw_control_request *r, const char *key)
{
	const char *s = evhttp_find_header(&r->query, key);
	return cfw_value_get_bool(r->body, key, s && strcmp(s, "0") != 0 && strcmp(s, "false") != 0);
}

int64_t cfw_control_number(const struct cfw_control_request *r, const char *key, int64_t otherwise)
{
	const char *s = evhttp_find_header(&r->query, key);
	return cfw_value_get_int(r->body, key, s ? strtoll(s, NULL, 10) : otherwise);
}
