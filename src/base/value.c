#define _POSIX_C_SOURCE 200809L
#include "base/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

struct pair {
	char *key; /* NULL in a list */
	struct cfw_value *value;
};

struct cfw_value {
	enum cfw_value_type type;
	union {
		bool b;
		int64_t i; /* integers and references */
		double d;
		struct {
			size_t n;
			char *s;
		} str;
		struct {
			size_t n, cap;
			struct pair *at;
		} items;
	};
};

static struct cfw_value *make(enum cfw_value_type type)
{
	struct cfw_value *v = calloc(1, sizeof *v);
	if (v)
		v->type = type;
	return v;
}

struct cfw_value *cfw_value_bool(bool b)
{
	struct cfw_value *v = make(CFW_V_BOOL);
	if (v)
		v->b = b;
	return v;
}

struct cfw_value *cfw_value_int(int64_t i)
{
	struct cfw_value *v = make(CFW_V_INT);
	if (v)
		v->i = i;
	return v;
}

struct cfw_value *cfw_value_ref(int64_t ref)
{
	struct cfw_value *v = cfw_value_int(ref);
	if (v)
		v->type = CFW_V_REF;
	return v;
}

struct cfw_value *cfw_value_num(double d)
{
	struct cfw_value *v = make(CFW_V_NUM);
	if (v)
		v->d = d;
	return v;
}

struct cfw_value *cfw_value_strn(const char *s, size_t n)
{
	struct cfw_value *v = make(CFW_V_STR);
	if (!v || !(v->str.s = malloc(n + 1))) {
		free(v);
		return NULL;
	}
	if (n)
		memcpy(v->str.s, s, n);
	v->str.s[n] = 0;
	v->str.n = n;
	return v;
}

struct cfw_value *cfw_value_str(const char *s)
{
	return cfw_value_strn(s, strlen(s));
}

struct cfw_value *cfw_value_list(void)
{
	return make(CFW_V_LIST);
}

struct cfw_value *cfw_value_map(void)
{
	return make(CFW_V_MAP);
}

static bool has_items(const struct cfw_value *v)
{
	return v && (v->type == CFW_V_LIST || v->type == CFW_V_MAP);
}

void cfw_value_free(struct cfw_value *v)
{
	if (!v)
		return;
	if (v->type == CFW_V_STR)
		free(v->str.s);
	if (has_items(v)) {
		for (size_t i = 0; i < v->items.n; i++) {
			free(v->items.at[i].key);
			cfw_value_free(v->items.at[i].value);
		}
		free(v->items.at);
	}
	free(v);
}

static int append(struct cfw_value *to, char *key, struct cfw_value *v)
{
	if (!v || cfw_grow(&cfw_alloc_std, &to->items.at, &to->items.cap, to->items.n + 1, sizeof *to->items.at)) {
		free(key);
		cfw_value_free(v);
		return CURFEW_ENOMEM;
	}
	to->items.at[to->items.n++] = (struct pair){key, v};
	return 0;
}

int cfw_value_push(struct cfw_value *list, struct cfw_value *v)
{
	if (!list || list->type != CFW_V_LIST) {
		cfw_value_free(v);
		return CURFEW_ENOMEM;
	}
	return append(list, NULL, v);
}

int cfw_value_set(struct cfw_value *map, const char *key, struct cfw_value *v)
{
	if (!map || map->type != CFW_V_MAP || !v) {
		cfw_value_free(v);
		return CURFEW_ENOMEM;
	}
	for (size_t i = 0; i < map->items.n; i++)
		if (strcmp(map->items.at[i].key, key) == 0) {
			cfw_value_free(map->items.at[i].value);
			map->items.at[i].value = v;
			return 0;
		}
	char *copy = strdup(key);
	if (!copy) {
		cfw_value_free(v);
		return CURFEW_ENOMEM;
	}
	return append(map, copy, v);
}

struct cfw_value *cfw_value_copy(const struct cfw_value *v)
{
	if (!v)
		return NULL;
	if (v->type == CFW_V_STR)
		return cfw_value_strn(v->str.s, v->str.n);
	struct cfw_value *c = make(v->type);
	if (!c)
		return NULL;
	if (!has_items(v)) {
		*c = *v;
		return c;
	}
	if (v->items.n && !(c->items.at = calloc(v->items.n, sizeof *c->items.at))) {
		free(c);
		return NULL;
	}
	c->items.cap = v->items.n;
	for (size_t i = 0; i < v->items.n; i++) {
		const struct pair *p = &v->items.at[i];
		struct pair *to = &c->items.at[c->items.n++];
		to->key = p->key ? strdup(p->key) : NULL;
		to->value = cfw_value_copy(p->value);
		if (!to->value || (p->key && !to->key)) {
			cfw_value_free(c);
			return NULL;
		}
	}
	return c;
}

