/* S7.2 in the core: servers and hooks that are staged, committed, retired; in any state, and with a stop in between (S4.12). */
#include "drive.h"

static cfw_id staged(struct drive *d, const char *name)
{
	struct cfw_server_opts o = drive_opts(name);
	o.staged = true;
	struct drive_server *s = drive_add_opts(d, &o);
	return s ? s->id : 0;
}

static bool has(const struct drive *d, const char *line)
{
	return drive_line(d, line) >= 0;
}

static struct cfw_decision ignore(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	return (struct cfw_decision){t->kind == CFW_T_STOP ? CFW_D_NONE : CFW_D_IGNORE, 0};
}

static void swap(struct drive *d)
{
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SWAP});
}

static enum cfw_server_state state(const struct drive *d, cfw_id id)
{
	struct cfw_server_view v;
	return cfw_core_server_view(d->core, id, &v) ? CFW_SERVER_STATES : v.state;
}

static void staging(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id a = drive_add(d, "a")->id, b = staged(d, "b"), twin = staged(d, "a");
	ok(b && twin, "what is staged may have a name that is in use");
	is_int(cfw_core_server_find(d->core, "b"), 0, "and is not found by it");
	is_int(cfw_core_server_find(d->core, "a"), a, "nor in the place of another");
	is_int(cfw_core_server_next(d->core, a), 0, "nor is it among the servers");
	drive_start(d);
	is_int(state(d, b), CFW_S_DOWN, "it does not start with them");
	struct cfw_event start = {.type = CFW_EV_SERVER_START, .server = b, .request = 5};
	is_int(cfw_core_feed(d->core, d->now_ns, &start), CURFEW_ENOENT, "nor when it is asked for");
	struct cfw_hook_opts h = {.server = a, .phase = CFW_PRE_STOP, .timeout_ns = CFW_NEVER, .staged = true};
	cfw_id hook = cfw_core_hook_add(d->core, &h, NULL);
	ok(hook != 0, "a hook of a server that runs can be staged");
	is_int(cfw_core_hook_next(d->core, 0), 0, "and is not among the hooks");
	cfw_core_hook_discard(d->core, hook);
	drive_fire(d, CFW_T_STOP, 0, 0);
	is_int(cfw_core_server_remove(d->core, b, NULL), 0, "it can be given up at any time");
	is_int(cfw_core_server_remove(d->core, twin, NULL), 0, "both");
	drive_run(d, d->now_ns + MS(10000));
	is_int(d->exit_code, 0, "and the stop knows nothing of it");
	is_int(d->faults, 0, "no rule is broken");
	drive_free(d);
}

/* One server, which goes in one of the three ways while its heir comes. */
static void one_way(enum cfw_retire when, const char *what, const char *first, const char *second)
{
	struct drive *d = drive_new(NULL);
	cfw_id old = drive_add(d, "s")->id;
	d->server[0].stop_ns = MS(20);
	drive_hook(d, "s", CFW_PRE_STOP, "old.pre", CFW_NEVER);
	drive_hook(d, "s", CFW_POST_STOP, "old.post", CFW_NEVER);
	drive_start(d);
	cfw_id who, heir = staged(d, "s");
	snprintf(d->server[1].name, sizeof d->server[1].name, "heir");
	d->server[1].start_ns = MS(30);
	ok(cfw_core_settled(d->core, &who), "%s: a moment for a swap", what);
	cfw_core_server_retire(d->core, old, heir, when);
	cfw_core_server_commit(d->core, heir);
	is_int(cfw_core_server_find(d->core, "s"), heir, "%s: the name is the heir's", what);
	swap(d);
	ok(cfw_core_settled(d->core, &who) == false && who == heir, "%s: not settled: the heir is on its way", what);
	drive_run(d, d->now_ns + MS(1000));
	ok(drive_order(d, first, second, NULL), "%s: %s, then %s", what, first, second);
	ok(drive_order(d, "call old.pre graceful", "stop s", "call old.post graceful", NULL), "%s: with its hooks", what);
	is_int(state(d, heir), CFW_S_STARTED, "%s: the heir is up", what);
	is_int(state(d, old), CFW_S_DOWN, "%s: the old one is down", what);
	ok(cfw_core_settled(d->core, &who), "%s: settled again", what);
	struct cfw_event start = {.type = CFW_EV_SERVER_START, .server = old, .request = 5};
	is_int(cfw_core_feed(d->core, d->now_ns, &start), CURFEW_ENOENT, "%s: it is never started again", what);
	is_int(cfw_core_server_remove(d->core, old, NULL), 0, "%s: and can be removed", what);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, d->now_ns + MS(10000));
	is_int(d->exit_code, 0, "%s: the stop is a good one", what);
	is_int(d->faults, 0, "%s: no rule is broken", what);
	drive_free(d);
}

