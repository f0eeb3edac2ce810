/* worker.c: an instance in a worker. nginx is one server of it, "nginx", which serves as soon as it is asked to start.
 *
 * QUIT, from the master by its channel or as a signal, is the trigger SIGQUIT. Where nginx would look at it, after each turn of its
 * loop, it has been taken back by then: the tail event, posted last in each turn, does that. The stop that follows is curfew's:
 * pre_stop hooks, with the listeners open and requests served as ever, but for the end of each connection after its reply (lame
 * duck); the server's stop, which gives nginx its QUIT back; when no timer is left that holds nginx up, the server has stopped, and
 * post_stop hooks run; the end, for which the guard timer, which holds nginx up meanwhile, is let go. A stop that passes its deadline
 * is made nginx's own fast end. With that (TERM, unless it is mapped) only pre_stop hooks run, as long as the master has patience. */
#include "module.h"

#include <ngx_channel.h>
#include <ngx_event.h>

enum {
	TICK = 20,       /* ms between two looks at what is left */
	GRACE = 100,     /* ms that idle clients are waited for after the listeners closed (S9.1) */
	PATIENCE = 1400, /* ms for hooks in a fast end: from 1550 on the master kills, at whatever it hears next */
	LEFTOVER = 1000, /* ms for the rest of a policy that has stopped nginx's server alone */
};

static struct worker {
	struct curfew *c;
	struct ngx_curfew_conf conf; /* without its text */
	ngx_cycle_t *cycle;
	ngx_connection_t *conn; /* of the instance's descriptor */
	curfew_id server;
	ngx_event_t tail, guard;
	ngx_connection_t none; /* what the two have as their connection: debug logs print its descriptor */
	ngx_int_t (*process_events)(ngx_cycle_t *cycle, ngx_msec_t timer, ngx_uint_t flags);
	ngx_atomic_uint_t asked; /* the master's number that has been seen */
	ngx_msec_t left_at, drained_at, cut_at;
	bool up;       /* all has started once */
	bool wanted;   /* somebody outside has asked for the end */
	bool together; /* the master waits for all, and says QUIT then */
	bool go;       /* it has, or somebody has said it to this worker alone */
	bool all;      /* the master has said QUIT, TERM or the like, to all workers */
	bool fast;     /* the master has said TERM */
	bool lame;
	bool stopping; /* the server has been told to stop */
	bool left;     /* so has nginx */
	bool drained;
	bool ended;
	bool without; /* the policy has failed to start, and nginx has not: it serves on */
} w;

const struct curfew *ngx_curfew_instance(void)
{
	return w.without ? NULL : w.c;
}

bool ngx_curfew_is_lame(void)
{
	return w.lame && w.conf.lame_duck;
}

void ngx_curfew_worker_wake(void)
{
	if (w.c)
		ngx_curfew_lib.wake(w.c);
}

static void step(void)
{
	if (w.ended)
		return;
	ngx_curfew_lib.step(w.c);
	w.up = w.up || ngx_strcmp(ngx_curfew_lib.state(w.c), "started") == 0;
}

/* ---- the end ---- */

/* nginx's own fast end. */
static void end_now(void)
{
	w.ended = true;
	ngx_terminate = 1;
}

static void hold(void)
{
	if (!w.guard.timer_set)
		ngx_add_timer(&w.guard, TICK);
}

/* Without a master nginx knows no graceful end: all that a worker does for it is done here. */
static void quit_single(void)
{
	ngx_exiting = 1;
	ngx_close_listening_sockets(w.cycle);
	ngx_close_idle_connections(w.cycle);
}

/* nginx's graceful quit goes on. */
static void leave(void)
{
	w.left = true;
	w.left_at = ngx_current_msec;
	ngx_curfew_clients_take(w.cycle);
	if (w.conf.lame_duck)
		ngx_curfew_clients_spare(w.cycle);
	if (ngx_process == NGX_PROCESS_SINGLE)
		quit_single();
	else
		ngx_quit = 1;
	hold();
}

/* Has nginx nothing left to wait for, but for the guard, which is not among its timers now? */
static void raise_signal(int signo);
static bool is_drained(void)
{
	return ngx_exiting && ngx_event_no_timers_left() == NGX_OK;
}

