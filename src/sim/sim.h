/* sim.h: a policy under a clock that is a number. The real library and the real policy run; servers are scripted fakes, and what a
 * policy asks of the system (exec, fetch, fs.*) is a question to whoever drives the simulation. Nothing real is started, listened on or
 * killed.
 *
 * A run begins at time 0, which is when its policy is loaded. One thread; runs are independent of each other. */
#ifndef CFW_SIM_SIM_H
#define CFW_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct cfw_sim;
struct cfw_value;
struct curfew;
struct curfew_err;

/* The clock's value at time 0: later than any machine's own, whose clock still bounds what Lua computes. */
#define CFW_SIM_START (UINT64_C(100000000) * CFW_SEC)

/* The policy is compiled here, and begins in the first cfw_sim_run. opts may be NULL: { env = { NAME = "value" }, configure = { … },
 * epoch = seconds, real_env = true, start = false }: what os.getenv sees, settings stronger than the policy's, os.time at time 0, the
 * real environment behind env, servers that are not started. NULL and err on failure. */
struct cfw_sim *cfw_sim_new(const char *path, const struct cfw_value *opts, struct curfew_err *err);
void cfw_sim_free(struct cfw_sim *s); /* NULL is fine */

/* What is to be so, all of it from now on; times are integers of nanoseconds:
 *   servers = { { name =, where =, starts = ns, start_error = "…", stops = ns, stop_error = "…", dies = ns, signal =, code = }, … }
 *   at      = { { ns =, trigger = "SIGTERM", code =, times = }, … }
 *   answers = { { id =, value =, error =, code =, takes = ns }, … }
 * CFW_NEVER as a time is false. 0, or negative and err: nothing of the rest is taken then. */
int cfw_sim_tell(struct cfw_sim *s, const struct cfw_value *what, struct curfew_err *err);

enum cfw_sim_state {
	CFW_SIM_ENDED, /* the process would have ended */
	CFW_SIM_ASKS,  /* questions are open; no time passes until they are answered */
	CFW_SIM_THEN,  /* until_ns has come */
	CFW_SIM_QUIET, /* nothing will ever happen any more */
	CFW_SIM_STUCK, /* things happen without end, and no time passes */
};
enum cfw_sim_state cfw_sim_run(struct cfw_sim *s, uint64_t until_ns);
/* What happened since the last report: { now =, ended =, code =, ended_at =, life =, server_names = { … }, unknown = { name, where },
 * asks = { { id =, service =, args = } }, events = { { at =, name =, hook =, server =, code = } }, log = { { at =, level =, text = } },
 * broken = { "S4.12: …" }, timeline = "…" }; times in seconds. NULL when memory is gone. */
struct cfw_value *cfw_sim_report(struct cfw_sim *s);

struct curfew *cfw_sim_curfew(const struct cfw_sim *s);
/* Its log, as text, a line a record, from level CFW_WARN on: for who drives it without a report. Owned by s. */
const char *cfw_sim_complaints(const struct cfw_sim *s);
/* Forget what was complained about so far, and keep nothing else of the log from now on. */
void cfw_sim_mute(struct cfw_sim *s);

#endif
