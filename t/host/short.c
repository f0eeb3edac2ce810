/* What the system refuses: whatever the host is asked for, each allocation and each system call on its way fails once, alone and with the next
 * few. It answers once, with an error or with what was asked for; no descriptor, no process and no memory stays behind. And calls that
 * are only interrupted are made again: nothing comes of that. */
#define _GNU_SOURCE
#include "rig.h"

#include <limits.h>
#include <sys/un.h>

#include "faulty.h"
#include "host/watch.h"

static void say_nothing(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f, size_t n)
{
	(void)ud;
	(void)level;
	(void)msg;
	(void)f;
	(void)n;
}

static void reports(void *ud, const struct cfw_report *rep)
{
	bool on = cfw_short.on;
	cfw_short.on = false;
	rig_report(ud, rep);
	cfw_short.on = on;
}

/* Turn until cond; without a loop that fails, children are looked for at each turn. */
static void turn(struct rig *r)
{
	bool on = cfw_short.on;
	rig_turn(r);
	cfw_short.on = false;
	if (r->watch)
		cfw_host_reap(r->host);
	cfw_short.on = on;
}

#define until(r, cond)                                                                                                         \
	do {                                                                                                                   \
		uint64_t until_end = cfw_time_now() + 5 * CFW_SEC;                                                             \
		while (!(cond) && cfw_time_now() < until_end)                                                                  \
			turn(r);                                                                                               \
	} while (0)

/* ---- what is asked of it; each returns why it is wrong, or NULL ---- */

/* The answer of a service, or the refusal to begin. NULL where it was one of them, in order; *answer is NULL in the second case. */
static const char *service(struct rig *r, const char *name, struct cfw_value *args, const struct rig_answer **answer)
{
	struct curfew_err err = {0};
	size_t n, before = r->n_answers;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	*answer = NULL;
	while (strcmp(s->name, name) != 0)
		s++;
	cfw_short.on = true;
	int rc = s->begin(s->ud, &r->env, 7, args, &err);
	until(r, rc || r->n_answers > before);
	short_end();
	cfw_value_free(args);
	if (rc)
		return err.code && *err.msg ? NULL : "it was refused without a reason";
	if (r->n_answers != before + 1)
		return "it was not answered";
	*answer = &r->answers[before % RIG_ANSWERS];
	return (*answer)->err.code && !*(*answer)->err.msg ? "it failed without a reason" : NULL;
}

static struct cfw_value *with(struct cfw_value *v, const char *key, struct cfw_value *to)
{
	cfw_value_set(v, key, to);
	return v;
}

static struct cfw_value *in(const struct rig *r, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", r->dir, name);
	return with(cfw_value_map(), "path", cfw_value_str(path));
}

static bool undisturbed;
static char self[PATH_MAX];

static const char *exec(struct rig *r)
{
	const struct rig_answer *a;
	struct cfw_value *args = with(cfw_value_map(), "command", rig_list("/bin/sh", "-c", "cat; echo b >&2", NULL));
	with(with(args, "stdin", cfw_value_str("a")), "env", with(cfw_value_map(), "X", cfw_value_str("y")));
	const char *wrong = service(r, "exec", args, &a);
	if (wrong || !a || a->err.code)
		return wrong ? wrong : undisturbed ? "it failed" : NULL;
	const char *out = cfw_value_get_str(a->value, "stdout", "");
	return undisturbed && strcmp(out, "a") ? "its output is another" : NULL;
}

static const char *exec_of_nothing(struct rig *r)
{
	const struct rig_answer *a;
	const char *wrong = service(r, "exec", with(cfw_value_map(), "command", rig_list("/no/such/program", NULL)), &a);
	return wrong ? wrong : a && !a->err.code ? "it ran what is not there" : NULL;
}

