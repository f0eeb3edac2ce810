/* The black box: what was written is read again, whatever is missing, torn or forged; and the critical path through any stop. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "view/black_box.h"
#include "view/timeline.h"
#include "view/view.h"
#include "world.h"

enum { SIZE = 64 << 10 };

static struct cfw_black_box box;
static _Alignas(8) char memory[SIZE], damaged[SIZE];
static uint64_t written;

/* As the shell does it: each entry when it is new. */
static void record(void)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(world.core, written + 1))) {
		struct cfw_journal_entry mine = *e;
		written = mine.seq;
		cfw_black_box_put(&box, world.core, &mine);
	}
}

static void open_world(void)
{
	world_open(NULL);
	world.watch = record;
	written = 0;
	cfw_black_box_format(&box, memory, SIZE, 4242, world.now, 17 * CFW_SEC);
}

static void run_stop(void)
{
	cfw_id web = world_server("web", 370 * CFW_MS)->id;
	cfw_id db = world_server("db", 300 * CFW_MS)->id;
	world_hook(0, CFW_PRE_STOP, "tell the world", "policy.lua:3", 120 * CFW_MS);
	world_hook(web, CFW_PRE_STOP, NULL, "policy.lua:12", 250 * CFW_MS);
	world_hook(db, CFW_POST_STOP, "b\033[2J\xff", "policy.lua:15", 40 * CFW_MS)->outcome = CFW_FAILED;
	world_after(web, db);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + 60 * CFW_SEC);
	record();
}

static char *draw(const struct cfw_core *core, void (*form)(const struct cfw_core *core, struct cfw_buf *out))
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (form)
		form(core, &b);
	else
		cfw_view_timeline(core, 100, 40, false, true, &b);
	return cfw_buf_take(&b);
}

static void same(const struct cfw_core *a, const struct cfw_core *b,
		 void (*form)(const struct cfw_core *core, struct cfw_buf *out), const char *what)
{
	char *one = draw(a, form), *other = draw(b, form);
	is_str(other, one, "what is read gives the same %s", what);
	free(one);
	free(other);
}

static void test_read(void)
{
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	open_world();
	run_stop();
	struct cfw_core *read = cfw_black_box_read(memory, SIZE, 0, &info, &err);
	ok(read != NULL, "it is read");
	is_int(info.pid, 4242, "whose it is");
	ok(info.stopped && info.exited && !info.damaged && info.stops == 1 && !info.crash, "that it came to its end");
	is_int((long long)info.entries, (long long)written, "all entries");
	ok(info.last_ns == world.now || info.last_ns < world.now, "the time of the last one");
	same(world.core, read, NULL, "chart");
	same(world.core, read, cfw_view_timeline_json, "JSON");
	same(world.core, read, cfw_view_timeline_svg, "picture");
	same(world.core, read, cfw_view_timeline_trace, "trace");
	cfw_core_free(read);

	/* another process goes on in it */
	struct cfw_black_box more;
	memcpy(damaged, memory, SIZE);
	is_int(cfw_black_box_resume(&more, damaged, SIZE, &err), 0, "S8.2: a crash run goes on in it");
	is_int((long long)more.next, (long long)box.next, "behind what is there");
	cfw_black_box_put(&more, world.core,
			  &(struct cfw_journal_entry){.what = CFW_J_LIFE, .a = CFW_L_STOPPED, .at_ns = world.now + 1});
	cfw_core_free(cfw_black_box_read(damaged, SIZE, 0, &info, &err));
	is_int((long long)info.entries, (long long)written + 1, "and nothing is lost");
	world_close();
}

