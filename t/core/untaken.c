/* A host that is slow: actions wait to be taken while more happens. What has become stale is not handed out; the rest comes in its order. */
#include "drive.h"

static struct cfw_core *core;
static cfw_id ids[2];
static uint64_t now_ns = MS(1000);

static cfw_id add(const char *name)
{
	struct cfw_server_opts o = drive_opts(name);
	return cfw_core_server_add(core, &o, NULL);
}

/* Two servers that depend on nothing. */
static void make(void)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	core = cfw_core_new(&cfw_alloc_std, &config);
	if (!core || !(ids[0] = add("a")) || !(ids[1] = add("b")))
		tap_bail("out of memory");
}

static void hook(cfw_id server, enum cfw_phase phase, uint64_t timeout_ns)
{
	struct cfw_hook_opts o = {.server = server, .phase = phase, .timeout_ns = timeout_ns};
	if (!cfw_core_hook_add(core, &o, NULL))
		tap_bail("out of memory");
}

static void feed(struct cfw_event ev)
{
	cfw_core_feed(core, now_ns, &ev);
}

static void about(enum cfw_event_type type, int server, uint32_t attempt)
{
	feed((struct cfw_event){.type = type, .server = ids[server], .attempt = attempt});
}

static void trigger(enum cfw_trigger_kind kind)
{
	feed(drive_trigger(kind, 0, 0));
}

static void pass(uint64_t ns)
{
	now_ns += ns;
	feed((struct cfw_event){.type = CFW_EV_TICK});
}

/* The next action; CFW_ACTIONS: there is none. */
static struct cfw_action take(void)
{
	struct cfw_action a;
	return cfw_core_next(core, &a) ? a : (struct cfw_action){.type = CFW_ACTIONS};
}

/* All that wait: how many are of that type. */
static int take_all(enum cfw_action_type type)
{
	int n = 0;
	for (struct cfw_action a; (a = take()).type != CFW_ACTIONS;)
		n += a.type == type;
	return n;
}

static void start_both(void)
{
	feed((struct cfw_event){.type = CFW_EV_START});
	take_all(CFW_ACT_START);
	for (int i = 0; i < 2; i++)
		about(CFW_EV_SERVER_STARTED, i, 1);
	take_all(CFW_ACT_START);
}

static enum cfw_server_state state(int server)
{
	struct cfw_server_view v = {.state = CFW_SERVER_STATES};
	cfw_core_server_view(core, ids[server], &v);
	return v.state;
}

/* A server that says it has stopped before it was told to is not told any more. */
static void stopped_before_it_was_told(void)
{
	make();
	hook(ids[0], CFW_POST_STOP, CFW_NEVER);
	start_both();
	about(CFW_EV_SERVER_STOP, 0, 0);
	is_int(state(0), CFW_S_STOPPING, "a server is to stop");
	about(CFW_EV_SERVER_STOPPED, 0, 1);
	struct cfw_action a = take();
	ok(a.type == CFW_ACT_CALL && a.phase == CFW_POST_STOP, "it has stopped before it was told: its post_stop hook is next");
	is_int(take().type, CFW_ACTIONS, "and nothing else");
	feed((struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = a.run});
	is_int(state(0), CFW_S_DOWN, "then it is down");
	about(CFW_EV_SERVER_STOP, 1, 0);
	about(CFW_EV_SERVER_STOPPED, 1, 1);
	is_int(take().type, CFW_ACTIONS, "the same where it has no hook");
	about(CFW_EV_SERVER_START, 1, 0);
	a = take();
	ok(a.type == CFW_ACT_START && a.attempt == 2, "and its next start is the second");
	about(CFW_EV_SERVER_STARTED, 1, 2);
	is_int(state(1), CFW_S_STARTED, "which is heard of");
	is_int(take().type, CFW_ACTIONS, "nothing is left");
	cfw_core_free(core);
}

/* S4.12: a pre_stop hook that was cut before anybody has seen it is called all the same, and cut after that. */
static void cut_before_it_was_called(void)
{
	make();
	hook(ids[0], CFW_PRE_STOP, MS(100));
	start_both();
	about(CFW_EV_SERVER_STOP, 0, 0);
	pass(MS(100));
	struct cfw_action call = take(), cut = take();
	ok(call.type == CFW_ACT_CALL && call.phase == CFW_PRE_STOP, "S4.12: it is called");
	ok(cut.type == CFW_ACT_CUT_HOOK && cut.run == call.run, "and then cut");
	is_int(take().type, CFW_ACT_STOP, "its server stops after that");
	cfw_core_free(core);
}