static const char *files(struct rig *r)
{
	static const char *const names[] = {"fs.write", "fs.exists", "fs.stat", "fs.read", "fs.rename", "fs.remove"};
	const char *wrong = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names && !wrong; i++) {
		const struct rig_answer *a;
		struct cfw_value *args = in(r, i == 5 ? "g" : "f");
		if (i == 0)
			with(args, "data", cfw_value_str("text"));
		if (i == 4) {
			struct cfw_value *to = in(r, "g");
			with(args, "from", cfw_value_str(cfw_value_get_str(args, "path", "")));
			with(args, "to", cfw_value_str(cfw_value_get_str(to, "path", "")));
			cfw_value_free(to);
		}
		wrong = service(r, names[i], args, &a);
		if (!wrong && undisturbed && (!a || a->err.code))
			wrong = names[i];
	}
	return wrong;
}

static const char *confined_files(struct rig *r)
{
	struct curfew_err err = {0};
	struct cfw_value *allowed = cfw_value_map();
	with(with(allowed, "read", rig_list(r->dir, NULL)), "write", rig_list(r->dir, "/tmp", NULL));
	with(allowed, "modules", rig_list(".", NULL));
	cfw_short.on = true;
	int rc = cfw_host_confine(r->host, allowed, &err);
	short_end();
	cfw_value_free(allowed);
	if (rc)
		return *err.msg && !undisturbed ? NULL : "it was not confined, and did not say why";
	char module[128];
	snprintf(module, sizeof module, "%s/none.lua", r->dir);
	if (cfw_host_open_source(r->host, module, true) >= 0 || cfw_host_open_source(r->host, "/etc/hostname", false) >= 0)
		return "it opened what it must not";
	return files(r);
}

static const char *fetch(struct rig *r)
{
	const struct rig_answer *a;
	struct cfw_value *args = with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1:1/"));
	with(with(args, "headers", with(cfw_value_map(), "X", cfw_value_str("y"))), "body", cfw_value_str("text"));
	const char *wrong = service(r, "fetch", args, &a);
	return wrong ? wrong : a && !a->err.code ? "nobody has answered" : NULL;
}

static const char *process(struct rig *r, struct cfw_value *def)
{
	struct curfew_err err = {0};
	size_t before = r->n_reports;
	const char *wrong = NULL;
	cfw_short.on = true;
	void *p = cfw_process_kind.open(r->host, &r->env, 1, def, &err);
	if (!p) {
		short_end();
		cfw_value_free(def);
		return *err.msg && !undisturbed ? NULL : "it was not opened, and did not say why";
	}
	cfw_process_kind.start(p, 1);
	until(r, r->n_reports > before);
	enum cfw_report_what what = rig_last(r)->what;
	if (r->n_reports == before)
		wrong = "its start was not reported";
	else if (what == CFW_REPORT_START_FAILED && !*rig_last(r)->err)
		wrong = "its start failed without a reason";
	else if (undisturbed && what != CFW_REPORT_STARTED)
		wrong = rig_last(r)->err;
	cfw_value_free(cfw_process_kind.stats ? cfw_process_kind.stats(p) : NULL);
	if (!wrong && what == CFW_REPORT_STARTED) {
		before = r->n_reports;
		struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER};
		cfw_process_kind.stop(p, &stop);
		until(r, r->n_reports > before);
		if (r->n_reports == before)
			wrong = "its stop was not reported";
	}
	short_end();
	cfw_process_kind.free(p);
	cfw_value_free(def);
	return wrong;
}

static struct cfw_value *sleeper(const char *first)
{
	char script[PATH_MAX + 64];
	snprintf(script, sizeof script, "%s exec sleep 1000", first);
	return with(rig_sh(script), "env", with(cfw_value_map(), "GIVEN", cfw_value_str("yes")));
}

static const char *plain_process(struct rig *r)
{
	return process(r, with(with(sleeper("echo out; echo err >&2;"), "stdout", cfw_value_str("log")), "stderr",
			       cfw_value_str("log")));
}

static const char *process_of_a_user(struct rig *r)
{
	return process(r, with(with(sleeper(""), "user", cfw_value_str("nobody")), "group", cfw_value_str("nogroup")));
}

static struct cfw_value *ready_by(const char *key, struct cfw_value *how)
{
	struct cfw_value *ready = with(cfw_value_map(), key, how);
	return with(ready, "timeout", cfw_value_int(300 * (int64_t)CFW_MS));
}

