/* What the system refuses: whatever the host is asked for, each allocation and each system call on its way fails once, alone and with the next
 * few. It answers once, with an error or with what was asked for; no descriptor, no process and no memory stays behind. And calls that
 * are only interrupted are made again: nothing comes of that. */
#define _GNU_SOURCE
#include "sweep.h"

#include <limits.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "host/watch.h"

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

static char self[PATH_MAX];

static const char *exec(struct rig *r)
{
	const struct rig_answer *a;
	struct cfw_value *args = with(cfw_value_map(), "command", rig_list("/bin/sh", "-c", "cat; echo b >&2", NULL));
	with(with(args, "stdin", cfw_value_str("a")), "env", with(cfw_value_map(), "X", cfw_value_str("y")));
	with(args, "timeout", cfw_value_int(100 * (int64_t)CFW_SEC));
	const char *wrong = service(r, "exec", args, &a);
	if (wrong || !a || a->err.code)
		return wrong ? wrong : undisturbed ? "it failed" : NULL;
	const char *out = cfw_value_get_str(a->value, "stdout", "");
	return undisturbed && strcmp(out, "a") ? "its output is another" : NULL;
}

/* A host of its own, beside the rig's: it comes to be, with its wits about it, or does not. */
static const char *a_host(struct rig *r)
{
	struct curfew_err err = {0};
	struct cfw_host *was = r->host;
	cfw_short.on = true;
	struct cfw_host *h = cfw_host_new(&r->env, r->watch ? CFW_REAP_ALL : CFW_REAP_PIDFD, &err);
	short_end();
	if (!h)
		return *err.msg && !undisturbed ? NULL : "there is no host, and it was not said why";
	r->host = h;
	const char *wrong = exec(r);
	r->host = was;
	cfw_host_free(h);
	return wrong;
}

static const char *exec_of_nothing(struct rig *r)
{
	const struct rig_answer *a;
	const char *wrong = service(r, "exec", with(cfw_value_map(), "command", rig_list("/no/such/program", NULL)), &a);
	bool ran = !wrong && a && !a->err.code && cfw_value_get_int(a->value, "code", 0) != 127; /* as a shell tells it */
	return wrong ? wrong : ran ? "it ran what is not there" : NULL;
}

