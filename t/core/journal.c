/* The journal: in order, never changed, the last stop kept, full without harm. */
#include "drive.h"

static const struct cfw_journal_entry *find(const struct drive *d, uint64_t from, enum cfw_journal_what what)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(d->core, from)) != NULL && e->what != what)
		from = e->seq + 1;
	return e;
}

static int count(const struct drive *d, enum cfw_journal_what what)
{
	const struct cfw_journal_entry *e;
	int n = 0;
	for (uint64_t seq = 1; (e = find(d, seq, what)) != NULL; seq = e->seq + 1)
		n++;
	return n;
}

static bool in_order(const struct drive *d)
{
	const struct cfw_journal_entry *e;
	uint64_t seq = 0, at = 0;
	for (bool good = true; (e = cfw_core_journal(d->core, seq + 1)) != NULL; seq = e->seq, at = e->at_ns) {
		good = e->seq > seq && e->at_ns >= at;
		if (!good)
			return false;
	}
	return true;
}

/* For every number, gone or to come: the first entry that has at least it. */
static bool found_by_all(const struct drive *d)
{
	const struct cfw_journal_entry *e = cfw_core_journal(d->core, 0);
	uint64_t seq = 0;
	for (; e; e = cfw_core_journal(d->core, e->seq + 1))
		for (; seq <= e->seq; seq++)
			if (cfw_core_journal(d->core, seq) != e)
				return false;
	return !cfw_core_journal(d->core, seq) && !cfw_core_journal(d->core, seq + 1) && !cfw_core_journal(d->core, UINT64_MAX);
}

static void story(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("db");
	o.restart = CFW_RESTART_FAILURE;
	o.backoff_ns = MS(100);
	drive_add_opts(d, &o);
	drive_add(d, "web")->stop_ns = CFW_NEVER;
	drive_after(d, "web", "db");
	struct drive_hook *slow = drive_hook(d, "web", CFW_PRE_STOP, "slow", MS(200));
	slow->take_ns = CFW_NEVER;
	ok(cfw_core_journal(d->core, 1) == NULL, "a new journal is empty");
	drive_start(d);
	drive_close(d, "db", -1, 9);
	drive_run(d, d->now_ns + MS(300));
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, CFW_NEVER);

	const struct cfw_journal_entry *e = find(d, 1, CFW_J_CLOSED);
	ok(e && e->server == d->server[0].id && e->code == -1 && e->signo == 9, "who ended unasked, and how");
	e = find(d, 1, CFW_J_BACKOFF);
	ok(e && e->server == d->server[0].id && e->a == 1 && e->ns == MS(1100), "when it is started again");
	e = find(d, 1, CFW_J_TRIGGER);
	ok(e && e->trigger_kind == CFW_T_SIGNAL && e->signo == 15 && e->a == 1, "the trigger and its count");
	e = find(d, 1, CFW_J_DECISION);
	ok(e && e->a == CFW_D_GRACEFUL && e->b == 1 && e->code == 0, "the decision, the core's default");
	const struct cfw_journal_entry *stop = find(d, 1, CFW_J_STOP);
	ok(stop && stop->a == CFW_GRACEFUL && stop->b == 0 && stop->ns == MS(1300) + MS(5000), "the stop and its deadline");
	e = find(d, 1, CFW_J_HOOK_BEGIN);
	ok(e && e->hook == slow->id && e->server == d->server[1].id && e->run != 0 && stop && e->seq > stop->seq,
	   "a hook's begin");
	const struct cfw_journal_entry *end = find(d, 1, CFW_J_HOOK_END);
	ok(e && end && end->run == e->run && end->a == CFW_FAILED && end->b == 1 && end->at_ns == MS(1500),
	   "its end, by its own limit");
	e = find(d, 1, CFW_J_MARGIN);
	ok(e && e->a == 2 && e->at_ns == MS(5800), "the margin, and how many had not stopped");
	is_int(count(d, CFW_J_CUT), 2, "who was cut");
	e = find(d, 1, CFW_J_EXIT);
	ok(e && e->code == 255 && cfw_core_journal(d->core, e->seq + 1) == NULL, "the exit comes last");
	ok(in_order(d), "seq and time only go up");
	int lives = 0;
	static const enum cfw_life want[] = {CFW_L_STARTING, CFW_L_STARTED, CFW_L_STOPPING, CFW_L_PRESTOPPED, CFW_L_TIMEOUT};
	for (uint64_t seq = 1; (e = find(d, seq, CFW_J_LIFE)) != NULL && lives < 5; seq = e->seq + 1)
		lives += e->a == want[lives];
	is_int(lives, 5, "S3: the lives one after another");
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	ok(v.first.kind == CFW_T_SIGNAL && v.first.signo == 15 && v.cut, "field 10: the first cause is kept");
	drive_free(d);
}