enum cfw_value_type cfw_value_type(const struct cfw_value *v)
{
	return v ? v->type : CFW_V_NIL;
}

size_t cfw_value_len(const struct cfw_value *v)
{
	return has_items(v) ? v->items.n : v && v->type == CFW_V_STR ? v->str.n : 0;
}

const struct cfw_value *cfw_value_at(const struct cfw_value *v, size_t i)
{
	return has_items(v) && i < v->items.n ? v->items.at[i].value : NULL;
}

const char *cfw_value_key(const struct cfw_value *v, size_t i)
{
	return v && v->type == CFW_V_MAP && i < v->items.n ? v->items.at[i].key : NULL;
}

const struct cfw_value *cfw_value_get(const struct cfw_value *map, const char *key)
{
	if (map && map->type == CFW_V_MAP)
		for (size_t i = 0; i < map->items.n; i++)
			if (strcmp(map->items.at[i].key, key) == 0)
				return map->items.at[i].value;
	return NULL;
}

const char *cfw_value_bytes(const struct cfw_value *v, size_t *n)
{
	if (!v || v->type != CFW_V_STR)
		return NULL;
	if (n)
		*n = v->str.n;
	return v->str.s;
}

bool cfw_value_to_bool(const struct cfw_value *v)
{
	return v && v->type != CFW_V_NIL && !(v->type == CFW_V_BOOL && !v->b);
}

int64_t cfw_value_to_int(const struct cfw_value *v, int64_t otherwise)
{
	switch (cfw_value_type(v)) {
	case CFW_V_INT:
	case CFW_V_REF:
		return v->i;
	case CFW_V_NUM:
		return v->d >= -9.2e18 && v->d <= 9.2e18 ? (int64_t)v->d : otherwise;
	default:
		return otherwise;
	}
}

double cfw_value_to_num(const struct cfw_value *v, double otherwise)
{
	return cfw_value_type(v) == CFW_V_NUM ? v->d : cfw_value_type(v) == CFW_V_INT ? (double)v->i : otherwise;
}

const char *cfw_value_to_str(const struct cfw_value *v, const char *otherwise)
{
	return cfw_value_type(v) == CFW_V_STR ? v->str.s : otherwise;
}

bool cfw_value_get_bool(const struct cfw_value *map, const char *key, bool otherwise)
{
	const struct cfw_value *v = cfw_value_get(map, key);
	return v ? cfw_value_to_bool(v) : otherwise;
}

int64_t cfw_value_get_int(const struct cfw_value *map, const char *key, int64_t otherwise)
{
	return cfw_value_to_int(cfw_value_get(map, key), otherwise);
}

const char *cfw_value_get_str(const struct cfw_value *map, const char *key, const char *otherwise)
{
	return cfw_value_to_str(cfw_value_get(map, key), otherwise);
}

uint64_t cfw_value_get_ns(const struct cfw_value *map, const char *key, uint64_t otherwise)
{
	const struct cfw_value *v = cfw_value_get(map, key);
	int64_t ns = cfw_value_to_int(v, -1);
	return ns < 0 ? otherwise : (uint64_t)ns;
}

static bool equal(const struct cfw_value *a, const struct cfw_value *b, bool refs)
{
	if (cfw_value_type(a) != cfw_value_type(b))
		return false;
	switch (cfw_value_type(a)) {
	case CFW_V_NIL:
		return true;
	case CFW_V_BOOL:
		return a->b == b->b;
	case CFW_V_INT:
		return a->i == b->i;
	case CFW_V_REF:
		return !refs || a->i == b->i;
	case CFW_V_NUM:
		return a->d <= b->d && a->d >= b->d;
	case CFW_V_STR:
		return a->str.n == b->str.n && memcmp(a->str.s, b->str.s, a->str.n) == 0;
	default:
		break;
	}
	if (a->items.n != b->items.n)
		return false;
	for (size_t i = 0; i < a->items.n; i++) {
		const struct pair *p = &a->items.at[i]; /* a map's order is no part of it */
		const struct cfw_value *other = p->key ? cfw_value_get(b, p->key) : b->items.at[i].value;
		if (!other || !equal(p->value, other, refs))
			return false;
	}
	return true;
}

bool cfw_value_equal(const struct cfw_value *a, const struct cfw_value *b)
{
	return equal(a, b, true);
}

bool cfw_value_alike(const struct cfw_value *a, const struct cfw_value *b)
{
	return equal(a, b, false);
}
