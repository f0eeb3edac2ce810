/* S9.3, field 12: nothing of a child's tree outlives its stop: groups without a leader, setsid, double forks, hidden markers. */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rig.h"

/* The numbers that the script wrote into the file, one a line; how many. Waits for want of them. */
static size_t pids_in(struct rig *r, const char *name, long *pids, size_t want)
{
	size_t n = 0;
	for (uint64_t end = cfw_time_now() + 20 * CFW_SEC; n < want && cfw_time_now() < end; rig_turn(r)) {
		n = 0;
		char *end_of;
		for (const char *s = rig_file(r, name); *s && n < want; s = *end_of ? end_of + 1 : end_of) {
			long pid = strtol(s, &end_of, 10);
			if (end_of == s || !*end_of) /* not whole yet */
				break;
			pids[n++] = pid;
		}
	}
	return n;
}

/* A child whose descendants write their pids into the file; it is ended by `how`; all of them have to be gone. */
enum how { STOP, CUT, ITSELF };

static void vanish(struct rig *r, const char *name, const char *script, size_t n, enum how how, const char *rule)
{
	long pids[16] = {0};
	char text[2048], dir[128];
	snprintf(dir, sizeof dir, "F=%s/%s", r->dir, name);
	putenv(dir);
	snprintf(text, sizeof text, "me() { sh -c 'echo $PPID' >> $F; }; %s", script);
	struct rig_proc p = rig_start(r, rig_sh(text));
	is_int((long long)pids_in(r, name, pids, n), (long long)n, "%s: the tree is there", rule);
	size_t before = r->n_reports;
	if (how == STOP)
		rig_stop(&p, 0);
	else if (how == CUT)
		rig_cut(&p);
	else {
		kill(cfw_process_kind.pid(p.srv), SIGKILL);
		rig_until(r, r->n_reports > before, 3000);
	}
	is_str(rig_what(rig_last(r)->what), how == ITSELF ? "CLOSED" : "STOPPED", "%s: its end is reported", rule);
	size_t alive = 0;
	for (size_t i = 0; i < n; i++)
		alive += rig_alive(pids[i]);
	is_int((long long)alive, 0, "%s: at that moment nothing of it is left", rule);
	rig_close(&p);
	unsetenv("F");
}

static const char *const quiet = "exec sleep 1000";

static void test_trees(enum cfw_reap reap, const char *mode)
{
	struct rig *r = rig_new(reap);
	static const struct {
		const char *name, *script;
		size_t n;
	} trees[] = {
		{"one", "me; exec sleep 1000", 1},
		{"group", "me; (me; exec sleep 1000) & (me; exec sleep 1000) & wait", 3},
		{"setsid", "me; setsid sh -c 'echo $$ >> $F; exec sleep 1000' & wait", 2},
		{"daemon",
		 "me; (setsid sh -c 'echo $$ >> $F; (echo $$ >> $F; exec sleep 1000) & exec sleep 1000' &) ; sleep 1000", 3},
		{"deaf",
		 "trap '' TERM HUP INT; me; setsid sh -c 'echo $$ >> $F; while :; do sleep 0.02; done' & exec sleep 1000", 2},
		{"deep",
		 "me; setsid sh -c 'echo $$ >> $F; setsid sh -c \"echo \\$\\$ >> $F; setsid sleep 1000 & sleep 1000\" & wait' "
		 "& wait",
		 3},
	};
	static const char *const hows[] = {"stop", "cut", "by itself"};
	for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
		for (int how = STOP; how <= ITSELF; how++) {
			char rule[64], name[64];
			if (i == 4 && how == STOP)
				continue; /* waits its ten seconds; below */
			snprintf(rule, sizeof rule, "S9.3 %s %s, %s", mode, trees[i].name, hows[how]);
			snprintf(name, sizeof name, "%s-%d", trees[i].name, how);
			vanish(r, name, trees[i].script, trees[i].n, (enum how)how, rule);
		}
	if (reap == CFW_REAP_ALL)
		is_int((long long)rig_children(), 0, "S9.3: no zombie, no orphan");
	rig_free(r);
}

/* Descendants that hide: no marker, a session of their own. Found because the kill looks before it strikes. */
static void test_hidden(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	vanish(r, "hidden", "me; env -i setsid /bin/sh -c \"echo \\$\\$ >> $F; exec /bin/sleep 1000\" & wait", 2, CUT,
	       "S9.3 without a marker");
	is_int((long long)rig_children(), 0, "no orphan");
	rig_free(r);
}

/* The leader goes at TERM, a worker of the group takes a while: it is given its time. */
static void test_slow_worker(enum cfw_reap reap, const char *mode)
{
	struct rig *r = rig_new(reap);
	setenv("D", r->dir, 1);
	struct rig_proc p = rig_start(r, rig_sh("(trap 'sleep 0.1; echo saved > $D/saved; exit 0' TERM; echo up > $D/up; "
						"while :; do sleep 0.01; done) & exec sleep 1000"));
	rig_until(r, *rig_file(r, "up"), 2000);
	rig_stop(&p, 0);
	is_str(rig_file(r, "saved"), "saved\n", "%s: field 12: a group whose leader has gone has its wait", mode);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "%s: the stop is over when the last of it is", mode);
	rig_close(&p);

	struct cfw_value *def = rig_sh("(trap 'echo $$ >> $D/term' TERM; echo up > $D/up2; while :; do sleep 0.01; done) &"
				       "exec sleep 1000"),
			 *steps = cfw_value_list();
	for (int i = 0; i < 2; i++) {
		struct cfw_value *s = cfw_value_map();
		cfw_value_set(s, "signal", cfw_value_str("TERM"));
		cfw_value_set(s, "wait", cfw_value_int((int64_t)(300 * CFW_MS)));
		cfw_value_push(steps, s);
	}
	cfw_value_set(def, "stop", steps);
	p = rig_start(r, def);
	rig_until(r, *rig_file(r, "up2"), 2000);
	rig_stop(&p, 0);
	size_t terms = 0;
	for (const char *s = rig_file(r, "term"); *s; s++)
		terms += *s == '\n';
	is_int((long long)terms, 2, "%s: later steps reach the group without its leader", mode);
	is_int((long long)rig_children(), 0, "%s: in the end it is killed", mode);
	rig_close(&p);
	rig_free(r);
}