static void heir_that_fails(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id old = drive_add(d, "s")->id;
	drive_start(d);
	cfw_id heir = staged(d, "s");
	snprintf(d->server[1].name, sizeof d->server[1].name, "heir");
	d->server[1].fails = true;
	cfw_core_server_retire(d->core, old, heir, CFW_RETIRE_AFTER);
	cfw_core_server_commit(d->core, heir);
	swap(d);
	drive_run(d, d->now_ns + MS(10000));
	ok(drive_order(d, "ask start_failed 1", "stop s", NULL), "S2.16: a heir that fails is a failed start like any other");
	is_int(d->exit_code, 1, "whose default is to stop");
	is_int(d->faults, 0, "no rule is broken");
	drive_free(d);
}

/* db <- api, both replaced: db stops first, and with it api; the new ones come in their order. */
static void with_dependants(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id db = drive_add(d, "db")->id, api = drive_add(d, "api")->id, keeps = drive_add(d, "keeps")->id;
	drive_after(d, "api", "db");
	drive_after(d, "keeps", "db");
	drive_hook(d, "keeps", CFW_PRE_STOP, "keeps.old", CFW_NEVER);
	drive_start(d);
	cfw_id db2 = staged(d, "db"), api2 = staged(d, "api");
	snprintf(d->server[3].name, sizeof d->server[3].name, "db2");
	snprintf(d->server[4].name, sizeof d->server[4].name, "api2");
	struct cfw_hook_opts h = {
		.server = keeps, .phase = CFW_PRE_STOP, .name = "keeps.new", .timeout_ns = CFW_NEVER, .staged = true};
	cfw_id hook = cfw_core_hook_add(d->core, &h, NULL);
	is_int(cfw_core_edges_reserve(d->core, 2), 0, "edges are reserved");
	cfw_core_server_retire(d->core, db, db2, CFW_RETIRE_FIRST);
	cfw_core_server_retire(d->core, api, api2, CFW_RETIRE_AFTER);
	cfw_core_server_forget_after(d->core, keeps);
	cfw_core_drop_hooks(d->core, keeps);
	d->hooks = 0;
	cfw_core_server_commit(d->core, db2);
	cfw_core_server_commit(d->core, api2);
	cfw_core_hook_commit(d->core, hook);
	d->hook[d->hooks++] = (struct drive_hook){.id = hook, .label = "keeps.new", .server = 2, .phase = CFW_PRE_STOP};
	cfw_core_server_link(d->core, api2, db2);
	cfw_core_server_link(d->core, keeps, db2);
	swap(d);
	drive_run(d, d->now_ns + MS(1000));
	ok(drive_order(d, "stop api", "stop db", "start db2", "start api2", NULL),
	   "S7.2: what depends on one that stops first goes before it, though its own heir is not up");
	is_int(state(d, keeps), CFW_S_STARTED, "what stays is not touched");
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, d->now_ns + MS(10000));
	ok(drive_order(d, "call keeps.new graceful", "stop keeps", "stop db2", NULL),
	   "and stops in its new order, with its new hook");
	ok(!has(d, "call keeps.old graceful"), "and without the old one");
	is_int(d->faults, 0, "no rule is broken");
	drive_free(d);
}

