/* Servers, hooks, and who waits for whom: names, cycles, what may be added and removed when. */
#include "drive.h"

static void names(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	struct cfw_server_opts o = drive_opts("web");
	cfw_id id = cfw_core_server_add(d->core, &o, &err);
	ok(id != 0, "a server is added");
	is_int(cfw_core_server_find(d->core, "web"), id, "and found by its name");
	is_int(cfw_core_server_find(d->core, "wed"), 0, "an unknown name is not");
	is_int(cfw_core_server_find(d->core, NULL), 0, "nor is none");
	is_int(cfw_core_server_add(d->core, &o, &err), 0, "a name used twice is an error");
	is_int(err.code, CURFEW_EEXIST, "with its code");
	is_str(err.msg, "there is a server named \"web\" already", "and a text that has the name");
	o.name = "";
	is_int(cfw_core_server_add(d->core, &o, &err), 0, "a server needs a name");
	is_int(err.code, CURFEW_EINVAL, "with its code");
	is_int(cfw_core_server_after(d->core, id, 4711, &err), CURFEW_ENOENT, "an unknown server is an error");
	is_int(cfw_core_server_next(d->core, 0), id, "servers are iterated");
	is_int(cfw_core_server_next(d->core, id), 0, "to the end");
	struct cfw_server_view v;
	is_int(cfw_core_server_view(d->core, id, &v), 0, "a server is viewed");
	ok(strcmp(v.name, "web") == 0 && strcmp(v.kind, "test") == 0 && v.state == CFW_S_DOWN && !v.started && !v.prestopped,
	   "as what it is");
	is_int(cfw_core_server_view(d->core, 4711, &v), CURFEW_ENOENT, "an unknown one is not");
	drive_free(d);
}

static void many_names(void)
{
	struct drive *d = drive_new(NULL);
	char name[16];
	cfw_id id[500];
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "server-%d", i);
		struct cfw_server_opts o = drive_opts(name);
		id[i] = cfw_core_server_add(d->core, &o, NULL);
	}
	for (int i = 0; i < 500; i += 2)
		cfw_core_server_remove(d->core, id[i], NULL);
	int wrong = 0;
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "server-%d", i);
		wrong += cfw_core_server_find(d->core, name) != (i % 2 ? id[i] : 0);
	}
	is_int(wrong, 0, "500 names are found, those removed are not");
	drive_free(d);
}

static void cycles(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	const char *const n[] = {"a", "b", "c", "d"};
	cfw_id id[4];
	for (int i = 0; i < 4; i++)
		id[i] = drive_add(d, n[i])->id;
	is_int(cfw_core_server_after(d->core, id[0], id[0], &err), CURFEW_ECYCLE, "a server after itself is a cycle");
	is_str(err.msg, "servers that wait for each other: a -> a", "which is printed");
	is_int(cfw_core_server_after(d->core, id[0], id[1], &err), 0, "a after b");
	is_int(cfw_core_server_after(d->core, id[0], id[1], &err), 0, "said twice is no error");
	is_int(cfw_core_server_after(d->core, id[1], id[0], &err), CURFEW_ECYCLE, "b after a is a cycle then");
	is_str(err.msg, "servers that wait for each other: b -> a -> b", "which is printed");
	is_int(cfw_core_server_after(d->core, id[1], id[2], &err), 0, "b after c");
	is_int(cfw_core_server_after(d->core, id[2], id[3], &err), 0, "c after d");
	is_int(cfw_core_server_after(d->core, id[0], id[3], &err), 0, "a after d: no cycle, a second road");
	is_int(cfw_core_server_after(d->core, id[3], id[1], &err), CURFEW_ECYCLE, "d after b is one");
	is_str(err.msg, "servers that wait for each other: d -> b -> c -> d",
	       "which is printed, without what stands beside it");
	drive_start(d);
	ok(drive_order(d, "start d", "start c", "start b", "start a", NULL), "the refused ones left nothing behind");
	drive_free(d);
}