static void turned_and_refused(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web")->stop_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_fire(d, CFW_T_RELOAD, 0, 0);
	drive_fire(d, CFW_T_ABORT, 0, 0);
	const struct cfw_journal_entry *e = find(d, find(d, 1, CFW_J_STOP)->seq + 1, CFW_J_STOP);
	ok(e && e->a == CFW_ABORT && e->b == 1, "a stop that turned into an abort");
	e = find(d, 1, CFW_J_REFUSED);
	ok(e && e->trigger_kind == CFW_T_RELOAD && e->a == CFW_D_RELOAD, "S7.4: a reload that was refused");
	drive_free(d);
}

static void stop_without_exit(struct drive *d)
{
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	ev.trigger.no_exit = true;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns + MS(100));
}

/* Entries of the stop that began with that seq, up to its end. */
static int kept(const struct drive *d, uint64_t first)
{
	const struct cfw_journal_entry *e;
	int n = 0;
	for (uint64_t seq = first; (e = cfw_core_journal(d->core, seq)) != NULL && e->seq == seq; seq++, n++)
		if (e->what == CFW_J_LIFE && e->a == CFW_L_STOPPED)
			return n + 1;
	return -1;
}

static void last_stop_is_kept(void)
{
	struct drive *d = drive_new(NULL);
	for (int i = 0; i < 20; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
		drive_hook(d, name, CFW_PRE_STOP, NULL, CFW_NEVER);
	}
	drive_start(d);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 300 * round; i++) /* so that the ring has gone round before */
			drive_fire(d, CFW_T_CUSTOM, 0, 0);
		uint64_t before = 1;
		const struct cfw_journal_entry *e;
		while ((e = cfw_core_journal(d->core, before)) != NULL)
			before = e->seq + 1;
		stop_without_exit(d);
		const struct cfw_journal_entry *stop = find(d, before, CFW_J_STOP);
		uint64_t first = stop ? stop->seq : 0;
		int n = kept(d, first);
		ok(n > 100, "round %d: the whole stop is there: %d entries", round, n);
		drive_start(d);
		for (int i = 0; i < 3000; i++)
			drive_fire(d, CFW_T_CUSTOM, 0, 0);
		is_int(kept(d, first), n, "and is kept, whatever comes after it");
		e = cfw_core_journal(d->core, first + (uint64_t)n);
		ok(e && e->seq > first + 1000, "the oldest of the others were dropped");
		ok(in_order(d), "seq and time only go up");
		ok(found_by_all(d), "every entry is found by its number, or by one that was dropped before it");
	}
	drive_free(d);
}

static void full(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web")->stop_ns = MS(1000);
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	for (int i = 0; i < 2000; i++)
		drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, CFW_NEVER);
	ok(find(d, 1, CFW_J_STOP) != NULL, "a stop that fills the journal keeps its beginning");
	const struct cfw_journal_entry *e = find(d, 1, CFW_J_EXIT);
	ok(e && e->seq > 4000, "and has room for its end; the gaps show in seq");
	ok(found_by_all(d), "and each entry is found by the numbers of the gap before it");
	struct cfw_stop_view view;
	cfw_core_stop_view(d->core, &view);
	e = find(d, 1, CFW_J_STOP);
	ok(e && view.seq == e->seq, "the stop knows its first entry");
	is_int(d->exit_code, 0, "S4.4: 2,000 signals change nothing");
	drive_free(d);
}

/* It grows when it has gone round. */
static void grows(void)
{
	struct drive *d = drive_new(NULL);
	const struct cfw_journal_entry *e;
	for (int i = 0; i < 700; i++)
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
	uint64_t first = cfw_core_journal(d->core, 1)->seq, last = first, n = 0;
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		struct cfw_server_opts o = drive_opts(name);
		cfw_core_server_add(d->core, &o, NULL);
	}
	is_int(cfw_core_journal(d->core, 1)->seq, first, "the oldest is still the oldest");
	for (; (e = cfw_core_journal(d->core, last)) != NULL; last = e->seq + 1)
		n++;
	is_int(n, 512, "and all the others are there");
	ok(in_order(d), "in order");
	drive_free(d);
}

int main(void)
{
	story();
	turned_and_refused();
	last_stop_is_kept();
	full();
	grows();
	return tap_done();
}
