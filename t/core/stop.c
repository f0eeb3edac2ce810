/* S4: the stop. */
#include "drive.h"

enum { TERM = 15 };

static struct drive *pair(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "db");
	drive_add(d, "web");
	drive_after(d, "web", "db");
	return d;
}

static void graceful_order(void)
{
	struct drive *d = pair();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, NULL, CFW_POST_STOP, NULL, CFW_NEVER);
	for (int i = 0; i < 2; i++)
		for (int p = 0; p < CFW_PHASES; p++)
			drive_hook(d, i ? "web" : "db", (enum cfw_phase)p, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "web", CFW_PRE_STOP, "web second", CFW_NEVER)->take_ns = MS(10);
	drive_start(d);
	drive_run(d, MS(2000));
	ok(drive_order(d, "call db.pre_start graceful", "done db.pre_start", "start db", "started db",
		       "call db.post_start graceful", "done db.post_start", "call web.pre_start graceful", "start web",
		       "started web", "done web.post_start", "reply 1 ok", NULL),
	   "S3.1: dependencies start first, their post_start hooks included");
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "S3: life is started");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(cfw_core_life(d->core), CFW_L_STOPPING, "S3: life is stopping");
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "ask SIGTERM 1", "lame", "call global.pre_stop graceful", "done global.pre_stop",
		       "call web.pre_stop graceful", "done web.pre_stop", "call web second graceful", "done web second",
		       "stop web", "stopped web", "call web.post_stop graceful", "done web.post_stop",
		       "call db.pre_stop graceful", "done db.pre_stop", "stop db", "stopped db", "call db.post_stop graceful",
		       "done db.post_stop", "call global.post_stop graceful", "done global.post_stop", "exit 0", NULL),
	   "S4.1: global pre_stop, the servers by waves, global post_stop");
	is_int(d->exit_code, 0, "S4.11: all well is 0");
	is_int(cfw_core_life(d->core), CFW_L_STOPPED, "S3: life is stopped");
	is_int(d->faults, 0, "no invariant was broken");
	drive_free(d);
}

int main(void)
{
	graceful_order();
	return tap_done();
}