static const char *files(struct rig *r)
{
	static const char *const names[] = {"fs.write", "fs.exists", "fs.stat", "fs.read", "fs.rename", "fs.remove"};
	const char *wrong = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names && !wrong; i++) {
		const struct rig_answer *a;
		struct cfw_value *args = in(r, i == 5 ? "g" : "f");
		if (i == 0)
			with(with(args, "data", cfw_value_str("text")), "sync", cfw_value_bool(true));
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

static int pending(int fd)
{
	int n = 0;
	return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

/* Two readers of a FIFO, who wait for what is written after all, and a writer to one that is full until somebody reads. */
static const char *fifos(struct rig *r)
{
	struct cfw_value *args = in(r, "fifo");
	const char *path = cfw_value_get_str(args, "path", "");
	int end = mkfifo(path, 0600) ? -1 : __real_open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (end < 0 || __real_write(end, "a", 1) != 1)
		tap_bail("no FIFO");
	size_t before = r->n_answers, begun = 0, bytes = 0;
	cfw_short.on = true;
	begun += begin(r, "fs.read", args) == 0;
	begun += begin(r, "fs.read", args) == 0;
	until(r, r->n_answers >= before + begun || !pending(end));
	short_end();
	if (__real_write(end, "b", 1) != 1)
		tap_bail("the FIFO is full");
	close(end);
	cfw_short.on = true;
	until(r, r->n_answers >= before + begun);
	short_end();
	for (size_t i = before; i < r->n_answers; i++)
		bytes += cfw_value_len(r->answers[i % RIG_ANSWERS].value);
	if (r->n_answers != before + begun || (undisturbed && (begun != 2 || bytes != 2))) {
		cfw_value_free(args);
		return "what was written was not read once";
	}

	static char text[100001];
	memset(text, 'x', sizeof text - 1);
	with(args, "data", cfw_value_str(text));
	end = __real_open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	before = r->n_answers;
	cfw_short.on = true;
	begun = begin(r, "fs.write", args) == 0;
	until(r, r->n_answers >= before + begun || pending(end) >= 65536);
	short_end();
	cfw_value_free(args);
	bytes = 0;
	cfw_short.on = true;
	for (ssize_t n; r->n_answers < before + begun || pending(end) > 0; bytes += n > 0 ? (size_t)n : 0) {
		n = __real_read(end, text, sizeof text);
		turn(r);
	}
	short_end();
	close(end);
	return r->n_answers != before + begun || (undisturbed && bytes != sizeof text - 1) ? "it was not written once" : NULL;
}

static const char *fetch(struct rig *r)
{
	const struct rig_answer *a;
	struct cfw_value *args = with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1:1/"));
	with(with(args, "headers", with(cfw_value_map(), "X", cfw_value_str("y"))), "body", cfw_value_str("text"));
	const char *wrong = service(r, "fetch", args, &a);
	return wrong ? wrong : a && !a->err.code ? "nobody has answered" : NULL;
}

static const char *fetch_of_a_reply(struct rig *r)
{
	static struct serve s;
	const struct rig_answer *a;
	serve_begin(&s, r, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-One: a\r\nX-One:\tb\r\nX-Blank: \r\n\r\nhello\n");
	struct cfw_value *args = with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1/"));
	with(with(args, "unix", cfw_value_str(s.path)), "method", cfw_value_str("HEAD"));
	const char *wrong = service(r, "fetch", args, &a);
	if (!wrong) {
		args = with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1/"));
		with(with(args, "unix", cfw_value_str(s.path)), "headers",
		     with(cfw_value_map(), "Content-Type", rig_list("text/x", NULL)));
		wrong = service(r, "fetch", args, &a);
	}
	serve_end(&s);
	if (wrong || !undisturbed)
		return wrong;
	const struct cfw_value *reply = a ? a->value : NULL, *headers = cfw_value_get(reply, "headers");
	bool same = !strcmp(cfw_value_get_str(headers, "x-one", ""), "a, b") &&
		    !strcmp(cfw_value_get_str(headers, "x-blank", "none"), "") &&
		    !strcmp(cfw_value_get_str(reply, "body", ""), "hello\n");
	return same ? NULL : "the reply is another";
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

static const char *process_of_a_session(struct rig *r)
{
	return process(r, with(sleeper(""), "new_session", cfw_value_bool(true)));
}

static const char *process_before_us(struct rig *r)
{
	return process(r, with(sleeper(""), "foreground", cfw_value_bool(true)));
}

/* Ours are lower by now than they were when the host was made. */
static const char *process_with_limits(struct rig *r)
{
	struct rlimit was, low;
	getrlimit(RLIMIT_NOFILE, &was);
	low = was;
	low.rlim_cur--;
	setrlimit(RLIMIT_NOFILE, &low);
	const char *wrong = process(r, sleeper(""));
	setrlimit(RLIMIT_NOFILE, &was);
	return wrong;
}

/* The first descriptors that are opened have the numbers of its streams. */
static const char *process_without_streams(struct rig *r)
{
	int kept[3];
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++) {
		kept[fd] = __real_fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	const char *wrong = process(r, sleeper(""));
	for (int fd = 0; fd < 3; fd++)
		if (kept[fd] >= 0) {
			__real_dup2(kept[fd], fd);
			close(kept[fd]);
		}
	return wrong;
}

/* Somebody of its tree has left its group. */
static const char *process_with_a_tree(struct rig *r)
{
	char script[PATH_MAX];
	snprintf(script, sizeof script, "setsid sh -c 'echo $$ >%s/tree; exec sleep 1000' &", r->dir);
	return process_with(r, sleeper(script), "tree");
}

static struct cfw_value *ready_by(const char *key, struct cfw_value *how)
{
	struct cfw_value *ready = with(cfw_value_map(), key, how);
	return with(ready, "timeout", cfw_value_int((undisturbed ? 10000 : 100) * (int64_t)CFW_MS));
}

static const char *process_that_notifies(struct rig *r)
{
	char tell[PATH_MAX + 16];
	snprintf(tell, sizeof tell, "%s notify;", self);
	return process(r, with(sleeper(tell), "ready",
			       with(ready_by("notify", cfw_value_bool(true)), "timeout",
				    cfw_value_int((undisturbed ? 10000 : 200) * (int64_t)CFW_MS))));
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

static const char *process_that_replies(struct rig *r)
{
	static struct serve s;
	char url[160];
	serve_begin(&s, r, "HTTP/1.1 200 OK\r\n\r\n");
	snprintf(url, sizeof url, "unix:%s:/up", s.path);
	const char *wrong = process(r, with(sleeper(""), "ready", ready_by("http", cfw_value_str(url))));
	serve_end(&s);
	return wrong;
}

/* It says why, and ends before it is ready. */
static const char *process_that_fails(struct rig *r)
{
	struct curfew_err err = {0};
	struct cfw_value *def = with(with(rig_sh("echo why >&2; exit 3"), "stderr", cfw_value_str("log")), "ready",
				     with(cfw_value_map(), "delay", cfw_value_int(100 * (int64_t)CFW_SEC)));
	size_t before = r->n_reports;
	const char *wrong = NULL;
	cfw_short.on = true;
	void *p = cfw_process_kind.open(r->host, &r->env, 1, def, &err);
	if (p) {
		cfw_process_kind.start(p, 1);
		until(r, r->n_reports > before);
	}
	short_end();
	if (!p)
		wrong = *err.msg && !undisturbed ? NULL : "it was not opened, and did not say why";
	else if (r->n_reports != before + 1 || rig_last(r)->what != CFW_REPORT_START_FAILED || !*rig_last(r)->err)
		wrong = "its failure was not reported";
	else if (undisturbed && strcmp(rig_last(r)->err, "exited with code 3 before it was ready: why") != 0)
		wrong = "its failure is another";
	if (p)
		cfw_process_kind.free(p);
	cfw_value_free(def);
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

static const struct scenario scenarios[] = {
	{"a host", a_host, 0, true, false},
	{"exec", exec, 0, true, false},
	{"exec of nothing", exec_of_nothing, 0, false, false},
	{"files", files, 0, false, false},
	{"confined files", confined_files, 0, false, false},
	{"files that are waited for", fifos, 0, false, false},
	{"fetch", fetch, 0, false, false},
	{"fetch of a reply", fetch_of_a_reply, 0, false, false},
	{"fetch, without room for timers", fetch, 0, false, true},
	{"a process", plain_process, 200, true, false},
	{"a process of a user", process_of_a_user, 100, false, false},
	{"a process of a session", process_of_a_session, 80, false, false},
	{"a process before us", process_before_us, 80, false, false},
	{"a process with limits", process_with_limits, 100, false, false},
	{"a process with a tree", process_with_a_tree, 100, true, false},
	{"a process of one without streams", process_without_streams, 100, false, false},
	{"a process that notifies", process_that_notifies, 150, false, false},
	{"a process that is asked", process_that_is_asked, 150, false, false},
	{"a process that listens", process_that_listens, 150, false, false},
	{"a process that replies", process_that_replies, 100, false, false},
	{"a process that fails", process_that_fails, 70, false, false},
	{"a process that is asked, without room for timers", process_that_is_asked, 60, false, true},
	{"a process that listens, without room for timers", process_that_listens, 60, false, true},
	{"exec, without room for timers", exec, 0, true, true},
	{"a process, without room for timers", plain_process, 100, true, true},
	{"a file that is watched", watching, 0, false, false},
};

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
	sweep_all(scenarios, sizeof scenarios / sizeof *scenarios, only);
	if (!only)
		without_pidfds();
	return tap_done();
}
