#include "core/server.h"

#include <assert.h>

#include "core/machine.h"

#define N  CFW_DO_NOTHING
#define L  CFW_DO_LATE
#define AB CFW_DO_ABORT
#define CU CFW_DO_CUT
#define AG CFW_DO_AGAIN
#define OV CFW_DO_OVERRIDE
#define HO CFW_DO_HOLD
#define SL CFW_DO_STOP_LATER
#define FA CFW_DO_FAIL
#define FG CFW_DO_FAIL_GONE
#define FL CFW_DO_FAIL_LATE
#define GO CFW_DO_GO
#define GU CFW_DO_GIVE_UP
#define WA CFW_DO_WAIT
#define RE CFW_DO_RETRY
#define LA CFW_DO_LAUNCH
#define RY CFW_DO_READY
#define UP CFW_DO_UP
#define CL CFW_DO_CLOSED
#define RL CFW_DO_RELEASE
#define PS CFW_DO_PRE_STOPPED
#define GN CFW_DO_GONE
#define DI CFW_DO_DIED
#define FX CFW_DO_FAILED_GONE
#define DS CFW_DO_DIED_STOPPING
#define OC CFW_DO_OWN_CUT
#define FI CFW_DO_FINISH

static const unsigned char table[CFW_SERVER_STATES][CFW_SERVER_EVENTS] = {
	/* clang-format off */
	/*                    WANT GO  HOOKS BAD READY FAIL CLOSED GONE STOP RELEASE ABORT CUT TIME */
	[CFW_S_DOWN]       = {WA,  N,  N,    N,  L,    L,   L,     L,   N,   N,      N,    N,  N},
	[CFW_S_WAITING]    = {N,   GO, N,    N,  L,    L,   L,     L,   GU,  N,      AB,   CU, N},
	[CFW_S_PRE_START]  = {N,   N,  LA,   FA, L,    L,   L,     L,   SL,  N,      AB,   CU, FL},
	[CFW_S_STARTING]   = {N,   N,  N,    N,  RY,   FA,  FG,    L,   SL,  N,      AB,   CU, FL},
	[CFW_S_POST_START] = {N,   N,  UP,   FA, L,    L,   FG,    L,   SL,  N,      AB,   CU, FL},
	[CFW_S_STARTED]    = {N,   N,  N,    N,  L,    L,   CL,    L,   HO,  N,      AB,   CU, N},
	[CFW_S_BACKOFF]    = {WA,  N,  N,    N,  L,    L,   L,     L,   HO,  N,      AB,   CU, WA},
	[CFW_S_HELD]       = {AG,  N,  N,    N,  L,    L,   DI,    L,   OV,  RL,     AB,   CU, N},
	[CFW_S_PRE_STOP]   = {AG,  N,  PS,   N,  L,    L,   DI,    L,   OV,  N,      AB,   CU, N},
	[CFW_S_STOPPING]   = {AG,  N,  N,    N,  L,    L,   DS,    GN,  OV,  N,      AB,   CU, OC},
	[CFW_S_CUTTING]    = {AG,  N,  N,    N,  L,    L,   GN,    GN,  OV,  N,      AB,   CU, GN},
	[CFW_S_POST_STOP]  = {AG,  N,  FI,   N,  L,    L,   L,     L,   OV,  N,      N,    CU, N},
	[CFW_S_CLOSED]     = {WA,  N,  N,    N,  L,    L,   L,     L,   HO,  N,      AB,   CU, N},
	[CFW_S_FAILED]     = {RE,  N,  N,    N,  L,    L,   FX,    L,   HO,  N,      AB,   CU, N},
	/* clang-format on */
};

static cfw_server_fn *const actions[CFW_SERVER_DOS] = {
	[CFW_DO_WAIT] = cfw_do_wait,
	[CFW_DO_GO] = cfw_do_go,
	[CFW_DO_LAUNCH] = cfw_do_launch,
	[CFW_DO_READY] = cfw_do_ready,
	[CFW_DO_UP] = cfw_do_up,
	[CFW_DO_FAIL] = cfw_do_fail,
	[CFW_DO_FAIL_GONE] = cfw_do_fail_gone,
	[CFW_DO_FAIL_LATE] = cfw_do_fail_late,
	[CFW_DO_CLOSED] = cfw_do_closed,
	[CFW_DO_RETRY] = cfw_do_retry,
	[CFW_DO_AGAIN] = cfw_do_again,
	[CFW_DO_GIVE_UP] = cfw_do_give_up,
	[CFW_DO_STOP_LATER] = cfw_do_stop_later,
	[CFW_DO_HOLD] = cfw_do_hold,
	[CFW_DO_OVERRIDE] = cfw_do_override,
	[CFW_DO_RELEASE] = cfw_do_release,
	[CFW_DO_PRE_STOPPED] = cfw_do_pre_stopped,
	[CFW_DO_GONE] = cfw_do_gone,
	[CFW_DO_DIED] = cfw_do_died,
	[CFW_DO_FAILED_GONE] = cfw_do_failed_gone,
	[CFW_DO_DIED_STOPPING] = cfw_do_died_stopping,
	[CFW_DO_OWN_CUT] = cfw_do_own_cut,
	[CFW_DO_ABORT] = cfw_do_abort,
	[CFW_DO_CUT] = cfw_do_cut,
	[CFW_DO_FINISH] = cfw_do_finish,
};