/* S4.12: whatever state it is in when it retires, and wherever it is when a stop comes, each pre_stop hook is called once. */
static void stop_in_between(void)
{
	enum { TIMES = 12 };
	static const enum cfw_trigger_kind kinds[] = {CFW_T_STOP, CFW_T_ABORT};
	int bad = 0, runs = 0;
	for (int when = CFW_RETIRE_NOW; when <= CFW_RETIRE_AFTER; when++)
		for (size_t k = 0; k < 2; k++)
			for (int t = 0; t < TIMES; t++) {
				struct drive *d = drive_new(NULL);
				cfw_id old = drive_add(d, "s")->id;
				drive_add(d, "other");
				d->server[0].stop_ns = d->server[1].stop_ns = MS(15);
				drive_hook(d, "s", CFW_PRE_STOP, "old.pre", CFW_NEVER)->take_ns = MS(10);
				drive_hook(d, "s", CFW_POST_STOP, "old.post", CFW_NEVER)->take_ns = MS(10);
				drive_start(d);
				cfw_id heir = when == CFW_RETIRE_NOW ? 0 : staged(d, "s");
				if (heir) {
					snprintf(d->server[2].name, sizeof d->server[2].name, "heir");
					d->server[2].start_ns = MS(12);
				}
				cfw_core_server_retire(d->core, old, heir, (enum cfw_retire)when);
				if (heir)
					cfw_core_server_commit(d->core, heir);
				swap(d);
				drive_run(d, d->now_ns + MS(5) * (uint64_t)t);
				struct cfw_event stop = drive_trigger(kinds[k], 0, 0);
				drive_feed(d, &stop);
				drive_run(d, d->now_ns + MS(10000));
				runs++;
				bad += d->faults || !d->exited || d->exit_code != (kinds[k] == CFW_T_ABORT);
				drive_free(d);
			}
	is_int(bad, 0, "S4.12: a stop or an abort at each of %d moments of each way to retire", runs);
}

static void in_other_states(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id who, down, closed, failed;
	down = drive_add(d, "down")->id;
	closed = drive_add(d, "closed")->id;
	failed = drive_add(d, "failed")->id;
	struct cfw_server_opts o = drive_opts("backoff");
	o.restart = CFW_RESTART_ALWAYS;
	o.backoff_ns = MS(5000);
	drive_add_opts(d, &o);
	cfw_id backoff = d->server[3].id;
	d->server[2].fails = true;
	drive_hook(d, "closed", CFW_PRE_STOP, NULL, CFW_NEVER);
	d->policy = ignore;
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = down});
	drive_run(d, d->now_ns);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = closed, .code = 3});
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = backoff, .code = 3});
	drive_run(d, d->now_ns);
	is_int(state(d, closed), CFW_S_CLOSED, "one that has closed");
	is_int(state(d, backoff), CFW_S_BACKOFF, "one that is to be restarted");
	ok(cfw_core_settled(d->core, &who), "are settled");
	const cfw_id all[] = {down, closed, failed, backoff};
	for (int i = 0; i < 4; i++)
		cfw_core_server_retire(d->core, all[i], 0, CFW_RETIRE_NOW);
	swap(d);
	drive_run(d, d->now_ns + MS(20000));
	ok(has(d, "call closed.pre_stop graceful"), "S4.12: what was started has its pre_stop hook called");
	for (int i = 0; i < 4; i++)
		is_int(cfw_core_server_remove(d->core, all[i], NULL), 0, "%s is at rest and can be removed", d->server[i].name);
	is_int(cfw_core_server_next(d->core, 0), 0, "nobody is left");
	ok(cfw_core_quiet(d->core), "and all is quiet");
	is_int(d->faults, 0, "no rule is broken");
	drive_free(d);
}

/* One that waits for its heir ends by itself. */
static void dies_meanwhile(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id old = drive_add(d, "s")->id;
	drive_hook(d, "s", CFW_PRE_STOP, "old.pre", CFW_NEVER);
	drive_start(d);
	cfw_id heir = staged(d, "s");
	snprintf(d->server[1].name, sizeof d->server[1].name, "heir");
	d->server[1].start_ns = MS(50);
	cfw_core_server_retire(d->core, old, heir, CFW_RETIRE_AFTER);
	cfw_core_server_commit(d->core, heir);
	swap(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = old, .code = 1});
	drive_run(d, d->now_ns + MS(1000));
	ok(!has(d, "ask closed 1"), "S2.7: one that has retired raises no trigger when it ends");
	ok(has(d, "call old.pre graceful"), "S4.12: its hook is called");
	is_int(state(d, old), CFW_S_DOWN, "and it is down");
	is_int(state(d, heir), CFW_S_STARTED, "and the heir is up");
	is_int(d->faults, 0, "no rule is broken");
	drive_free(d);
}

