/* guardian.h: a small process above the orchestrator (S8). It forwards signals, reaps orphans, mirrors the exit code; and should the
 * orchestrator die or stall, it has the rest of the stop done by a fresh process. No thread, no Lua, no loop of libevent's. */
#ifndef CFW_SHELL_GUARDIAN_H
#define CFW_SHELL_GUARDIAN_H

struct cfw_run_options;

/* cfw_run in a child of its own, guarded. The exit code. Returns in the child too: whoever calls ends with what it returns. */
int cfw_guardian_run(const struct cfw_run_options *options);

#endif
