/* The kind "process": how it starts, how it is stopped, how it ends. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "rig.h"

static void test_life(enum cfw_reap reap, const char *how)
{
	struct rig *r = rig_new(reap);
	size_t fds = rig_fds();
	struct rig_proc p = rig_start(r, rig_sh("exec sleep 1000"));
	is_str(rig_what(rig_last(r)->what), "STARTED", "%s: a process that runs is ready where nothing else is asked", how);
	is_int(rig_last(r)->attempt, 1, "%s: the report carries start's attempt", how);
	int pid = cfw_process_kind.pid(p.srv);
	ok(pid > 1 && kill(pid, 0) == 0, "%s: pid is that of a process", how);
	is_int(getpgid(pid), pid, "%s: it leads a group of its own", how);
	is_int(r->env.page->groups[0], pid, "%s: the group is in the page", how);
	is_int((long long)cfw_host_children(r->host), 1, "%s: one child", how);
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "%s: S9.3: stop ends it", how);
	is_int(rig_last(r)->attempt, 2, "%s: the report carries stop's attempt", how);
	is_int(rig_last(r)->signo, SIGTERM, "%s: S9.3: the default is TERM", how);
	is_int(rig_last(r)->exit_code, -1, "%s: no exit code where a signal ended it", how);
	ok(!rig_alive(pid) && rig_children() == 0, "%s: S9.3: no zombie is left", how);
	is_int(r->env.page->groups[0], 0, "%s: the group is out of the page", how);
	is_int((long long)r->n_reports, 2, "%s: two reports, no more", how);

	cfw_process_kind.start(p.srv, 4);
	rig_until(r, r->n_reports > 2, 1000);
	is_str(rig_what(rig_last(r)->what), "STARTED", "%s: it can be started again", how);
	is_int(rig_last(r)->attempt, 4, "%s: with the new attempt", how);
	ok(cfw_process_kind.pid(p.srv) != pid, "%s: as another process", how);
	rig_cut(&p);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "%s: cut ends it", how);
	is_int(rig_last(r)->signo, SIGKILL, "%s: by KILL", how);
	rig_cut(&p);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "%s: cut of a process that does not run is answered", how);
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "%s: so is stop", how);
	is_int(cfw_process_kind.pid(p.srv), 0, "%s: no pid", how);
	ok(cfw_process_kind.signal(p.srv, SIGTERM) < 0, "%s: nobody to signal", how);
	is_int((long long)rig_fds(), (long long)fds, "%s: no descriptor is left", how);
	rig_close(&p);
	rig_free(r);
}

static void test_closed(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("exit 7"));
	rig_until(r, r->n_reports && rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	is_str(rig_what(rig_last(r)->what), "CLOSED", "S2.7: an end by itself is reported as such");
	is_int(rig_last(r)->exit_code, 7, "with its exit code");
	rig_close(&p);

	p = rig_start(r, rig_sh("kill -SEGV $$"));
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	is_int(rig_last(r)->signo, SIGSEGV, "and its signal");
	is_int(rig_last(r)->exit_code, -1, "then without a code");
	rig_close(&p);

	p = rig_start(r, rig_sh("exec sleep 1000"));
	is_int(cfw_process_kind.signal(p.srv, SIGUSR1), 0, "signal passes a signal on");
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	is_int(rig_last(r)->signo, SIGUSR1, "S2.15: the end by a forwarded signal is its own end");
	rig_close(&p);
}

static void test_stop_steps(struct rig *r)
{
	struct cfw_value *def = rig_sh("for s in USR1 USR2 TERM; do trap \"echo $s >> $D/heard\" $s; done; echo up > $D/up;"
				       "while :; do sleep 0.01; done");
	struct cfw_value *steps = cfw_value_list();
	static const struct {
		const char *name;
		int ms;
	} given[] = {{"USR1", 100}, {"SIGUSR2", 100}, {"term", 100}, {"KILL", 0}};
	for (int i = 0; i < 4; i++) {
		struct cfw_value *s = cfw_value_map();
		cfw_value_set(s, "signal", cfw_value_str(given[i].name));
		cfw_value_set(s, "wait", cfw_value_int(given[i].ms * (int64_t)CFW_MS));
		cfw_value_push(steps, s);
	}
	cfw_value_set(def, "stop", steps);
	struct rig_proc p = rig_start(r, def);
	rig_until(r, *rig_file(r, "up"), 2000);
	uint64_t began = cfw_time_now();
	rig_stop(&p, 0);
	uint64_t took = cfw_time_now() - began;
	is_str(rig_file(r, "heard"), "USR1\nUSR2\nTERM\n", "S9.3: the stop signals come in order");
	is_int(rig_last(r)->signo, SIGKILL, "S9.3: then KILL");
	ok(took >= 300 * CFW_MS, "S9.3: each with its wait");
	rig_close(&p);
}

static void test_ignored_term(struct rig *r)
{
	struct cfw_value *def = rig_sh("trap '' TERM; echo up > $D/up2; while :; do sleep 0.01; done");
	struct cfw_value *steps = cfw_value_list(), *s = cfw_value_map();
	cfw_value_set(s, "signal", cfw_value_str("TERM"));
	cfw_value_set(s, "wait", cfw_value_int((int64_t)(50 * CFW_MS)));
	cfw_value_push(steps, s);
	cfw_value_set(def, "stop", steps);
	struct rig_proc p = rig_start(r, def);
	rig_until(r, *rig_file(r, "up2"), 2000);
	rig_stop(&p, 0);
	is_int(rig_last(r)->signo, SIGKILL, "field 16: one that ignores TERM is killed though no step says so");
	rig_close(&p);

	p = rig_start(r, rig_sh("trap '' TERM; echo up > $D/up3; while :; do sleep 0.01; done"));
	rig_until(r, *rig_file(r, "up3"), 2000);
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER};
	size_t before = r->n_reports;
	cfw_process_kind.stop(p.srv, &stop);
	rig_idle(r, 50);
	is_int((long long)r->n_reports, (long long)before, "a stop that is ignored waits");
	cfw_process_kind.cut(p.srv, 9);
	rig_until(r, r->n_reports > before, 2000);
	is_int(rig_last(r)->attempt, 9, "cut in the middle of a stop is answered with its own attempt");
	rig_idle(r, 20);
	is_int((long long)r->n_reports, (long long)before + 1, "once");
	rig_close(&p);
}

static void test_exit_in_stop(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("trap 'exit 3' TERM; echo up > $D/up4; while :; do sleep 0.01; done"));
	rig_until(r, *rig_file(r, "up4"), 2000);
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "any exit code after the stop signal is a normal end");
	is_int(rig_last(r)->exit_code, 3, "the code is told");
	rig_close(&p);

	p = rig_start(r, rig_sh("trap 'kill -SEGV $$' TERM; echo up > $D/up5; while :; do sleep 0.01; done"));
	rig_until(r, *rig_file(r, "up5"), 2000);
	size_t before = r->n_reports;
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "DIED", "S4.13: a signal that nobody sent, during the stop, is a death");
	is_int(rig_last(r)->signo, SIGSEGV, "with that signal");
	rig_idle(r, 20);
	is_int((long long)r->n_reports, (long long)before + 1, "that is the one answer to the stop");
	rig_close(&p);
}

static void test_forward(struct rig *r)
{
	struct cfw_value *def = rig_sh("exec sleep 1000");
	cfw_value_set(def, "forward", cfw_value_bool(true));
	struct rig_proc p = rig_start(r, def);
	rig_stop(&p, SIGINT);
	is_int(rig_last(r)->signo, SIGINT, "S2.15: with forward the signal that caused the stop is passed on");
	cfw_process_kind.start(p.srv, 1);
	rig_stop(&p, 0);
	is_int(rig_last(r)->signo, SIGTERM, "TERM where no signal caused it");
	rig_close(&p);
	p = rig_start(r, rig_sh("exec sleep 1000"));
	rig_stop(&p, SIGINT);
	is_int(rig_last(r)->signo, SIGTERM, "TERM without forward");
	rig_close(&p);
	def = rig_sh("trap 'echo main >> $D/main; exit 0' TERM; (trap 'echo sub >> $D/main' TERM; echo up > $D/up6;"
		     "while :; do sleep 0.01; done) & while :; do sleep 0.01; done");
	cfw_value_set(def, "stop_to", cfw_value_str("main"));
	p = rig_start(r, def);
	rig_until(r, *rig_file(r, "up6"), 2000);
	rig_stop(&p, 0);
	is_str(rig_file(r, "main"), "main\n", "stop_to = main: only the main process hears it");
	is_int((long long)rig_children(), 0, "the rest of the group is killed and reaped");
	rig_close(&p);
}

static void test_stopped_child(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("kill -STOP $$; exit 0"));
	rig_idle(r, 20);
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "one that was stopped by SIGSTOP is woken to hear its TERM");
	is_int(rig_last(r)->signo, SIGTERM, "and ends by it");
	rig_close(&p);
}

static void test_stats(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("exec sleep 1000"));
	struct cfw_value *v = cfw_process_kind.stats(p.srv);
	is_int(cfw_value_get_int(v, "pid", 0), cfw_process_kind.pid(p.srv), "stats: pid");
	ok(cfw_value_get_int(v, "uptime_ns", 0) > 0, "stats: uptime");
	is_int(cfw_value_get_int(v, "exits", -1), 0, "stats: exits");
	cfw_value_free(v);
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 77);
	is_str(rig_what(r->reports[before].what), "START_FAILED", "a second start is refused");
	is_int(r->reports[before].attempt, 77, "with its own attempt");
	rig_stop(&p, 0);
	v = cfw_process_kind.stats(p.srv);
	is_int(cfw_value_get_int(v, "exits", -1), 1, "stats: one exit");
	ok(!cfw_value_get(v, "pid"), "stats: no pid when it is down");
	cfw_value_free(v);
	rig_close(&p);
}

/* The step that it is in has had its time. */
static void test_hurry(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("trap '' TERM; echo up > $D/up7; while :; do sleep 0.01; done"));
	rig_until(r, *rig_file(r, "up7"), 2000);
	cfw_process_kind.hurry(p.srv);
	rig_idle(r, 20);
	ok(cfw_process_kind.pid(p.srv) > 0, "hurry is for one that is being stopped");
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER};
	size_t before = r->n_reports;
	cfw_process_kind.stop(p.srv, &stop);
	stop.attempt = 3;
	cfw_process_kind.stop(p.srv, &stop);
	cfw_process_kind.hurry(p.srv);
	cfw_process_kind.hurry(p.srv);
	rig_until(r, r->n_reports > before, 2000);
	is_int(rig_last(r)->signo, SIGKILL, "the one that ignores TERM is killed at once");
	is_int(rig_last(r)->attempt, 3, "a stop that was asked for twice answers the last");
	rig_idle(r, 20);
	is_int((long long)r->n_reports, (long long)before + 1, "once");
	rig_close(&p);
}

