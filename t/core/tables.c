/* The two lives, cell by cell: the manager's (S3) in its table, a server's through the core's front door. */
#include "core/life.h"
#include "core/server.h"
#include "drive.h"

/* ---- the manager ---- */

static const struct {
	enum cfw_life from;
	enum cfw_life_event event;
	enum cfw_life to;
} moves[] = {
	{CFW_L_NEW, CFW_LE_START, CFW_L_STARTING},
	{CFW_L_NEW, CFW_LE_STOP, CFW_L_STOPPING},
	{CFW_L_STARTING, CFW_LE_READY, CFW_L_STARTED},
	{CFW_L_STARTING, CFW_LE_STOP, CFW_L_START_ABORTED}, /* S3.3 */
	{CFW_L_STARTED, CFW_LE_START, CFW_L_STARTING},      /* for servers that were added */
	{CFW_L_STARTED, CFW_LE_STOP, CFW_L_STOPPING},
	{CFW_L_START_ABORTED, CFW_LE_SETTLED, CFW_L_STOPPING},
	{CFW_L_START_ABORTED, CFW_LE_END, CFW_L_STOPPED},
	{CFW_L_START_ABORTED, CFW_LE_END_FLAWED, CFW_L_ERRORED},
	{CFW_L_START_ABORTED, CFW_LE_END_CUT, CFW_L_TIMEOUT},
	{CFW_L_STOPPING, CFW_LE_PRESTOPPED, CFW_L_PRESTOPPED},
	{CFW_L_STOPPING, CFW_LE_END, CFW_L_STOPPED},
	{CFW_L_STOPPING, CFW_LE_END_FLAWED, CFW_L_ERRORED},
	{CFW_L_STOPPING, CFW_LE_END_CUT, CFW_L_TIMEOUT},
	{CFW_L_PRESTOPPED, CFW_LE_END, CFW_L_STOPPED},
	{CFW_L_PRESTOPPED, CFW_LE_END_FLAWED, CFW_L_ERRORED},
	{CFW_L_PRESTOPPED, CFW_LE_END_CUT, CFW_L_TIMEOUT},
	{CFW_L_STOPPED, CFW_LE_START, CFW_L_STARTING}, /* S3.4 */
	{CFW_L_STOPPED, CFW_LE_STOP, CFW_L_STOPPING},
	{CFW_L_ERRORED, CFW_LE_START, CFW_L_STARTING},
	{CFW_L_ERRORED, CFW_LE_STOP, CFW_L_STOPPING},
	{CFW_L_STOPPING, CFW_LE_CANCEL, CFW_L_STARTED},
	{CFW_L_PRESTOPPED, CFW_LE_CANCEL, CFW_L_STARTED},
};

static enum cfw_life expected(enum cfw_life from, enum cfw_life_event event)
{
	if (event == CFW_LE_KILL)
		return from == CFW_L_TIMEOUT ? CFW_L_TIMEOUT : CFW_L_ERRORED; /* S4.14: from everywhere */
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
		if (moves[i].from == from && moves[i].event == event)
			return moves[i].to;
	return from;
}

static void life_cells(void)
{
	for (int from = 0; from < CFW_LIVES; from++)
		for (int event = 0; event < CFW_LIFE_EVENTS; event++)
			is_str(cfw_life_name(cfw_life_after((enum cfw_life)from, (enum cfw_life_event)event)),
			       cfw_life_name(expected((enum cfw_life)from, (enum cfw_life_event)event)), "S3: %s, event %d",
			       cfw_life_name((enum cfw_life)from), event);
}

/* ---- a server ---- */

enum feed { READY, FAIL, GONE, CLOSED, START, STOP, RESTART, HOOK_OK, HOOK_BAD, TIME, GRACEFUL, ABORT, MARGIN, FEEDS };
static const char *const feed_names[FEEDS] = {"started", "start_failed", "stopped",  "closed", "start",    "stop",  "restart",
					      "hook ok", "hook failed",  "own time", "TERM",   "an error", "margin"};

/* One letter a state; a dot: as it was. */
static const char letters[] = "DWpsPSBHrxcoCF";
static const char *const want[CFW_SERVER_STATES] = {
	/* clang-format off */
	/*                     RFGC SSR hhT GAM
	                       eaol ttse ooi rba
	                       aine aop okm aor
	                       dles rpt kbe ce.  */
	[CFW_S_DOWN]       = ".... W.W ... ...",
	[CFW_S_WAITING]    = ".... .D. ... DDD",
	[CFW_S_PRE_START]  = ".... ... sFF .DD",
	[CFW_S_STARTING]   = "PF.F ... ..F .cc",
	[CFW_S_POST_START] = "...F ... SFF .rc",
	[CFW_S_STARTED]    = "...B .rr ... rrc",
	[CFW_S_BACKOFF]    = ".... prr ..p rrr",
	[CFW_S_HELD]       = ".... ... ... .rc",
	[CFW_S_PRE_STOP]   = ".... ... xxx ..c",
	[CFW_S_STOPPING]   = "..oo ... ..c .cc",
	[CFW_S_CUTTING]    = "..oo ... ..o ..D",
	[CFW_S_POST_STOP]  = ".... ... DDD ..D",
	[CFW_S_CLOSED]     = ".... prr ... rrr",
	[CFW_S_FAILED]     = ".... .xx ..x xcc",
	/* clang-format on */
};

