#include "shell/http_route.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/value.h"

enum segment_kind { LITERAL, PARAM, REST };

struct segment {
	enum segment_kind kind;
	const char *text; /* in the route's pattern, not NUL-terminated */
	size_t len;
};

struct route {
	const char *key; /* the definition's, which outlives the table */
	int64_t ref;
	unsigned methods;
	size_t n, order;
	struct segment seg[]; /* as many as the key has slashes */
};

struct cfw_routes {
	size_t n;
	struct route *at[];
};

static const struct {
	const char *name;
	unsigned bits;
} methods[] = {
	/* GET's route serves HEAD too. */
	{"GET", CFW_M_GET | CFW_M_HEAD}, {"HEAD", CFW_M_HEAD},       {"POST", CFW_M_POST},   {"PUT", CFW_M_PUT},
	{"DELETE", CFW_M_DELETE},        {"OPTIONS", CFW_M_OPTIONS}, {"PATCH", CFW_M_PATCH}, {"ANY", CFW_M_ANY},
};
enum { METHODS = sizeof methods / sizeof *methods };

/* ---- paths ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int cfw_path_parse(const char *raw, struct cfw_path *out)
{
	char *w;
	out->n = 0;
	out->text = NULL;
	if (*raw != '/')
		return CURFEW_EINVAL;
	w = out->text = malloc(strlen(raw) + 1);
	if (!w)
		return CURFEW_ENOMEM;
	for (; *raw; raw++) {
		char c = *raw;
		if (c == '/') {
			if (out->n == CFW_PATH_SEGMENTS)
				goto bad;
			out->at[out->n++] = (size_t)(w - out->text) + 1;
		} else if (c == '%') {
			int hi = hex(raw[1]), lo = hi < 0 ? -1 : hex(raw[2]);
			if (lo < 0 || !(hi | lo))
				goto bad;
			c = (char)(hi << 4 | lo);
			raw += 2;
		}
		*w++ = c;
	}
	*w = 0;
	out->len = (size_t)(w - out->text);
	out->at[out->n] = out->len + 1;
	for (size_t i = 0; i < out->n; i++)
		if (out->at[i + 1] - out->at[i] == 3 && !memcmp(out->text + out->at[i], "..", 2))
			goto bad;
	return 0;
bad:
	cfw_path_clear(out);
	return CURFEW_EINVAL;
}

void cfw_path_clear(struct cfw_path *p)
{
	free(p->text);
	p->text = NULL;
	p->n = 0;
}

/* ---- the table ---- */

static int complain(const char *name, const char *key, struct curfew_err *err, const char *why)
{
	return cfw_err_set(err, CURFEW_EINVAL, "%s: route \"%s\": %s", name, key, why);
}

static int parse_method(const char *name, struct route *r, size_t len, struct curfew_err *err)
{
	const char *names[METHODS + 1] = {0};
	char word[16];
	for (size_t i = 0; i < METHODS; i++) {
		names[i] = methods[i].name;
		if (strlen(methods[i].name) == len && !strncmp(methods[i].name, r->key, len)) {
			r->methods = methods[i].bits;
			return 0;
		}
	}
	snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), r->key);
	const char *near = cfw_nearest(word, names);
	return cfw_err_set(err, CURFEW_EINVAL, "%s: route \"%s\": unknown method \"%s\"%s%s%s", name, r->key, word,
			   near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int parse_route(const char *name, struct route *r, struct curfew_err *err)
{
	const char *p = strchr(r->key, ' ');
	if (!p || p[1] != '/')
		return complain(name, r->key, err, "a method and a path are expected, as in \"GET /hello\"");
	int rc = parse_method(name, r, (size_t)(p - r->key), err);
	if (rc)
		return rc;
	for (p++; *p == '/';) {
		if (r->n == CFW_PATH_SEGMENTS)
			return complain(name, r->key, err, "the path has too many segments");
		struct segment *s = &r->seg[r->n++];
		s->text = ++p;
		s->len = strcspn(p, "/");
		p += s->len;
		if (s->len == 1 && *s->text == '*')
			s->kind = REST;
		else if (*s->text == ':' && s->len)
			s->kind = PARAM, s->text++, s->len--;
		if (s->kind == REST && *p)
			return complain(name, r->key, err, "\"*\" must be the last segment");
		if (s->kind == PARAM && !s->len)
			return complain(name, r->key, err, "\":\" needs a name behind it");
	}
	return 0;
}

/* The most particular first; 0 when both match the same paths. */
static int compare_shape(const struct route *a, const struct route *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct segment *s = &a->seg[i], *t = &b->seg[i];
		if (s->kind != t->kind)
			return (int)s->kind - (int)t->kind;
		if (s->kind != LITERAL)
			continue;
		int c = memcmp(s->text, t->text, s->len < t->len ? s->len : t->len);
		if (c || s->len != t->len)
			return c ? c : s->len < t->len ? -1 : 1;
	}
	/* The longer first: "/a/:x" before "/a". They never match the same path unless one ends in "*", which sorts last. */
	return a->n == b->n ? 0 : a->n > b->n ? -1 : 1;
}