/* It has ended by itself, somebody of its tree lives, and nobody has been told yet. */
static void test_cut_at_the_end(struct rig *r)
{
	struct rig_proc p = rig_start(r, rig_sh("setsid sh -c 'echo $$ > $D/rest; exec sleep 1000' &"
						"while [ ! -s $D/rest ]; do sleep 0.01; done; exit 5"));
	int pid = cfw_process_kind.pid(p.srv);
	siginfo_t si;
	while (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) && errno == EINTR)
		;
	size_t before = r->n_reports;
	cfw_host_reap(r->host);
	is_int((long long)r->n_reports, (long long)before, "its end is told when its tree is gone");
	cfw_process_kind.hurry(p.srv);
	cfw_process_kind.cut(p.srv, 8);
	rig_until(r, r->n_reports > before, 2000);
	is_str(rig_what(rig_last(r)->what), "DIED", "a cut in between is answered with the death that nobody knew of");
	is_int(rig_last(r)->attempt, 8, "with its own attempt");
	ok(!rig_alive(strtol(rig_file(r, "rest"), NULL, 10)), "and nothing is left");
	rig_close(&p);
}

/* In our own group: by its number alone, and no signal that is none. */
static void test_foreground(struct rig *r)
{
	static const int signals[] = {0, 65, SIGTERM};
	for (int i = 0; i < 4; i++) {
		struct cfw_value *def = rig_sh("exec sleep 1000");
		cfw_value_set(def, "foreground", cfw_value_bool(true));
		cfw_value_set(def, "forward", cfw_value_bool(true));
		struct rig_proc p = rig_start(r, def);
		is_int(cfw_process_kind.signal(p.srv, 0), CURFEW_EINVAL, "0 is no signal");
		is_int(cfw_process_kind.signal(p.srv, 65), CURFEW_EINVAL, "nor is 65");
		if (i < 3)
			rig_stop(&p, signals[i]);
		else
			rig_cut(&p);
		is_str(rig_what(rig_last(r)->what), "STOPPED", "foreground: it stops");
		is_int(rig_last(r)->signo, i < 3 ? SIGTERM : SIGKILL, "as it should");
		rig_close(&p);
	}
}

