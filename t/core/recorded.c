/* Recorded runs: what the core did in random schedules, reloads among them: every action and every answer, all that it shows, and its journal,
 * word for word. The hashes of recorded.h are of another day's build: who changes the core sees here which runs are others now.
 *
 *   recorded          compare
 *   recorded SEED     print that run, to be compared with what the build before prints
 *   recorded --write  print recorded.h anew: only after the differences were read and are meant */
#include "recorded.h"
#include "schedule.h"

#include "core/life.h"
#include "core/server.h"

static uint64_t choices;
static uint64_t seed;

static uint64_t rnd(void)
{
	choices ^= choices << 13;
	choices ^= choices >> 7;
	choices ^= choices << 17;
	return choices;
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 33) % n;
}

static void begin_choices(void)
{
	choices = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		rnd();
}

enum { RUNS = 4000, A_LINE = 100 }; /* a hash is of so many runs */

static uint64_t hash;
static bool print;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (print)
		puts(line);
	for (const char *at = line; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211u;
}

static unsigned long long ms_of(uint64_t ns)
{
	return ns == CFW_NEVER ? 0 : (unsigned long long)ns;
}

static void note_trigger(const char *what, const struct cfw_trigger *t)
{
	note("  %s: %s %u %d %d %x %llu %u %u %d%d count %u number %u at %llu", what, cfw_trigger_name(t->kind, t->signo),
	     t->custom, t->code, t->died_signo, t->server, ms_of(t->ns), t->text, t->request, t->no_exit, t->at_once, t->count,
	     t->number, ms_of(t->at_ns));
}

static void on_action(struct drive *d, const struct cfw_action *a)
{
	note("%llu action %d: question %u run %x attempt %u request %u text %u hook %x server %x phase %d mode %d outcome %d "
	     "why %d until "
	     "%llu code %d kill %d hurry %d",
	     ms_of(d->now_ns), a->type, a->question, a->run, a->attempt, a->request, a->text, a->hook, a->server, a->phase,
	     a->mode, a->outcome, a->why, ms_of(a->deadline_ns), a->code, a->kill, a->hurry);
	note_trigger("because of", &a->trigger);
}

static uint64_t journal_seq;

static void note_servers(struct drive *d)
{
	for (int i = 0; i < d->servers; i++) {
		struct cfw_server_view v;
		struct cfw_server_opts o;
		cfw_id id = d->server[i].id;
		int rc = cfw_core_server_view(d->core, id, &v);
		if (rc || cfw_core_server_opts(d->core, id, &o)) {
			note("  server %d: %d %d", i, rc, cfw_core_server_opts(d->core, id, &o));
			continue;
		}
		note("  server %x %s %s %s since %llu restarts %u %d%d%d%d found %x next %x", v.id, v.name, v.kind,
		     cfw_server_state_name(v.state), ms_of(v.since_ns), v.restarts, v.started, v.prestopped, v.owed, v.retired,
		     cfw_core_server_find(d->core, v.name), cfw_core_server_next(d->core, id));
		note("   %s %s %llu %llu %d %u %llu %d on %x %x %x", o.name, o.kind, ms_of(o.start_timeout_ns),
		     ms_of(o.stop_timeout_ns), (int)o.restart, o.restart_max, ms_of(o.backoff_ns), o.expect_exit,
		     cfw_core_server_on(d->core, id, 0), cfw_core_server_on(d->core, id, 1),
		     cfw_core_server_on(d->core, id, 40));
	}
}

static void note_hooks(struct drive *d)
{
	for (int i = 0; i < d->hooks; i++) {
		struct cfw_hook_view v;
		struct cfw_hook_opts o;
		cfw_id id = d->hook[i].id;
		int rc = cfw_core_hook_view(d->core, id, &v);
		if (rc || cfw_core_hook_opts(d->core, id, &o)) {
			note("  hook %d: %d %d", i, rc, cfw_core_hook_opts(d->core, id, &o));
			continue;
		}
		note("  hook %x of %x %d %s %s %lld run %x %d since %llu until %llu: %llu next %x", v.id, v.server, v.phase,
		     v.name, v.where, (long long)v.ref, v.run, v.running, ms_of(v.since_ns), ms_of(v.until_ns),
		     ms_of(cfw_core_run_until(d->core, v.run)), cfw_core_hook_next(d->core, id));
		note("   %x %d %s %s %llu %lld", o.server, o.phase, o.name, o.where, ms_of(o.timeout_ns), (long long)o.ref);
	}
}

