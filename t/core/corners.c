/* Corners: what only a few orders of events come to. */
#include "drive.h"

enum { TERM = 15 };

static void over(struct drive *d, int code, const char *what)
{
	drive_run(d, CFW_NEVER);
	ok(d->exited && d->faults == 0, "%s: it ends, and no rule is broken", what);
	is_int(d->exit_code, code, "S4.11: with %d", code);
	drive_free(d);
}

/* S4.9, S4.5: os.exit(3) in a hook that a cancel waits for: the stop goes on, as an abort. */
static void exit_in_a_cancelled_stop(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	struct drive_hook *h = drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	h->take_ns = MS(50);
	h->outcome = CFW_EXIT_CALL;
	h->code = 3;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_CANCEL, 0, 0);
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	ok(v.running && v.cancelling, "a cancel waits for a hook");
	drive_run(d, d->now_ns + MS(100));
	is_int(drive_count(d, "unlame"), 0, "which calls os.exit(3): nothing is taken back");
	over(d, 3, "the stop");
}

/* Two triggers that nobody takes from the core, the second with less patience than the first: it is decided on first. */
static void unasked(void)
{
	struct curfew_err err = {0};
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	struct cfw_server_opts o = drive_opts("web");
	if (!core || !cfw_core_server_add(core, &o, &err))
		tap_bail("out of memory");
	config.exit_timeout_ns = MS(8000);
	config.ask_timeout_ns = MS(1000);
	cfw_core_configure(core, &config);
	struct cfw_event first = drive_trigger(CFW_T_SIGNAL, TERM, 0), second = drive_trigger(CFW_T_EXIT, 0, 5);
	cfw_core_feed(core, MS(1), &first);
	config.ask_timeout_ns = MS(100);
	cfw_core_configure(core, &config);
	cfw_core_feed(core, MS(2), &second);
	is_int((long long)cfw_core_deadline(core), MS(102), "the second is due first");
	struct cfw_event tick = {.type = CFW_EV_TICK};
	cfw_core_feed(core, MS(102), &tick);
	struct cfw_stop_view v;
	cfw_core_stop_view(core, &v);
	ok(v.running && v.first.kind == CFW_T_EXIT && v.code == 5, "S2.4: what it comes to by default is done");
	struct cfw_action a;
	int asked = 0, exits = 0;
	while (cfw_core_next(core, &a)) {
		asked += a.type == CFW_ACT_ASK;
		exits += a.type == CFW_ACT_EXIT;
	}
	is_int(asked, 1, "the first is still asked about, and only that");
	is_int(exits, 0, "S4.10: and the end waits for it");
	cfw_core_free(core);
}

/* An edge is taken away while somebody waits because of it. A reload does not do that, as it comes when nobody waits
 * (cfw_core_settled); should another, nobody waits for ever. */
static void edges_that_go(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "db");
	cfw_id web = drive_add(d, "web")->id;
	drive_after(d, "web", "db");
	d->server[0].start_ns = CFW_NEVER;
	drive_start(d);
	is_int(drive_state(d, "web"), CFW_S_WAITING, "web waits for db to start");
	cfw_core_server_forget_after(d->core, web);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	drive_run(d, d->now_ns);
	is_int(drive_state(d, "web"), CFW_S_STARTED, "S3.1: until it does not depend on it any more");
	drive_fire(d, CFW_T_ABORT, 0, 0);
	over(d, 1, "an abort");

	d = drive_new(NULL);
	cfw_id db = drive_add(d, "db")->id;
	web = drive_add(d, "web")->id;
	drive_after(d, "web", "db");
	d->server[1].stop_ns = CFW_NEVER;
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = db, .request = 7});
	drive_run(d, d->now_ns + MS(10));
	is_int(drive_state(d, "db"), CFW_S_HELD, "db waits for web to stop");
	cfw_core_server_forget_after(d->core, web);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	drive_run(d, d->now_ns);
	is_int(drive_state(d, "db"), CFW_S_DOWN, "S4.1: until that does not depend on it any more");
	drive_fire(d, CFW_T_ABORT, 0, 0);
	over(d, 1, "an abort");
}

static void *none(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	const bool *empty = ud;
	return new_size && *empty ? NULL : cfw_alloc_std.fn(cfw_alloc_std.ud, ptr, old_size, new_size);
}

static void a_journal_without_memory(void)
{
	bool empty = false;
	const struct cfw_alloc alloc = {none, &empty};
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&alloc, &config);
	static struct cfw_journal_entry entries[5000];
	const struct cfw_trigger first = {.kind = CFW_T_EXIT};
	if (!core)
		tap_bail("out of memory");
	empty = true;
	is_int(cfw_core_restore(core, entries, 5000, &first), CURFEW_ENOMEM, "a journal for which there is no memory is said");
	empty = false;
	is_int(cfw_core_restore(core, entries, 5000, &first), 0, "and there another time");
	cfw_core_free(core);
}

int main(void)
{
	exit_in_a_cancelled_stop();
	unasked();
	edges_that_go();
	a_journal_without_memory();
	return tap_done();
}