static void test_prepare(struct rig *r)
{
	struct curfew_err err = {0};
	struct cfw_value *def = rig_sh("exec sleep 1000");
	cfw_value_set(def, "user", cfw_value_str("nobody-at-all"));
	struct rig_proc p = rig_open(r, def);
	is_int(cfw_process_kind.prepare(p.srv, &err), CURFEW_ENOENT, "what could not be started is known before");
	is_str(err.msg, "it: there is no user nobody-at-all", "with its name");
	is_int(cfw_process_kind.prepare(p.srv, NULL), 0, "and nobody asks afterwards");
	rig_close(&p);
}

static void test_many(struct rig *r)
{
	enum { N = 100 };
	static struct rig_proc p[N];
	size_t fds = rig_fds(), before = r->n_reports;
	for (int i = 0; i < N; i++)
		p[i] = rig_open(r, rig_sh("exec sleep 1000"));
	for (int i = 0; i < N; i++)
		cfw_process_kind.start(p[i].srv, 1);
	is_int((long long)(r->n_reports - before), N, "100 children are started");
	is_int((long long)cfw_host_children(r->host), N, "all are there");
	before = r->n_reports;
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER};
	for (int i = 0; i < N; i++)
		cfw_process_kind.stop(p[i].srv, &stop);
	rig_until(r, r->n_reports - before >= N, 5000);
	size_t good = 0;
	for (size_t i = before; i < r->n_reports; i++)
		good += r->reports[i].what == CFW_REPORT_STOPPED && r->reports[i].signo == SIGTERM;
	is_int((long long)good, N, "and stopped, all at once");
	is_int((long long)rig_children(), 0, "S9.3: no zombie among them");
	is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
	for (int i = 0; i < N; i++)
		rig_close(&p[i]);
}

