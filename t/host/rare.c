/* What hardly ever comes, made to come: one call, picked by its name, fails in one way; libcurl is another. */
#define _GNU_SOURCE
#include "rare.h"
#include "host/fetch.h"
#include "host/internal.h"
#include "host/launch.h"
#include "host/watch.h"
#include "serve.h"

/* ---- libcurl ---- */

/* In a process of its own each: it is opened once. */
static void library(void)
{
	static const struct {
		const char *call;
		unsigned after;
		const char *want;
	} rows[] = {
		{"dlsym", 3, "fetch needs a newer libcurl.so.4 (Debian's package libcurl4): it lacks curl_easy_getinfo"},
		{"curl_global_init", 0, "libcurl.so.4 does not start"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int status = -1;
		pid_t pid = fork();
		if (pid == 0) {
			struct curfew_err err = {0};
			single_out(rows[i].call, 0, rows[i].after, 1);
			bool told = !cfw_curl_get(&err) && err.code == CURFEW_ENOENT && !strcmp(err.msg, rows[i].want);
			_exit(told && !cfw_curl_get(&err) ? 0 : 1);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", rows[i].want);
	}
}

static void fetches(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	static struct serve s;
	serve_begin(&s, r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	static const struct {
		CURLcode result;
		int want;
	} rows[] = {{CURLE_SEND_ERROR, ECONNRESET}, {CURLE_RECV_ERROR, ECONNRESET}, {CURLE_SSL_CONNECT_ERROR, EPROTO}};
	for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
		bool good = i == sizeof rows / sizeof *rows;
		struct cfw_value *args = with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1/"));
		faulty_curl_result = good ? CURLE_OK : rows[i].result;
		faulty_curl_chat = good;
		const struct rig_answer *a = call(r, "fetch", with(args, "unix", cfw_value_str(s.path)));
		if (good)
			is_str(cfw_value_get_str(a->value, "body", ""), "ok", "what else libcurl tells is passed over");
		else
			is_int(a->err.sys_errno, rows[i].want, "libcurl's result %d", (int)rows[i].result);
	}
	r->host->fetcher->deaf = true; /* its timer could not be set as another request was taken back */
	call(r, "fetch", with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1/")));
	is_str(refused.msg, "libcurl does not take the request (0)", "a request that would never end is refused");
	faulty_curl_unknown = CURLOPT_PROTOCOLS_STR;
	call(r, "fetch", with(cfw_value_map(), "url", cfw_value_str("http://127.0.0.1/")));
	is_str(refused.msg, "fetch needs libcurl 7.85 or newer", "S10.4: a libcurl that cannot be held to http is not used");
	faulty_curl_unknown = 0;
	serve_end(&s);
	rig_free(r);
}

/* ---- ready ---- */

static void ready_by_http(void)
{
	static const struct {
		const char *call;
		int error;
	} rows[] = {{"send", EAGAIN}, {"recv", EAGAIN}, {"recv", EINTR}, {"recv", ECONNRESET}, {"send", EPIPE}};
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	static struct serve s;
	serve_begin(&s, r, "HTTP/1.1 200 OK\r\n\r\n");
	char url[160];
	snprintf(url, sizeof url, "unix:%s:/", s.path);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_value *def =
			with(rig_sh("exec sleep 1000"), "ready", with(cfw_value_map(), "http", cfw_value_str(url)));
		single_out(rows[i].call, rows[i].error, 0, 1);
		struct rig_proc p = rig_start(r, def);
		is_str(rig_what(rig_last(r)->what), "STARTED", "http: %s says %s, and it is tried again", rows[i].call,
		       strerrorname_np(rows[i].error));
		is_int(faulty_one.times, 0, "it did");
		rig_cut(&p);
		rig_close(&p);
	}
	serve_end(&s);
	rig_free(r);
}

/* ---- files and commands ---- */

static struct rig *reading;

static void cancel_it(void)
{
	faulty_meanwhile = NULL;
	service(reading, "fs.read")->cancel(reading->host, token);
}

static void files(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	char path[128];
	snprintf(path, sizeof path, "%s/f", r->dir);
	static const struct {
		const char *call;
		int error, want;
	} rows[] = {
		{"fsync", EROFS, 0}, {"fsync", EINVAL, 0}, {"fsync", EIO, EIO}, {"close", EINTR, 0}, {"close", EDQUOT, EDQUOT},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_value *args = with(cfw_value_map(), "path", cfw_value_str(path));
		with(with(args, "data", cfw_value_str("x")), "sync", cfw_value_bool(true));
		single_out(rows[i].call, rows[i].error, 0, 1);
		const struct rig_answer *a = call(r, "fs.write", args);
		is_int(a->err.sys_errno, rows[i].want, "write: %s says %s", rows[i].call, strerrorname_np(rows[i].error));
		is_int(faulty_one.times, 0, "it did");
	}
	single_out("read", EAGAIN, 0, 1); /* of what wakes the loop */
	const struct rig_answer *a = call(r, "fs.exists", with(cfw_value_map(), "path", cfw_value_str(path)));
	ok(cfw_value_to_bool(a->value) && !faulty_one.times, "woken for nothing, the loop finds what is done all the same");

	size_t before = r->n_answers;
	reading = r;
	rig_turn(r); /* it is woken once more: nobody but the thread reads from here on */
	faulty_meanwhile = cancel_it;
	is_int(begin(r, "fs.read", with(cfw_value_map(), "path", cfw_value_str("/dev/zero"))), 0, "a file without end");
	rig_until(r, !faulty_meanwhile, 2000);
	single_out(NULL, 0, 0, 0);
	call(r, "fs.exists", with(cfw_value_map(), "path", cfw_value_str(path)));
	is_int((long long)r->n_answers, (long long)before + 1, "cancelled as it is read: no answer, but to the next");
	rig_free(r);
}

static void commands(void)
{
	struct rlimit own, was, low;
	getrlimit(RLIMIT_NOFILE, &own);
	was = own;
	was.rlim_cur = own.rlim_max < 500 ? own.rlim_max - 1 : 500;
	setrlimit(RLIMIT_NOFILE, &was);
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	single_out("write", EAGAIN, 0, 1);
	const struct rig_answer *a = call(r, "exec", with(sh("cat"), "stdin", cfw_value_str("fed")));
	is_str(cfw_value_get_str(a->value, "stdout", ""), "fed", "a pipe that takes nothing is written to again");
	is_int(faulty_one.times, 0, "it took nothing");
	single_out("set a limit", EPERM, 0, 2);
	low = was;
	low.rlim_cur--;
	setrlimit(RLIMIT_NOFILE, &low);
	call(r, "exec", sh("exit 0"));
	setrlimit(RLIMIT_NOFILE, &was);
	is_str(refused.msg, "cannot run /bin/sh: its resource limits: Operation not permitted",
	       "S2.19: limits that cannot be given back are told");
	int kept[3];
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++)
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	for (int fd = 0; fd < 3; fd++)
		close(fd); /* the child's stdin becomes our 0, its stdout our 2 */
	single_out("fcntl", EMFILE, 0, 1);
	call(r, "exec", sh("exit 0"));
	for (int fd = 0; fd < 3; fd++) {
		dup2(kept[fd], fd);
		close(kept[fd]);
	}
	is_str(refused.msg, "cannot run /bin/sh: no descriptor: Too many open files", "streams that cannot be moved away");
	low = was;
	low.rlim_max--;
	setrlimit(RLIMIT_NOFILE, &low);
	const struct rig_answer *b = call(r, "exec", sh("ulimit -H -n"));
	char want[32];
	bool may = setrlimit(RLIMIT_NOFILE, &was) == 0; /* not everybody may raise it again */
	snprintf(want, sizeof want, "%llu\n", (unsigned long long)(may ? was : low).rlim_max);
	is_str(cfw_value_get_str(b->value, "stdout", ""), want, "S2.19: a hard limit alone is given back where it can be");
	signal(SIGCHLD, SIG_IGN); /* who does so has his children reaped by the kernel */
	call(r, "exec", with(cfw_value_map(), "command", rig_list("/no/such", NULL)));
	signal(SIGCHLD, SIG_DFL);
	is_str(refused.msg, "cannot run /no/such: No such file or directory", "a failed child that somebody else reaps");
	single_out(NULL, 0, 0, 0);
	setrlimit(RLIMIT_NOFILE, &own);
	rig_free(r);
}

/* ---- users ---- */

static int plan(const char *key, const char *value, struct cfw_plan *p, struct curfew_err *err)
{
	struct cfw_value *def = with(cfw_value_map(), key, cfw_value_str(value)), *command = rig_list("true", NULL);
	struct cfw_launch l = {.command = command, .def = def};
	*err = (struct curfew_err){0};
	int rc = cfw_plan_make(p, &l, "mark", err);
	cfw_value_free(def);
	cfw_value_free(command);
	return rc;
}

static void users(void)
{
	struct cfw_plan p;
	struct curfew_err err;
	static const struct {
		const char *key, *call;
		int error, rc;
	} rows[] = {
		{"user", "getpwnam_r", ENOENT, CURFEW_ENOENT}, {"user", "getpwnam_r", ESRCH, CURFEW_ENOENT},
		{"user", "getpwnam_r", EIO, CURFEW_ESYS},      {"group", "getgrnam_r", ENOENT, CURFEW_ENOENT},
		{"group", "getgrnam_r", ESRCH, CURFEW_ENOENT}, {"group", "getgrnam_r", EIO, CURFEW_ESYS},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		single_out(rows[i].call, rows[i].error, 0, 1);
		is_int(plan(rows[i].key, "no-such-one", &p, &err), rows[i].rc, "%s says %s: %s", rows[i].call,
		       strerrorname_np(rows[i].error), err.msg);
		cfw_plan_clear(&p);
	}
	single_out(NULL, 0, 0, 0);
	for (int told = 0; told < 2; told++) { /* glibc tells how many there are; others do not */
		faulty_groups_told = told;
		faulty_groups = 100;
		ok(!plan("user", "0", &p, &err) && p.spawn.n_groups == 100 && p.spawn.groups[99] == p.spawn.gid + 99,
		   "a user in 100 groups");
		cfw_plan_clear(&p);
		faulty_groups = 70000;
		is_int(plan("user", "0", &p, &err), CURFEW_ELIMIT, "in too many: %s", err.msg);
		cfw_plan_clear(&p);
	}
	faulty_groups = 0;
}

/* ---- what is watched ---- */

static void on_change(void *ud, const char *name)
{
	(void)name;
	++*(int *)ud;
}

static void watched(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	int changes = 0;
	struct cfw_watch *w = cfw_watch_new(&r->loop, on_change, &changes);
	char path[128];
	for (int i = 0; i <= 4096; i++) {
		snprintf(path, sizeof path, "%s/%d", r->dir, i);
		cfw_watch_file(w, path);
	}
	for (int i = 4095; i <= 4096; i++) {
		snprintf(path, sizeof path, "%s/%d", r->dir, i);
		if (i == 4096)
			cfw_watch_look(w); /* nothing happens where it is not enabled */
		close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	is_int(cfw_watch_enable(w, true), 0, "4096 files are watched");
	rig_until(r, changes, 2000);
	is_int(changes, 1, "the last of them has changed");
	cfw_watch_free(w);
	rig_free(r);
}

int main(void)
{
	library();
	fetches();
	ready_by_http();
	files();
	commands();
	users();
	watched();
	is_int((long long)rig_children(), 0, "no process is left");
	return tap_done();
}
