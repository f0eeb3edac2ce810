/* script.h: run a module of the binary's own, such as `check`, in a Lua state of its own: the whole library, no policy, no budget. */
#ifndef CFW_POLICY_SCRIPT_H
#define CFW_POLICY_SCRIPT_H

struct curfew_err;

/* The embedded module returns a function; it is called with the version and argv[0..argc-1], and writes to the standard output and
 * error by itself. What it returns, an exit code from 0 to 255; or a negative error, when it raised or there is no memory. */
int cfw_script_run(const char *module, int argc, char *const *argv, struct curfew_err *err);

#endif