static void test_free_running(enum cfw_reap reap, const char *how)
{
	struct rig *r = rig_new(reap);
	setenv("D", r->dir, 1);
	struct rig_proc p =
		rig_start(r, rig_sh("trap '' TERM; setsid sh -c 'echo $$ > $D/left; exec sleep 1000' & exec sleep 1000"));
	int pid = cfw_process_kind.pid(p.srv);
	rig_until(r, strchr(rig_file(r, "left"), '\n'), 2000);
	long left = strtol(rig_file(r, "left"), NULL, 10);
	size_t before = r->n_reports;
	rig_close(&p);
	ok(!rig_alive(pid), "%s: free of a running server ends it", how);
	is_int((long long)r->n_reports, (long long)before, "%s: and reports nothing", how);
	ok(left > 0 && !rig_alive(left) && rig_children() == 0, "%s: its tree included", how);
	rig_free(r);
}

int main(void)
{
	test_life(CFW_REAP_ALL, "all");
	test_life(CFW_REAP_PIDFD, "pidfd");
	struct rig *r = rig_new(CFW_REAP_ALL);
	setenv("D", r->dir, 1);
	test_closed(r);
	test_stop_steps(r);
	test_ignored_term(r);
	test_exit_in_stop(r);
	test_forward(r);
	test_stopped_child(r);
	test_stats(r);
	test_hurry(r);
	test_cut_at_the_end(r);
	test_foreground(r);
	test_prepare(r);
	test_many(r);
	rig_free(r);
	test_free_running(CFW_REAP_ALL, "all");
	test_free_running(CFW_REAP_PIDFD, "pidfd");
	return tap_done();
}
