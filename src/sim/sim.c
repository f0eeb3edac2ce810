/* sim.c: a run's life, its loop, its log. */
#include <stdlib.h>
#include <string.h>

#include "adapters/virtual.h"
#include "base/err.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "sim/impl.h"
#include "view/view.h"

/* Turns of the loop at one and the same time: more is a script that goes round without waiting. */
enum { STUCK = 100000, CHART_WIDTH = 100, CHART_HEIGHT = 60 };

uint64_t cfw_sim_now(const struct cfw_sim *s)
{
	return curfew_virtual_now(&s->loop) - CFW_SIM_START;
}

static void complain(struct cfw_sim *s, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	cfw_buf_puts(&s->complaints, msg);
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].key, "traceback") != 0)
			cfw_buf_printf(&s->complaints, ", %s: %s", fields[i].key, fields[i].value);
	cfw_buf_putc(&s->complaints, '\n');
}

static void take_log(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct cfw_sim *s = ud;
	if (level >= CFW_WARN)
		complain(s, msg, fields, n);
	if (s->muted)
		return;
	struct cfw_value *one = cfw_value_map();
	if (cfw_value_set(one, "at", cfw_value_num((double)cfw_sim_now(s) / 1e9)) ||
	    cfw_value_set(one, "level", cfw_value_str(cfw_log_level_name(level))) ||
	    cfw_value_set(one, "text", cfw_value_str(msg)))
		s->failed = true;
	for (size_t i = 0; i < n; i++)
		if (cfw_value_set(one, fields[i].key, cfw_value_str(fields[i].value)))
			s->failed = true;
	if (cfw_value_push(s->log, one))
		s->failed = true;
}

static void on_exit_code(void *ud, int code, bool kill)
{
	struct cfw_sim *s = ud;
	s->ended = true;
	s->killed = kill;
	s->code = code;
	s->ended_ns = cfw_sim_now(s);
}

static int ignore_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	(void)ud; /* health, control, log, watch: nothing is opened */
	(void)conf;
	(void)err;
	return 0;
}

/* To give back, and to take less, never fails. */
static void *take_memory(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	struct cfw_sim *s = ud;
	if (s->starves && new_size && (!ptr || new_size > old_size)) {
		if (s->starves == 1)
			return NULL;
		s->starves--;
	}
	return cfw_alloc_std.fn(cfw_alloc_std.ud, ptr, old_size, new_size);
}

void cfw_sim_starve(struct cfw_sim *s, unsigned nth)
{
	s->starves = nth;
}

static int open_curfew(struct cfw_sim *s, struct curfew_err *err)
{
	s->alloc = (struct cfw_alloc){take_memory, s};
	s->sink = (struct cfw_log){.level = CFW_DEBUG, .emit = take_log, .ud = s};
	struct cfw_options o = {.size = sizeof o,
				.loop = &s->loop,
				.log = &s->sink,
				.alloc = &s->alloc,
				.on_exit = on_exit_code,
				.on_configure = ignore_configure,
				.on_journal = cfw_sim_take_journal,
				.overrides = cfw_value_get(s->opts, "configure"),
				.ud = s};
	s->curfew = cfw_new(&o, err);
	if (!s->curfew)
		return err->code;
	int rc = cfw_sim_kinds_add(s, err);
	return rc ? rc : cfw_sim_services_add(s, err);
}

struct cfw_sim *cfw_sim_new(const char *path, const struct cfw_value *opts, struct curfew_err *err)
{
	static const char inside[] = "require 'curfew' require 'curfew.sim.inside' ()";
	struct cfw_sim *s = calloc(1, sizeof *s);
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	s->ended_ns = CFW_NEVER;
	cfw_buf_init(&s->complaints);
	s->events = cfw_value_list();
	s->log = cfw_value_list();
	s->oracle = cfw_oracle_new();
	s->opts = cfw_value_copy(opts);
	int rc = 0;
	if (!s->events || !s->log || !s->oracle || (opts && !s->opts))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		rc = curfew_virtual_new(&s->loop, CFW_SIM_START, err);
	if (!rc)
		rc = open_curfew(s, err);
	if (!rc)
		rc = curfew_load(s->curfew, "=curfew.sim", inside, sizeof inside - 1, err);
	if (!rc)
		rc = curfew_load_file(s->curfew, path, err);
	if (!rc && cfw_value_get_bool(opts, "start", true))
		rc = curfew_start(s->curfew);
	if (!rc)
		return s;
	cfw_sim_free(s);
	return NULL;
}

