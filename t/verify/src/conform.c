/* The real core beside the model: fed the same events, with a clock of ticks, it has to stand where the model stands. Linked with
 * the verifier that spin makes of the model. */
#include "conform.h"

#include "arena.h"
#include "core/machine.h"

#include "words.pml"

#define TICK (100 * CFW_MS)

static const int deps_of[SERVERS] = AFTER;

struct rig {
	struct cfw_core *core;
	uint64_t now_ns;
	cfw_id server[SERVERS], hook[CONFORM_HOOKS];
	uint32_t attempt[SERVERS], run[CONFORM_HOOKS];
	uint32_t question[16];
	int questions, exits, exit_code;
};

static unsigned long cells[CFW_SERVER_STATES][CFW_SERVER_EVENTS], lives[CFW_LIVES][CFW_LIFE_EVENTS], steps;

static void say_cells(void)
{
	for (int s = 0; s < CFW_SERVER_STATES; s++)
		for (int e = 0; e < CFW_SERVER_EVENTS; e++)
			if (cells[s][e])
				printf("cell %d %d\n", s, e);
	for (int s = 0; s < CFW_LIVES; s++)
		for (int e = 0; e < CFW_LIFE_EVENTS; e++)
			if (lives[s][e])
				printf("life %d %d\n", s, e);
	printf("compared %lu\n", steps);
}

void conform_saw_cell(int state, int event)
{
	cells[state][event]++;
}

void conform_saw_life(int life, int event)
{
	lives[life][event]++;
}

static const enum cfw_phase phases[5] = {CFW_PRE_START, CFW_POST_START, CFW_PRE_STOP, CFW_PRE_STOP, CFW_POST_STOP};

static void add_hook(struct rig *r, int h)
{
	bool global = h >= 5 * SERVERS;
	enum cfw_phase phase = global ? (enum cfw_phase)(CFW_PRE_STOP + h - 5 * SERVERS) : phases[h % 5];
	bool limited = !global && phase >= CFW_PRE_STOP && HOOK_LIMIT;
	struct cfw_hook_opts o = {.server = global ? 0 : r->server[h / 5],
				  .phase = phase,
				  .timeout_ns = limited ? HOOK_LIMIT * TICK : CFW_NEVER,
				  .staged = !global && STAGED >> h / 5 & 1};
	r->hook[h] = cfw_core_hook_add(r->core, &o, NULL);
}

static void make(struct rig *r)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	config.exit_timeout_ns = config.max_exit_timeout_ns = EXIT_TIMEOUT * TICK;
	config.stop_margin_ns = MARGIN * TICK;
	config.cut_wait_ns = CUT_WAIT * TICK;
	config.start_timeout_ns = CFW_NEVER;
	*r = (struct rig){.core = cfw_core_new(&(struct cfw_alloc){arena_fn, NULL}, &config), .now_ns = 10 * TICK};
	for (int i = 0; i < SERVERS; i++) {
		char name[] = {(char)('a' + i), 0};
		struct cfw_server_opts o = {.name = name,
					    .start_timeout_ns = START_LIMIT * TICK,
					    .stop_timeout_ns = STOP_LIMIT ? STOP_LIMIT * TICK : CFW_NEVER,
					    .restart = RESTARTS >> i & 1 ? CFW_RESTART_ALWAYS : CFW_RESTART_NEVER,
					    .restart_max = RESTART_MAX,
					    .backoff_ns = TICK,
					    .staged = STAGED >> i & 1};
		r->server[i] = cfw_core_server_add(r->core, &o, NULL);
		for (int on = 0; on < i; on++)
			if (deps_of[i] >> on & 1 && !o.staged)
				cfw_core_server_after(r->core, r->server[i], r->server[on], NULL);
	}
	for (int h = 0; h < CONFORM_HOOKS; h++)
		if (HAS >> h & 1)
			add_hook(r, h);
}