static void long_cycle(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	cfw_id first = 0, last = 0;
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof name, "a-rather-long-name-%d", i);
		struct cfw_server_opts o = drive_opts(name);
		cfw_id id = cfw_core_server_add(d->core, &o, NULL);
		if (last)
			cfw_core_server_after(d->core, id, last, NULL);
		first = first ? first : id;
		last = id;
	}
	is_int(cfw_core_server_after(d->core, first, last, &err), CURFEW_ECYCLE, "a cycle of 1,000");
	size_t n = strlen(err.msg);
	ok(n > 100 && n < sizeof err.msg && strcmp(err.msg + n - 3, "...") == 0, "is printed as far as there is room");
	drive_free(d);

	enum { FIRST = 700, SECOND = 5000 }; /* what is printed ends within the second */
	static char names[2][SECOND + 1];
	cfw_id ids[2];
	memset(names[0], 'x', FIRST);
	memset(names[1], 'y', SECOND);
	d = drive_new(NULL);
	for (int i = 0; i < 2; i++) {
		struct cfw_server_opts o = drive_opts(names[i]);
		ids[i] = cfw_core_server_add(d->core, &o, NULL);
	}
	is_int(cfw_core_server_after(d->core, ids[1], ids[0], NULL), 0, "a name of any length");
	is_int(cfw_core_server_after(d->core, ids[0], ids[1], &err), CURFEW_ECYCLE, "in a cycle");
	n = strlen(err.msg);
	ok(n > FIRST && n < sizeof err.msg && strcmp(err.msg + n - 4, "y...") == 0, "is printed as far as there is room, too");
	drive_free(d);
}

/* A path is printed whole as long as it fits, and with dots from the first letter on that does not. */
static void cycles_of_about_that_length(void)
{
	enum { ROOM = 767, ARROWS = 2 * 4, OTHER = 1 };
	int wrong = 0;
	for (int more = -1; more <= 2; more++) {
		struct drive *d = drive_new(NULL);
		struct curfew_err err = {0};
		char name[ROOM];
		size_t len = (ROOM - ARROWS - OTHER) / 2 + (size_t)(more + 1) / 2; /* "name -> o -> name" */
		bool odd = (more + 1) % 2;
		memset(name, 'x', len);
		name[len] = 0;
		const char *other = odd ? "oo" : "o";
		struct cfw_server_opts o = drive_opts(name), p = drive_opts(other);
		cfw_id a = cfw_core_server_add(d->core, &o, NULL), b = cfw_core_server_add(d->core, &p, NULL);
		cfw_core_server_after(d->core, b, a, NULL);
		char whole[2 * ROOM];
		size_t n = (size_t)snprintf(whole, sizeof whole, "%s -> %s -> %s", name, other, name);
		if (n > ROOM)
			memcpy(whole + ROOM - 3, "...", 4);
		wrong += cfw_core_server_after(d->core, a, b, &err) != CURFEW_ECYCLE;
		const char *path = strstr(err.msg, ": ");
		wrong += !path || strcmp(path + 2, whole) != 0;
		drive_free(d);
	}
	is_int(wrong, 0, "a path is printed whole where it just fits, and with dots where it just does not");
}

static void removal(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	cfw_id db = drive_add(d, "db")->id, web = drive_add(d, "web")->id;
	drive_after(d, "web", "db");
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	is_int(cfw_core_server_remove(d->core, web, &err), CURFEW_ESTATE, "a server that runs is not removed");
	is_str(err.msg, "web is started", "and says so");
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = db});
	drive_run(d, d->now_ns);
	is_int(cfw_core_server_remove(d->core, db, &err), CURFEW_ESTATE, "nor one that others need");
	is_str(err.msg, "db is needed by web", "and says so");
	is_int(cfw_core_server_remove(d->core, web, &err), 0, "one that is down is");
	is_int(cfw_core_server_remove(d->core, web, &err), CURFEW_ENOENT, "once");
	is_int(cfw_core_server_remove(d->core, db, &err), 0, "then the other");
	is_int(cfw_core_hook_next(d->core, 0), 0, "their hooks are gone with them");
	d->servers = d->hooks = 0;
	ok(drive_add(d, "web") != NULL, "the name is free again");
	drive_start(d);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "and all goes on as ever");
	drive_free(d);
}

