#include "view/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "view/words.h"

void cfw_metrics_entry(struct cfw_metrics *m, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	struct cfw_hook_view h;
	switch (e->what) {
	case CFW_J_TRIGGER:
		if (e->trigger_kind != CFW_T_SIGNAL)
			m->triggers[e->trigger_kind]++;
		else if (e->signo > 0 && e->signo < CFW_METRICS_SIGNALS)
			m->signals[e->signo]++;
		break;
	case CFW_J_DECISION:
		if (e->a < CFW_DECISIONS)
			m->decisions[e->a]++;
		break;
	case CFW_J_HOOK_END:
		if (e->a < CFW_OUTCOMES && cfw_core_hook_view(core, e->hook, &h) == 0)
			m->hooks[h.phase][e->a]++;
		break;
	case CFW_J_STOP:
		if (!e->b && e->a <= CFW_ABORT)
			m->stops[e->a]++;
		break;
	case CFW_J_CANCEL:
		m->cancelled += e->a == 1;
		break;
	case CFW_J_CLOSED:
		m->died++;
		break;
	case CFW_J_CUT:
		m->cut += !e->b;
		break;
	case CFW_J_START_FAILED:
		m->start_failures++;
		break;
	default:
		break;
	}
}

/* ---- lines ---- */

static void put_label(struct cfw_buf *out, const char *key, const char *value)
{
	struct cfw_buf safe; /* valid UTF-8 without control characters; then what the format itself escapes */
	cfw_buf_init(&safe);
	cfw_buf_put_safe(&safe, value, strlen(value));
	cfw_buf_printf(out, "%s=\"", key);
	for (const char *c = safe.data; c && *c; c++) {
		if (*c == '"' || *c == '\\')
			cfw_buf_putc(out, '\\');
		cfw_buf_putc(out, *c);
	}
	cfw_buf_putc(out, '"');
	out->failed |= safe.failed;
	cfw_buf_clear(&safe);
}

static void family(struct cfw_buf *out, const char *name, const char *type, const char *help)
{
	cfw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct cfw_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	family(out, name, type, help);
	cfw_buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void labelled(struct cfw_buf *out, const char *name, const char *key, const char *label, uint64_t value)
{
	cfw_buf_printf(out, "%s{", name);
	put_label(out, key, label);
	cfw_buf_printf(out, "} %llu\n", (unsigned long long)value);
}

static void seconds(struct cfw_buf *out, const char *name, const char *help, uint64_t ns)
{
	family(out, name, "gauge", help);
	cfw_buf_printf(out, "%s %llu.%06llu\n", name, (unsigned long long)(ns / CFW_SEC),
		       (unsigned long long)(ns % CFW_SEC / 1000));
}

/* ---- the instance ---- */

static void put_state(const struct cfw_core *core, struct cfw_buf *out)
{
	enum cfw_life now = cfw_core_life(core);
	family(out, "curfew_state", "gauge", "1 for the state of the whole, 0 for the others.");
	for (int life = 0; life < CFW_LIVES; life++)
		labelled(out, "curfew_state", "state", cfw_life_name((enum cfw_life)life), (enum cfw_life)life == now);
}

static void put_stop(const struct cfw_metrics *m, const struct cfw_core *core, uint64_t now_ns, struct cfw_buf *out)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(core, &stop);
	family(out, "curfew_stops_total", "counter", "Stops that began, by their mode.");
	labelled(out, "curfew_stops_total", "mode", "graceful", m->stops[CFW_GRACEFUL]);
	labelled(out, "curfew_stops_total", "mode", "abort", m->stops[CFW_ABORT]);
	one(out, "curfew_stops_cancelled_total", "counter", "Stops that were taken back.", m->cancelled);
	one(out, "curfew_stopping", "gauge", "1 while a stop runs.", stop.running);
	if (!stop.running)
		return;
	seconds(out, "curfew_stop_elapsed_seconds", "How long the stop has run.", cfw_time_left(stop.began_ns, now_ns));
	if (stop.deadline_ns != CFW_NEVER)
		seconds(out, "curfew_stop_remaining_seconds", "Until the process ends, whatever happens.",
			cfw_time_left(now_ns, stop.deadline_ns));
}