static void note_journal(struct drive *d)
{
	const struct cfw_journal_entry *e;
	for (; (e = cfw_core_journal(d->core, journal_seq + 1)); journal_seq = e->seq)
		note("  journal %llu at %llu: %d %d %d %d %x %x %x %u %u %u %llu", (unsigned long long)e->seq, ms_of(e->at_ns),
		     e->what, e->trigger_kind, e->signo, e->code, e->server, e->hook, e->run, e->a, e->b, e->text,
		     ms_of(e->ns));
}

static void on_feed(struct drive *d, int rc)
{
	struct cfw_stop_view v;
	cfw_id who = 0;
	bool settled = cfw_core_settled(d->core, &who);
	cfw_core_stop_view(d->core, &v);
	note("%llu fed: %d, life %s, due %llu, quiet %d, late %llu, settled %d %x", ms_of(d->now_ns), rc,
	     cfw_life_name(cfw_core_life(d->core)), ms_of(cfw_core_deadline(d->core)), cfw_core_quiet(d->core),
	     (unsigned long long)cfw_core_late_answers(d->core), settled, settled ? 0 : who);
	note("  stop %d mode %d code %d %llu %llu %llu %d%d%d%d seq %llu", v.running, v.mode, v.code, ms_of(v.began_ns),
	     ms_of(v.margin_ns), ms_of(v.deadline_ns), v.cut, v.no_exit, v.hurried, v.cancelling, (unsigned long long)v.seq);
	if (v.running)
		note_trigger("first", &v.first);
	note_servers(d);
	note_hooks(d);
	note_journal(d);
}

/* Orders that are made late, between servers in whatever state, and such as close a circle. */
static void late_order(struct drive *d)
{
	struct curfew_err err = {0};
	int a = (int)below((unsigned)d->servers), b = (int)below((unsigned)d->servers);
	int rc = cfw_core_server_after(d->core, d->server[a].id, d->server[b].id, &err);
	note("after %d %d: %d %s", a, b, rc, rc ? err.msg : "");
}

/* S7.2: some servers go, each with an heir or without, some are new, hooks are others. */
static void reload(struct drive *d)
{
	cfw_id who;
	if (!cfw_core_settled(d->core, &who) || d->servers + 4 > DRIVE_SERVERS || d->hooks + 4 > DRIVE_HOOKS ||
	    cfw_core_edges_reserve(d->core, 8))
		return;
	for (unsigned n = below(3); n > 0; n--) {
		int old = (int)below((unsigned)d->servers);
		char name[16];
		struct cfw_server_view v;
		if (cfw_core_server_view(d->core, d->server[old].id, &v) || v.retired ||
		    cfw_core_server_find(d->core, v.name) != v.id)
			continue;
		bool heir = !one_in(3);
		snprintf(name, sizeof name, "r%d", d->servers);
		struct cfw_server_opts o = drive_opts(heir ? v.name : name);
		o.staged = true;
		struct drive_server *s = drive_add_opts(d, &o);
		if (!s)
			continue;
		s->start_ns = some_time();
		s->stop_ns = some_time();
		s->cut_ns = MS(1);
		edges[d->servers - 1] = 0;
		struct cfw_hook_opts h = {.server = s->id, .phase = CFW_PRE_STOP, .timeout_ns = CFW_NEVER, .staged = true};
		cfw_id hook = cfw_core_hook_add(d->core, &h, NULL);
		d->hook[d->hooks] = (struct drive_hook){
			.id = hook, .server = d->servers - 1, .phase = CFW_PRE_STOP, .take_ns = some_time()};
		snprintf(d->hook[d->hooks].label, sizeof d->hook[0].label, "h%d", d->hooks);
		d->hooks++;
		if (one_in(4)) { /* given up */
			if (one_in(2))
				cfw_core_hook_discard(d->core, hook);
			note("removed: %d", cfw_core_server_remove(d->core, s->id, NULL));
			continue;
		}
		for (int i = 0; i < d->servers; i++) /* what would depend on one that goes does so no more */
			if (heir && d->server[i].id != GONE && cfw_core_server_on(d->core, d->server[i].id, 0))
				cfw_core_server_forget_after(d->core, d->server[i].id);
		enum cfw_retire when = (enum cfw_retire)below(3);
		if (heir)
			cfw_core_server_retire(d->core, v.id, when == CFW_RETIRE_NOW ? 0 : s->id, when);
		else if (one_in(2))
			cfw_core_server_options(d->core, v.id,
						&(struct cfw_server_opts){.restart_max = 1, .stop_timeout_ns = MS(9)});
		cfw_core_server_commit(d->core, s->id);
		cfw_core_hook_commit(d->core, hook);
		if (!heir && one_in(2))
			cfw_core_server_link(d->core, s->id, v.id);
	}
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SWAP});
}

