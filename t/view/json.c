/* Values as JSON: whatever bytes a script's strings and keys have, and whatever its numbers, it can be written. */
#include <math.h>

#include "base/buf.h"
#include "base/value.h"
#include "tap.h"
#include "view/json.h"

static void is_written(struct cfw_value *v, const char *want, const char *words)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_view_put_json(&b, v);
	ok(!b.failed, "%s: it can be written", words);
	is_str(b.data, want, "%s", words);
	cfw_buf_clear(&b);
	cfw_value_free(v);
}

static struct cfw_value *map_of(const char *key, struct cfw_value *v)
{
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, key, v);
	return map;
}

int main(void)
{
	is_written(map_of("a", cfw_value_strn("b\0c", 3)), "{\"a\":\"b\\u0000c\"}", "a string with a NUL");
	is_written(map_of("a", cfw_value_str("\x1b[2J\xff")), "{\"a\":\"\\\\x1b[2J\\\\xff\"}",
		   "S10.3: a string that is no UTF-8");
	is_written(cfw_value_str("a\x7f\x7f"
				 "b"),
		   "\"a\\u007f\\u007fb\"", "S10.3: DEL");
	is_written(map_of("\xff", cfw_value_bool(true)), "{\"\\\\xff\":true}", "a key that is no UTF-8");
	is_written(cfw_value_num(NAN), "null", "no number");
	is_written(map_of("a", cfw_value_num(-INFINITY)), "{\"a\":null}", "a number that JSON has no word for");
	is_written(NULL, "null", "nothing");
	return tap_done();
}