static void global_hooks(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "s");
	drive_hook(d, NULL, CFW_PRE_STOP, "old", CFW_NEVER);
	drive_start(d);
	struct cfw_hook_opts h = {.phase = CFW_PRE_STOP, .name = "new", .timeout_ns = CFW_NEVER, .staged = true};
	cfw_id hook = cfw_core_hook_add(d->core, &h, NULL);
	cfw_core_drop_hooks(d->core, 0);
	cfw_core_hook_commit(d->core, hook);
	d->hook[0] = (struct drive_hook){.id = hook, .label = "new", .server = -1, .phase = CFW_PRE_STOP};
	swap(d);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, d->now_ns + MS(10000));
	ok(drive_order(d, "call new graceful", "stop s", "exit 0", NULL), "the global hooks are exchanged");
	ok(!has(d, "call old graceful"), "all of them");
	is_int(d->faults, 0, "S4.12: and none is owed that is not there");
	drive_free(d);
}

/* S7.2: a thousand swaps leave nothing behind. */
static void again_and_again(void)
{
	struct drive *d = drive_new(NULL);
	cfw_id id = drive_add(d, "s")->id;
	drive_start(d);
	for (int i = 0; i < 1000; i++) {
		d->servers = 1;
		d->server[0] = (struct drive_server){.id = id, .name = "s", .alive = true, .attempt = 1};
		cfw_id heir = staged(d, "s"), who;
		cfw_core_server_retire(d->core, id, heir, i % 2 ? CFW_RETIRE_FIRST : CFW_RETIRE_AFTER);
		cfw_core_server_commit(d->core, heir);
		swap(d);
		drive_run(d, d->now_ns + MS(1));
		if (cfw_core_server_remove(d->core, id, NULL) || !cfw_core_settled(d->core, &who))
			tap_bail("swap %d did not come to its end", i);
		id = heir;
	}
	is_int(cfw_core_server_next(d->core, 0), id, "one server is there");
	is_int(cfw_core_server_next(d->core, id), 0, "and no other");
	is_int(state(d, id), CFW_S_STARTED, "and it is up");
	drive_free(d);
}

/* What was staged is given up, and somebody was to retire for it: that one goes by itself, and nobody else is taken for its heir. */
static void heir_given_up(void)
{
	static const enum cfw_retire ways[] = {CFW_RETIRE_FIRST, CFW_RETIRE_AFTER};
	for (size_t i = 0; i < 2; i++) {
		struct drive *d = drive_new(NULL);
		drive_add(d, "web");
		cfw_id db = drive_add(d, "db")->id, old = drive_add(d, "old")->id;
		drive_after(d, "web", "db");
		d->server[2].stop_ns = MS(100);
		drive_start(d);
		cfw_id heir = staged(d, "old");
		cfw_core_server_retire(d->core, old, heir, ways[i]);
		is_int(cfw_core_server_remove(d->core, heir, NULL), 0, "a heir is given up");
		d->servers = 3;
		swap(d);
		drive_run(d, d->now_ns);
		is_int(state(d, old), CFW_S_STOPPING, "who was to go for it goes");
		d->server[1].start_ns = MS(500);
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_RESTART, .server = db});
		drive_run(d, d->now_ns + MS(200));
		is_int(state(d, old), CFW_S_DOWN, "and is gone");
		is_int(drive_state(d, "web"), CFW_S_WAITING, "S3.1: which is nothing to another, that waits to start");
		drive_run(d, d->now_ns + MS(1000));
		is_int(drive_state(d, "web"), CFW_S_STARTED, "it starts when it may");
		drive_fire(d, CFW_T_STOP, 0, 0);
		drive_run(d, d->now_ns + MS(10000));
		is_int(d->faults, 0, "no rule is broken");
		drive_free(d);
	}
}

