/* The writer and the reader of JSON (view/json.h). The input is a tree of values with any bytes for strings and keys: what is written
 * is one line of ASCII that jansson reads, and every string comes back, shown as cfw_buf_put_safe has it where it is no UTF-8. And
 * the input as JSON: what is read, written and read again is the same. */
#include "fuzz.h"

#include <jansson.h>
#include <math.h>

#include "base/buf.h"
#include "base/value.h"
#include "view/json.h"

enum { DEEP = 8, WIDE = 6, LONG = 40 };

static struct cfw_value *tree(struct fuzz *f, int depth)
{
	size_t n;
	char *s = NULL;
	struct cfw_value *v = NULL;
	unsigned what = fuzz_below(f, depth < DEEP ? 7 : 5);
	switch (what) {
	case 0:
		return cfw_value_bool(fuzz_byte(f) & 1);
	case 1:
		return cfw_value_int((int64_t)fuzz_u64(f));
	case 2: {
		static const double rare[] = {INFINITY, -INFINITY, NAN, -0.0};
		unsigned k = fuzz_byte(f);
		double d = k < 4 ? rare[k] : (double)(int64_t)fuzz_u64(f) / 1e3;
		return cfw_value_num(d);
	}
	case 3:
		return cfw_value_ref(fuzz_byte(f));
	case 4:
		s = fuzz_bytes(f, LONG, &n);
		v = cfw_value_strn(s, n);
		free(s);
		return v;
	case 5:
		v = cfw_value_list();
		for (unsigned i = 0, k = fuzz_below(f, WIDE); i < k; i++)
			cfw_value_push(v, tree(f, depth + 1));
		return v;
	default:
		v = cfw_value_map();
		for (unsigned i = 0, k = fuzz_below(f, WIDE); i < k; i++) {
			s = fuzz_bytes(f, LONG, &n);
			cfw_value_set(v, s, tree(f, depth + 1));
			free(s);
		}
		return v;
	}
}

static void same_text(const char *got, size_t got_n, const char *s, size_t n)
{
	json_t *as_is = json_stringn(s, n);
	struct cfw_buf safe;
	cfw_buf_init(&safe);
	if (as_is)
		cfw_buf_put(&safe, s, n);
	else
		cfw_buf_put_safe(&safe, s, n);
	must(got_n == safe.len && (!safe.len || !memcmp(got, safe.data, safe.len)), "a string of %zu bytes came back as %.*s",
	     n, (int)got_n, got);
	json_decref(as_is);
	cfw_buf_clear(&safe);
}

static const char *shown_key(const char *key, struct cfw_buf *safe)
{
	json_t *as_is = json_string(key);
	cfw_buf_init(safe);
	if (as_is)
		cfw_buf_puts(safe, key);
	else
		cfw_buf_put_safe(safe, key, strlen(key));
	json_decref(as_is);
	return safe->data ? safe->data : "";
}

static void same(const struct cfw_value *v, const json_t *j)
{
	size_t n = 0;
	const char *s;
	switch (cfw_value_type(v)) {
	case CFW_V_BOOL:
		must(json_is_boolean(j) && json_is_true(j) == cfw_value_to_bool(v), "a boolean");
		break;
	case CFW_V_INT:
		must(json_integer_value(j) == cfw_value_to_int(v, 0), "an integer");
		break;
	case CFW_V_NUM:
		if (!isfinite(cfw_value_to_num(v, 0))) {
			must(json_is_null(j), "JSON has no number for it");
			break;
		}
		must(fabs(json_number_value(j) - cfw_value_to_num(v, 0)) <= fabs(cfw_value_to_num(v, 0)) * 1e-9, "a number");
		break;
	case CFW_V_STR:
		s = cfw_value_bytes(v, &n);
		must(json_is_string(j), "a string");
		same_text(json_string_value(j), json_string_length(j), s, n);
		break;
	case CFW_V_LIST:
		must(json_array_size(j) == cfw_value_len(v), "a list");
		for (size_t i = 0; i < cfw_value_len(v); i++)
			same(cfw_value_at(v, i), json_array_get(j, i));
		break;
	case CFW_V_MAP:
		must(json_is_object(j), "a map");
		for (size_t i = 0; i < cfw_value_len(v); i++) {
			struct cfw_buf safe;
			const json_t *at = json_object_get(j, shown_key(cfw_value_key(v, i), &safe));
			must(at, "the key %s is lost", cfw_value_key(v, i));
			if (json_object_size(j) == cfw_value_len(v)) /* no two keys that look alike */
				same(cfw_value_at(v, i), at);
			cfw_buf_clear(&safe);
		}
		break;
	case CFW_V_NIL:
	case CFW_V_REF:
		must(json_is_null(j), "null");
	}
}

static void write_and_read(const struct cfw_value *v)
{
	struct cfw_buf b;
	json_error_t e;
	cfw_buf_init(&b);
	cfw_view_put_json(&b, v);
	must(!b.failed, "it cannot be written");
	for (size_t i = 0; i < b.len; i++)
		must(b.data[i] >= ' ' && b.data[i] <= '~', "byte %zu is %d", i, b.data[i]);
	json_t *j = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	must(j, "it is no JSON: %s: %s", e.text, b.data);
	same(v, j);
	json_decref(j);
	cfw_buf_clear(&b);
}

/* Any text. */
static void read_and_write(const char *text, size_t n)
{
	char why[200] = "";
	struct cfw_value *v = cfw_view_parse_json(text, n, why, sizeof why), *again;
	struct cfw_buf b;
	must((v != NULL) == !*why, "neither a value nor a reason, or both: %s", why);
	if (!v)
		return;
	cfw_buf_init(&b);
	cfw_view_put_json(&b, v);
	must(!b.failed, "what was read cannot be written");
	again = cfw_view_parse_json(b.data, b.len, why, sizeof why);
	must(again, "what was written cannot be read: %s: %s", why, b.data);
	must(cfw_value_type(again) == cfw_value_type(v) && cfw_value_len(again) == cfw_value_len(v), "it is not the same: %s",
	     b.data);
	cfw_buf_clear(&b);
	cfw_value_free(v);
	cfw_value_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct cfw_value *v = tree(&f, 0);
	write_and_read(v);
	cfw_value_free(v);
	read_and_write((const char *)data, size);
	return 0;
}