static void note(struct rig *r, const struct cfw_action *a)
{
	for (int i = 0; a->type == CFW_ACT_START && i < SERVERS; i++)
		if (r->server[i] == a->server)
			r->attempt[i] = a->attempt;
	for (int h = 0; a->type == CFW_ACT_CALL && h < CONFORM_HOOKS; h++)
		if (r->hook[h] == a->hook)
			r->run[h] = a->run;
	if (a->type == CFW_ACT_ASK && r->questions < 16)
		r->question[r->questions++] = a->question;
	if (a->type == CFW_ACT_EXIT) {
		r->exits++;
		r->exit_code = a->code;
	}
}

static int feed(struct rig *r, const struct cfw_event *ev)
{
	struct cfw_action a;
	int rc = cfw_core_feed(r->core, r->now_ns, ev), kept = 0;
	while (cfw_core_next(r->core, &a))
		note(r, &a);
	for (int i = 0; i < r->questions; i++)
		if (cfw_slots_get(&r->core->questions, r->question[i]))
			r->question[kept++] = r->question[i];
	r->questions = kept;
	return rc;
}

static struct cfw_event trigger(int kind)
{
	int signo = kind == T_TERM ? 15 : kind == T_KILL ? 3 : 0;
	struct cfw_trigger t = {.kind = signo ? CFW_T_SIGNAL : CFW_T_ERROR, .signo = signo};
	return (struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = t};
}

static struct cfw_event answer(struct rig *r, int q, int decision)
{
	static const struct cfw_decision says[] = {
		[D_SOFT] = {CFW_D_GRACEFUL, 7}, [D_RESTART] = {CFW_D_RESTART, 0}, [D_IGNORE] = {CFW_D_IGNORE, 0}};
	struct cfw_event ev = {.type = CFW_EV_DECISION, .question = r->question[q], .decision = says[decision]};
	const struct cfw_question *asked = cfw_slots_get(&r->core->questions, r->question[q]);
	if (decision == D_NONE && asked->trigger.signo == 3)
		ev.decision = (struct cfw_decision){CFW_D_KILL, 9};
	return ev;
}

/* What a reload does before it feeds the swap. */
static void swap(struct rig *r, int when)
{
	cfw_id who;
	if (!cfw_core_settled(r->core, &who))
		puts("conform: the core is not settled");
	cfw_core_edges_reserve(r->core, SERVERS);
	cfw_core_server_retire(r->core, r->server[OLD], when == CFW_RETIRE_NOW ? 0 : r->server[NEW], (enum cfw_retire)when);
	if (when == CFW_RETIRE_NOW)
		return;
	cfw_core_server_commit(r->core, r->server[NEW]);
	for (int h = 5 * NEW; h < 5 * NEW + 5; h++)
		if (HAS >> h & 1)
			cfw_core_hook_commit(r->core, r->hook[h]);
	for (int on = 0; on < SERVERS; on++)
		if (deps_of[NEW] >> on & 1)
			cfw_core_server_link(r->core, r->server[NEW], r->server[on]);
}

static struct cfw_event event_of(struct rig *r, int ev, int es, int ex)
{
	static const enum cfw_event_type types[] = {[E_START] = CFW_EV_START,
						    [E_READY] = CFW_EV_SERVER_STARTED,
						    [E_FAIL] = CFW_EV_SERVER_START_FAILED,
						    [E_CLOSED] = CFW_EV_SERVER_CLOSED,
						    [E_GONE] = CFW_EV_SERVER_STOPPED,
						    [E_HOOK] = CFW_EV_HOOK_DONE,
						    [E_TICK] = CFW_EV_TICK,
						    [E_UP] = CFW_EV_SERVER_START,
						    [E_DOWN] = CFW_EV_SERVER_STOP,
						    [E_AGAIN] = CFW_EV_SERVER_RESTART,
						    [E_SWAP] = CFW_EV_SWAP};
	static const enum cfw_outcome outcomes[] = {[OK] = CFW_OK, [FAILED] = CFW_FAILED, [EXITED] = CFW_EXIT_CALL};
	if (ev == E_TRIGGER)
		return trigger(es);
	if (ev == E_ANSWER)
		return answer(r, es, ex);
	if (ev == E_SWAP)
		swap(r, ex);
	if (ev == E_TICK)
		r->now_ns += TICK;
	struct cfw_event e = {.type = types[ev]};
	if (ev == E_HOOK) {
		e.run = r->run[es];
		e.outcome = outcomes[ex];
		e.code = ex == EXITED ? 7 : 0;
	} else if (ev != E_START && ev != E_TICK && ev != E_SWAP) {
		e.server = r->server[es];
		e.attempt = r->attempt[es];
		e.code = ev == E_CLOSED;
	}
	return e;
}

