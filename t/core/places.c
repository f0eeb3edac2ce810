/* The journal's places: who has how many of them in a stop, what a reservation keeps, and a journal that another process has left. */
#define DRIVE_MOST 1000
#include "drive.h"

/* How many entries there are places for, as the allocator sees it. */
static size_t places;
static void *watch_places(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	size_t n = new_size / sizeof(struct cfw_journal_entry);
	(void)ud;
	if (new_size % sizeof(struct cfw_journal_entry) == 0 && n >= 512)
		places = n;
	return cfw_alloc_std.fn(cfw_alloc_std.ud, ptr, old_size, new_size);
}

static const struct cfw_alloc watched = {watch_places, NULL};

static size_t count(const struct drive *d, uint64_t from, enum cfw_journal_what what)
{
	const struct cfw_journal_entry *e;
	size_t n = 0;
	for (uint64_t seq = from; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		n += e->what == what || what == CFW_J_STOP;
	return n;
}

/* A stop of many servers while somebody sends signals without end: those have half of what is not reserved, servers and hooks what is, and what is
 * said of the stop as a whole comes in even where both have used up theirs. */
static void shares(void)
{
	enum { SERVERS = 60, FLOOD = 4000 };
	struct drive *d = drive_new(&watched);
	struct cfw_stop_view v;
	for (int i = 0; i < SERVERS; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name)->stop_ns = CFW_NEVER;
	}
	drive_start(d);
	size_t all = places;
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	for (int i = 0; i < FLOOD; i++) {
		struct cfw_event late = {.type = CFW_EV_HOOK_DONE, .run = 4711};
		drive_feed(d, &late);
	}
	cfw_core_stop_view(d->core, &v);
	is_int((long)count(d, v.seq, CFW_J_LATE), (long)((all - 5 * SERVERS) / 2),
	       "what anybody can say any number of times has half of the places that nothing else is sure of");
	uint64_t last = 0;
	const struct cfw_journal_entry *e;
	for (uint64_t seq = v.seq; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		last = e->seq;
	size_t cuts = count(d, v.seq, CFW_J_CUT), servers = count(d, v.seq, CFW_J_SERVER);
	drive_run(d, CFW_NEVER);
	is_int((long)(count(d, v.seq, CFW_J_CUT) - cuts), SERVERS, "each server that is cut off has its place after that");
	ok(count(d, v.seq, CFW_J_SERVER) > servers, "and so have their ends");
	ok(last > v.seq && count(d, v.seq, CFW_J_EXIT) == 1 && count(d, v.seq, CFW_J_MARGIN) == 1, "and the end of it all");
	ok(count(d, v.seq, CFW_J_STOP) <= all, "and no more than there are places");
	drive_free(d);
}

/* Each of many servers has all said of it that a stop can say of one: that it is held, runs its hooks, drains, is cut off, is gone. It is so
 * beside a flood, too, which has its own places. */
static void many(bool hooks, bool drains, int flood)
{
	struct drive *d = drive_new(&watched);
	struct cfw_event late = {.type = CFW_EV_HOOK_DONE, .run = 4711};
	struct cfw_stop_view v;
	for (int i = 0; i < DRIVE_MOST; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name)->stop_ns = drains ? CFW_NEVER : 0;
		if (hooks)
			drive_hook(d, name, CFW_PRE_STOP, NULL, CFW_NEVER);
	}
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	for (int i = 0; i < flood; i++)
		drive_feed(d, &late);
	drive_run(d, CFW_NEVER);
	cfw_core_stop_view(d->core, &v);
	size_t cut = drains ? DRIVE_MOST : 0, hooked = hooks ? DRIVE_MOST : 0, states[CFW_SERVER_STATES] = {0};
	const struct cfw_journal_entry *e;
	for (uint64_t seq = v.seq; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		if (e->what == CFW_J_SERVER)
			states[e->a]++;
	is_int((long)count(d, v.seq, CFW_J_CUT), (long)cut, "%d servers%s, %d of something else: each that is cut off is told",
	       DRIVE_MOST, hooks ? " with a hook" : "", flood);
	is_int((long)states[CFW_S_PRE_STOP], (long)hooked, "and each that runs its hooks");
	is_int((long)count(d, v.seq, CFW_J_HOOK_END), (long)hooked, "and each hook that ends");
	is_int((long)states[CFW_S_STOPPING], DRIVE_MOST, "and each that drains");
	is_int((long)states[CFW_S_DOWN], DRIVE_MOST, "and each that is gone");
	ok(flood ? count(d, v.seq, CFW_J_LATE) >= 200 : v.seq > 0, "and what is no server's has places too");
	drive_free(d);
}

/* What one server or hook can have said of it is bounded by what was reserved when it came; it goes with it. */
static void reserved(void)
{
	struct drive *d = drive_new(&watched);
	drive_add(d, "first");
	size_t before = places;
	for (int i = 0; i < 2000; i++) {
		struct cfw_server_opts o = drive_opts("again");
		cfw_id id = cfw_core_server_add(d->core, &o, NULL);
		struct cfw_hook_opts h = {.server = id, .phase = CFW_PRE_STOP};
		if (!id || !cfw_core_hook_add(d->core, &h, NULL) || cfw_core_server_remove(d->core, id, NULL))
			tap_bail("a server that comes and goes");
	}
	is_int((long)places, (long)before, "servers and hooks that come and go leave no place behind");
	drive_free(d);
}

/* It grows while a stop is kept, and the kept one is still there. */
static void grows_beside_a_kept_stop(void)
{
	struct drive *d = drive_new(&watched);
	struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0);
	struct cfw_stop_view v;
	static struct cfw_journal_entry was[4096];
	const struct cfw_journal_entry *e;
	size_t n = 0, same = 0, before;
	stop.trigger.no_exit = true;
	for (int i = 0; i < 10; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
	}
	drive_start(d);
	for (int i = 0; i < 100; i++)
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
	drive_feed(d, &stop);
	drive_run(d, d->now_ns + MS(100));
	cfw_core_stop_view(d->core, &v);
	for (int i = 0; i < 50; i++)
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
	for (uint64_t seq = v.seq; (e = cfw_core_journal(d->core, seq)) != NULL && n < 4096; seq = e->seq + 1)
		was[n++] = *e;
	before = places;
	for (int i = 0; i < 300; i++) {
		char name[8];
		snprintf(name, sizeof name, "n%d", i);
		struct cfw_server_opts o = drive_opts(name);
		cfw_core_server_add(d->core, &o, NULL);
	}
	ok(places > before, "there are more places");
	for (size_t i = 0; i < n; i++) {
		e = cfw_core_journal(d->core, was[i].seq);
		same += e && e->seq == was[i].seq && e->what == was[i].what && e->at_ns == was[i].at_ns &&
			e->server == was[i].server && e->a == was[i].a;
	}
	ok(n > 100, "%zu entries of a stop that is kept and of what came after it", n);
	is_int((long)same, (long)n, "are what they were");
	drive_free(d);
}

