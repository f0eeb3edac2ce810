/* curfew_steer.c: a stop that runs is steered, and single servers are: each a trigger that a rule may refuse. */
#include "curfew_impl.h"

#include <string.h>

#include "base/err.h"

int cfw_steer_put(struct curfew *c, const struct cfw_trigger *t, cfw_token token, curfew_answer_fn *fn, void *ud,
		  struct curfew_err *err)
{
	struct cfw_trigger mine = *t;
	if (c->ended)
		return cfw_err_set(err, CURFEW_ESTATE, "it has ended");
	if (token || fn) {
		mine.request = cfw_asker_new(c, token, fn, ud);
		if (!mine.request)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	int rc = cfw_put_trigger(c, mine);
	return rc ? cfw_err_set(err, rc, "out of memory") : 0;
}

int curfew_steer(struct curfew *c, const struct curfew_steer *steer, curfew_answer_fn *fn, void *ud, struct curfew_err *err)
{
	static const enum cfw_trigger_kind kinds[] = {
		[CURFEW_HURRY] = CFW_T_HURRY,
		[CURFEW_EXTEND] = CFW_T_EXTEND,
		[CURFEW_SKIP] = CFW_T_SKIP,
		[CURFEW_CANCEL] = CFW_T_CANCEL,
		[CURFEW_SERVER_START] = CFW_T_SERVER_START,
		[CURFEW_SERVER_STOP] = CFW_T_SERVER_STOP,
		[CURFEW_SERVER_RESTART] = CFW_T_SERVER_RESTART,
	};
	if ((unsigned)steer->what >= sizeof kinds / sizeof *kinds)
		return cfw_err_set(err, CURFEW_EINVAL, "no such way to steer: %d", (int)steer->what);
	struct cfw_trigger t = {.kind = kinds[steer->what], .ns = steer->ns};
	bool one = steer->what == CURFEW_SKIP || steer->what >= CURFEW_SERVER_START;
	if (one && !steer->server)
		return cfw_err_set(err, CURFEW_EINVAL, "%s: which server?", cfw_trigger_name(t.kind, 0));
	if (one)
		t.server = cfw_core_server_find(c->core, steer->server);
	if (one && !t.server && !(steer->what == CURFEW_SKIP && !strcmp(steer->server, CURFEW_GLOBAL)))
		return cfw_err_set(err, CURFEW_ENOENT, "there is no server \"%.200s\"", steer->server);
	if (steer->what == CURFEW_SERVER_START || steer->what == CURFEW_SERVER_RESTART)
		cfw_note_start(c);
	return cfw_steer_put(c, &t, 0, fn, ud, err);
}