static void one_run(uint64_t of)
{
	seed = of;
	begin_choices();
	struct drive *d = configured();
	journal_seq = 0;
	d->policy = policy;
	d->ask_ns = one_in(3) ? some_time() : 0;
	d->on_action = on_action;
	d->on_feed = on_feed;
	if (!one_in(8))
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_START, .request = 1});
	for (unsigned i = 0, n = below(24); i < n && !d->exited; i++) {
		drive_run(d, d->now_ns + (one_in(3) ? MS(below(3000)) : MS(below(30))));
		if (d->exited)
			break;
		if (one_in(6))
			late_order(d);
		else if (one_in(5))
			reload(d);
		else
			happen(d, true);
	}
	d->policy = NULL;
	if (!d->exited) {
		struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, 15, 0);
		drive_feed(d, &ev);
		drive_run(d, d->now_ns + MS(18000));
	}
	note("exited %d with %d", d->exited, d->exit_code);
	drive_free(d);
}

/* Every cell of the two tables. */
static void note_tables(void)
{
	for (int s = 0; s < CFW_SERVER_STATES; s++)
		for (int event = 0; event < CFW_SERVER_EVENTS; event++)
			note("server %d %d: %d", s, event,
			     cfw_server_cell((enum cfw_server_state)s, (enum cfw_server_event)event));
	for (int life = 0; life < CFW_LIVES; life++)
		for (int event = 0; event < CFW_LIFE_EVENTS; event++)
			note("life %d %d: %d", life, event, cfw_life_after((enum cfw_life)life, (enum cfw_life_event)event));
}

static uint64_t hash_of(uint64_t first, uint64_t n)
{
	hash = 14695981039346656037u;
	if (first == 1)
		note_tables();
	for (uint64_t i = first; i < first + n; i++)
		one_run(i);
	return hash;
}

int main(int argc, char **argv)
{
	(void)schedule; /* what it asserts is for others */
	bool writes = argc > 1 && strcmp(argv[1], "--write") == 0;
	freopen("/dev/null", "w", stderr); /* drive.h knows nothing of reloads: its own checks are for other tests */
	if (argc > 1 && !writes) {
		print = true;
		hash_of(strtoull(argv[1], NULL, 10), 1);
		return 0;
	}
	int differ = 0;
	if (writes)
		puts("/* Made by recorded --write. */\n#include <stdint.h>\n\n/* clang-format off */\nstatic const uint64_t "
		     "wanted[] = {");
	for (uint64_t i = 0; i * A_LINE < RUNS; i++) {
		uint64_t got = hash_of(i * A_LINE + 1, A_LINE);
		bool same = i < sizeof wanted / sizeof *wanted && got == wanted[i];
		differ += !same;
		if (writes)
			printf("\t0x%016llx,\n", (unsigned long long)got);
		else if (!same)
			printf("# not as recorded: one of the runs %llu to %llu\n", (unsigned long long)i * A_LINE + 1,
			       (unsigned long long)(i + 1) * A_LINE);
	}
	if (writes) {
		puts("};");
		return 0;
	}
	is_int(differ, 0, "%d runs are what they were", RUNS);
	return tap_done();
}