/* A second stop in one life: the places of the first are free again, from the first entry on. */
static void stops_one_after_another(void)
{
	struct drive *d = drive_new(&watched);
	struct cfw_stop_view v;
	drive_add(d, "web");
	for (int round = 0; round < 3; round++) {
		struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0);
		stop.trigger.no_exit = true;
		drive_start(d);
		d->server[0].stop_ns = MS(50);
		drive_feed(d, &stop);
		drive_run(d, d->now_ns + MS(1));
		cfw_core_stop_view(d->core, &v);
		for (int i = 0; i < 3000; i++) {
			struct cfw_event late = {.type = CFW_EV_HOOK_DONE, .run = 4711};
			drive_feed(d, &late);
		}
		size_t kept = count(d, v.seq, CFW_J_LATE);
		ok(kept > places / 3 && kept < places / 2, "round %d: a flood has its share, whatever was dropped before: %zu",
		   round, kept);
		drive_run(d, d->now_ns + MS(200));
		const struct cfw_journal_entry *e = cfw_core_journal(d->core, v.seq);
		ok(e && e->seq == v.seq && e->what == CFW_J_STOP, "its first entry is the stop");
	}
	drive_free(d);
}

/* What another process has left: the entries as they were, numbered from 1, the last stop and its end. */
static void restored(void)
{
	enum { N = 700, FIRST = 10, SECOND = 650, TURNED = 660, EXIT = 699 };
	static struct cfw_journal_entry entries[N];
	const struct cfw_trigger first = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 3};
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	for (size_t i = 0; i < N; i++)
		entries[i] = (struct cfw_journal_entry){.seq = 5000 + i,
							.at_ns = MS(i),
							.what = CFW_J_SERVER,
							.code = 99,
							.server = (cfw_id)i + 1,
							.a = (uint32_t)i % 7};
	entries[FIRST].what = entries[SECOND].what = entries[TURNED].what = CFW_J_STOP;
	entries[FIRST].b = entries[SECOND].b = 0;
	entries[TURNED].b = 1;
	entries[EXIT].what = CFW_J_EXIT;
	entries[EXIT].code = 7;
	is_int(core ? cfw_core_restore(core, entries, N, &first) : 1, 0, "a journal is restored");
	size_t same = 0;
	for (size_t i = 0; i < N; i++) {
		const struct cfw_journal_entry *e = cfw_core_journal(core, i + 1);
		same += e && e->seq == i + 1 && e->what == entries[i].what && e->at_ns == entries[i].at_ns &&
			e->server == entries[i].server && e->a == entries[i].a && e->code == entries[i].code;
	}
	is_int((long)same, N, "each entry is the one that it was, under its new number");
	ok(!cfw_core_journal(core, N + 1), "and there is none after the last");
	struct cfw_stop_view v;
	cfw_core_stop_view(core, &v);
	is_int((long)v.seq, SECOND + 1, "the last stop begins where it began, not where it turned into an abort");
	is_int(v.code, 7, "its code is that of the end");
	ok(v.first.kind == CFW_T_SIGNAL && v.first.signo == 15 && v.first.count == 3, "its cause is the one that was given");
	const struct cfw_event ev = {.type = CFW_EV_START};
	is_int(cfw_core_feed(core, MS(5000), &ev), CURFEW_ESTATE, "it has ended");
	cfw_core_free(core);
}