/* Bytes that are wrong, one after another: something is read or refused, and nothing else happens. */
static void test_damage(void)
{
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	open_world();
	run_stop();
	size_t read_well = 0, refused = 0, noticed = 0;
	for (size_t i = 0; i < box.next; i++)
		for (unsigned bit = 0; bit < 8; bit += 7) {
			memcpy(damaged, memory, SIZE);
			damaged[i] = (char)(damaged[i] ^ (1 << bit));
			struct cfw_core *core = cfw_black_box_read(damaged, SIZE, 0, &info, &err);
			char *text = core ? draw(core, NULL) : NULL;
			read_well += core != NULL;
			refused += core == NULL;
			noticed += core && info.entries < written;
			free(text);
			cfw_core_free(core);
		}
	ok(refused > 0 && read_well > 10 * refused, "a wrong head is refused (%zu), the rest is read (%zu)", refused,
	   read_well);
	ok(noticed > read_well / 2, "a record that is not what was written is left out (%zu)", noticed);

	size_t whole = 0;
	for (size_t n = 0; n < SIZE; n += n < box.next ? 13 : 4096) {
		struct cfw_core *core = cfw_black_box_read(memory, n, 0, &info, &err);
		whole += core != NULL;
		cfw_core_free(core);
	}
	is_int((long long)whole, 0, "one that was cut off is refused, wherever");
	ok(strstr(err.msg, "it was cut off") != NULL, "and that is said");
	memset(damaged, 0x5a, SIZE);
	ok(!cfw_black_box_read(damaged, SIZE, 0, &info, &err) && strstr(err.msg, "no black box"), "anything else is refused");
	ok(!cfw_black_box_read(damaged, 0, 0, &info, &err), "so is nothing at all");

	/* forged: whole records with numbers that no journal has */
	unsigned long long seed = 7;
	for (int round = 0; round < 3000; round++) {
		struct cfw_black_box b;
		cfw_black_box_format(&b, damaged, CFW_BLACK_BOX_LEAST, 1, 1, 1);
		for (int k = 0; k < 12; k++) {
			struct cfw_journal_entry e = {.at_ns = 0};
			unsigned char *bytes = (unsigned char *)&e;
			for (size_t i = 0; i < sizeof e; i++)
				bytes[i] =
					(unsigned char)((seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 59);
			e.what = (enum cfw_journal_what)(k == 0 ? CFW_J_STOP : (seed >> 33) % (CFW_JOURNAL_WHATS + 2));
			e.b = k == 0 ? 0 : e.b;
			e.server = e.hook = 0;
			cfw_black_box_put(&b, world.core, &e);
		}
		struct cfw_core *core = cfw_black_box_read(damaged, CFW_BLACK_BOX_LEAST, 0, &info, &err);
		char *text = core ? draw(core, NULL) : NULL, *json = core ? draw(core, cfw_view_timeline_json) : NULL;
		free(text);
		free(json);
		cfw_core_free(core);
	}
	ok(true, "nor does a forged one do any harm");
	world_close();
}

/* A stop from the first to the last moment that there is: no clock has said so. */
static void test_ages(void)
{
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	open_world();
	cfw_black_box_format(&box, memory, CFW_BLACK_BOX_LEAST, 1, 1, 1);
	cfw_black_box_put(&box, world.core, &(struct cfw_journal_entry){.what = CFW_J_STOP, .at_ns = CFW_SEC});
	cfw_black_box_put(&box, world.core, &(struct cfw_journal_entry){.what = CFW_J_EXIT, .at_ns = UINT64_MAX / 10 * 9});
	struct cfw_core *core = cfw_black_box_read(memory, CFW_BLACK_BOX_LEAST, 0, &info, &err);
	is_int((long long)info.damaged, 1, "a time that no clock has is damage");
	char *text = core ? draw(core, NULL) : NULL;
	ok(text && *text, "and the rest is shown");
	free(text);
	cfw_core_free(core);
	world_close();
}

/* A reload replaces a server by another of the same name, each time; and names that no server has. */
static void test_names(void)
{
	enum { RELOADS = 40 };
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	open_world();
	cfw_black_box_format(&box, memory, SIZE, 1, 1, 1);
	for (int i = 0; i < RELOADS; i++) {
		cfw_id id = world_server("web", 0)->id;
		cfw_black_box_put(&box, world.core,
				  &(struct cfw_journal_entry){.what = CFW_J_SERVER, .at_ns = 1, .server = id});
		cfw_core_server_remove(world.core, id, NULL);
	}
	struct cfw_core *core = cfw_black_box_read(memory, SIZE, 0, &info, &err);
	ok(core != NULL, "%d servers of one name, one after another: %s", RELOADS, err.msg);
	size_t servers = 0;
	for (cfw_id id = 0; core && (id = cfw_core_server_next(core, id));)
		servers++;
	is_int((long long)servers, RELOADS, "each is one of its own");
	cfw_core_free(core);
	world_close();
}

/* More than it holds: the oldest goes. */
static void test_ring(void)
{
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	open_world();
	cfw_black_box_format(&box, memory, CFW_BLACK_BOX_LEAST, 1, world.now, 0);
	for (unsigned i = 0; i < 1000; i++)
		cfw_black_box_put(&box, world.core,
				  &(struct cfw_journal_entry){.what = CFW_J_LATE, .at_ns = world.now + i, .a = i});
	struct cfw_core *core = cfw_black_box_read(memory, CFW_BLACK_BOX_LEAST, 0, &info, &err);
	ok(core && info.entries > 20 && info.entries < 100, "a ring (%zu entries)", info.entries);
	is_int((long long)(info.last_ns - world.now), 999, "with the newest in it");
	is_int((long long)info.damaged, 0, "and none in part");
	bool in_order = true;
	for (uint64_t seq = 1; core && seq <= info.entries; seq++)
		in_order &= cfw_core_journal(core, seq)->a == 1000 - info.entries + seq - 1;
	ok(in_order, "in order");
	cfw_core_free(core);
	world_close();
}

/* ---- the critical path: from the beginning to the end without a gap, whatever the stop was like ---- */

static unsigned long long state;

static unsigned roll(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

static void random_stop(unsigned seed)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	config.exit_timeout_ns = 2 * CFW_SEC;
	world_open(&config);
	state = seed;
	cfw_id ids[5];
	unsigned n = 1 + roll(5);
	for (unsigned i = 0; i < n; i++) {
		char name[16];
		snprintf(name, sizeof name, "s%u", i);
		ids[i] = world_server(name, roll(8) ? roll(500) * CFW_MS : never)->id;
		for (unsigned k = roll(3); k; k--)
			world_hook(ids[i], roll(2) ? CFW_PRE_STOP : CFW_POST_STOP, NULL, "p.lua:1",
				   roll(9) ? roll(400) * CFW_MS : never);
		if (i && roll(2))
			world_after(ids[i], ids[roll(i)]);
	}
	world_start();
	world_signal(SIGTERM);
	if (!roll(3)) {
		world_run(world.now + roll(900) * CFW_MS);
		world_feed((struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_ABORT}});
	}
	world_run(world.now + 60 * CFW_SEC);
}