static void put_counts(const struct cfw_metrics *m, struct cfw_buf *out)
{
	static const char *const outcomes[CFW_OUTCOMES] = {"ok", "failed", "cut", "exit"};
	family(out, "curfew_triggers_total", "counter", "Triggers, by name; those of a policy's own are custom.");
	for (int k = 0; k < CFW_T_KINDS; k++)
		if (k != CFW_T_SIGNAL)
			labelled(out, "curfew_triggers_total", "trigger", cfw_trigger_name((enum cfw_trigger_kind)k, 0),
				 m->triggers[k]);
	for (int s = 1; s < CFW_METRICS_SIGNALS; s++)
		if (m->signals[s])
			labelled(out, "curfew_triggers_total", "trigger", cfw_signal_name(s), m->signals[s]);
	family(out, "curfew_decisions_total", "counter", "What was decided on triggers.");
	for (int d = CFW_D_GRACEFUL; d < CFW_DECISIONS; d++)
		labelled(out, "curfew_decisions_total", "decision", cfw_decision_name((enum cfw_decision_what)d),
			 m->decisions[d]);
	family(out, "curfew_hooks_total", "counter", "Hooks that have ended.");
	for (int p = 0; p < CFW_PHASES; p++)
		for (int o = 0; o < CFW_OUTCOMES; o++)
			cfw_buf_printf(out, "curfew_hooks_total{phase=\"%s\",outcome=\"%s\"} %llu\n", cfw_view_phase_name(p),
				       outcomes[o], (unsigned long long)m->hooks[p][o]);
	one(out, "curfew_servers_died_total", "counter", "Servers that ended by themselves.", m->died);
	one(out, "curfew_servers_cut_total", "counter", "Servers that were cut off.", m->cut);
	one(out, "curfew_start_failures_total", "counter", "Starts of servers that failed.", m->start_failures);
	family(out, "curfew_reloads_total", "counter", "Reloads of the policy.");
	labelled(out, "curfew_reloads_total", "result", "done", m->reloads);
	labelled(out, "curfew_reloads_total", "result", "refused", m->reloads_refused);
	one(out, "curfew_policy_generation", "gauge", "Which policy is in force, counted from 1.", m->generation);
	one(out, "curfew_policy_memory_bytes", "gauge", "Memory of Lua, of all policies that are there.", m->memory);
}

/* ---- servers ---- */

struct server {
	struct cfw_server_view view;
	struct cfw_value *info;
	const struct cfw_value *stats;
};

static void put_server_line(struct cfw_buf *out, const char *name, const struct server *s, uint64_t value)
{
	cfw_buf_printf(out, "%s{", name);
	put_label(out, "server", s->view.name);
	cfw_buf_putc(out, ',');
	put_label(out, "kind", s->view.kind);
	cfw_buf_printf(out, "} %llu\n", (unsigned long long)value);
}

static void put_states(const struct server *list, size_t n, struct cfw_buf *out)
{
	uint64_t counts[CFW_SERVER_STATES] = {0};
	for (size_t i = 0; i < n; i++)
		counts[list[i].view.state]++;
	family(out, "curfew_servers", "gauge", "Servers by their state.");
	for (int s = 0; s < CFW_SERVER_STATES; s++)
		labelled(out, "curfew_servers", "state", cfw_server_state_name((enum cfw_server_state)s), counts[s]);
	family(out, "curfew_server_up", "gauge", "1 for a server that has started and not begun to stop.");
	for (size_t i = 0; i < n; i++)
		put_server_line(out, "curfew_server_up", &list[i], list[i].view.state == CFW_S_STARTED);
	family(out, "curfew_server_restarts_total", "counter", "How often a server was started again.");
	for (size_t i = 0; i < n; i++)
		put_server_line(out, "curfew_server_restarts_total", &list[i], list[i].view.restarts);
}

