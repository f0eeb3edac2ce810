/* run_impl.h: the state of `curfew run`, shared by run.c (assembly and loop) and run_conf.c (what a policy configures of it). */
#ifndef CFW_SHELL_RUN_IMPL_H
#define CFW_SHELL_RUN_IMPL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapters/loop.h"
#include "shell/link.h"
#include "shell/logger.h"
#include "shell/run.h"
#include "view/metrics.h"

struct cfw_buf;
struct cfw_control;
struct cfw_display;
struct cfw_health;
struct cfw_page;
struct cfw_recorder;
struct cfw_sd;
struct cfw_signals;
struct cfw_value;
struct cfw_watch;
struct curfew;
struct cfw_options;
struct curfew_err;
struct event;
struct event_base;

struct cfw_run_state {
	const struct cfw_run_options *opt;
	struct cfw_link link; /* to the guardian */
	struct event_base *base;
	struct curfew_loop loop;
	struct cfw_page *page;
	struct cfw_logger *logger;
	struct cfw_signals *signals;
	struct cfw_display *display;
	struct curfew *curfew;
	struct cfw_health *health;
	struct cfw_control *control;
	struct cfw_sd *sd;
	struct cfw_recorder *recorder;
	struct cfw_metrics metrics;
	struct cfw_watch *watch;    /* of the policy's files */
	uint64_t logged;            /* journal entries rendered so far */
	enum cfw_log_format format; /* as configured so far */
	enum cfw_log_level level;
	struct event *reaper; /* after deactivate(): no SIGCHLD is caught any more */
	pid_t thread;         /* that runs the loop */
	bool tty, over, deactivated, own_page;
	atomic_bool left; /* another thread called exit(3) and waits for the stop's end */
	int code;
};

/* No hook will be called any more: from here on our end is the end. */
void cfw_run_finished(const struct cfw_run_state *r, int code);
/* run_tell.c: the functions of o by which the instance tells of itself; its ud is the struct cfw_run_state. */
void cfw_run_tell(struct cfw_options *o);
/* run_metrics.c: what /metrics and /v1/metrics say. ud is the struct cfw_run_state. */
void cfw_run_metrics(void *ud, struct cfw_buf *out);
/* struct cfw_options.on_configure: log, health, watch, stall_limit. ud is the struct cfw_run_state. */
int cfw_run_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err);

#endif