static void test_path(void)
{
	unsigned gaps = 0, sums = 0, kinds[2] = {0}, own = 0;
	for (unsigned seed = 1; seed <= 500; seed++) {
		struct timeline t;
		random_stop(seed);
		cfw_timeline_gather(&t, world.core);
		uint64_t at = t.began_ns, sum = t.own_ns;
		for (size_t i = 0; i < t.npath; i++) {
			gaps += t.path[i].from_ns != at || t.path[i].to_ns <= at;
			at = t.path[i].to_ns;
		}
		gaps += at != t.ended_ns;
		for (size_t i = 0; i < t.nrows; i++)
			sum += t.rows[i].path_ns;
		sums += sum != t.ended_ns - t.began_ns;
		kinds[t.aborted]++;
		own += t.own_ns * 10 > t.ended_ns - t.began_ns + 1;
		cfw_timeline_clear(&t);
		world_close();
	}
	is_int(gaps, 0, "500 stops: the path has no gap, from the beginning to the end");
	is_int(sums, 0, "and what it says of each row adds up to the whole");
	ok(kinds[0] > 100 && kinds[1] > 100, "graceful ones (%u) and aborts (%u)", kinds[0], kinds[1]);
	ok(own < 50, "the core's own time is a tenth of it in few (%u)", own);
}

static const struct row *row_of(const struct timeline *t, const char *name, bool hook)
{
	struct cfw_server_view v;
	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i].server && !t->rows[i].hook == !hook &&
		    !cfw_core_server_view(world.core, t->rows[i].server, &v) && !strcmp(v.name, name))
			return &t->rows[i];
	tap_bail("no row of %s", name);
}

/* web before db; cache beside it and quicker: it costs nothing. */
static void test_blame(void)
{
	struct timeline t;
	world_open(NULL);
	cfw_id web = world_server("web", 300 * CFW_MS)->id;
	cfw_id db = world_server("db", 200 * CFW_MS)->id;
	world_server("cache", 450 * CFW_MS);
	world_hook(web, CFW_PRE_STOP, "drain", "p.lua:1", 100 * CFW_MS);
	world_after(web, db);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + 60 * CFW_SEC);
	cfw_timeline_gather(&t, world.core);
	is_int((long long)row_of(&t, "web", true)->path_ns, 100 * CFW_MS, "the hook's share");
	is_int((long long)row_of(&t, "web", false)->path_ns, 300 * CFW_MS, "the drain's, without the hook");
	is_int((long long)row_of(&t, "db", false)->path_ns, 200 * CFW_MS, "that of what came after it");
	is_int((long long)row_of(&t, "cache", false)->path_ns, 0, "who was done before costs nothing");
	is_int((long long)t.own_ns, 0, "nor does the core");
	cfw_timeline_clear(&t);
	world_close();
}

int main(void)
{
	test_read();
	test_damage();
	test_ages();
	test_names();
	test_ring();
	test_path();
	test_blame();
	return tap_done();
}
