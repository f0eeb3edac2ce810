/* run.h: a process that is all curfew's: libevent's loop, signals, watchdog, log, display, around one instance. */
#ifndef CFW_SHELL_RUN_H
#define CFW_SHELL_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "shell/logger.h"

struct cfw_guarded;
struct cfw_value;

enum cfw_when { CFW_WHEN_AUTO, CFW_WHEN_ALWAYS, CFW_WHEN_NEVER };

struct cfw_run_options {
	const char *const *policies; /* files, loaded in this order */
	size_t npolicies;
	char *const *command;              /* after "--", NULL-terminated; NULL: none */
	const struct cfw_value *overrides; /* keys of curfew.configure that the command line gave; may be NULL */
	const struct cfw_value *sandbox;   /* S10.4: cfw_options.sandbox; NULL: policies are trusted */
	char *const *args;                 /* cfw_options.args; NULL: none */
	int log_format, log_level;         /* -1: not given, the policy may say */
	enum cfw_when timeline;            /* after the stop, on stderr; auto: on a terminal */
	bool display;                      /* live, on a terminal */
	const char *black_box;             /* a file (recorder.h); NULL: none */
};

/* guarded: by a guardian (guarded.h), which is to be told; NULL: there is none. Run until the end; the exit code (S4.11; 2 when a policy does not load). */
int cfw_run(const struct cfw_run_options *options, const struct cfw_guarded *guarded);

#endif
