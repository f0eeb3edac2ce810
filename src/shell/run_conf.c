#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/page.h"
#include "base/value.h"
#include "core/core.h"
#include "host/watch.h"
#include "instance.h"
#include "shell/control.h"
#include "shell/health.h"
#include "shell/run_impl.h"

/* S9.1: from the first stopping trigger on it says why not. */
static bool is_ready(void *ud, char *why, size_t n)
{
	const struct cfw_run_state *r = ud;
	const struct cfw_core *core = curfew_core(r->curfew);
	enum cfw_life life = cfw_core_life(core);
	struct cfw_stop_view stop;
	cfw_core_stop_view(core, &stop);
	if (stop.running)
		snprintf(why, n, "stopping: %s", cfw_trigger_name(stop.first.kind, stop.first.signo));
	else
		snprintf(why, n, "%s", life == CFW_L_NEW ? "starting" : cfw_life_name(life));
	return !stop.running && life == CFW_L_STARTED;
}

static void on_told(void *ud)
{
	const struct cfw_run_state *r = ud;
	curfew_emit(r->curfew, "unready", NULL);
}

static const struct cfw_health_ops health_ops = {.ready = is_ready, .told = on_told, .metrics = cfw_run_metrics};

/* reset: no listener where none is named. */
static int listen_health(struct cfw_run_state *r, const struct cfw_value *listen, bool reset, struct curfew_err *err)
{
	if (!listen && reset) {
		cfw_health_close(r->health);
		r->health = NULL;
	}
	if (!listen || cfw_health_listens_on(r->health, listen) || r->link.crash)
		return 0;
	struct cfw_health *h = cfw_health_open(r->base, listen, cfw_logger_log(r->logger), &health_ops, r, err);
	if (!h) { /* not for a script to live with: configure raises what is invalid, and only that */
		err->sys_errno = 0;
		return err->code = CURFEW_EINVAL;
	}
	cfw_health_close(r->health);
	r->health = h;
	cfw_log_at(cfw_logger_log(r->logger), CFW_INFO, "health: listening on %s", cfw_health_address(h));
	return 0;
}

static int prepare_control(struct cfw_run_state *r, const struct cfw_value *control, bool reset, struct curfew_err *err)
{
	if ((!control && !reset) || r->link.crash)
		return 0;
	if (cfw_control_prepare(r->control, control, err) == 0)
		return 0;
	err->sys_errno = 0; /* as for health */
	return err->code = CURFEW_EINVAL;
}

static void configure_watch(struct cfw_run_state *r, const struct cfw_value *watch, bool reset)
{
	if ((!watch && !reset) || r->link.crash)
		return;
	if (cfw_watch_enable(r->watch, cfw_value_to_bool(watch)))
		cfw_log_at(cfw_logger_log(r->logger), CFW_ERROR, "watch: the policy's files cannot be watched: %s",
			   strerror(errno));
}

int cfw_run_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	struct cfw_run_state *r = ud;
	const struct cfw_value *log = cfw_value_get(conf, "log");
	const char *format_name = cfw_value_get_str(log, "format", NULL), *level_name = cfw_value_get_str(log, "level", NULL);
	bool reset = cfw_value_get_bool(conf, "reset", false);
	/* what the command line says is stronger, what nobody says stays, or is as it was at first */
	int format = r->opt->log_format >= 0 ? r->opt->log_format
		     : format_name           ? cfw_log_format_parse(format_name)
		     : reset                 ? CFW_LOG_TEXT
					     : (int)r->format;
	int level = r->opt->log_level >= 0 ? r->opt->log_level
		    : level_name           ? cfw_log_level_parse(level_name)
		    : reset                ? CFW_INFO
					   : (int)r->level;
	if (format < 0 || level < 0)
		return cfw_err_set(err, CURFEW_EINVAL,
				   "log: format is text, logfmt or json; level is debug, info, warn or error");
	cfw_logger_set(r->logger, (enum cfw_log_format)format, (enum cfw_log_level)level);
	int rc = prepare_control(r, cfw_value_get(conf, "control"), reset, err);
	if (!rc)
		rc = listen_health(r, cfw_value_get(cfw_value_get(conf, "health"), "listen"), reset, err);
	if (rc) {
		cfw_control_rollback(r->control);
		cfw_logger_set(r->logger, r->format, r->level);
		return rc;
	}
	r->format = (enum cfw_log_format)format;
	r->level = (enum cfw_log_level)level;
	atomic_store(&r->page->log_format, r->format);
	atomic_store(&r->page->log_level, r->level);
	uint64_t stall_limit = reset ? CFW_STALL_LIMIT : atomic_load(&r->page->stall_limit_ns);
	atomic_store(&r->page->stall_limit_ns, cfw_value_get_ns(conf, "stall_limit", stall_limit));
	cfw_control_commit(r->control);
	if (!r->link.crash) /* what is there belongs to who is gone */
		cfw_page_control_set(r->page, cfw_control_address(r->control));
	configure_watch(r, cfw_value_get(conf, "watch"), reset);
	return 0;
}