/* In ticks, + 1; 0: there is none. */
static int limit(const struct rig *r, uint32_t timer)
{
	return timer ? (int)((r->core->heap[timer - 1].at_ns - r->now_ns) / TICK) + 1 : 0;
}

static void look(const struct rig *r, struct conform_picture *p)
{
	const struct cfw_core *c = r->core;
	const struct cfw_stop_run *st = &c->stop;
	*p = (struct conform_picture){.life = (int)c->life,
				      .code = c->code,
				      .starts = c->start.running,
				      .stops = st->running,
				      .aborts = st->running && st->mode == CFW_ABORT,
				      .margin = st->margin_passed,
				      .cut = st->cut,
				      .errored = st->errored,
				      .waited = st->cut_waited,
				      .give_up = st->give_up,
				      .ended = c->ended,
				      .killed = c->exit_kill,
				      .stage = (int)st->stage,
				      .questions = (int)c->questions.used};
	if (st->running)
		p->age = (int)((r->now_ns - st->began_ns) / TICK);
	if (st->stage == CFW_G_CUT)
		p->cut_left = st->cut_until_ns > r->now_ns ? (int)((st->cut_until_ns - r->now_ns) / TICK) + 1 : 1;
	for (int i = 0; i < SERVERS; i++) {
		const struct cfw_server *s = cfw_server_get(c, r->server[i]);
		p->server[i] = (struct conform_server){.state = s->state,
						       .due = limit(r, s->timer),
						       .after = s->after,
						       .tries = (int)s->tries,
						       .alive = s->alive,
						       .owed = s->owed,
						       .wanted = s->stop_wanted,
						       .retry = s->retry,
						       .unwind = s->unwind,
						       .released = s->released,
						       .staged = s->staged,
						       .retired = s->retired,
						       .leaving = s->leaving};
	}
	for (int h = 0; h < CONFORM_HOOKS; h++) {
		const struct cfw_hook *k = r->hook[h] ? cfw_hook_get(c, r->hook[h]) : NULL;
		if (!k)
			continue;
		p->begun |= k->begun << h;
		p->running |= k->running << h;
		if (h < 5 * SERVERS)
			p->hook_due[h] = k->phase >= CFW_PRE_STOP && k->timer ? limit(r, k->timer) : 0;
	}
}

static int differences;

static void same(const char *what, int of, int model, int core)
{
	if (model == core)
		return;
	differences++;
	if (of < 0)
		printf("conform: %s: the model has %d, the core %d\n", what, model, core);
	else
		printf("conform: %s of %d: the model has %d, the core %d\n", what, of, model, core);
}

#define SAME(field)          same(#field, -1, m->field, c->field)
#define SAME_OF(i, s, field) same(#field, i, m->s.field, c->s.field)

