/* The timeline of the last stop, literally. Bars are worked out by hand: cell = time * cells / length, rounded down. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "view/view.h"
#include "world.h"

static struct cfw_buf text;

static const char *timeline(int width, int height, bool color, bool ascii)
{
	cfw_buf_reset(&text);
	cfw_view_timeline(world.core, width, height, color, ascii, &text);
	return text.data ? text.data : "";
}

static void signal_and_end(int signo)
{
	world_signal(signo);
	world_run(world.now + 60 * CFW_SEC);
}

/* web after db and cache; hooks of every kind; 1140 ms in all. */
static void open_graceful(void)
{
	world_open(NULL);
	cfw_id web = world_server("web", 370 * CFW_MS)->id;
	cfw_id db = world_server("db", 300 * CFW_MS)->id;
	cfw_id cache = world_server("cache", 80 * CFW_MS)->id;
	world_hook(0, CFW_PRE_STOP, "tell the world", "policy.lua:3", 120 * CFW_MS);
	world_hook(web, CFW_PRE_STOP, "let the balancer notice", "policy.lua:12", 250 * CFW_MS);
	world_hook(web, CFW_POST_STOP, NULL, "policy.lua:15", 40 * CFW_MS);
	world_hook(0, CFW_POST_STOP, "telemetry", "policy.lua:30", 60 * CFW_MS);
	world_after(web, db);
	world_after(web, cache);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + 200 * CFW_MS);
	signal_and_end(SIGTERM);
}

static void test_graceful(void)
{
	open_graceful();
	is_int(world.exit_code, 0, "the scripted stop ends well");
	is_str(timeline(80, 24, false, true),
	       "stop took 1.14s of 5s, code 0, because of SIGTERM\n"
	       "                                   |0              |500ms          |1s      took\n"
	       "                                   v SIGTERM                    exit 0 |\n"
	       "                                         v SIGTERM\n"
	       "pre_stop tell the world           *===                                     120ms\n"
	       "web                               *...=========############=               660ms\n"
	       "  pre_stop let the balancer notice*   =========                            250ms\n"
	       "  post_stop policy.lua:15         *                        =                40ms\n"
	       "db                                *.........................##########     300ms\n"
	       "cache                              .........................##              80ms\n"
	       "post_stop telemetry               *                                   ==    60ms\n"
	       ". waits its turn   = hook   # stops\n"
	       "* it waited for: web 370ms (32%), db 300ms (26%), web pre_stop let the balance..\n",
	       "who ran when and for how long: in the order of the stop, a wait told from work");
	is_str(timeline(80, 24, false, false),
	       "stop took 1.14s of 5s, code 0, because of SIGTERM\n"
	       "                                   │0              │500ms          │1s      took\n"
	       "                                   ▼ SIGTERM                    exit 0 ■\n"
	       "                                         ▼ SIGTERM\n"
	       "pre_stop tell the world           •▒▒▒                                     120ms\n"
	       "web                               •···▒▒▒▒▒▒▒▒▒████████████▒               660ms\n"
	       "  pre_stop let the balancer notice•   ▒▒▒▒▒▒▒▒▒                            250ms\n"
	       "  post_stop policy.lua:15         •                        ▒                40ms\n"
	       "db                                •·························██████████     300ms\n"
	       "cache                              ·························██              80ms\n"
	       "post_stop telemetry               •                                   ▒▒    60ms\n"
	       "· waits its turn   ▒ hook   █ stops\n"
	       "• it waited for: web 370ms (32%), db 300ms (26%), web pre_stop let the balancer…\n",
	       "the same with Unicode");

	char *plain = strdup(timeline(80, 24, false, false)), *out;
	const char *in = timeline(80, 24, true, false);
	ok(strchr(in, '\033') != NULL, "with colour there are colours");
	char *stripped = malloc(strlen(in) + 1);
	if (!plain || !stripped)
		tap_bail("out of memory");
	for (out = stripped; *in;)
		if (*in == '\033')
			in += strcspn(in, "m") + 1;
		else
			*out++ = *in++;
	*out = '\0';
	is_str(stripped, plain, "which say nothing that the text does not");
	free(stripped);
	free(plain);
	world_close();
}

