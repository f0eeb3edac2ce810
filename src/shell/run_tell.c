/* run_tell.c: what the instance tells `curfew run`, and where that goes: log, display, control API, metrics, systemd, black box, guardian. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/page.h"
#include "core/core.h"
#include "host/watch.h"
#include "instance.h"
#include "shell/control.h"
#include "shell/display.h"
#include "shell/health.h"
#include "shell/passed.h"
#include "shell/recorder.h"
#include "shell/run_impl.h"
#include "shell/sd.h"
#include "shell/signals.h"
#include "shell/watchdog.h"
#include "view/view.h"

static void keep_source(void *ud, const char *key, const char *path, const char *src, size_t n)
{
	const struct cfw_run_state *r = ud;
	cfw_link_keep_source(&r->link, cfw_logger_log(r->logger), key, path, src, n);
}

static void keep_generation(void *ud, uint16_t generation)
{
	struct cfw_run_state *r = ud;
	r->link.generation = generation;
}

static const char *find_source(void *ud, const char *key, const char **path, size_t *n)
{
	const struct cfw_run_state *r = ud;
	return cfw_link_find_source(&r->link, key, path, n);
}

static void on_source(void *ud, const char *path)
{
	const struct cfw_run_state *r = ud;
	cfw_watch_file(r->watch, path);
}

static void on_exit_code(void *ud, int code, bool kill)
{
	struct cfw_run_state *r = ud;
	cfw_run_finished(r, code);
	cfw_display_end(r->display);
	cfw_control_end(r->control, code);
	cfw_health_close(r->health); /* the last to go; its unix socket with it */
	r->health = NULL;
	if (kill)
		_exit(code); /* S4.14: nothing is flushed */
	r->over = true;
	r->code = code;
	event_base_loopbreak(r->base);
}

static void on_deadline(void *ud, uint64_t margin_ns, uint64_t deadline_ns, bool decided)
{
	const struct cfw_run_state *r = ud;
	(void)margin_ns; /* both are in the page */
	(void)deadline_ns;
	if (r->signals)
		cfw_signals_rearm(r->signals, decided);
	cfw_link_tell(&r->link, CFW_MSG_DEADLINE);
}

static void on_lame(void *ud)
{
	struct cfw_run_state *r = ud;
	cfw_display_begin(r->display);
}

static void on_reload(void *ud, enum curfew_reload_step step)
{
	struct cfw_run_state *r = ud;
	r->metrics.reloads += step == CURFEW_RELOAD_DONE;
	r->metrics.reloads_refused += step == CURFEW_RELOAD_REFUSED;
	cfw_sd_reload(r->sd, step != CURFEW_RELOAD_BEGINS);
}

static void on_unlame(void *ud)
{
	const struct cfw_run_state *r = ud;
	cfw_display_end(r->display);
}

static int on_signal_rule(void *ud, int signo, struct curfew_err *err)
{
	struct cfw_run_state *r = ud;
	bool stopping = signo == SIGINT || signo == SIGTERM || signo == SIGQUIT || signo == SIGHUP;
	return r->signals ? cfw_signals_catch(r->signals, signo, stopping, false, err) : 0;
}

static void reap(evutil_socket_t fd, short what, void *ud)
{
	const struct cfw_run_state *r = ud;
	(void)fd;
	(void)what;
	curfew_reap(r->curfew);
}

/* S3.5. Children are ours still: without a handler they are looked for. So are the servers: a peer that is gone must not end them, so
 * SIGPIPE stays ignored. */
static void on_deactivate(void *ud)
{
	static const struct timeval often = {0, 50000};
	struct cfw_run_state *r = ud;
	cfw_signals_free(r->signals);
	signal(SIGPIPE, SIG_IGN);
	r->signals = NULL;
	cfw_watchdog_close();
	r->deactivated = true;
	atomic_store(&r->page->released, 1);
	r->reaper = event_new(r->base, -1, EV_PERSIST, reap, r);
	if (!r->reaper || event_add(r->reaper, &often))
		cfw_log_at(cfw_logger_log(r->logger), CFW_ERROR, "out of memory: children that end are not noticed any more");
}

static void on_journal(void *ud)
{
	struct cfw_run_state *r = ud;
	const struct cfw_core *core = curfew_core(r->curfew);
	const struct cfw_journal_entry *e;
	uint64_t from = curfew_journal_from(r->curfew);
	if (r->logged + 1 < from)
		r->logged = from - 1;
	cfw_logger_hold(r->logger, true);
	while ((e = cfw_core_journal(core, r->logged + 1))) {
		if (e->seq > r->logged + 1)
			cfw_log_at(cfw_logger_log(r->logger), CFW_WARN,
				   "%llu events are left out of log and timeline: more came than they hold",
				   (unsigned long long)(e->seq - r->logged - 1));
		r->logged = e->seq;
		struct cfw_journal_entry mine = *e; /* what follows may move it */
		cfw_view_log(core, &mine, cfw_logger_log(r->logger), curfew_text, r->curfew);
		cfw_recorder_put(r->recorder, core, &mine, cfw_logger_log(r->logger));
		cfw_metrics_entry(&r->metrics, core, &mine);
		cfw_sd_journal(r->sd, &mine);
		if (mine.what == CFW_J_LIFE && mine.a == CFW_L_STARTED && !r->link.crash)
			cfw_passed_warn(cfw_logger_log(r->logger));
	}
	cfw_logger_hold(r->logger, false);
	cfw_control_journal(r->control);
}

void cfw_run_tell(struct cfw_options *o)
{
	o->on_exit = on_exit_code;
	o->on_deadline = on_deadline;
	o->on_lame = on_lame;
	o->on_reload = on_reload;
	o->on_unlame = on_unlame;
	o->on_signal_rule = on_signal_rule;
	o->on_deactivate = on_deactivate;
	o->on_journal = on_journal;
	o->keep_source = keep_source;
	o->find_source = find_source;
	o->keep_generation = keep_generation;
	o->on_source = on_source;
}