/* Removed while actions about it wait to be handed out: its neighbours in the lists keep theirs. */
static void removal_of_queued(int victim)
{
	static const char *const names[] = {"a", "b", "c"};
	struct drive *d = drive_new(NULL);
	struct cfw_action a;
	cfw_id id[3];
	int stops[3] = {0}, calls = 0;
	for (int i = 0; i < 3; i++) {
		id[i] = drive_add(d, names[i])->id;
		drive_hook(d, names[i], CFW_PRE_STOP, NULL, MS(10));
	}
	drive_start(d);
	for (int i = 0; i < 3; i++)
		cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = id[i]});
	/* The hooks pass their limits before anybody has seen them; then the stop, which nobody has seen either, is answered. */
	cfw_core_feed(d->core, d->now_ns + MS(10), &(struct cfw_event){.type = CFW_EV_TICK});
	cfw_core_feed(d->core, d->now_ns + MS(10),
		      &(struct cfw_event){.type = CFW_EV_SERVER_STOPPED, .server = id[victim], .attempt = 1});
	is_int(cfw_core_server_remove(d->core, id[victim], NULL), 0, "a server whose actions still wait is removed");
	while (cfw_core_next(d->core, &a)) {
		for (int i = 0; i < 3; i++)
			stops[i] += a.server == id[i] && a.type == CFW_ACT_STOP;
		calls += a.type == CFW_ACT_CALL;
	}
	int all = 0;
	for (int i = 0; i < 3; i++)
		all += stops[i] == (i != victim);
	ok(all == 3 && calls == 2, "%s is gone from the queue, the others are told to stop", names[victim]);
	drive_free(d);
}

static void edges_are_used_again(void)
{
	struct drive *d = drive_new(NULL);
	static const char *const names[] = {"a", "b", "c"};
	drive_add(d, "base");
	for (int i = 0; i < 3; i++) {
		drive_add(d, names[i]);
		drive_after(d, names[i], "base");
	}
	is_int(cfw_core_server_remove(d->core, d->server[2].id, NULL), 0, "one of several dependants is removed");
	snprintf(d->server[2].name, sizeof d->server[2].name, "gone");
	drive_add(d, "new")->start_ns = MS(10);
	drive_after(d, "base", "new");
	drive_start(d);
	drive_run(d, MS(2000));
	ok(drive_order(d, "start new", "started new", "start base", "started base", "start c", "start a", NULL),
	   "the others' order stands, its edge serves another");
	ok(drive_line(d, "start gone") < 0, "and it does not start");
	drive_free(d);
}

static void added_after_entries(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "first");
	drive_start(d);
	const struct cfw_journal_entry *e = cfw_core_journal(d->core, 1);
	struct cfw_journal_entry was = *e;
	for (int i = 0; i < 600; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		struct cfw_server_opts o = drive_opts(name);
		cfw_core_server_add(d->core, &o, NULL);
	}
	e = cfw_core_journal(d->core, 1);
	ok(e && e->seq == 1 && e->what == was.what && e->a == was.a,
	   "the journal grows with the servers and keeps its entries");
	drive_free(d);
}