static void on_guard(ngx_event_t *ev)
{
	(void)ev;
	if (w.ended)
		return;
	if (w.cut_at && (ngx_msec_int_t)(ngx_current_msec - w.cut_at) >= 0) {
		ngx_log_error(NGX_LOG_WARN, w.cycle->log, 0, "curfew: hooks are cut off: the master waits no longer");
		end_now();
		return;
	}
	if (w.left && w.conf.lame_duck && ngx_current_msec - w.left_at >= GRACE)
		ngx_curfew_clients_close(w.cycle);
	if (w.left && !w.drained && is_drained()) {
		w.drained = true;
		w.drained_at = ngx_current_msec;
		ngx_curfew_lib.server_stopped(w.c, w.server);
		step();
	}
	if (!w.ended && w.drained &&
	    !w.wanted) /* a script has stopped the server, and nothing else: there is nothing left to serve with */
		raise_signal(SIGQUIT);
	if (!w.ended && w.drained && ngx_current_msec - w.drained_at >= LEFTOVER &&
	    ngx_strcmp(ngx_curfew_lib.state(w.c), "stopping") != 0) {
		ngx_log_error(NGX_LOG_WARN, w.cycle->log, 0,
			      "curfew: nginx has left, and its policy has not: this worker ends");
		end_now();
	}
	if (!w.ended)
		hold();
}

/* ---- what the instance says ---- */

static void tell_master(ngx_uint_t state)
{
	struct ngx_curfew_slot *s = &w.conf.shared->slots[ngx_process_slot];
	s->state = state;
	if (w.together)
		ngx_curfew_master_wake(w.cycle->log);
}

static void on_start(void *ud, curfew_id server)
{
	(void)ud;
	w.server = server; /* it serves as it is: started is what comes of that */
	if (w.left) {
		ngx_curfew_lib.server_failed(w.c, server, "nginx cannot serve again in a worker that has left");
		return;
	}
	ngx_curfew_lib.server_started(w.c, server);
}

static void on_stop(void *ud, curfew_id server, uint64_t deadline_ns)
{
	(void)ud, (void)deadline_ns;
	if (!w.up && !w.wanted) { /* the policy's own servers failed to start: clients have no part in that */
		ngx_curfew_lib.server_stopped(w.c, server);
		return;
	}
	w.stopping = true;
	tell_master(NGX_CURFEW_DONE);
	if (!w.together || w.go)
		leave();
}

static size_t on_in_flight(void *ud, curfew_id server)
{
	(void)ud, (void)server;
	return ngx_curfew_clients_busy(w.cycle);
}

static void on_lame(void *ud, bool on)
{
	(void)ud;
	w.lame = on;
	if (on || w.together)
		tell_master(on ? NGX_CURFEW_HOOKS : NGX_CURFEW_DONE); /* the master does not wait for one that was called off */
	else
		tell_master(NGX_CURFEW_SERVES);
}

static void on_code(void *ud, int code, bool at_once)
{
	(void)ud, (void)at_once; /* nginx's fast end flushes logs, and no more */
	w.ended = true;
	ngx_curfew_lead_end(w.conf.shared, w.all);
	tell_master(NGX_CURFEW_DONE);
	if (!w.up && !w.wanted) {
		w.without = true;
		w.lame = false;
		ngx_curfew_bound(CURFEW_NEVER);
		ngx_log_error(NGX_LOG_EMERG, w.cycle->log, 0,
			      "curfew: the policy has failed to start: this worker serves on, and stops without it");
		return;
	}
	ngx_log_error(NGX_LOG_NOTICE, w.cycle->log, 0, "curfew: exit code %d", code);
	if (w.guard.timer_set)
		ngx_del_timer(&w.guard);
	if (!w.drained || ngx_process == NGX_PROCESS_SINGLE)
		ngx_terminate = 1;
}

static void on_deadline(void *ud, uint64_t margin_ns, uint64_t deadline_ns)
{
	(void)ud, (void)margin_ns;
	w.conf.shared->slots[ngx_process_slot].until_ns = deadline_ns;
	ngx_curfew_bound(deadline_ns);
}

static bool on_leader(void *ud)
{
	(void)ud;
	return ngx_curfew_lead(w.conf.shared);
}

/* Bytes of a script, perhaps: what is no plain text is written as in C (S10.3). */
static u_char *put(u_char *at, u_char *last, const char *s)
{
	for (; *s && at < last; s++)
		at = (u_char)*s >= ' ' && *s != 0x7f ? ngx_slprintf(at, last, "%c", *s)
						     : ngx_slprintf(at, last, *s == '\n' ? "\\n" : "\\x%02xd", (int)(u_char)*s);
	return at;
}