/* The margin comes with two servers not stopped; a hook has failed, one never ends. */
static void test_cut(void)
{
	world_open(NULL);
	cfw_id web = world_server("web", 370 * CFW_MS)->id;
	cfw_id db = world_server("db", never)->id;
	cfw_id cache = world_server("cache", 80 * CFW_MS)->id;
	world_hook(web, CFW_PRE_STOP, "notice", "policy.lua:12", 250 * CFW_MS)->outcome = CFW_FAILED;
	world_hook(cache, CFW_PRE_STOP, "flush", "policy.lua:14", never);
	world_hook(db, CFW_PRE_STOP, "backup", "policy.lua:17", 900 * CFW_MS);
	world_after(web, db);
	world_start();
	signal_and_end(SIGTERM);
	is_int(world.exit_code, 255, "S4.11: what was cut makes the code 255");
	is_str(timeline(80, 24, false, true),
	       "stop took 5s of 5s, code 255, because of SIGTERM\n"
	       "                  |0       |1s      |2s       |3s      |4s           took\n"
	       "                  v SIGTERM                            exit 255 |\n"
	       "                                                     margin :\n"
	       "                                                   exit timeout |\n"
	       "web               ==###                                     :       620ms\n"
	       "  pre_stop notice =!                                        :       250ms failed\n"
	       "cache             ==============================================x      5s cut\n"
	       "  pre_stop flush *==============================================x      5s cut\n"
	       "db                .....=========############################x       3.88s cut\n"
	       "  pre_stop backup      =========                            :       900ms\n"
	       ". waits its turn   = hook   # stops   x cut   ! failed\n"
	       "* it waited for: cache pre_stop flush 5s (100%)\n",
	       "S4.7: what was cut and what failed is marked, in the bars and beside them; margin and end too");
	is_str(timeline(80, 10, false, true),
	       "stop took 5s of 5s, code 255, because of SIGTERM\n"
	       "                  |0       |1s      |2s       |3s      |4s           took\n"
	       "                  v SIGTERM                            exit 255 |\n"
	       "                                                     margin :\n"
	       "                                                   exit timeout |\n"
	       "cache pre_stop ..*==============================================x      5s cut\n"
	       "and 5 more, none longer than 5s\n"
	       "= hook   x cut\n"
	       "* it waited for: cache pre_stop flush 5s (100%)\n",
	       "on a low screen what was cut stays, the rest is summed up");
	world_close();
}

/* SIGTERM, then SIGHUP at 1.8 s turns it into an abort: db's hook, which was held back, begins then. */
static void test_turned(void)
{
	world_open(NULL);
	cfw_id web = world_server("web", 3370 * CFW_MS)->id;
	cfw_id db = world_server("db", 400 * CFW_MS)->id;
	world_hook(web, CFW_PRE_STOP, "notice", "policy.lua:12", 1250 * CFW_MS);
	world_hook(db, CFW_PRE_STOP, "backup", "policy.lua:17", 900 * CFW_MS)->outcome = CFW_EXIT_CALL;
	world_after(web, db);
	world_start();
	world_signal(SIGTERM);
	world_run(world.now + 1800 * CFW_MS);
	signal_and_end(SIGHUP);
	is_str(timeline(80, 24, false, true),
	       "stop, turned into an abort, took 2.7s of 5s, code 1, because of SIGTERM\n"
	       "                  |0               |1s              |2s              took\n"
	       "                  v SIGTERM                      v abort exit 1 |\n"
	       "                                                 v SIGHUP\n"
	       "web              *=====================##########################    2.7s\n"
	       "  pre_stop notice*=====================                             1.25s\n"
	       "db                ...............................===============#   901ms\n"
	       "  pre_stop backup*                               ===============    900ms exit\n"
	       ". waits its turn   = hook   # stops\n"
	       "* it waited for: web pre_stop notice 1.25s (46%), db pre_stop backup 900ms (33..\n",
	       "S4.5: an abort on top: when, by what, and which hooks it began; servers ended by it are no flaw");
	world_close();
}

static void test_flaws(void)
{
	world_open(NULL);
	cfw_id web = world_server("web", 100 * CFW_MS)->id;
	cfw_id db = world_server("db", 100 * CFW_MS)->id;
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.server = web, .phase = CFW_PRE_STOP, .name = "slow", .timeout_ns = 300 * CFW_MS};
	world_add(cfw_core_hook_add(world.core, &o, &err), never)->hook = true;
	world_after(web, db);
	world_start();
	world_signal(SIGINT);
	world_run(world.now + 200 * CFW_MS);
	world_feed((struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = db, .code = 3});
	world_run(world.now + 60 * CFW_SEC);
	is_str(timeline(80, 24, false, true),
	       "stop took 400ms of 5s, code 1, because of SIGINT\n"
	       "                |0          |100ms      |200ms      |300ms           took\n"
	       "                v SIGINT                                 exit 1 |\n"
	       "web            *====================================#############   400ms\n"
	       "  pre_stop slow*===================================!                300ms limit\n"
	       "db              ................................................!       - died\n"
	       ". waits its turn   = hook   # stops   ! failed\n"
	       "* it waited for: web pre_stop slow 300ms (75%), web 100ms (25%)\n",
	       "S4.9: a hook that passed its own limit; S4.13: a server that died before its turn");
	world_close();
}