void cfw_sim_free(struct cfw_sim *s)
{
	if (!s)
		return;
	if (s->curfew) {
		cfw_sim_asked_free(s);
		curfew_free(s->curfew);
	}
	cfw_sim_at_free(s);
	cfw_sim_scripts_free(s);
	curfew_virtual_free(&s->loop);
	cfw_oracle_free(s->oracle);
	cfw_value_free(s->events);
	cfw_value_free(s->log);
	cfw_value_free(s->opts);
	cfw_buf_clear(&s->complaints);
	free(s->phases);
	free(s);
}

struct curfew *cfw_sim_curfew(const struct cfw_sim *s)
{
	return s->curfew;
}

const char *cfw_sim_complaints(const struct cfw_sim *s)
{
	return s->complaints.data ? s->complaints.data : "";
}

void cfw_sim_mute(struct cfw_sim *s)
{
	s->muted = true;
	cfw_buf_reset(&s->complaints);
}

enum cfw_sim_state cfw_sim_run(struct cfw_sim *s, uint64_t until_ns)
{
	uint64_t until = cfw_time_add(CFW_SIM_START, until_ns);
	for (unsigned turns = 0; !s->ended; turns++) {
		if (cfw_sim_asks(s))
			return CFW_SIM_ASKS;
		uint64_t now = curfew_virtual_now(&s->loop), due = curfew_virtual_due(&s->loop);
		if (due > now)
			turns = 0;
		if (turns == STUCK)
			return CFW_SIM_STUCK;
		if (due == CFW_NEVER && until == CFW_NEVER)
			return CFW_SIM_QUIET;
		curfew_virtual_turn(&s->loop, cfw_time_min(due, until));
		if (due > until)
			return CFW_SIM_THEN;
	}
	return CFW_SIM_ENDED;
}

/* ---- the report ---- */

static struct cfw_value *names_of(const struct cfw_core *core)
{
	struct cfw_value *list = cfw_value_list();
	struct cfw_server_view v;
	for (cfw_id id = 0; list && (id = cfw_core_server_next(core, id));)
		if (cfw_core_server_view(core, id, &v) == 0 && cfw_value_push(list, cfw_value_str(v.name)))
			break;
	return list;
}

/* A server that the test has a word on, and that the policy does not have. */
static const struct cfw_sim_script *unknown(const struct cfw_sim *s)
{
	const struct cfw_sim_script *t = s->scripts;
	while (t && cfw_core_server_find(curfew_core(s->curfew), t->name))
		t = t->next;
	return t;
}

static struct cfw_value *broken_rules(const struct cfw_sim *s)
{
	struct cfw_value *list = cfw_value_list();
	const char *text;
	for (size_t i = 0; (text = cfw_oracle_broken(s->oracle, i)); i++)
		if (cfw_value_push(list, cfw_value_str(text)))
			break;
	return list;
}

static struct cfw_value *chart(const struct cfw_sim *s)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_view_timeline(curfew_core(s->curfew), CHART_WIDTH, CHART_HEIGHT, false, true, &b);
	struct cfw_value *v = cfw_value_str(b.data && !b.failed ? b.data : "");
	cfw_buf_clear(&b);
	return v;
}

static int put_end(const struct cfw_sim *s, struct cfw_value *v)
{
	return cfw_value_set(v, "code", cfw_value_int(s->code)) | cfw_value_set(v, "killed", cfw_value_bool(s->killed)) |
	       cfw_value_set(v, "ended_at", cfw_value_num((double)s->ended_ns / 1e9)) |
	       cfw_value_set(v, "broken", broken_rules(s)) | cfw_value_set(v, "timeline", chart(s));
}

struct cfw_value *cfw_sim_report(struct cfw_sim *s)
{
	const struct cfw_core *core = curfew_core(s->curfew);
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "now", cfw_value_num((double)cfw_sim_now(s) / 1e9)) |
		  cfw_value_set(v, "ended", cfw_value_bool(s->ended)) |
		  cfw_value_set(v, "life", cfw_value_str(cfw_life_name(cfw_core_life(core)))) |
		  cfw_value_set(v, "asks", cfw_sim_asks_report(s)) | cfw_value_set(v, "server_names", names_of(core));
	const struct cfw_sim_script *who = unknown(s);
	if (who)
		bad |= cfw_value_set(v, "unknown", cfw_value_str(who->name)) |
		       (who->where ? cfw_value_set(v, "unknown_where", cfw_value_str(who->where)) : 0);
	if (s->ended)
		bad |= put_end(s, v);
	bad |= cfw_value_set(v, "events", s->events) | cfw_value_set(v, "log", s->log);
	s->events = cfw_value_list();
	s->log = cfw_value_list();
	if (!bad && !s->failed && s->events && s->log)
		return v;
	cfw_value_free(v);
	return NULL;
}
