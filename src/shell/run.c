#define _GNU_SOURCE
#include "shell/run.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "adapters/libevent.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/page.h"
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "host/watch.h"
#include "instance.h"
#include "shell/command.h"
#include "shell/control.h"
#include "shell/display.h"
#include "shell/health.h"
#include "shell/http.h"
#include "shell/link.h"
#include "shell/out.h"
#include "shell/passed.h"
#include "shell/recorder.h"
#include "shell/reserve.h"
#include "shell/run_impl.h"
#include "shell/sd.h"
#include "shell/signals.h"
#include "shell/tcp.h"
#include "shell/watchdog.h"
#include "view/view.h"

enum { LOOP_FAILURES = 16 }; /* what fails once may go on; so often it does not */

/* ---- the guardian ---- */

/* No hook will be called any more: from here on our end is the end. */
void cfw_run_finished(const struct cfw_run_state *r, int code)
{
	if (r->page)
		atomic_store(&r->page->finished, code + 1);
}

/* A library may have left signals blocked that are ours. */
static void on_pinged(void *ud)
{
	const struct cfw_run_state *r = ud;
	cfw_signals_unblock(r->signals);
}

static void on_guardian_gone(void *ud)
{
	const struct cfw_run_state *r = ud;
	if (r->deactivated)
		return;
	cfw_log_at(cfw_logger_log(r->logger), CFW_ERROR, "the guardian is gone: stopping as for SIGTERM");
	curfew_signal(r->curfew, SIGTERM, 1);
}

/* ---- the policy's files ---- */

static void on_reloaded(void *ud, const struct cfw_value *value, const struct curfew_err *err)
{
	const struct cfw_run_state *r = ud;
	(void)value; /* both are in the log */
	(void)err;
	if (!r->over)
		cfw_watch_look(r->watch);
}

static void on_changed(void *ud, const char *name)
{
	struct cfw_run_state *r = ud;
	struct curfew_err err = {0};
	cfw_log_at(cfw_logger_log(r->logger), CFW_INFO, "watch: %s has changed", name);
	if (cfw_reload(r->curfew, on_reloaded, r, &err))
		cfw_log_at(cfw_logger_log(r->logger), CFW_WARN, "watch: %s", err.msg);
}

/* ---- signals ---- */

static void on_signal(void *ud, int signo, unsigned times)
{
	struct cfw_run_state *r = ud;
	if (signo == SIGCHLD)
		curfew_reap(r->curfew);
	else if (!cfw_command_forwards(r->curfew, signo))
		curfew_signal(r->curfew, signo, times);
}