static const char *process_that_notifies(struct rig *r)
{
	char tell[PATH_MAX + 16];
	snprintf(tell, sizeof tell, "%s notify;", self);
	return process(r, with(sleeper(tell), "ready",
			       with(ready_by("notify", cfw_value_bool(true)), "timeout",
				    cfw_value_int((undisturbed ? 10000 : 500) * (int64_t)CFW_MS))));
}

static const char *process_that_is_asked(struct rig *r)
{
	return process(r, with(sleeper(""), "ready", ready_by("exec", rig_list("/bin/true", NULL))));
}

static int listen_in(const struct rig *r, char *addr, size_t size)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%s/socket", r->dir);
	snprintf(addr, size, "unix:%s", un.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (void *)&un, sizeof un) || listen(fd, 64))
		tap_bail("cannot listen");
	return fd;
}

static const char *process_that_listens(struct rig *r)
{
	char addr[160];
	int fd = listen_in(r, addr, sizeof addr);
	const char *wrong = process(r, with(sleeper(""), "ready", ready_by("tcp", cfw_value_str(addr))));
	close(fd);
	return wrong;
}

static void count_change(void *ud, const char *name)
{
	(void)name;
	++*(int *)ud;
}

static const char *watching(struct rig *r)
{
	int changes = 0;
	char path[160];
	snprintf(path, sizeof path, "%s/watched", r->dir);
	FILE *f = fopen(path, "w");
	if (!f || fclose(f))
		tap_bail("cannot write");
	cfw_short.on = true;
	struct cfw_watch *w = cfw_watch_new(&r->loop, count_change, &changes);
	if (w) {
		cfw_watch_file(w, path);
		bool on = cfw_watch_enable(w, true) == 0;
		short_end();
		f = fopen(path, "w");
		if (!f || fputs("more", f) < 0 || fclose(f))
			tap_bail("cannot write");
		cfw_short.on = true;
		uint64_t end = cfw_time_now() + (undisturbed ? 20 * CFW_SEC : 100 * CFW_MS);
		while (on && !changes && cfw_time_now() < end)
			turn(r);
		cfw_watch_enable(w, false);
	}
	short_end();
	cfw_watch_free(w);
	return undisturbed && changes != 1 ? "a change was not seen once" : NULL;
}

static const struct scenario {
	const char *name;
	const char *(*play)(struct rig *r);
	int most; /* so many of its calls fail, one a run; 0: all */
} scenarios[] = {
	{"exec", exec, 0},
	{"exec of nothing", exec_of_nothing, 0},
	{"files", files, 0},
	{"confined files", confined_files, 0},
	{"fetch", fetch, 0},
	{"a process", plain_process, 200},
	{"a process of a user", process_of_a_user, 200},
	{"a process that notifies", process_that_notifies, 150},
	{"a process that is asked", process_that_is_asked, 150},
	{"a process that listens", process_that_listens, 150},
	{"a file that is watched", watching, 0},
};

static const char *play(const struct scenario *s, enum cfw_reap reap, unsigned long fail_at, unsigned long fail_n, bool *failed)
{
	short_begin(fail_at, fail_n);
	short_end();
	size_t fds = rig_fds(), children = rig_children();
	long live = cfw_short.live;
	struct rig *r = rig_new(reap);
	r->log.emit = say_nothing;
	r->env.report = reports;
	static struct cfw_timer room[32]; /* that a timer has no place is no matter of the host's: it tries them as it goes */
	for (size_t i = 0; i < sizeof room / sizeof *room; i++)
		cfw_timer_set(&r->timers, &room[i], CFW_NEVER - 1);
	for (size_t i = 0; i < sizeof room / sizeof *room; i++)
		cfw_timer_cancel(&r->timers, &room[i]);
	const char *wrong = s->play(r);
	*failed = cfw_short.failed > 0;
	for (size_t i = 0; i < RIG_ANSWERS; i++) {
		cfw_value_free(r->answers[i].value);
		r->answers[i].value = NULL;
	}
	static char copy[300];
	snprintf(copy, sizeof copy, "%s", wrong ? wrong : "");
	rig_free(r);
	if (!wrong && rig_children() > children)
		return "a child is left";
	if (!wrong && rig_fds() != fds)
		return "a descriptor is left";
	if (!wrong && cfw_short.live != live)
		return "memory is left";
	return wrong ? copy : NULL;
}