/* What is owed is counted: the life of a stop is prestopped when the last pre_stop hook has ended, and not at another time. */
static void hooks_owed(void)
{
	for (int up = 0; up <= 1; up++) {
		struct drive *d = drive_new(NULL);
		cfw_id web = drive_add(d, "web")->id;
		drive_add(d, "other")->stop_ns = MS(100);
		drive_hook(d, "web", CFW_PRE_STOP, "old1", CFW_NEVER);
		drive_hook(d, "web", CFW_PRE_STOP, "old2", CFW_NEVER);
		drive_hook(d, "other", CFW_PRE_STOP, "other", CFW_NEVER)->take_ns = MS(50);
		drive_start(d);
		if (!up) {
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = web});
			drive_run(d, d->now_ns);
		}
		cfw_core_drop_hooks(d->core, web);
		d->hook[0] = d->hook[2];
		d->hooks = 1;
		drive_hook(d, "web", CFW_PRE_STOP, "new", CFW_NEVER);
		if (up) {
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = web});
			drive_run(d, d->now_ns);
			struct cfw_server_view v;
			cfw_core_server_view(d->core, web, &v);
			ok(v.state == CFW_S_DOWN && v.prestopped && !v.owed,
			   "one hook in the place of two: it has run, and all is done");
		}
		is_int(drive_count(d, "call new graceful"), up, "the new hook runs with its server");
		drive_fire(d, CFW_T_STOP, 0, 0);
		drive_run(d, d->now_ns + MS(40));
		is_int(cfw_core_life(d->core), CFW_L_STOPPING, "another's hook is owed");
		drive_run(d, d->now_ns + MS(20));
		is_int(cfw_core_life(d->core), CFW_L_PRESTOPPED, "and then none is, while that drains");
		drive_run(d, d->now_ns + MS(10000));
		is_int(d->exit_code, 0, "the stop is a good one");
		drive_free(d);
	}
}

/* A number of a hook comes round after some thousand of them: the new one that has it is not taken for the old one, which has run. */
static void numbers_that_come_round(void)
{
	for (int global = 0; global <= 1; global++) {
		struct drive *d = drive_new(NULL);
		cfw_id web = drive_add(d, "web")->id, old, now = 0;
		struct cfw_hook_opts o = {.server = global ? 0 : web, .phase = CFW_PRE_STOP, .timeout_ns = CFW_NEVER};
		old = drive_hook(d, global ? NULL : "web", global ? CFW_PRE_STOP : CFW_POST_START, "old", CFW_NEVER)->id;
		drive_start(d);
		if (global) {
			struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0);
			stop.trigger.no_exit = true;
			drive_feed(d, &stop);
			drive_run(d, d->now_ns + MS(1));
		}
		is_int(drive_count(d, "call old graceful"), 1, "a hook has run");
		for (int i = 0; i < 100000 && now != old; i++) {
			cfw_core_drop_hooks(d->core, o.server);
			now = cfw_core_hook_add(d->core, &o, NULL);
		}
		is_int(now, old, "its number has another one");
		d->hook[0] = (struct drive_hook){.id = now, .label = "new", .server = global ? -1 : 0, .phase = CFW_PRE_STOP};
		drive_fire(d, CFW_T_SIGNAL, 15, 0);
		drive_run(d, d->now_ns + MS(10000));
		is_int(drive_count(d, "call new graceful"), 1, "S4.12: which runs in a stop");
		ok(d->exited && d->faults == 0, "no rule is broken");
		drive_free(d);
	}
}

int main(void)
{
	staging();
	one_way(CFW_RETIRE_FIRST, "it stops first", "stop s", "start heir");
	one_way(CFW_RETIRE_AFTER, "it stops after", "started heir", "stop s");
	heir_that_fails();
	with_dependants();
	stop_in_between();
	in_other_states();
	dies_meanwhile();
	global_hooks();
	again_and_again();
	heir_given_up();
	hooks_owed();
	numbers_that_come_round();
	return tap_done();
}