static void on_log(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields, size_t n)
{
	static const ngx_uint_t levels[] = {NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, NGX_LOG_ERR};
	u_char line[NGX_MAX_ERROR_STR], *last = line + sizeof line - 64, *at = put(line, last, text);
	size_t i;
	(void)ud;
	for (i = 0; i < n; i++) {
		at = ngx_slprintf(at, last, " %s=", fields[i].key);
		at = put(at, last, fields[i].value);
	}
	ngx_log_error(levels[level], w.cycle->log, 0, "curfew: %*s", (size_t)(at - line), line);
}

/* Asked when the policy has no rule of its own. What fails in a policy costs no client its connection; as it starts, it is without. */
static struct curfew_decision decide(void *ud, const struct curfew_trigger_info *t)
{
	(void)ud;
	if (ngx_strcmp(t->name, "error") == 0 || ngx_strcmp(t->name, "rejection") == 0 || ngx_strcmp(t->name, "closed") == 0)
		return (struct curfew_decision){.answer = CURFEW_IGNORE};
	if (ngx_strcmp(t->name, "start_failed") == 0 && w.up)
		return (struct curfew_decision){.answer = CURFEW_IGNORE};
	if (ngx_strcmp(t->name, "SIGINT") == 0)
		return (struct curfew_decision){.answer = CURFEW_ABORT};
	if (ngx_strcmp(t->name, "SIGTERM") == 0 && (w.fast || t->count > 1 || w.conf.term == NGX_CURFEW_FAST))
		return (struct curfew_decision){.answer = CURFEW_ABORT};
	return (struct curfew_decision){.answer = CURFEW_NO_ANSWER};
}

/* ---- what nginx says ---- */

static void raise_signal(int signo)
{
	if (w.ended)
		return;
	w.wanted = true;
	ngx_curfew_lib.signal(w.c, signo, 1);
}

void ngx_curfew_worker_quit(void)
{
	if (w.ended) {
		ngx_quit = 1;
		return;
	}
	w.go = true; /* whoever says QUIT to one worker does not mean the others */
	if (w.stopping && !w.left)
		leave();
	else if (!w.left)
		raise_signal(SIGQUIT);
}

void ngx_curfew_worker_term(int signo)
{
	if (w.ended)
		ngx_terminate = 1;
	else
		raise_signal(signo);
}

/* TERM from the master, which comes again and again: in a while it kills. */
static void term_fast(void)
{
	if (!w.cut_at) {
		w.cut_at = ngx_current_msec + PATIENCE;
		w.fast = true;
		hold();
		raise_signal(SIGTERM);
	}
}

/* The master wants all to stop together. */
static void look_asked(void)
{
	ngx_atomic_uint_t asked = w.conf.shared->asked;
	if (asked == w.asked)
		return;
	w.asked = asked;
	if (w.wanted)
		return;
	w.all = w.together = true;
	raise_signal(SIGQUIT);
}

static void look(void)
{
	ngx_curfew_signals_look(); /* also of one that serves on without its policy */
	if (w.ended)
		return;
	look_asked();
	if (ngx_terminate || (ngx_quit && (!w.left || ngx_exiting))) /* else it is ours, not yet looked at */
		w.all = true;
	if (ngx_terminate && !w.ended) {
		ngx_terminate = 0;
		term_fast();
	}
	if (ngx_quit && !w.left && !w.ended) {
		ngx_quit = 0;
		ngx_curfew_worker_quit();
	}
}

static void on_tail(ngx_event_t *ev)
{
	if (!ngx_queue_empty(&ngx_posted_events)) { /* handlers of this turn are still to come */
		ngx_post_event(ev, &ngx_posted_events);
		return;
	}
	look();
}

static ngx_int_t process_events(ngx_cycle_t *cycle, ngx_msec_t timer, ngx_uint_t flags)
{
	ngx_int_t rc = w.process_events(cycle, timer, flags);
	if (!w.tail.posted) {
		ngx_post_event(&w.tail, &ngx_posted_events);
	}
	return rc;
}

static void on_ready(ngx_event_t *ev)
{
	(void)ev;
	look();
	step();
}

/* ---- made and freed ---- */

