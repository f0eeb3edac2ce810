/* curfew_status.c: what an instance does at this moment, for whoever asks from outside. */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/value.h"
#include "core/core.h"
#include "curfew_impl.h"
#include "version.h"
#include "view/json.h"
#include "view/status.h"

static struct cfw_value *info(void *ud, cfw_id server)
{
	return curfew_server_info(ud, server, false);
}

struct cfw_value *curfew_status_value(const struct curfew *c)
{
	const struct cfw_env *env = curfew_env(c);
	struct cfw_value *v = cfw_view_status(c->core, env->now_ns(env->ud), info, (void *)(uintptr_t)c);
	if (v &&
	    (cfw_value_set(v, "pid", cfw_value_int(getpid())) | cfw_value_set(v, "version", cfw_value_str(CURFEW_VERSION)) |
	     cfw_value_set(v, "generations", curfew_generations(c)))) {
		cfw_value_free(v);
		return NULL;
	}
	return v;
}

size_t curfew_status(const struct curfew *c, char *buf, size_t size)
{
	struct cfw_value *v = curfew_status_value(c);
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (v)
		cfw_view_put_json(&b, v);
	size_t n = v && !b.failed ? b.len : 0, copied = size > n ? n : size ? size - 1 : 0;
	if (copied)
		memcpy(buf, b.data, copied);
	if (size)
		buf[copied] = '\0';
	cfw_buf_clear(&b);
	cfw_value_free(v);
	return n;
}