static struct cfw_event about(struct drive *d, enum cfw_event_type type)
{
	return (struct cfw_event){.type = type, .server = d->server[1].id, .attempt = d->server[1].attempt, .code = 1};
}

static void feed(struct drive *d, enum cfw_event_type type)
{
	struct cfw_event ev = about(d, type);
	drive_feed(d, &ev);
}

/* End the hook of ours that runs. */
static void end_hook(struct drive *d, enum cfw_outcome outcome)
{
	struct cfw_event ev = {.type = CFW_EV_HOOK_DONE, .outcome = outcome};
	struct cfw_hook_view v;
	for (int i = 0; i < d->hooks; i++)
		if (!cfw_core_hook_view(d->core, d->hook[i].id, &v) && v.running)
			ev.run = v.run;
	drive_feed(d, &ev);
}

static void pass(struct drive *d, uint64_t ns)
{
	d->now_ns += ns;
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
}

static void go_up(struct drive *d)
{
	feed(d, CFW_EV_SERVER_START);
	end_hook(d, CFW_OK);
	feed(d, CFW_EV_SERVER_STARTED);
	end_hook(d, CFW_OK);
}

/* base, ours and top; what is asked of ours is left to the test. */
static struct drive *make(enum cfw_server_state state)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("ours");
	o.restart = CFW_RESTART_FAILURE;
	o.restart_max = 1;
	o.backoff_ns = MS(100);
	o.start_timeout_ns = MS(10000);
	o.stop_timeout_ns = MS(2000);
	drive_add(d, "base")->start_ns = state <= CFW_S_WAITING ? CFW_NEVER : 0;
	struct drive_server *s = drive_add_opts(d, &o);
	drive_add(d, "top")->stop_ns = CFW_NEVER;
	s->start_ns = s->stop_ns = s->cut_ns = CFW_NEVER;
	drive_after(d, "ours", "base");
	drive_after(d, "top", "ours");
	for (int p = 0; p < CFW_PHASES; p++)
		drive_hook(d, "ours", (enum cfw_phase)p, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	if (state > CFW_S_WAITING) {
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_START, .server = d->server[0].id});
		drive_run(d, d->now_ns);
	}
	return d;
}

static struct cfw_decision ignore(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	(void)t;
	return (struct cfw_decision){CFW_D_IGNORE, 0};
}

static void go_down_until(struct drive *d, enum cfw_server_state state)
{
	feed(d, CFW_EV_SERVER_STOP);
	if (state >= CFW_S_STOPPING)
		end_hook(d, CFW_OK);
	if (state == CFW_S_CUTTING)
		pass(d, MS(2000));
	if (state == CFW_S_POST_STOP)
		feed(d, CFW_EV_SERVER_STOPPED);
}

static struct drive *reach(enum cfw_server_state state)
{
	struct drive *d = make(state);
	switch (state) {
	case CFW_S_DOWN:
		break;
	case CFW_S_WAITING:
	case CFW_S_PRE_START:
		feed(d, CFW_EV_SERVER_START);
		break;
	case CFW_S_STARTING:
	case CFW_S_POST_START:
	case CFW_S_FAILED:
		feed(d, CFW_EV_SERVER_START);
		end_hook(d, CFW_OK);
		d->ask_ns = CFW_NEVER;
		if (state != CFW_S_STARTING)
			feed(d, state == CFW_S_FAILED ? CFW_EV_SERVER_START_FAILED : CFW_EV_SERVER_STARTED);
		break;
	case CFW_S_STARTED:
		go_up(d);
		break;
	case CFW_S_BACKOFF:
	case CFW_S_CLOSED:
		go_up(d);
		feed(d, CFW_EV_SERVER_CLOSED);
		if (state == CFW_S_BACKOFF)
			break;
		pass(d, MS(100));
		end_hook(d, CFW_OK);
		feed(d, CFW_EV_SERVER_STARTED);
		end_hook(d, CFW_OK);
		d->policy = ignore;
		feed(d, CFW_EV_SERVER_CLOSED);
		drive_run(d, d->now_ns);
		break;
	case CFW_S_HELD:
		go_up(d);
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_START, .server = d->server[2].id});
		drive_run(d, d->now_ns);
		go_down_until(d, CFW_S_HELD);
		break;
	default:
		go_up(d);
		go_down_until(d, state);
	}
	return d;
}