static void test_margin_near(void)
{
	world_open(NULL);
	world_server("db", 4 * CFW_SEC);
	world_start();
	signal_and_end(SIGTERM);
	is_str(timeline(60, 24, false, true),
	       "stop took 4s of 5s, code 0, because of SIGTERM\n"
	       "             |0               |2s              |4s      took\n"
	       "             v SIGTERM                  exit 0 |\n"
	       "                                            margin :\n"
	       "db          *##################################    :      4s\n"
	       "# stops\n"
	       "* it waited for: db 4s (100%)\n",
	       "S4.7: a margin that was nearly reached is in the picture");
	world_close();
}

static void test_small(void)
{
	world_open(NULL);
	is_str(timeline(80, 24, false, true), "", "no stop, no timeline");
	world_server("web", 0);
	world_start();
	is_str(timeline(80, 24, false, true), "", "nor while it runs");
	signal_and_end(SIGTERM);
	is_str(timeline(80, 24, false, true),
	       "stop took 0s of 5s, code 0, because of SIGTERM\n"
	       "             |0                                                             took\n"
	       "             | exit 0\n"
	       "             v SIGTERM\n"
	       "web          #                                                                0s\n"
	       "# stops\n",
	       "a stop that took no time at all");
	for (int width = 0; width < 200; width += 7)
		for (int height = -1; height < 30; height += 5)
			timeline(width, height, true, width % 2);
	ok(!text.failed, "any size will do");
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
	signal_and_end(SIGINT);
	const char *got = timeline(80, 24, false, true);
	int lines = 0;
	for (const char *p = got; (p = strchr(p, '\n')); p++)
		lines++;
	is_int(lines, 23, "sixty servers fit on a screen of 24 lines, with room for the prompt");
	ok(strstr(got, "\nworker59    *") && strstr(got, "\nworker43 ") && !strstr(got, "\nworker42 "), "the longest are kept");
	ok(strstr(got, "\nand 43 more, none longer than 430ms\n") != NULL, "and the rest is summed up");
	world_close();
}

static void test_no_exit(void)
{
	world_open(NULL);
	world_server("web", 200 * CFW_MS);
	world_server("b\033[2Jad\n\xff naïve", 100 * CFW_MS);
	world_start();
	world_feed((struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_STOP, .no_exit = true}});
	world_run(world.now + 30 * CFW_SEC);
	world_start();
	is_str(timeline(80, 24, false, true),
	       "stop took 200ms of 5s, because a stop was asked for\n"
	       "                       |0          |50ms       |100ms      |150ms           took\n"
	       "                       v stop                                  stopped |\n"
	       "web                   *#################################################   200ms\n"
	       "b\\x1b[2Jad\\n\\xff na?ve ########################                            100ms\n"
	       "# stops\n"
	       "* it waited for: web 200ms (100%)\n",
	       "S3.4: a stop without an exit is kept, also after a new start; S10.3: names are escaped");
	world_close();
}

static void test_kill(void)
{
	world_open(NULL);
	world_server("web", never);
	world_start();
	struct cfw_action a;
	struct cfw_event ev = {.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_SIGNAL, .signo = SIGQUIT}};
	cfw_core_feed(world.core, world.now, &ev);
	while (cfw_core_next(world.core, &a))
		if (a.type == CFW_ACT_ASK) {
			ev = (struct cfw_event){.type = CFW_EV_DECISION, .question = a.question, .decision = {CFW_D_KILL, 9}};
			cfw_core_feed(world.core, world.now, &ev);
		}
	is_str(timeline(80, 24, false, true),
	       "killed at once, code 9, because of SIGQUIT\n"
	       "             |0                                                      took\n"
	       "             | exit 9\n"
	       "             v SIGQUIT\n"
	       "web          x                                                         0s cut\n"
	       "x cut\n",
	       "S4.14: a kill");
	world_close();
}

int main(void)
{
	cfw_buf_init(&text);
	test_graceful();
	test_cut();
	test_turned();
	test_flaws();
	test_margin_near();
	test_small();
	test_many();
	test_no_exit();
	test_kill();
	cfw_buf_clear(&text);
	return tap_done();
}
