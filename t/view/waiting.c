/* What a stop waits for, as the live display shows it, literally. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "view/view.h"
#include "world.h"

static struct cfw_buf text;

static const char *waiting(int width, int height, bool color)
{
	cfw_buf_reset(&text);
	cfw_view_waiting(world.core, world.now, width, height, color, false, &text);
	return text.data ? text.data : "";
}

static void test_graceful(void)
{
	world_open(NULL);
	cfw_id web = world_server("web", 370 * CFW_MS)->id, db = world_server("db", 300 * CFW_MS)->id;
	cfw_id cache = world_server("cache", 80 * CFW_MS)->id, tcp = world_server("tcp", 2 * CFW_SEC)->id;
	world_hook(0, CFW_PRE_STOP, "tell the world", "policy.lua:3", 120 * CFW_MS);
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.server = web,
				  .phase = CFW_PRE_STOP,
				  .name = "let the balancer notice",
				  .where = "policy.lua:12",
				  .timeout_ns = 2 * CFW_SEC};
	struct world_thing *h = world_add(cfw_core_hook_add(world.core, &o, &err), 1500 * CFW_MS);
	h->hook = true;
	world_after(web, db);
	world_after(web, cache);
	world_start();
	is_str(waiting(80, 10, false), "", "nothing while no stop runs");
	(void)tcp;
	world_signal(SIGTERM);
	uint64_t began = world.now;
	world_run(began + 50 * CFW_MS);
	is_str(waiting(100, 10, false),
	       "stopping, code 0, because of SIGTERM (1st): 4.9s of 5s left [####################]\n"
	       "  (global) pre_stop \"tell the world\" (policy.lua:3)                         for 0.0s, cut in 4.9s\n"
	       "  then: web, db, cache, tcp\n",
	       "a global hook first: nothing else has begun");
	world_run(began + 1370 * CFW_MS);
	is_str(waiting(100, 10, false),
	       "stopping, code 0, because of SIGTERM (1st): 3.6s of 5s left [###############.....]\n"
	       "  web  pre_stop \"let the balancer notice\" (policy.lua:12)                   for 1.2s, cut in 0.7s\n"
	       "  tcp  stops                                                                for 1.2s, cut in 3.1s\n"
	       "  then: db, cache\n",
	       "server, phase, hook with its line, since when, until when, what is left of the budget, and who is next");
	is_str(waiting(60, 10, false),
	       "stopping, code 0, because of SIGTERM (1st): 3.6s of 5s left\n"
	       "  web  pre_stop \"l… (policy.lua:12) for 1.2s, cut in 0.7s\n"
	       "  tcp  stops                        for 1.2s, cut in 3.1s\n"
	       "  then: db, cache\n",
	       "on a narrow terminal the name gives way, not the line of the source and not the times");
	is_str(waiting(100, 2, false),
	       "stopping, code 0, because of SIGTERM (1st): 3.6s of 5s left [###############.....]\n"
	       "  web  pre_stop \"let the balancer notice\" (policy.lua:12)                   for 1.2s, cut in 0.7s\n",
	       "no more lines than there is room for");
	is_str(waiting(100, 0, false), "", "no room, no lines");
	ok(strstr(waiting(100, 10, true), "\033[2m for 1.2s") != NULL, "with colour");
	world_run(began + 60 * CFW_SEC);
	world_close();
}

static void test_abort(void)
{
	world_open(NULL);
	cfw_id web = world_server("a very long name of a server", never)->id;
	world_hook(web, CFW_PRE_STOP, NULL, "p.lua:9", 3 * CFW_SEC);
	world_start();
	world_signal(SIGHUP);
	world_run(world.now + CFW_SEC);
	is_str(waiting(80, 10, false),
	       "aborting, code 1, because of SIGHUP (1st): 4.0s of 5s left [################...]\n"
	       "  a very long nam… pre_stop (p.lua:9)                   for 1.0s, cut in 4.0s\n",
	       "an abort; a hook without a name");
	world_close();
}

static void test_many(void)
{
	world_open(NULL);
	for (unsigned i = 0; i < 60; i++) {
		char name[16];
		snprintf(name, sizeof name, "worker%02u", i);
		world_server(name, (i + 1) * 10 * CFW_MS);
	}
	world_start();
	world_signal(SIGINT);
	world_run(world.now + 300 * CFW_MS);
	is_str(waiting(80, 6, false),
	       "stopping, code 0, because of SIGINT (1st): 4.7s of 5s left [##################.]\n"
	       "  worker30 stops                                        for 0.3s, cut in 4.2s\n"
	       "  worker31 stops                                        for 0.3s, cut in 4.2s\n"
	       "  worker32 stops                                        for 0.3s, cut in 4.2s\n"
	       "  and 27 more\n",
	       "more than fit are counted");
	world_close();
}

static void test_nasty(void)
{
	world_open(NULL);
	cfw_id s = world_server("b\033[2J", never)->id;
	world_hook(s, CFW_PRE_STOP, "x\ny\xff", "a\nb:1", 3 * CFW_SEC);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + CFW_MS);
	const char *got = waiting(100, 10, false);
	ok(strstr(got, "  b\\x1b[2J ") && strstr(got, " \"x\\ny\\xff\" (a\\nb:1)") && !strchr(got, '\033'),
	   "S10.3: names are escaped");
	for (int width = 0; width < 120; width++)
		for (int height = 0; height < 6; height++) {
			got = waiting(width, height, false);
			int lines = 0;
			size_t longest = 0;
			for (const char *p = got; *p; p += strcspn(p, "\n") + 1, lines++)
				longest = strcspn(p, "\n") > longest ? strcspn(p, "\n") : longest;
			if (lines > height)
				tap_bail("%d lines of %d at width %d: %s", lines, height, width, got);
		}
	ok(!text.failed, "any size will do, and no more lines than asked for are put");
	world_close();
}

int main(void)
{
	cfw_buf_init(&text);
	test_graceful();
	test_abort();
	test_many();
	test_nasty();
	cfw_buf_clear(&text);
	return tap_done();
}