/* Another server's daemon is left alone; the host's end takes all. */
static void test_others(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	long pids[2] = {0};
	char dir[128];
	snprintf(dir, sizeof dir, "F=%s/other", r->dir);
	putenv(dir);
	struct rig_proc a = rig_start(r, rig_sh("(setsid sh -c 'echo $$ >> $F; exec sleep 1000' &); exec sleep 1000"));
	is_int((long long)pids_in(r, "other", pids, 1), 1, "a server has an orphan that we adopted");
	rig_until(r, rig_children() == 2, 2000);
	is_int((long long)cfw_host_children(r->host), 2, "S9.4: it is counted");
	struct rig_proc b = rig_start(r, rig_sh(quiet));
	rig_stop(&b, 0);
	rig_idle(r, 20);
	ok(rig_alive(pids[0]), "the end of another server does not touch it");
	rig_close(&b);

	pid_t stranger = fork();
	if (stranger == 0) {
		setsid();
		pause();
		_exit(0);
	}
	rig_stop(&a, 0);
	ok(!rig_alive(pids[0]), "the end of its own does");
	ok(rig_alive(stranger), "a child that no server made is left alone");
	rig_close(&a);
	is_int((long long)cfw_host_kill_rest(r->host, cfw_time_now() + 5 * CFW_SEC), 0, "at the very end nothing is left");
	ok(!rig_alive(stranger) && rig_children() == 0, "not even that");
	unsetenv("F");
	rig_free(r);
}

static void test_kill_rest(enum cfw_reap reap, const char *mode)
{
	struct rig *r = rig_new(reap);
	long pids[3] = {0};
	char dir[128];
	snprintf(dir, sizeof dir, "F=%s/rest", r->dir);
	putenv(dir);
	struct rig_proc p = rig_start(r, rig_sh("trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $$ >> $F; setsid sh -c "
						"\"echo \\$\\$ >> $F; exec sleep 1000\" & while :; do sleep 1; done' &);"
						"echo $$ >> $F; while :; do sleep 1; done"));
	is_int((long long)pids_in(r, "rest", pids, 3), 3, "%s: a deep tree", mode);
	is_int((long long)cfw_host_kill_rest(r->host, cfw_time_now() + 5 * CFW_SEC), 0, "%s: kill_rest leaves nothing", mode);
	ok(!rig_alive(pids[0]) && !rig_alive(pids[1]) && !rig_alive(pids[2]), "%s: really", mode);
	uint64_t began = cfw_time_now();
	is_int((long long)cfw_host_kill_rest(r->host, began + 5 * CFW_SEC), 0, "%s: again: nothing to do", mode);
	rig_until(r, r->n_reports >= 2, 1000);
	rig_close(&p);
	unsetenv("F");
	rig_free(r);
}

/* Inside somebody else's process: his children and his place as reaper are his. */
static void test_guest(void)
{
	int is = -1;
	pid_t his = fork();
	if (his == 0)
		_exit(42);
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	prctl(PR_GET_CHILD_SUBREAPER, &is);
	is_int(is, 0, "PIDFD: we do not become the reaper of orphans");
	struct rig_proc p = rig_start(r, rig_sh("exit 1"));
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	cfw_host_reap(r->host);
	is_int((long long)cfw_host_kill_rest(r->host, cfw_time_now() + CFW_SEC), 0, "PIDFD: kill_rest is for ours");
	int status = 0;
	ok(waitpid(his, &status, 0) == his && WEXITSTATUS(status) == 42, "PIDFD: the host's own child is left for him to reap");
	rig_close(&p);

	p = rig_start(r, rig_sh("exec sleep 1000"));
	int pid = cfw_process_kind.pid(p.srv);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0); /* he should not, but does */
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	is_str(rig_what(rig_last(r)->what), "CLOSED",
	       "PIDFD: a child of ours that somebody else reaped has ended all the same");
	rig_close(&p);
	rig_free(r);

	r = rig_new(CFW_REAP_ALL);
	prctl(PR_GET_CHILD_SUBREAPER, &is);
	is_int(is, 1, "ALL: we become the reaper of orphans");
	rig_free(r);
	prctl(PR_GET_CHILD_SUBREAPER, &is);
	is_int(is, 0, "and give that back");
}

int main(void)
{
	test_trees(CFW_REAP_ALL, "all");
	test_trees(CFW_REAP_PIDFD, "pidfd");
	test_hidden();
	test_slow_worker(CFW_REAP_ALL, "all");
	test_slow_worker(CFW_REAP_PIDFD, "pidfd");
	test_others();
	test_kill_rest(CFW_REAP_ALL, "all");
	test_kill_rest(CFW_REAP_PIDFD, "pidfd");
	test_guest();
	return tap_done();
}