/* The same hook is cut and runs again: first the end of the one run, then the other. */
static void cut_and_called_again(void)
{
	make();
	hook(ids[0], CFW_PRE_START, MS(100));
	feed((struct cfw_event){.type = CFW_EV_START});
	struct cfw_action first = take();
	ok(first.type == CFW_ACT_CALL && first.phase == CFW_PRE_START, "a hook before a start runs");
	take_all(CFW_ACT_START);
	pass(MS(100));
	is_int(state(0), CFW_S_FAILED, "and passes its limit");
	about(CFW_EV_SERVER_RESTART, 0, 0);
	struct cfw_action cut = take(), again = take();
	while (again.type == CFW_ACT_ASK)
		again = take();
	ok(cut.type == CFW_ACT_CUT_HOOK && cut.run == first.run, "it is cut");
	ok(again.type == CFW_ACT_CALL && again.run != first.run && again.hook == first.hook, "before it is called again");
	cfw_core_free(core);
}

/* S7.4. */
static void reload_that_was_not_taken(void)
{
	cfw_id questions[2];
	make();
	start_both();
	for (int i = 0; i < 2; i++) {
		trigger(i ? CFW_T_STOP : CFW_T_RELOAD);
		struct cfw_action a = take();
		ok(a.type == CFW_ACT_ASK, "asked about");
		questions[i] = a.question;
	}
	for (int i = 0; i < 2; i++)
		feed((struct cfw_event){.type = CFW_EV_DECISION, .question = questions[i]});
	struct cfw_stop_view v;
	cfw_core_stop_view(core, &v);
	ok(v.running, "a stop runs, and waits for servers");
	is_int(take_all(CFW_ACT_RELOAD), 0, "S7.4: the reload that was decided on before it does not come");
	cfw_core_free(core);
}

/* S7.4: what was refused in a stop stays so, also when that is over before anybody has looked. */
static void reload_that_was_refused(void)
{
	make();
	start_both();
	struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0);
	stop.trigger.no_exit = true;
	feed(stop);
	feed((struct cfw_event){.type = CFW_EV_DECISION, .question = take().question});
	is_int(take_all(CFW_ACT_STOP), 2, "a stop runs");
	trigger(CFW_T_RELOAD);
	feed((struct cfw_event){.type = CFW_EV_DECISION, .question = take().question});
	for (int i = 0; i < 2; i++)
		about(CFW_EV_SERVER_STOPPED, i, 1);
	is_int(cfw_core_life(core), CFW_L_STOPPED, "S3.4: and is over, the process goes on");
	is_int(take_all(CFW_ACT_RELOAD), 0, "S7.4: a reload that came in it is refused");
	cfw_core_free(core);
}

/* A server that is gone is removed with all that waits for it, its hook among that; what waits before it is the other's. */
static void removed(void)
{
	make();
	hook(ids[1], CFW_PRE_STOP, MS(100));
	start_both();
	about(CFW_EV_SERVER_STOP, 0, 0);
	about(CFW_EV_SERVER_STOP, 1, 0);
	pass(MS(100));
	about(CFW_EV_SERVER_STOPPED, 1, 1);
	is_int(state(1), CFW_S_DOWN, "a server is down before its hook and its stop were taken");
	is_int(cfw_core_server_remove(core, ids[1], NULL), 0, "and removed");
	struct cfw_action a = take();
	ok(a.type == CFW_ACT_STOP && a.server == ids[0], "the other is told to stop");
	is_int(take().type, CFW_ACTIONS, "and that is all");
	cfw_core_free(core);
}

/* An order that is taken away and made again between two feeds, as a reload does with all of them, changes nothing. */
static void order_made_again(void)
{
	make();
	is_int(cfw_core_server_after(core, ids[1], ids[0], NULL), 0, "b starts after a");
	feed((struct cfw_event){.type = CFW_EV_START});
	is_int(cfw_core_edges_reserve(core, 1), 0, "an edge is reserved");
	cfw_core_server_forget_after(core, ids[1]);
	cfw_core_server_link(core, ids[1], ids[0]);
	pass(0);
	ok(state(0) == CFW_S_STARTING && state(1) == CFW_S_WAITING, "S3.1: b still waits");
	is_int(take_all(CFW_ACT_START), 1, "a is the one to start");
	about(CFW_EV_SERVER_STARTED, 0, 1);
	is_int(state(1), CFW_S_STARTING, "and b when that has");
	cfw_core_free(core);
}

int main(void)
{
	stopped_before_it_was_told();
	cut_before_it_was_called();
	cut_and_called_again();
	reload_that_was_not_taken();
	reload_that_was_refused();
	removed();
	order_made_again();
	return tap_done();
}