/* S2.1, S2.2; and with a command, what has no meaning to curfew is passed on to it. */
static int catch_signals(struct cfw_run_state *r, struct curfew_err *err)
{
	r->signals = cfw_signals_new(&r->loop, r->page, on_signal, r, err);
	if (!r->signals)
		return CURFEW_ESYS;
	cfw_logger_no_sigpipe(r->logger, true); /* S2.19 */
	static const int stopping[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
	for (size_t i = 0; i < sizeof stopping / sizeof *stopping; i++) {
		int rc = cfw_signals_catch(r->signals, stopping[i], true, stopping[i] == SIGHUP, err);
		if (rc)
			return rc;
	}
	for (const int *s = cfw_command_signals; r->opt->command && *s; s++) {
		int rc = cfw_signals_catch(r->signals, *s, false, false, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* S2.3: exit(3) by whoever: a C module of a script, a library. It runs inside a callback of ours, so it is an abort (S5.3). */
static void on_process_exit(int status, void *ud)
{
	struct cfw_run_state *r = ud;
	if (r->over || !r->curfew)
		return;
	if (r->deactivated) {
		enum cfw_life life = cfw_core_life(curfew_core(r->curfew));
		if (life != CFW_L_NEW && life != CFW_L_STOPPED) /* S3.6 */
			cfw_log_at(cfw_logger_log(r->logger), CFW_WARN, "exiting without stopping (state %s)",
				   cfw_life_name(life));
		return;
	}
	cfw_log_at(cfw_logger_log(r->logger), CFW_WARN, "exit(%d) was called past curfew", status);
	if (gettid() != r->thread) { /* the loop's thread does the rest, this one never goes on */
		atomic_store(&r->left, true);
		curfew_exit_from_thread(r->curfew, status);
		for (;;)
			pause();
	}
	_exit(curfew_exit_inside(r->curfew, status));
}

/* ---- assembly ---- */

static int open_instance(struct cfw_run_state *r, struct curfew_err *err)
{
	struct cfw_options o = {
		.size = sizeof o,
		.loop = &r->loop,
		.log = cfw_logger_log(r->logger),
		.page = r->page,
		.own_children = true,
		.on_configure = cfw_run_configure,
		.overrides = r->opt->overrides,
		.crash = r->link.crash,
		.sandbox = r->opt->sandbox,
		.args = r->opt->args,
		.ud = r,
	};
	cfw_run_tell(&o);
	r->curfew = cfw_new(&o, err);
	if (!r->curfew)
		return CURFEW_ENOMEM;
	int rc = curfew_kind_add(r->curfew, &cfw_http_kind, r->base);
	if (!rc)
		rc = curfew_kind_add(r->curfew, &cfw_tcp_kind, r->base);
	return rc;
}

/* An event_base as small as it gets: epoll without its change list needs no more. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	if (!config)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static bool speaks_utf8(void)
{
	const char *lang = getenv("LC_ALL");
	lang = lang && *lang ? lang : getenv("LC_CTYPE");
	lang = lang && *lang ? lang : getenv("LANG");
	return lang && (strcasestr(lang, "utf-8") || strcasestr(lang, "utf8"));
}

static int open_all(struct cfw_run_state *r, struct curfew_err *err)
{
	r->tty = isatty(STDERR_FILENO) == 1;
	if (r->opt->sandbox && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) /* S10.4: nor do programs that it may run get more */
		return cfw_err_sys(err, "the sandbox: prctl");
	r->thread = gettid();
	r->metrics.began_ns = cfw_time_now();
	r->format = r->opt->log_format < 0 ? CFW_LOG_TEXT : (enum cfw_log_format)r->opt->log_format;
	r->level = r->opt->log_level < 0 ? CFW_INFO : (enum cfw_log_level)r->opt->log_level;
	r->logger = cfw_logger_new(STDERR_FILENO, r->format, r->level, r->tty);
	if (r->logger) /* before anything is opened: a descriptor that is promised may not be there */
		cfw_passed_take(cfw_logger_log(r->logger));
	r->page = r->own_page ? cfw_page_new() : r->link.guarded->page;
	cfw_reserve_open();
	r->base = new_base();
	if (!r->logger || !r->page || !r->base)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (r->opt->black_box && !(r->recorder = cfw_recorder_open(r->opt->black_box, r->link.crash, err))) {
		if (!r->link.crash)
			return err->code;
		cfw_log_at(cfw_logger_log(r->logger), CFW_WARN, "%s", err->msg); /* the hooks matter more */
	}
	r->sd = cfw_sd_new(r->base, &r->link, &r->curfew);
	int rc = cfw_watchdog_open(r->page, err);
	if (!rc)
		rc = curfew_libevent_new(r->base, &r->loop, err);
	if (!rc && !(r->watch = cfw_watch_new(&r->loop, on_changed, r)))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		rc = catch_signals(r, err);
	if (!rc && !(r->control = cfw_control_new(r->base, cfw_logger_log(r->logger), &r->curfew)))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		cfw_control_metrics(r->control, cfw_run_metrics, r);
	if (!rc)
		rc = open_instance(r, err);
	if (!rc)
		rc = cfw_link_open(&r->link, &r->loop);
	if (!rc && r->opt->display)
		r->display = cfw_display_new(STDERR_FILENO, curfew_env(r->curfew), curfew_core(r->curfew), r->logger,
					     !speaks_utf8());
	if (r->display && r->link.guarded)
		cfw_display_group(r->display, r->link.guarded->group);
	if (!rc) {
		atomic_store(&r->page->caught, 1);
		cfw_link_tell(&r->link, CFW_MSG_READY);
	}
	return rc;
}

static int load_all(struct cfw_run_state *r, struct curfew_err *err)
{
	int rc = r->opt->command ? cfw_command_load(r->curfew, r->opt->command, err) : 0;
	for (size_t i = 0; !rc && i < r->opt->npolicies; i++)
		rc = curfew_load_file(r->curfew, r->opt->policies[i], err);
	return rc;
}

/* The code is settled: a signal from here on has nobody to decide on it, and must not decide by its default disposition (S4.3). */
static void block_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigdelset(&all, cfw_watchdog_signo());
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static void close_all(struct cfw_run_state *r)
{
	cfw_display_free(r->display);
	curfew_free(r->curfew);
	r->curfew = NULL; /* the exit handler has nothing to do any more */
	cfw_link_close(&r->link);
	if (!r->deactivated)
		block_signals();
	if (r->logger)
		cfw_logger_no_sigpipe(r->logger, false);
	cfw_signals_free(r->signals);
	cfw_watchdog_close();
	cfw_health_close(r->health);
	cfw_control_free(r->control);
	cfw_watch_free(r->watch);
	if (r->loop.ops)
		curfew_libevent_free(&r->loop);
	if (r->reaper)
		event_free(r->reaper);
	cfw_sd_free(r->sd);
	cfw_recorder_close(r->recorder);
	if (r->base)
		event_base_free(r->base);
	if (r->own_page)
		cfw_page_free(r->page);
	cfw_logger_free(r->logger);
}

/* After a stop in peace. Servers have closed what they had; all that is left is memory, and the descriptors that go with us. */
static void leave(struct cfw_run_state *r)
{
	cfw_display_free(r->display);
	curfew_leave(r->curfew);
	if (!r->deactivated)
		block_signals();
	cfw_watchdog_close();
	cfw_logger_flush(r->logger);
}

static void print_timeline(const struct cfw_run_state *r)
{
	if (r->opt->timeline == CFW_WHEN_NEVER || (r->opt->timeline == CFW_WHEN_AUTO && !r->tty))
		return;
	struct winsize size = {0};
	int width = 80, height = 24;
	if (r->tty && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		width = size.ws_col;
		height = size.ws_row;
	}
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_view_timeline(curfew_core(r->curfew), width, height, r->tty, !speaks_utf8(), &b);
	if (b.len && !b.failed) { /* a terminal that is stopped gets no timeline, and holds up no exit */
		struct cfw_out o;
		cfw_out_init(&o, STDERR_FILENO);
		cfw_out_put(&o, b.data, b.len, 100);
		cfw_out_clear(&o);
	}
	cfw_buf_clear(&b);
}

/* A graceful stop that nothing was cut from. */
static bool ended_in_peace(const struct cfw_run_state *r)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(curfew_core(r->curfew), &stop);
	return r->over && stop.mode == CFW_GRACEFUL && !stop.cut;
}

int cfw_run(const struct cfw_run_options *options, const struct cfw_guarded *guarded)
{
	static struct cfw_run_state r; /* static: an exit handler looks at it after this function may have been left */
	r = (struct cfw_run_state){.opt = options, .own_page = !guarded, .code = 2};
	r.link = (struct cfw_link){.guarded = guarded,
				   .crash = guarded ? guarded->crash : NULL,
				   .on_ping = on_pinged,
				   .on_gone = on_guardian_gone,
				   .ud = &r};
	struct curfew_err err = {0};
	int rc = open_all(&r, &err);
	if (!rc && on_exit(on_process_exit, &r))
		rc = cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		rc = load_all(&r, &err);
	if (rc) {
		struct cfw_buf b;
		cfw_buf_init(&b);
		cfw_buf_put_safe(&b, err.msg, strlen(err.msg));
		fprintf(stderr, "curfew: %s\n", b.len ? b.data : "out of memory");
		cfw_buf_clear(&b);
		if (!r.link.crash)
			cfw_run_finished(&r, 2);
		close_all(&r);
		return 2;
	}
	curfew_start(r.curfew);
	for (int failures = 0; !r.over;)
		if (event_base_loop(r.base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 && ++failures == LOOP_FAILURES) {
			fprintf(stderr, "curfew: the event loop failed: %s\n", strerror(errno));
			r.code = 255;
			break;
		}
	print_timeline(&r);
	if (atomic_load(&r.left))
		_exit(r.code);   /* exit(3) is under way in another thread */
	if (!ended_in_peace(&r)) /* nothing of the script may hold up what had to be forced: the kernel cleans up */
		return r.code;
	leave(&r);
	return r.code;
}