static int compare_routes(const void *x, const void *y)
{
	const struct route *a = *(struct route *const *)x, *b = *(struct route *const *)y;
	int c = compare_shape(a, b);
	if (!c)
		c = __builtin_popcount(a->methods) - __builtin_popcount(b->methods);
	return c ? c : a->order < b->order ? -1 : 1;
}

static struct route *new_route(const char *key)
{
	size_t slashes = 0;
	for (const char *p = key; p && *p; p++)
		slashes += *p == '/';
	struct route *r = calloc(1, sizeof *r + slashes * sizeof *r->seg);
	if (r)
		r->key = key;
	return r;
}

int cfw_routes_new(const char *name, const struct cfw_value *routes, struct cfw_routes **out, struct curfew_err *err)
{
	size_t n = cfw_value_len(routes);
	int rc = 0;
	struct cfw_routes *t = *out = calloc(1, sizeof *t + n * sizeof *t->at);
	if (!t)
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
	for (size_t i = 0; !rc && i < n; i++) {
		struct route *r = t->at[i] = new_route(cfw_value_key(routes, i));
		if (!r) {
			rc = cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
			break;
		}
		t->n++;
		r->order = i;
		if (!r->key)
			rc = cfw_err_set(err, CURFEW_EINVAL, "%s: routes must be a table of \"GET /path\" = function", name);
		else if (cfw_value_type(cfw_value_at(routes, i)) != CFW_V_REF)
			rc = complain(name, r->key, err, "not a function");
		else
			rc = parse_route(name, r, err);
		r->ref = cfw_value_to_int(cfw_value_at(routes, i), 0);
	}
	if (!rc && t->n)
		qsort(t->at, t->n, sizeof *t->at, compare_routes);
	for (size_t i = 1; !rc && i < t->n; i++)
		if (!compare_shape(t->at[i - 1], t->at[i]) && t->at[i - 1]->methods == t->at[i]->methods)
			rc = cfw_err_set(err, CURFEW_EINVAL, "%s: route \"%s\" is the same as \"%s\"", name, t->at[i]->key,
					 t->at[i - 1]->key);
	if (rc) {
		cfw_routes_free(t);
		*out = NULL;
	}
	return rc;
}

void cfw_routes_free(struct cfw_routes *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		free(t->at[i]);
	free(t);
}

/* ---- finding ---- */

static size_t segment_len(const struct cfw_path *p, size_t i)
{
	return p->at[i + 1] - 1 - p->at[i];
}

static bool matches(const struct route *r, const struct cfw_path *p)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct segment *s = &r->seg[i];
		if (i >= p->n)
			return false;
		if (s->kind == REST)
			return true;
		size_t len = segment_len(p, i);
		if (s->kind == PARAM ? !len : len != s->len || memcmp(p->text + p->at[i], s->text, len))
			return false;
	}
	return r->n == p->n;
}

static int take_params(const struct route *r, const struct cfw_path *p, struct cfw_route_match *m)
{
	char name[256];
	int rc = 0;
	for (size_t i = 0; !rc && i < r->n; i++) {
		const struct segment *s = &r->seg[i];
		if (s->kind == LITERAL)
			continue;
		if (!m->params && !(m->params = cfw_value_map()))
			return CURFEW_ENOMEM;
		size_t len = s->kind == REST ? p->len - p->at[i] : segment_len(p, i);
		snprintf(name, sizeof name, "%.*s", (int)(s->len < sizeof name ? s->len : sizeof name - 1), s->text);
		rc = cfw_value_set(m->params, name, cfw_value_strn(p->text + p->at[i], len));
	}
	return rc;
}

int cfw_routes_find(const struct cfw_routes *t, enum cfw_method method, const struct cfw_path *path, struct cfw_route_match *m)
{
	memset(m, 0, sizeof *m);
	for (size_t i = 0; i < t->n; i++) {
		const struct route *r = t->at[i];
		if (!matches(r, path))
			continue;
		if (!(r->methods & (unsigned)method)) {
			m->allow |= r->methods;
			continue;
		}
		m->key = r->key;
		m->ref = r->ref;
		int rc = take_params(r, path, m);
		if (rc) {
			cfw_value_free(m->params);
			m->params = NULL;
		}
		return rc;
	}
	return 0;
}

const char *cfw_routes_allow(unsigned bits, char *buf, size_t n)
{
	static const char *const order[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
	size_t len = 0;
	*buf = 0;
	for (unsigned i = 0; i < sizeof order / sizeof *order; i++)
		if (bits & 1u << i)
			len += (size_t)snprintf(buf + len, n - len, "%s%s", len ? ", " : "", order[i]);
	return buf;
}