/* How long it takes until a limit of ours passes in that state; elsewhere anything. */
static uint64_t own_time(enum cfw_server_state state)
{
	switch (state) {
	case CFW_S_PRE_START:
	case CFW_S_STARTING:
	case CFW_S_POST_START:
		return MS(10000); /* start_timeout */
	case CFW_S_BACKOFF:
		return MS(100);
	case CFW_S_STOPPING:
		return MS(2000); /* stop_timeout */
	case CFW_S_PRE_STOP:
	case CFW_S_POST_STOP:
		return MS(5000); /* a lone stop's hook: the exit timeout */
	default:
		return MS(1000); /* cutting: ten times cut_wait; failed: ask_timeout */
	}
}

static void decide(struct drive *d, enum cfw_trigger_kind kind, struct cfw_decision decision)
{
	struct cfw_event ev = drive_trigger(kind, 15, 0);
	struct cfw_action a;
	cfw_core_feed(d->core, d->now_ns, &ev);
	while (cfw_core_next(d->core, &a) && a.type != CFW_ACT_ASK)
		;
	ev = (struct cfw_event){.type = CFW_EV_DECISION, .question = a.question, .decision = decision};
	drive_feed(d, &ev);
}

static void apply(struct drive *d, enum cfw_server_state state, enum feed f)
{
	static const enum cfw_event_type types[] = {
		[READY] = CFW_EV_SERVER_STARTED,  [FAIL] = CFW_EV_SERVER_START_FAILED, [GONE] = CFW_EV_SERVER_STOPPED,
		[CLOSED] = CFW_EV_SERVER_CLOSED,  [START] = CFW_EV_SERVER_START,       [STOP] = CFW_EV_SERVER_STOP,
		[RESTART] = CFW_EV_SERVER_RESTART};
	switch (f) {
	case HOOK_OK:
	case HOOK_BAD:
		end_hook(d, f == HOOK_OK ? CFW_OK : CFW_FAILED);
		break;
	case TIME:
		pass(d, own_time(state));
		break;
	case GRACEFUL:
	case MARGIN:
		decide(d, CFW_T_SIGNAL, (struct cfw_decision){CFW_D_GRACEFUL, 0});
		if (f == MARGIN)
			pass(d, MS(4500));
		break;
	case ABORT:
		decide(d, CFW_T_ERROR, (struct cfw_decision){CFW_D_ABORT, 1});
		break;
	default:
		feed(d, types[f]);
	}
}

static void server_cells(void)
{
	for (int s = 0; s < CFW_SERVER_STATES; s++) {
		int f = 0;
		for (const char *cell = want[s]; *cell; cell++) {
			if (*cell == ' ')
				continue;
			enum cfw_server_state state = (enum cfw_server_state)s;
			struct drive *d = reach(state);
			bool there = drive_state(d, "ours") == state;
			uint64_t late = cfw_core_late_answers(d->core);
			apply(d, state, (enum feed)f);
			char got[2] = {letters[drive_state(d, "ours")], 0}, to[2] = {*cell == '.' ? letters[s] : *cell, 0};
			ok(there && strcmp(got, to) == 0, "a server that is %s, %s: %s", cfw_server_state_name(state),
			   feed_names[f], cfw_server_state_name((enum cfw_server_state)(strchr(letters, *to) - letters)));
			if (!there || strcmp(got, to) != 0)
				tap_diag("there: %d, got %s", there, cfw_server_state_name(drive_state(d, "ours")));
			bool dead = f == CLOSED && (s == CFW_S_HELD || s == CFW_S_PRE_STOP || s == CFW_S_FAILED);
			if (f <= CLOSED && *cell == '.' && !dead)
				is_int(cfw_core_late_answers(d->core), late + 1, "and the answer is counted as late");
			drive_free(d);
			f++;
		}
		is_int(f, FEEDS, "every cell of %s", cfw_server_state_name((enum cfw_server_state)s));
	}
}

static void table_is_whole(void)
{
	int holes = 0;
	for (int s = 0; s < CFW_SERVER_STATES; s++)
		for (int e = 0; e < CFW_SERVER_EVENTS; e++)
			holes += cfw_server_cell((enum cfw_server_state)s, (enum cfw_server_event)e) == CFW_DO_BUG;
	is_int(holes, 0, "the server's table has no hole");
}

int main(void)
{
	life_cells();
	table_is_whole();
	server_cells();
	return tap_done();
}