/* What a server or hook may need is reserved beside a stop that is kept, however much that had to say. */
static void comes_beside_a_kept_stop(void)
{
	struct drive *d = drive_new(&watched);
	struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0), late = {.type = CFW_EV_HOOK_DONE, .run = 4711};
	struct cfw_stop_view v;
	drive_add(d, "web")->stop_ns = MS(50);
	drive_start(d);
	stop.trigger.no_exit = true;
	drive_feed(d, &stop);
	drive_run(d, d->now_ns + MS(1));
	for (int i = 0; i < 3000; i++)
		drive_feed(d, &late);
	drive_run(d, d->now_ns + MS(100));
	cfw_core_stop_view(d->core, &v);
	size_t kept = count(d, v.seq, CFW_J_STOP);
	ok(!v.running && kept > places / 3, "a stop is kept that had much to say");
	drive_add(d, "one more");
	uint64_t last = 0;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, last + 1)) != NULL;)
		last = e->seq;
	for (int i = 0; i < 3000; i++)
		drive_feed(d, &late);
	size_t after = count(d, last + 1, CFW_J_STOP);
	ok(after >= 512, "a server comes, and there are places as ever for what follows: %zu", after);
	is_int((long)count(d, v.seq, CFW_J_STOP), (long)(kept + after), "and all of the stop is there still");
	drive_free(d);
}

/* A stop has used up all places for what may come any number of times: that somebody wants it cancelled finds none any more, but that it is
 * over so does. */