/* Once it has ended there is but the end to compare. */
static void compare(const struct conform_picture *m, const struct conform_picture *c)
{
	for (int i = 0; i < SERVERS; i++) {
		SAME_OF(i, server[i], state);
		SAME_OF(i, server[i], alive);
		SAME_OF(i, server[i], owed);
	}
	SAME(life);
	SAME(code);
	SAME(ended);
	SAME(killed);
	SAME(begun);
	SAME(running);
	if (m->ended)
		return;
	for (int i = 0; i < SERVERS; i++) {
		SAME_OF(i, server[i], due);
		SAME_OF(i, server[i], after);
		SAME_OF(i, server[i], tries);
		SAME_OF(i, server[i], wanted);
		SAME_OF(i, server[i], retry);
		SAME_OF(i, server[i], unwind);
		SAME_OF(i, server[i], released);
		SAME_OF(i, server[i], staged);
		SAME_OF(i, server[i], retired);
		SAME_OF(i, server[i], leaving);
	}
	for (int h = 0; h < 5 * SERVERS; h++)
		same("limit of hook", h, m->hook_due[h], c->hook_due[h]);
	SAME(starts);
	SAME(stops);
	SAME(questions);
	if (!m->stops)
		return;
	SAME(aborts);
	SAME(margin);
	SAME(cut);
	SAME(errored);
	SAME(waited);
	SAME(give_up);
	SAME(stage);
	SAME(age);
	if (m->stage == CFW_G_CUT && !m->waited)
		SAME(cut_left);
}

/* The exit is an action, comes once, and has the code. */
static void compare_exit(const struct rig *r, const struct conform_picture *m)
{
	same("exits", -1, m->ended, r->exits);
	if (m->ended)
		same("exit code", -1, m->code, r->exit_code);
}

static void say_path(const struct conform_path *path)
{
	static const char *const words[] = {"",     "start", "trigger", "answer", "ready", "fail",  "closed",
					    "gone", "hook",  "tick",    "up",     "down",  "again", "swap"};
	for (int i = 0; i < path->n; i++)
		printf("conform: %d %s %d %d\n", i + 1, words[path->ev[i]], path->es[i], path->ex[i]);
}

void conform_record(struct conform_path *path, int ev, int es, int ex)
{
	if (path->n == CONFORM_STEPS) {
		say_path(path);
		puts("conform: the path is too long");
		exit(1);
	}
	path->ev[path->n] = (unsigned char)ev;
	path->es[path->n] = (unsigned char)es;
	path->ex[path->n++] = (unsigned char)ex;
}

/* As it was after each step of the path that is explored. */
static struct kept {
	struct rig rig;
	struct arena arena;
} * kept[CONFORM_STEPS + 1];

static void keep(int step, const struct rig *r)
{
	if (!kept[step] && !(kept[step] = calloc(1, sizeof *kept[step]))) {
		puts("conform: out of memory");
		exit(1);
	}
	kept[step]->rig = *r;
	arena_keep(&kept[step]->arena);
}

/* Depth first: what led to the step before is what was fed when that was compared. */
static bool follows(const struct conform_path *path)
{
	static struct conform_path last;
	size_t before = path->n - 1u;
	bool same_path = last.n >= before && memcmp(last.ev, path->ev, before) == 0 && memcmp(last.es, path->es, before) == 0 &&
			 memcmp(last.ex, path->ex, before) == 0;
	last = *path;
	return same_path;
}

int conform(const struct conform_path *path, const struct conform_picture *model)
{
	struct rig r;
	struct conform_picture core;
	int step = path->n - 1;
	if (!steps++) {
		atexit(say_cells);
		make(&r);
		keep(0, &r);
	}
	if (!follows(path)) {
		puts("conform: this is not a search in depth");
		exit(1);
	}
	differences = 0;
	r = kept[step]->rig;
	arena_put_back(&kept[step]->arena);
	struct cfw_event ev = event_of(&r, path->ev[step], path->es[step], path->ex[step]);
	same("refused", -1, 0, feed(&r, &ev));
	keep(step + 1, &r);
	look(&r, &core);
	compare(model, &core);
	compare_exit(&r, model);
	if (differences)
		say_path(path);
	return !differences;
}
