#include "view/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/value.h"

static json_t *string_of(const char *s, size_t n)
{
	json_t *j = json_stringn(s, n);
	if (j)
		return j;
	struct cfw_buf safe; /* no UTF-8 */
	cfw_buf_init(&safe);
	cfw_buf_put_safe(&safe, s, n);
	j = json_string(safe.data ? safe.data : "");
	cfw_buf_clear(&safe);
	return j;
}

/* Takes v. As string_of does, for the key. */
static int set_key(json_t *map, const char *key, json_t *v)
{
	json_t *shown = string_of(key, strlen(key));
	int rc = shown ? json_object_set(map, json_string_value(shown), v) : -1;
	json_decref(shown);
	json_decref(v);
	return rc;
}

static json_t *to_json(const struct cfw_value *v)
{
	size_t n;
	json_t *j;
	switch (cfw_value_type(v)) {
	case CFW_V_BOOL:
		return json_boolean(cfw_value_to_bool(v));
	case CFW_V_INT:
		return json_integer(cfw_value_to_int(v, 0));
	case CFW_V_NUM:
		return isfinite(cfw_value_to_num(v, 0)) ? json_real(cfw_value_to_num(v, 0)) : json_null();
	case CFW_V_STR: {
		const char *s = cfw_value_bytes(v, &n);
		return string_of(s, n);
	}
	case CFW_V_LIST:
		j = json_array();
		for (size_t i = 0; j && i < cfw_value_len(v); i++)
			if (json_array_append_new(j, to_json(cfw_value_at(v, i)))) {
				json_decref(j);
				return NULL;
			}
		return j;
	case CFW_V_MAP:
		j = json_object();
		for (size_t i = 0; j && i < cfw_value_len(v); i++)
			if (set_key(j, cfw_value_key(v, i), to_json(cfw_value_at(v, i)))) {
				json_decref(j);
				return NULL;
			}
		return j;
	case CFW_V_NIL:
	case CFW_V_REF:
		break;
	}
	return json_null();
}

int cfw_view_append_json(const char *data, size_t n, void *out)
{
	for (const char *at; (at = memchr(data, 127, n)); n -= (size_t)(at + 1 - data), data = at + 1) {
		cfw_buf_put(out, data, (size_t)(at - data));
		cfw_buf_puts(out, "\\u007f"); /* JSON lets it stand */
	}
	cfw_buf_put(out, data, n);
	return 0;
}

void cfw_view_put_json(struct cfw_buf *out, const struct cfw_value *v)
{
	json_t *j = to_json(v);
	size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12);
	if (!j || json_dump_callback(j, cfw_view_append_json, out, flags) < 0)
		out->failed = 1;
	json_decref(j);
}

/* NULL for null, and with *bad when memory is gone. */
static struct cfw_value *from_json(const json_t *j, bool *bad)
{
	struct cfw_value *v = NULL;
	const char *key;
	json_t *item;
	size_t i;
	switch (json_typeof(j)) {
	case JSON_NULL:
		return NULL;
	case JSON_TRUE:
	case JSON_FALSE:
		v = cfw_value_bool(json_is_true(j));
		break;
	case JSON_INTEGER:
		v = cfw_value_int(json_integer_value(j));
		break;
	case JSON_REAL:
		v = cfw_value_num(json_real_value(j));
		break;
	case JSON_STRING:
		v = cfw_value_strn(json_string_value(j), json_string_length(j));
		break;
	case JSON_ARRAY:
		v = cfw_value_list();
		json_array_foreach(j, i, item)
		{
			struct cfw_value *one = json_is_null(item) ? cfw_value_bool(false) : from_json(item, bad);
			*bad |= !v || cfw_value_push(v, one);
		}
		break;
	case JSON_OBJECT:
		v = cfw_value_map();
		for (void *it = json_object_iter((json_t *)(uintptr_t)j); it;
		     it = json_object_iter_next((json_t *)(uintptr_t)j, it)) {
			key = json_object_iter_key(it);
			item = json_object_iter_value(it);
			if (!json_is_null(item))
				*bad |= !v || cfw_value_set(v, key, from_json(item, bad));
		}
		break;
	}
	*bad |= !v;
	return v;
}

struct cfw_value *cfw_view_parse_json(const char *text, size_t len, char *why, size_t n)
{
	json_error_t e;
	bool bad = false;
	json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &e);
	if (!j) {
		snprintf(why, n, "no JSON: %s", e.text);
		return NULL;
	}
	struct cfw_value *v = from_json(j, &bad);
	json_decref(j);
	if (!bad && v)
		return v;
	cfw_value_free(v);
	snprintf(why, n, bad ? "out of memory" : "null says nothing");
	return NULL;
}