/* What kinds count, by the keys of server:stats(). */
static const struct stat {
	const char *key, *name, *type, *help;
} stats[] = {
	{"requests", "curfew_http_requests_total", "counter", "Requests that were read."},
	{"in_flight", "curfew_http_requests_in_flight", "gauge", "Requests that have no whole reply yet."},
	{"errors", "curfew_request_errors_total", "counter", "Requests that an uncaught error ended."},
	{"limits", "curfew_request_limits_total", "counter", "Of those, the ones that a limit of time, memory or depth ended."},
	{"gone", "curfew_http_clients_gone_total", "counter", "Clients that left before their reply was complete."},
	{"connections", "curfew_connections", "gauge", "Open connections."},
	{"idle", "curfew_connections_idle", "gauge", "Of those, the ones without a request."},
	{"accepted", "curfew_connections_accepted_total", "counter", "Connections that were accepted."},
	{"cut", "curfew_cut_total", "counter", "Requests or connections that a stop cut off."},
	{"bytes_out", "curfew_sent_bytes_total", "counter", "Bytes that were written to clients."},
	{"accept_errors", "curfew_accept_errors_total", "counter", "Connections that could not be accepted."},
	{"exits", "curfew_process_exits_total", "counter", "Ends of the child process."},
};

static void put_stats(const struct server *list, size_t n, struct cfw_buf *out)
{
	static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
	for (size_t k = 0; k < sizeof stats / sizeof *stats; k++) {
		bool any = false;
		for (size_t i = 0; i < n; i++) {
			const struct cfw_value *v = cfw_value_get(list[i].stats, stats[k].key);
			if (!v)
				continue;
			if (!any)
				family(out, stats[k].name, stats[k].type, stats[k].help);
			any = true;
			put_server_line(out, stats[k].name, &list[i], (uint64_t)cfw_value_to_int(v, 0));
		}
	}
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		const struct cfw_value *replies = cfw_value_get(list[i].stats, "replies");
		if (replies && !any)
			family(out, "curfew_http_replies_total", "counter", "Replies by the class of their status.");
		any |= replies != NULL;
		for (size_t k = 0; replies && k < sizeof classes / sizeof *classes; k++) {
			cfw_buf_puts(out, "curfew_http_replies_total{");
			put_label(out, "server", list[i].view.name);
			cfw_buf_printf(out, ",code=\"%s\"} %lld\n", classes[k],
				       (long long)cfw_value_get_int(replies, classes[k], 0));
		}
	}
}

static void put_servers(const struct cfw_core *core, cfw_view_info_fn *info, void *ud, struct cfw_buf *out)
{
	size_t n = 0, cap = 0;
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));)
		cap++;
	struct server *list = calloc(cap + 1, sizeof *list);
	out->failed |= !list;
	for (cfw_id id = 0; list && n < cap && (id = cfw_core_server_next(core, id));) {
		struct server *s = &list[n];
		if (cfw_core_server_view(core, id, &s->view))
			continue;
		s->info = info ? info(ud, id) : NULL;
		s->stats = cfw_value_get(s->info, "stats");
		n++;
	}
	if (list) {
		put_states(list, n, out);
		put_stats(list, n, out);
	}
	for (size_t i = 0; i < n; i++)
		cfw_value_free(list[i].info);
	free(list);
}

void cfw_metrics_put(const struct cfw_metrics *m, const struct cfw_core *core, const char *version, uint64_t now_ns,
		     cfw_view_info_fn *info, void *ud, struct cfw_buf *out)
{
	family(out, "curfew_build_info", "gauge", "1, with the version of curfew.");
	labelled(out, "curfew_build_info", "version", version, 1);
	seconds(out, "curfew_uptime_seconds", "Since the orchestrator began.", cfw_time_left(m->began_ns, now_ns));
	put_state(core, out);
	put_stop(m, core, now_ns, out);
	put_counts(m, out);
	put_servers(core, info, ud, out);
}