static void hooks(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.phase = CFW_PRE_START, .timeout_ns = CFW_NEVER};
	is_int(cfw_core_hook_add(d->core, &o, &err), 0, "there is no global pre_start hook");
	is_int(err.code, CURFEW_EINVAL, "with its code");
	o.server = 4711;
	is_int(cfw_core_hook_add(d->core, &o, &err), 0, "nor a hook of an unknown server");
	is_int(err.code, CURFEW_ENOENT, "with its code");
	cfw_id web = drive_add(d, "web")->id;
	o = (struct cfw_hook_opts){.server = web,
				   .phase = CFW_PRE_STOP,
				   .name = "drain",
				   .where = "policy.lua:12",
				   .timeout_ns = MS(50),
				   .ref = 42};
	cfw_id id = cfw_core_hook_add(d->core, &o, &err);
	struct cfw_hook_view v;
	is_int(cfw_core_hook_view(d->core, id, &v), 0, "a hook is viewed");
	ok(strcmp(v.name, "drain") == 0 && strcmp(v.where, "policy.lua:12") == 0 && v.ref == 42 && v.run == 0 && !v.running &&
		   v.server == web && v.phase == CFW_PRE_STOP,
	   "as what it is");
	is_int(cfw_core_hook_view(d->core, 4711, &v), CURFEW_ENOENT, "an unknown one is not");
	is_int(cfw_core_hook_next(d->core, 0), id, "hooks are iterated");
	drive_start(d);
	ok(cfw_core_hook_add(d->core, &(struct cfw_hook_opts){.server = web, .phase = CFW_POST_STOP}, &err) != 0,
	   "hooks may be added to a server that runs");
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	struct cfw_action a;
	cfw_core_feed(d->core, d->now_ns, &ev);
	while (cfw_core_next(d->core, &a))
		if (a.type == CFW_ACT_ASK) {
			ev = (struct cfw_event){.type = CFW_EV_DECISION, .question = a.question};
			cfw_core_feed(d->core, d->now_ns, &ev);
		}
	cfw_core_hook_view(d->core, id, &v);
	ok(v.running && v.run != 0 && v.since_ns == d->now_ns && v.until_ns == d->now_ns + MS(50),
	   "field 13: since when, until when");
	is_int(cfw_core_run_until(d->core, v.run), v.until_ns, "and by its run");
	is_int(cfw_core_hook_add(d->core, &o, &err), 0, "once a stop has begun no hook is added");
	is_int(err.code, CURFEW_ESTATE, "with its code");
	struct cfw_server_opts so = drive_opts("new");
	is_int(cfw_core_server_add(d->core, &so, &err), 0, "nor a server");
	is_int(cfw_core_server_remove(d->core, web, &err), CURFEW_ESTATE, "and none is removed");
	is_int(cfw_core_server_after(d->core, web, web, &err), CURFEW_ESTATE, "and nothing is put in another order");
	drive_free(d);
}

static void hook_of_a_lone_stop(void)
{
	struct drive *d = drive_new(NULL);
	struct curfew_err err = {0};
	cfw_id web = drive_add(d, "web")->id;
	d->server[0].stop_ns = MS(100);
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = web});
	struct cfw_hook_opts o = {.server = web, .phase = CFW_PRE_STOP};
	is_int(cfw_core_hook_add(d->core, &o, &err), 0, "nor is one added to a server whose own stop has begun");
	is_int(err.code, CURFEW_ESTATE, "with its code");
	drive_free(d);
}

/* An edge that is added while its servers wait for each other's state. */
static void edges_in_motion(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "slow")->start_ns = MS(100);
	drive_add(d, "mid");
	drive_add(d, "new");
	drive_after(d, "mid", "slow");
	drive_start(d);
	drive_add(d, "extra")->start_ns = MS(300);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_START, .server = d->server[3].id});
	is_int(drive_after(d, "mid", "extra"), 0, "a waiting server gets one more to wait for");
	drive_run(d, MS(3000));
	is_int(drive_ms(d, "start mid"), 300, "and waits for it");
	drive_free(d);
}

int main(void)
{
	names();
	many_names();
	cycles();
	long_cycle();
	cycles_of_about_that_length();
	removal();
	for (int i = 0; i < 3; i++)
		removal_of_queued(i);
	edges_are_used_again();
	added_after_entries();
	hooks();
	hook_of_a_lone_stop();
	edges_in_motion();
	return tap_done();
}