static const char *const names[CFW_SERVER_STATES] = {
	[CFW_S_DOWN] = "down",
	[CFW_S_WAITING] = "waiting",
	[CFW_S_PRE_START] = "pre_start",
	[CFW_S_STARTING] = "starting",
	[CFW_S_POST_START] = "post_start",
	[CFW_S_STARTED] = "started",
	[CFW_S_BACKOFF] = "backoff",
	[CFW_S_HELD] = "held",
	[CFW_S_PRE_STOP] = "pre_stop",
	[CFW_S_STOPPING] = "stopping",
	[CFW_S_CUTTING] = "cutting",
	[CFW_S_POST_STOP] = "post_stop",
	[CFW_S_CLOSED] = "closed",
	[CFW_S_FAILED] = "failed",
};

const char *cfw_server_state_name(enum cfw_server_state state)
{
	return (unsigned)state < CFW_SERVER_STATES ? names[state] : "?";
}

enum cfw_server_do cfw_server_cell(enum cfw_server_state state, enum cfw_server_event event)
{
	return (enum cfw_server_do)table[state][event];
}

void cfw_server_event(struct cfw_core *c, struct cfw_server *s, enum cfw_server_event event, const struct cfw_event *ev)
{
	if (event == CFW_SE_WANT && (s->staged || s->retired))
		return; /* not yet, or never again */
	enum cfw_server_do what = cfw_server_cell((enum cfw_server_state)s->state, event);
	assert(what != CFW_DO_BUG);
	if (what == CFW_DO_LATE)
		cfw_core_late(c, ev ? ev->type : CFW_EV_TICK);
	else if (what != CFW_DO_NOTHING)
		actions[what](c, s, ev);
}

static bool is_starting(int state)
{
	return state >= CFW_S_WAITING && state <= CFW_S_POST_START;
}

static bool is_lively(int state)
{
	return state != CFW_S_DOWN && state != CFW_S_CLOSED && state != CFW_S_FAILED;
}

bool cfw_server_at_rest(const struct cfw_server *s)
{
	if (s->state == CFW_S_DOWN)
		return true;
	return (s->state == CFW_S_FAILED || s->state == CFW_S_WAITING) && !s->alive && !s->owed;
}

void cfw_server_ready(struct cfw_core *c, struct cfw_server *s)
{
	if (s->ready)
		return;
	s->ready = true;
	s->ready_next = 0;
	if (c->ready_tail)
		cfw_server_get(c, c->ready_tail)->ready_next = s->id;
	else
		c->ready_head = s->id;
	c->ready_tail = s->id;
}

static void count_blocker(struct cfw_core *c, struct cfw_server *s, bool more)
{
	if (more) {
		s->blockers++;
		return;
	}
	assert(s->blockers > 0);
	if (--s->blockers == 0)
		cfw_server_ready(c, s);
}

/* s has become started or has ceased to be: those that wait to start after it count it. */
static void tell_dependants(struct cfw_core *c, const struct cfw_server *s)
{
	for (uint32_t e = s->dependants; e; e = c->edges[e - 1].next_dependant) {
		struct cfw_server *d = cfw_server_get(c, c->edges[e - 1].from);
		if (d->state == CFW_S_WAITING)
			count_blocker(c, d, s->state != CFW_S_STARTED);
	}
}

void cfw_server_recount(struct cfw_core *c, struct cfw_server *s)
{
	bool active = !cfw_server_at_rest(s);
	if (active == s->active)
		return;
	s->active = active;
	if (active)
		c->active++;
	else
		c->active--;
	for (uint32_t e = s->deps; e; e = c->edges[e - 1].next_dep) {
		struct cfw_server *on = cfw_server_get(c, c->edges[e - 1].to);
		if (on->state == CFW_S_HELD)
			count_blocker(c, on, active);
	}
	struct cfw_server *heir = s->heir ? cfw_server_get(c, s->heir) : NULL;
	if (heir && s->retire == CFW_RETIRE_FIRST && heir->state == CFW_S_WAITING)
		count_blocker(c, heir, active);
}

/* Entering waiting or held: who is in the way? Kept up to date from then on by the others' changes. */
static void count_blockers(struct cfw_core *c, struct cfw_server *s)
{
	s->blockers = s->state == CFW_S_WAITING && s->ancestor && cfw_retire_blocks(cfw_server_get(c, s->ancestor));
	if (s->state == CFW_S_WAITING)
		for (uint32_t e = s->deps; e; e = c->edges[e - 1].next_dep)
			s->blockers += cfw_server_get(c, c->edges[e - 1].to)->state != CFW_S_STARTED;
	else if (s->state == CFW_S_HELD)
		for (uint32_t e = s->dependants; e; e = c->edges[e - 1].next_dependant)
			s->blockers += cfw_server_get(c, c->edges[e - 1].from)->active;
	else
		return;
	if (s->blockers == 0)
		cfw_server_ready(c, s);
}

void cfw_server_set(struct cfw_core *c, struct cfw_server *s, enum cfw_server_state state)
{
	int old = s->state, new = (int)state;
	if (old == new)
		return;
	s->state = (uint8_t)state;
	s->since_ns = c->now_ns;
	if (state == CFW_S_HELD)
		s->held_from = (uint8_t)old;
	else if (state != CFW_S_PRE_STOP && c->stop.running && !c->stop.cancelling)
		c->stop.begun = true;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_SERVER, .server = s->id, .a = state, .b = (uint32_t)old});
	c->starting += (size_t)is_starting(new) - (size_t)is_starting(old);
	c->lively += (size_t)is_lively(new) - (size_t)is_lively(old);
	if ((old == CFW_S_STARTED) != (state == CFW_S_STARTED))
		tell_dependants(c, s);
	cfw_server_recount(c, s);
	count_blockers(c, s);
	if (s->ancestor)
		cfw_server_ready(c, cfw_server_get(c, s->ancestor));
}