static void init_event(ngx_event_t *ev, ngx_event_handler_pt handler)
{
	ngx_memzero(ev, sizeof *ev);
	ev->handler = handler;
	ev->data = &w.none;
	ev->log = w.cycle->log;
}

static ngx_int_t watch(void)
{
	w.conn = ngx_get_connection(ngx_curfew_lib.fd(w.c), w.cycle->log);
	if (!w.conn)
		return NGX_ERROR;
	w.conn->read->handler = on_ready;
	w.conn->read->log = w.conn->write->log = w.cycle->log;
	return ngx_add_event(w.conn->read, NGX_READ_EVENT, NGX_LEVEL_EVENT);
}

static int begin(struct curfew_err *err)
{
	static const char *const ruled[] = {"error", "rejection", "closed", "start_failed", "SIGINT", "SIGTERM"};
	static const struct curfew_server_ops ops = {
		.size = sizeof ops, .start = on_start, .stop = on_stop, .in_flight = on_in_flight};
	struct curfew_server_options server = {.size = sizeof server, .name = "nginx", .ops = &ops};
	const char *path = (char *)w.conf.policy.data;
	size_t i;
	int rc;
	for (i = 0; i < sizeof ruled / sizeof *ruled; i++) {
		rc = ngx_curfew_lib.on(w.c, ruled[i], decide, NULL, err);
		if (rc)
			return rc;
	}
	w.server = ngx_curfew_lib.server_new(w.c, &server, err);
	if (!w.server)
		return err->code;
	rc = w.conf.watch ? ngx_curfew_lib.load_file(w.c, path, err)
			  : ngx_curfew_lib.load(w.c, path, (char *)w.conf.text.data, w.conf.text.len, err);
	return rc ? rc : ngx_curfew_lib.start(w.c);
}

/* Whatever fails here fails in each worker that the master would start in its place: nginx serves, without a policy. */
ngx_int_t ngx_curfew_worker_init(ngx_cycle_t *cycle, const struct ngx_curfew_conf *conf)
{
	struct curfew_options o = {.size = sizeof o,
				   .on_exit = on_code,
				   .on_deadline = on_deadline,
				   .on_lame = on_lame,
				   .log = on_log,
				   .exit_timeout_ns = (uint64_t)conf->exit_timeout * 1000000,
				   .watch = conf->watch,
				   .leader = on_leader};
	struct curfew_err err = {0};
	struct ngx_curfew_slot *slot = &conf->shared->slots[ngx_process_slot];
	ngx_memzero(&w, sizeof w);
	w.cycle = cycle;
	w.conf = *conf;
	w.none.fd = (ngx_socket_t)-1;
	w.asked = conf->shared->asked;
	init_event(&w.tail, on_tail);
	init_event(&w.guard, on_guard);
	w.c = ngx_curfew_lib.new(&o, &err);
	if (!w.c || begin(&err) || watch() != NGX_OK) {
		ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "curfew: this worker serves without the policy: %s",
			      *err.msg ? err.msg : "worker_connections has none left for it");
		ngx_curfew_worker_exit();
		return NGX_OK;
	}
	*slot = (struct ngx_curfew_slot){.pid = ngx_pid, .state = NGX_CURFEW_SERVES, .until_ns = CURFEW_NEVER};
	w.process_events = ngx_event_actions.process_events;
	ngx_event_actions.process_events = process_events;
	ngx_curfew_signals_take();
	return NGX_OK;
}

void ngx_curfew_worker_exit(void)
{
	struct curfew *c = w.c;
	if (!c)
		return;
	if (ngx_terminate && w.left)
		ngx_exiting = 0; /* what is cut off is no leak: nginx would alert */
	w.c = NULL;              /* signals that come now wake nobody */
	w.ended = true;
	if (w.conn) { /* its descriptor is the instance's */
		if (w.conn->read->active)
			ngx_del_event(w.conn->read, NGX_READ_EVENT, 0);
		ngx_free_connection(w.conn);
		w.conn->fd = (ngx_socket_t)-1;
		w.conn = NULL;
	}
	if (w.guard.timer_set)
		ngx_del_timer(&w.guard);
	if (w.tail.posted) { /* a macro of several statements, as ngx_post_event is */
		ngx_delete_posted_event(&w.tail);
	}
	ngx_curfew_bound(CURFEW_NEVER);
	ngx_curfew_lib.free(c);
}