static void sweep(const struct scenario *s, enum cfw_reap reap)
{
	bool failed = true;
	int bad = 0, runs = 0;
	const char *how = reap == CFW_REAP_ALL ? "all are reaped" : "its own are reaped";
	undisturbed = true;
	const char *wrong = play(s, reap, 0, 0, &failed);
	ok(!wrong, "%s (%s): as it is%s%s", s->name, how, wrong ? ": " : "", wrong ? wrong : "");
	faulty_interrupts = true;
	wrong = play(s, reap, 1, 100000, &failed);
	if (wrong && bad++ < 3)
		tap_diag("%s (%s): all is interrupted: %s", s->name, how, wrong);
	for (unsigned long i = 1; i < 30 && failed; i++) {
		wrong = play(s, reap, i, 1, &failed);
		if (wrong && bad++ < 3)
			tap_diag("%s (%s): call %lu is interrupted: %s", s->name, how, i, wrong);
	}
	is_int(bad, 0, "%s (%s): nothing comes of interruptions", s->name, how);
	faulty_interrupts = undisturbed = false;
	bad = 0;
	for (unsigned long n = 1; n <= (s->most ? 1 : 3); n += 2) {
		failed = true;
		for (unsigned long i = 1; failed && (!s->most || i <= (unsigned long)s->most); i++, runs++) {
			wrong = play(s, reap, i, n, &failed);
			if (wrong && bad++ < 8)
				tap_diag("%s (%s): call %lu (%lu) fails: %s", s->name, how, i, n, wrong);
		}
	}
	is_int(bad, 0, "%s (%s): %d runs, each with another call that fails", s->name, how, runs);
}

/* Says that it is ready, and stays until that was read, as sd_notify_barrier(3) has it: whose word it is cannot be seen any more once it
 * has gone. */
static int notify(void)
{
	const char *to = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ends[2];
	if (fd < 0 || !to || *to != '@' || pipe(ends))
		return 9;
	memcpy(un.sun_path + 1, to + 1, strlen(to) - 1);
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(to));
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {{0}};
	struct iovec io = {(char[]){"BARRIER=1"}, 9};
	struct msghdr m = {.msg_name = &un,
			   .msg_namelen = n,
			   .msg_iov = &io,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &ends[1], sizeof(int));
	if (sendto(fd, "READY=1", 7, 0, (void *)&un, n) != 7 || sendmsg(fd, &m, 0) != 9 || close(ends[1]))
		return 8;
	struct pollfd gone = {.fd = ends[0]};
	return poll(&gone, 1, 10000) == 1 ? 0 : 7;
}

static void without_pidfds(void)
{
	static const char *const names[] = {"exec", "exec of nothing", "a process", "a process that is asked"};
	faulty_no_pidfd = undisturbed = true;
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			if (!strcmp(scenarios[i].name, names[k])) {
				bool failed;
				const char *wrong = play(&scenarios[i], CFW_REAP_PIDFD, 0, 0, &failed);
				ok(!wrong, "%s, where processes cannot be watched%s%s", names[k], wrong ? ": " : "",
				   wrong ? wrong : "");
			}
	faulty_no_pidfd = undisturbed = false;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "notify"))
		return notify();
	if (!realpath(argv[0], self))
		tap_bail("no path to this program");
	const char *only = argc > 1 ? argv[1] : NULL;
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
		if (!only || !strcmp(only, scenarios[i].name)) {
			sweep(&scenarios[i], CFW_REAP_PIDFD);
			if (scenarios[i].play == exec || scenarios[i].play == plain_process)
				sweep(&scenarios[i], CFW_REAP_ALL);
		}
	if (!only)
		without_pidfds();
	return tap_done();
}
