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

/* Removed while actions about it wait to be handed out. */
static void removal_of_queued(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_action a;
	int n = 0;
	cfw_id id[3] = {drive_add(d, "a")->id, drive_add(d, "b")->id, drive_add(d, "c")->id};
	for (int i = 0; i < 3; i++)
		drive_hook(d, i == 0 ? "a" : i == 1 ? "b" : "c", CFW_PRE_START, NULL, CFW_NEVER);
	cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_START});
	for (int i = 0; i < 3; i++) {
		struct cfw_event ev = {.type = CFW_EV_SERVER_STOP, .server = id[i]};
		cfw_core_feed(d->core, d->now_ns, &ev);
	}
	cfw_core_feed(d->core, d->now_ns + MS(30000), &(struct cfw_event){.type = CFW_EV_TICK});
	int rc = cfw_core_server_remove(d->core, id[1], NULL);
	is_int(rc, 0, "a server whose actions still wait is removed");
	while (cfw_core_next(d->core, &a)) {
		n++;
		if (a.server == id[1])
			ok(a.type == CFW_ACT_ASK, "nothing is asked for in its name but what it raised before");
	}
	ok(n > 0, "the others' actions are still there");
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
	is_int(cfw_core_hook_add(d->core, &o, &err), 0, "once a stop has begun no hook is added");
	is_int(err.code, CURFEW_ESTATE, "with its code");
	struct cfw_server_opts so = drive_opts("new");
	is_int(cfw_core_server_add(d->core, &so, &err), 0, "nor a server");
	is_int(cfw_core_server_remove(d->core, web, &err), CURFEW_ESTATE, "and none is removed");
	is_int(cfw_core_server_after(d->core, web, web, &err), CURFEW_ESTATE, "and nothing is put in another order");
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
	removal();
	removal_of_queued();
	hooks();
	edges_in_motion();
	return tap_done();
}
