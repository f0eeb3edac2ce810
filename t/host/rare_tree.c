/* Trees of processes as they hardly ever are, and what of /proc cannot be read: who is whose, and who is left. */
#define _GNU_SOURCE
#include "host/child.h"
#include "host/procfs.h"
#include "rare.h"

/* ---- /proc ---- */

static bool among(const struct cfw_pids *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i] == pid)
			return true;
	return false;
}

static void *child_of_a_thread(void *ud)
{
	struct cfw_pids ours = {0};
	pid_t pid = sleeper();
	ok(cfw_proc_ours(&ours) && among(&ours, *(pid_t *)ud) && among(&ours, pid),
	   "a thread's children are ours, and so are the first thread's");
	put_away(pid);
	cfw_pids_clear(&ours);
	return NULL;
}

static void lists(void)
{
	pid_t one = sleeper(), two = sleeper();
	struct cfw_pids pids = {0};
	pthread_t thread;
	cfw_proc_below(getpid(), &pids, 1);
	is_int((long long)pids.n, 2, "who is below us; no more folders are read than asked for");
	if (pthread_create(&thread, NULL, child_of_a_thread, &one))
		tap_bail("no thread");
	pthread_join(thread, NULL);
	single_out("open", ENOENT, 0, 1);
	ok(cfw_proc_ours(&pids) && among(&pids, one) && among(&pids, two) && !pids.partial,
	   "a kernel without lists of children: they are searched for");
	single_out("open", ENOENT, 0, 100000);
	ok(!cfw_proc_ours(&pids) && !pids.n, "where nothing of /proc can be read there is nobody");
	single_out("read", EINTR, 0, 1);
	ok(cfw_proc_ours(&pids) && among(&pids, one) && !faulty_one.times, "a list is read on after an interruption");
	static const struct {
		int error;
		bool want;
	} rows[] = {{EMFILE, true}, {ENFILE, true}, {ENOMEM, true}, {EIO, true}, {EACCES, false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		single_out("opendir", rows[i].error, 0, 1);
		cfw_proc_all(&pids);
		ok(!pids.n && pids.partial == rows[i].want, "all: %s%s", strerrorname_np(rows[i].error),
		   rows[i].want ? " is no answer" : "");
	}
	single_out(NULL, 0, 0, 0);
	cfw_pids_clear(&pids);
	put_away(one);
	put_away(two);
}

static void marks(void)
{
	uint64_t serial = 0;
	static const struct {
		int error;
		enum cfw_mark mark;
	} rows[] = {{ESRCH, CFW_MARK_GONE}, {ENOENT, CFW_MARK_GONE}, {EMFILE, CFW_MARK_BLANK}, {EACCES, CFW_MARK_NONE}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		single_out("open", rows[i].error, 0, 1);
		is_int(cfw_proc_mark(getpid(), 1, &serial), rows[i].mark, "an environment: %s", strerrorname_np(rows[i].error));
	}
	single_out(NULL, 0, 0, 0);
	is_int(cfw_proc_mark(getpid(), 1, &serial), CFW_MARK_NONE, "ours has no such marker");
	bool failed = true;
	int blank = 0, none = 0;
	for (unsigned long i = 1; failed; i++) {
		short_begin(i, 1);
		enum cfw_mark mark = cfw_proc_mark(getpid(), 1, &serial);
		short_end();
		failed = cfw_short.failed > 0;
		blank += mark == CFW_MARK_BLANK;
		none += mark == CFW_MARK_NONE;
	}
	ok(blank > 2 && none == 2, "but for the close, whatever fails of %d calls, it is not known whose it is", blank + 1);
}

/* ---- trees ---- */

static bool is_gone;

static void on_gone(struct cfw_child *c)
{
	(void)c;
	is_gone = true;
}

/* A child of our own that runs the script, in a group of that kind. */
static void launch_in(struct rig *r, struct cfw_child *c, const char *script, enum cfw_spawn_group group)
{
	struct curfew_err err = {0};
	struct cfw_value *def = sh(script);
	struct cfw_launch l = {
		.def = def, .command = cfw_value_get(def, "command"), .name = "rare", .fd = {-1, -1, -1}, .group = group};
	*c = (struct cfw_child){.gone = on_gone, .rest = CFW_REST_KILL};
	is_gone = false;
	setenv("D", r->dir, 1);
	if (cfw_child_launch(r->host, c, &l, &err))
		tap_bail("%s", err.msg);
	cfw_value_free(def);
}

static void launch(struct rig *r, struct cfw_child *c, const char *script)
{
	launch_in(r, c, script, CFW_GROUP_OWN);
}

/* Whose word counts (S10.2): by group, marker, descent. */
static void owners(enum cfw_reap reap)
{
	struct rig *r = rig_new(reap);
	struct cfw_child c, other;
	launch(r, &c,
	       "setsid sh -c 'echo $$ > $D/marked; exec sleep 1000' & sh -c 'echo $$ > $D/grouped; exec sleep 1000' &"
	       "env -i D=$D setsid sh -c 'echo $$ > $D/hidden; exec /bin/sleep 1000' & wait");
	pid_t marked = pid_in(r, "marked"), grouped = pid_in(r, "grouped"), hidden = pid_in(r, "hidden"), stranger = sleeper();
	launch_in(r, &other, "exec sleep 1000", CFW_GROUP_KEEP);
	ok(cfw_child_owns(&c, c.pid) && cfw_child_owns(&c, grouped) && cfw_child_owns(&c, marked) && cfw_child_owns(&c, hidden),
	   "its own: itself, its group, who has its marker, who is below it");
	ok(!cfw_child_owns(&c, 0) && !cfw_child_owns(&c, -1) && !cfw_child_owns(&c, getpid()) &&
		   !cfw_child_owns(&c, stranger) && !cfw_child_owns(&c, other.pid) && !cfw_child_owns(&other, stranger),
	   "not its own: nobody, we, a stranger, another's");
	cfw_child_clear(&other, CFW_NEVER);
	single_out("pidfd_open", ESRCH, 0, 1); /* the first of those who left the group is gone before it can be held */
	cfw_child_clear(&c, cfw_time_now() + 20 * CFW_SEC);
	ok(is_gone && !cfw_child_owns(&c, marked), "one that is gone has nobody");
	ok(!rig_alive(marked) && !rig_alive(grouped) && !rig_alive(hidden) && rig_alive(stranger), "but for the stranger");
	single_out(NULL, 0, 0, 0);
	put_away(stranger);
	rig_free(r);
}

static struct rig *launching;

static void until_left(void)
{
	faulty_before = NULL;
	pid_in(launching, "early");
}

/* It has no time to be, and has children of its own by then. */
static void unwatched(void)
{
	struct rig *r = launching = rig_new(CFW_REAP_PIDFD);
	struct curfew_err err = {0};
	struct cfw_child c = {.gone = on_gone};
	struct cfw_value *def = sh("setsid sh -c 'echo $$ > $D/early; exec sleep 1000' & wait");
	struct cfw_launch l = {.def = def, .command = cfw_value_get(def, "command"), .name = "rare", .fd = {-1, -1, -1}};
	setenv("D", r->dir, 1);
	is_gone = false;
	faulty_before = until_left;
	single_out("pidfd_open", EMFILE, 0, 1);
	is_int(cfw_child_launch(r->host, &c, &l, &err), CURFEW_ESYS, "one that cannot be watched: %s", err.msg);
	pid_t early = pid_in(r, "early");
	ok(early > 0 && !rig_alive(early), "nothing of its tree is left");
	ok(!is_gone && c.phase == CFW_CHILD_NONE && cfw_host_children(r->host) == 0, "and nothing has happened");
	single_out(NULL, 0, 0, 0);
	cfw_value_free(def);
	rig_free(r);
}

/* Linux before 5.3: who is not our child is killed by number. */
static void by_number(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	struct cfw_child c, other;
	faulty_no_pidfd = true;
	launch(r, &other, "exec sleep 1000");
	launch(r, &c, "setsid sh -c 'echo $$ > $D/left; exec sleep 1000' & wait");
	pid_t left = pid_in(r, "left");
	kill(c.pid, SIGTERM);
	rig_until(r, is_gone, 2000);
	ok(is_gone && !rig_alive(left), "without pidfds, too, an end takes the whole tree");
	is_int((long long)cfw_host_children(r->host), 1, "but for another's");
	cfw_child_clear(&other, CFW_NEVER);
	faulty_no_pidfd = false;
	rig_free(r);
}

/* Those who cannot be killed, as one that has become another user's: they are waited for, and then forgotten. */
static void unkillable(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	setenv("D", r->dir, 1);
	begin(r, "exec", sh("setsid sh -c 'echo $$ > $D/left; exec sleep 1000' & echo $$ > $D/main; wait"));
	uint64_t first = token;
	begin(r, "exec", sh("echo $$ > $D/other; exec sleep 1000"));
	pid_t left = pid_in(r, "left"), main = pid_in(r, "main"), other = pid_in(r, "other");
	single_out("kill", EPERM, 0, 1000000);
	service(r, "exec")->cancel(r->host, first);
	__real_kill(main, SIGKILL);
	until_ended(main);
	cfw_host_reap(r->host);
	cfw_host_free(r->host);
	r->host = NULL;
	single_out(NULL, 0, 0, 0);
	ok(rig_alive(left) && rig_alive(other), "the host's end forgets whom it cannot kill");
	put_away(left);
	put_away(other);
	rig_free(r);

	r = rig_new(CFW_REAP_ALL);
	struct cfw_child c[3];
	launch(r, &c[0], "setsid sh -c 'echo $$ > $D/left0; exec sleep 1000' & wait");
	launch(r, &c[1], "setsid sh -c 'echo $$ > $D/left1; exec sleep 1000' & wait");
	launch(r, &c[2], "exec sleep 1000");
	pid_t rest[] = {pid_in(r, "left0"), pid_in(r, "left1"), c[2].pid};
	single_out("kill", EPERM, 0, 1000000);
	for (int i = 0; i < 2; i++) {
		pid_t pid = c[i].pid;
		__real_kill(pid, SIGKILL);
		until_ended(pid);
		cfw_host_reap(r->host);
	}
	is_int((long long)cfw_host_children(r->host), 3, "one that runs, and what is left of two");
	for (int i = 0; i < 3; i++) {
		cfw_child_clear(&c[i], 0);
		is_int(c[i].phase, CFW_CHILD_NONE, "at its deadline it is forgotten");
	}
	ok(!is_gone, "which is no end");
	single_out(NULL, 0, 0, 0);
	for (int i = 0; i < 3; i++) {
		ok(rig_alive(rest[i]), "they live");
		put_away(rest[i]);
	}
	rig_free(r);
}

/* One whose main process is gone, and not yet its tree. */
static void half_gone(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	struct cfw_child c;
	for (int end = 0; end < 2; end++) {
		char script[128], name[16];
		snprintf(name, sizeof name, "left%d", end);
		snprintf(script, sizeof script, "setsid sh -c 'echo $$ > $D/%s; exec sleep 1000' & wait", name);
		launch(r, &c, script);
		pid_t left = pid_in(r, name), pid = c.pid;
		single_out("kill", EPERM, 0, 1000000); /* for this one sweep */
		__real_kill(pid, SIGKILL);
		until_ended(pid);
		cfw_host_reap(r->host);
		single_out(NULL, 0, 0, 0);
		ok(!c.pid && !is_gone && rig_alive(left), "its main process is gone, its tree is not");
		ok(cfw_child_owns(&c, left) && !cfw_child_owns(&c, getpid()), "whose word still counts");
		if (end)
			cfw_host_free(r->host);
		else
			cfw_child_clear(&c, cfw_time_now() + 20 * CFW_SEC);
		ok(is_gone && !rig_alive(left), end ? "the host's end takes the rest" : "cleared, it takes the rest with it");
	}
	r->host = NULL;
	rig_free(r);
}

/* The group lives on without its leader, and whom we could wait for is not in it: its number may be a stranger's. */
static void not_pinned(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	struct cfw_child c;
	struct cfw_proc inner, outer;
	launch(r, &c, "(trap '' TERM; sleep 1000 & echo $! > $D/inner; exec setsid sleep 1000) & wait");
	c.rest = CFW_REST_LINGER;
	pid_t pid = pid_in(r, "inner"), main = c.pid, group = c.group;
	do
		usleep(1000);
	while (!cfw_proc_read(pid, &inner) || !cfw_proc_read(inner.parent, &outer) || outer.group == group);
	kill(main, SIGKILL);
	until_ended(main);
	cfw_host_reap(r->host);
	is_int(c.phase, CFW_CHILD_LINGER, "a group without its leader lingers");
	is_int(cfw_child_signal(&c, SIGTERM, true), CURFEW_ESTATE, "but it is not signalled");
	cfw_child_kill(&c);
	rig_until(r, is_gone, 2000);
	ok(is_gone && !rig_alive(pid) && !rig_alive(inner.parent), "in the end they are found and killed");
	rig_free(r);

	r = rig_new(CFW_REAP_PIDFD);
	launch(r, &c, "(sh -c 'echo $$ > $D/dead' & exec sleep 1000) & wait");
	c.rest = CFW_REST_LINGER;
	pid = pid_in(r, "dead");
	while (rig_alive(pid))
		usleep(1000);
	main = c.pid;
	kill(main, SIGKILL);
	rig_until(r, c.phase == CFW_CHILD_LINGER, 2000);
	is_int(cfw_child_signal(&c, SIGTERM, true), 0, "PIDFD: its members are signalled one by one, but for the dead");
	rig_until(r, is_gone, 2000);
	ok(is_gone, "and end by that");
	rig_free(r);
}

/* Two of the same bucket, and the one further down goes first. */
static void buckets(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	struct cfw_child a, b;
	launch(r, &a, "exec sleep 1000");
	int tries = 0;
	for (launch(r, &b, "exec sleep 1000"); (a.pid ^ b.pid) & 15 && tries++ < 2000; launch(r, &b, "exec sleep 1000"))
		cfw_child_clear(&b, CFW_NEVER);
	pid_t pid = b.pid;
	cfw_child_clear(&a, CFW_NEVER);
	ok(cfw_child_find(r->host, pid) == &b && rig_alive(pid), "the other is still there");
	cfw_child_clear(&b, CFW_NEVER);
	ok(!cfw_child_find(r->host, pid) && !rig_alive(pid), "until it goes");
	rig_free(r);
}

/* Children whom the host did not make. */
static void others(void)
{
	pid_t one = sleeper(), dead = fork();
	if (dead == 0)
		_exit(0);
	until_ended(dead);
	struct rig *r = rig_new(CFW_REAP_ALL);
	is_int((long long)cfw_host_children(r->host), 1, "who lives counts, whoever made it");
	single_out("open", ESRCH, 1, 2);
	is_int((long long)cfw_host_children(r->host), 0, "who cannot be seen any more does not");
	single_out(NULL, 0, 0, 0);
	put_away(one);
	cfw_host_reap(r->host);
	is_int((long long)rig_children(), 0, "it is reaped, though the host has no children");
	struct cfw_child c;
	launch(r, &c, "sh -c 'echo $$ > $D/kid; exec sleep 1000' & wait");
	pid_t kid = pid_in(r, "kid");
	single_out("open", ESRCH, 2, 1); /* lists of two, and then the kid itself */
	cfw_child_clear(&c, CFW_NEVER);
	ok(is_gone && !rig_alive(kid), "one of the tree that cannot be noted before the kill is found after it");
	single_out(NULL, 0, 0, 0);
	rig_free(r);
}

static void very_end(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	pid_t one = sleeper();
	single_out("open", EMFILE, 1, 1); /* the list of our children, and then that child */
	is_int((long long)cfw_host_kill_rest(r->host, cfw_time_now() + 20 * CFW_SEC), 0, "at the very end nobody is left");
	ok(!faulty_one.times && !rig_alive(one), "who cannot be looked at is a child of ours all the same");
	single_out(NULL, 0, 0, 0);
	if (rig_children())
		put_away(one);
	rig_free(r);
}

int main(void)
{
	lists();
	marks();
	owners(CFW_REAP_ALL);
	owners(CFW_REAP_PIDFD);
	unwatched();
	by_number();
	unkillable();
	half_gone();
	not_pinned();
	buckets();
	others();
	very_end();
	is_int((long long)rig_children(), 0, "no process is left");
	return tap_done();
}