static void cancelled_when_full(void)
{
	enum { HOOKS = 1000, FLOOD = 4000 };
	struct drive *d = drive_new(&watched);
	struct cfw_event late = {.type = CFW_EV_HOOK_DONE, .run = 4711}, cancel = drive_trigger(CFW_T_CANCEL, 0, 0);
	struct cfw_event stop = drive_trigger(CFW_T_SIGNAL, 15, 0);
	struct cfw_action a;
	cfw_id web = drive_add(d, "web")->id;
	for (int i = 0; i < HOOKS; i++) {
		struct cfw_hook_opts o = {.server = web, .phase = CFW_PRE_STOP, .timeout_ns = CFW_NEVER};
		if (!cfw_core_hook_add(d->core, &o, NULL))
			tap_bail("out of memory");
	}
	drive_start(d);
	const struct cfw_event *events[] = {&stop, &cancel};
	uint32_t run = 0;
	struct cfw_stop_view v;
	int called = 0, unlame = 0;
	for (int i = 0; i < 2; i++) {
		cfw_core_feed(d->core, d->now_ns, events[i]);
		while (cfw_core_next(d->core, &a)) {
			if (a.type == CFW_ACT_ASK)
				cfw_core_feed(d->core, d->now_ns,
					      &(struct cfw_event){.type = CFW_EV_DECISION, .question = a.question});
			if (a.type != CFW_ACT_CALL)
				continue;
			run = a.run;
			for (int k = 0; called == 0 && k < FLOOD; k++)
				cfw_core_feed(d->core, d->now_ns, &late);
			if (++called < HOOKS)
				cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = run});
		}
	}
	cfw_core_stop_view(d->core, &v);
	ok(called == HOOKS && v.running && v.cancelling, "the last of many hooks runs, and a cancel waits for it");
	cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = run});
	while (cfw_core_next(d->core, &a))
		unlame += a.type == CFW_ACT_UNLAME;
	is_int(unlame, 1, "the stop is taken back");
	const struct cfw_journal_entry *e;
	int cancels = 0;
	uint32_t said = 0;
	for (uint64_t seq = v.seq; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		if (e->what == CFW_J_CANCEL) {
			cancels++;
			said = e->a;
		}
	ok(cancels == 1 && said == 1, "which has its place in a journal that is full for all else");
	d->exited = true;
	drive_free(d);
}

/* A stop that begins wherever the ring has come to: what there is of it is in order while it runs, and when it is kept. */
static void begins_anywhere(void)
{
	enum { MOST = 700 };
	int wrong = 0, stops = 0;
	for (int before = 0; before < MOST; before += 5) {
		struct drive *d = drive_new(NULL);
		struct cfw_event stop = drive_trigger(CFW_T_STOP, 0, 0), late = {.type = CFW_EV_HOOK_DONE, .run = 4711};
		stop.trigger.no_exit = true;
		drive_add(d, "web")->stop_ns = MS(50);
		for (int round = 0; round < 2; round++) {
			drive_start(d);
			for (int i = 0; i < before; i++)
				drive_feed(d, &late);
			drive_feed(d, &stop);
			drive_run(d, d->now_ns + MS(1));
			for (int half = 0; half < 2; half++) {
				uint64_t seq = 0, at_ns = 0;
				for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, seq + 1)) != NULL;
				     seq = e->seq, at_ns = e->at_ns)
					wrong += e->seq <= seq || e->at_ns < at_ns || cfw_core_journal(d->core, e->seq) != e;
				drive_run(d, d->now_ns + MS(100));
			}
			stops++;
		}
		drive_free(d);
	}
	is_int(wrong, 0, "in %d stops every entry is in order, and found by its number", stops);
}

int main(void)
{
	shares();
	many(false, true, 0);
	many(true, true, 0);
	many(true, false, 0);
	many(false, true, 6000);
	many(true, true, 6000);
	reserved();
	grows_beside_a_kept_stop();
	stops_one_after_another();
	restored();
	comes_beside_a_kept_stop();
	cancelled_when_full();
	begins_anywhere();
	return tap_done();
}
