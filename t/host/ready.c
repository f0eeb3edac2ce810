/* When a child is ready: tcp, http, exec, notify, delay; and what is said when it is not. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "rig.h"

static struct cfw_value *ready(const char *key, struct cfw_value *v, int64_t timeout_ms)
{
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, key, v);
	if (timeout_ms)
		cfw_value_set(map, "timeout", cfw_value_int(timeout_ms * (int64_t)CFW_MS));
	return map;
}

/* Asked at that interval, which does not grow. */
static struct cfw_value *every_ms(struct cfw_value *def, int64_t ms)
{
	struct cfw_value *map = cfw_value_map();
	const struct cfw_value *was = cfw_value_get(def, "ready");
	for (size_t i = 0; i < cfw_value_len(was); i++)
		cfw_value_set(map, cfw_value_key(was, i), cfw_value_copy(cfw_value_at(was, i)));
	cfw_value_set(map, "interval", cfw_value_int(ms * (int64_t)CFW_MS));
	cfw_value_set(def, "ready", map);
	return def;
}

static struct cfw_value *sh_ready(const char *script, const char *key, struct cfw_value *v, int64_t timeout_ms)
{
	struct cfw_value *def = rig_sh(script);
	cfw_value_set(def, "ready", ready(key, v, timeout_ms));
	return def;
}

/* ---- a server that answers what it is told to; port 0 means a unix socket in path ---- */

static int listen_on(const char *path, int *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t n = sizeof in;
	int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (path)
		snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	if (fd < 0 || bind(fd, path ? (void *)&un : (void *)&in, path ? (socklen_t)sizeof un : n) || listen(fd, 16))
		tap_bail("cannot listen");
	if (!path && getsockname(fd, (void *)&in, &n) == 0)
		*port = ntohs(in.sin_port);
	return fd;
}

static const char *http_reply;
static char http_request[512];
static int http_served;

static struct curfew_watch *conn_watch; /* one client at a time */

static void on_conn(void *ud, int fd, unsigned what)
{
	(void)what;
	struct rig *r = ud;
	ssize_t n = recv(fd, http_request, sizeof http_request - 1, 0);
	http_request[n > 0 ? n : 0] = '\0';
	http_served++;
	if (send(fd, http_reply, strlen(http_reply), MSG_NOSIGNAL) < 0)
		tap_diag("the client left");
	r->loop.ops->watch(r->loop.loop, &conn_watch, fd, 0, NULL, NULL);
	close(fd);
}

static void on_listener(void *ud, int fd, unsigned what)
{
	(void)what;
	struct rig *r = ud;
	int c = conn_watch ? -1 : accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c >= 0)
		r->loop.ops->watch(r->loop.loop, &conn_watch, c, CURFEW_READ, on_conn, r);
}

static void test_tcp(struct rig *r)
{
	int port = 0, fd = listen_on(NULL, &port);
	char addr[64], want[160];
	snprintf(addr, sizeof addr, "127.0.0.1:%d", port);
	struct rig_proc p = rig_start(r, sh_ready("exec sleep 1000", "tcp", cfw_value_str(addr), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "tcp: ready when the port takes a connection");
	rig_stop(&p, 0);
	rig_close(&p);
	close(fd);

	size_t before = r->n_reports;
	p = rig_open(r, sh_ready("exec sleep 1000", "tcp", cfw_value_str(addr), 0));
	cfw_process_kind.start(p.srv, 1);
	rig_idle(r, 60);
	is_int((long long)r->n_reports, (long long)before, "tcp: not before");
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	int yes = 1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (void *)&in, sizeof in) || listen(fd, 4))
		tap_bail("the port is gone");
	rig_until(r, r->n_reports > before, 2000);
	is_str(rig_what(rig_last(r)->what), "STARTED", "tcp: but soon after");
	close(fd);
	rig_cut(&p);
	rig_close(&p);

	p = rig_start(r, sh_ready("exec sleep 1000", "tcp", cfw_value_str(addr), 80));
	is_str(rig_what(rig_last(r)->what), "START_FAILED", "tcp: a timeout is a failed start");
	snprintf(want, sizeof want, "was not ready within 80ms: %s: Connection refused", addr);
	is_str(rig_last(r)->err, want, "which says why");
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "S3.2: the stop that follows finds it still there");
	is_int(rig_last(r)->signo, SIGTERM, "and ends it properly");
	rig_close(&p);

	char path[128];
	snprintf(path, sizeof path, "%s/sock", r->dir);
	fd = listen_on(path, &port);
	snprintf(path, sizeof path, "unix:%s/sock", r->dir);
	p = rig_start(r, sh_ready("exec sleep 1000", "tcp", cfw_value_str(path), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "tcp: a unix socket");
	rig_cut(&p);
	rig_close(&p);
	close(fd);
}

static void test_http(struct rig *r)
{
	int port = 0, fd = listen_on(NULL, &port);
	struct curfew_watch *w = NULL;
	r->loop.ops->watch(r->loop.loop, &w, fd, CURFEW_READ, on_listener, r);
	char url[200], want[256], host[64];
	snprintf(url, sizeof url, "http://127.0.0.1:%d/healthz?x=1", port);
	http_reply = "HTTP/1.1 204 No Content\r\n\r\n";
	struct rig_proc p = rig_start(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "http: 2xx is ready");
	snprintf(host, sizeof host, "Host: 127.0.0.1:%d\r\n", port);
	ok(!strncmp(http_request, "GET /healthz?x=1 HTTP/1.1\r\n", 27) && strstr(http_request, host), "by a proper request");
	rig_cut(&p);
	rig_close(&p);

	http_reply = "HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n";
	p = rig_start(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "http: 3xx is, too");
	rig_cut(&p);
	rig_close(&p);

	http_reply = "HTTP/1.1 503 Not yet\r\n\r\n";
	http_served = 0;
	p = rig_open(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 0));
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	rig_until(r, http_served >= 3, 2000);
	is_int((long long)r->n_reports, (long long)before, "http: 503 is not");
	http_reply = "HTTP/1.1 200 OK\r\n\r\n";
	rig_until(r, r->n_reports > before, 2000);
	is_str(rig_what(rig_last(r)->what), "STARTED", "http: it is asked again until it is");
	rig_cut(&p);
	rig_close(&p);

	http_reply = "HTTP/1.1 500 Oh\r\n\r\n";
	p = rig_start(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 80));
	snprintf(want, sizeof want, "was not ready within 80ms: %s answers 500", url);
	is_str(rig_last(r)->err, want, "http: the last answer is told");
	rig_cut(&p);
	rig_close(&p);
	http_reply = "SSH-2.0-hello\r\n";
	struct cfw_value *def;
	p = rig_start(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 80));
	snprintf(want, sizeof want, "was not ready within 80ms: %s: the answer is no HTTP", url);
	is_str(rig_last(r)->err, want, "http: something else at that port");
	rig_cut(&p);
	rig_close(&p);
	http_reply = "HTTP/1.1";
	def = sh_ready("exec sleep 1000", "http", cfw_value_str(url), 80);
	p = rig_start(r, every_ms(def, 10));
	is_str(rig_last(r)->err, want, "http: one that hangs up in the middle");
	rig_cut(&p);
	rig_close(&p);
	r->loop.ops->watch(r->loop.loop, &w, fd, 0, NULL, NULL);

	p = rig_open(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 0));
	before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	for (int i = 0; i < 2; i++) { /* nobody takes it: a try is given up after five seconds, and made anew */
		int c = -1;
		rig_until(r, (c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0, 2000);
		ok(c >= 0 && r->n_reports == before, "http: one that says nothing is asked %s", i ? "again" : "once");
		cfw_timers_run(&r->timers, cfw_time_now() + 6 * CFW_SEC);
		char c_left;
		rig_until(r, recv(c, http_request, sizeof http_request, 0) == 0, 2000);
		is_int(recv(c, &c_left, 1, 0), 0, "then hung up on");
		close(c);
	}
	rig_cut(&p);
	rig_close(&p);
	close(fd);

	char path[128];
	snprintf(path, sizeof path, "%s/http", r->dir);
	fd = listen_on(path, &port);
	r->loop.ops->watch(r->loop.loop, &w, fd, CURFEW_READ, on_listener, r);
	snprintf(url, sizeof url, "unix:%s/http:/up", r->dir);
	http_reply = "HTTP/1.1 200 OK\r\n\r\n";
	p = rig_start(r, sh_ready("exec sleep 1000", "http", cfw_value_str(url), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "http: over a unix socket");
	ok(!strncmp(http_request, "GET /up HTTP/1.1\r\n", 18), "with its path");
	rig_cut(&p);
	rig_close(&p);
	r->loop.ops->watch(r->loop.loop, &w, fd, 0, NULL, NULL);
	close(fd);
}

static void test_exec(struct rig *r)
{
	struct rig_proc p = rig_start(r, sh_ready("sleep 0.05; echo up > $D/flag; exec sleep 1000", "exec",
						  rig_list("/bin/sh", "-c", "test -e $D/flag", NULL), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "exec: ready when the command ends with 0");
	is_str(rig_file(r, "flag"), "up\n", "exec: not before");
	rig_cut(&p);
	rig_close(&p);
	p = rig_start(r, sh_ready("exec sleep 1000", "exec", rig_list("/bin/sh", "-c", "exit 3", NULL), 100));
	is_str(rig_last(r)->err, "was not ready within 100ms: the check exited with code 3", "exec: the last end is told");
	rig_cut(&p);
	rig_close(&p);
	p = rig_start(r, sh_ready("exec sleep 1000", "exec", rig_list("/bin/sh", "-c", "kill -9 $$", NULL), 100));
	is_str(rig_last(r)->err, "was not ready within 100ms: the check was ended by SIGKILL", "exec: so is a signal");
	rig_cut(&p);
	rig_close(&p);
	p = rig_open(r,
		     sh_ready("exec sleep 1000", "exec",
			      rig_list("/bin/sh", "-c", "test -e $D/asked && exit; echo $$ > $D/asked; exec sleep 1000", NULL),
			      0));
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	rig_until(r, strchr(rig_file(r, "asked"), '\n'), 2000);
	long probe = strtol(rig_file(r, "asked"), NULL, 10);
	ok(rig_alive(probe) && r->n_reports == before, "exec: one that does not end");
	cfw_timers_run(&r->timers, cfw_time_now() + 6 * CFW_SEC);
	rig_until(r, r->n_reports > before, 2000);
	ok(!rig_alive(probe), "exec: is killed after five seconds");
	is_str(rig_what(rig_last(r)->what), "STARTED", "exec: and run again");
	rig_cut(&p);
	rig_close(&p);
	p = rig_start(r, sh_ready("exec sleep 1000", "exec", rig_list("/no/such", NULL), 60));
	is_str(rig_last(r)->err, "was not ready within 60ms: cannot run /no/such: No such file or directory",
	       "exec: a command that does not run");
	rig_cut(&p);
	rig_close(&p);
	p = rig_start(r, sh_ready("exec sleep 1000", "exec", rig_list("/bin/sh", "-c", "sleep 1000 & wait", NULL), 100));
	is_str(rig_last(r)->err, "was not ready within 100ms: it did not answer", "exec: one that hangs");
	rig_cut(&p);
	rig_until(r, rig_children() == 0, 2000);
	is_int((long long)rig_children(), 0, "is killed with its tree");
	rig_close(&p);
}

static void test_delay(struct rig *r)
{
	struct rig_proc at_once = rig_start(r, sh_ready("exec sleep 1000", "notify", cfw_value_bool(false), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "notify = false: there is nothing to wait for");
	rig_cut(&at_once);
	rig_close(&at_once);
	uint64_t began = cfw_time_now();
	struct rig_proc p = rig_start(r, sh_ready("exec sleep 1000", "delay", cfw_value_int((int64_t)(50 * CFW_MS)), 0));
	is_str(rig_what(rig_last(r)->what), "STARTED", "delay: ready when it has passed");
	ok(rig_last(r)->at_ns - began >= 50 * CFW_MS, "delay: not before");
	rig_cut(&p);
	rig_close(&p);
}

static void test_early_end(struct rig *r)
{
	struct cfw_value *def =
		sh_ready("echo fine; echo bad config >&2; exit 3", "delay", cfw_value_int((int64_t)(10 * CFW_SEC)), 0);
	cfw_value_set(def, "stderr", cfw_value_str("log"));
	cfw_value_set(def, "stdout", cfw_value_str("null"));
	struct rig_proc p = rig_start(r, def);
	is_str(rig_what(rig_last(r)->what), "START_FAILED", "an end before it is ready is a failed start");
	is_str(rig_last(r)->err, "exited with code 3 before it was ready: bad config", "with code and last words");
	is_int(rig_last(r)->exit_code, 3, "and the code as a number");
	rig_close(&p);
	p = rig_start(r, sh_ready("kill -KILL $$", "delay", cfw_value_int((int64_t)(10 * CFW_SEC)), 0));
	is_str(rig_last(r)->err, "was ended by SIGKILL before it was ready", "by a signal");
	rig_close(&p);

	p = rig_open(r, sh_ready("exec sleep 1000", "delay", cfw_value_int((int64_t)(10 * CFW_SEC)), 0));
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	rig_idle(r, 10);
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "S3.3: a stop while it starts");
	rig_idle(r, 20);
	is_int((long long)r->n_reports, (long long)before + 1, "is the only thing reported");
	cfw_process_kind.start(p.srv, 5);
	rig_cut(&p);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "so is a cut");
	rig_close(&p);
}

/* ---- notify: this program is also the sender: `ready send TEXT`, with the barrier that systemd-notify has ---- */

static int send_notify(const char *text)
{
	const char *to = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), pipe_fd[2];
	if (!to || *to != '@' || pipe(pipe_fd))
		return 9;
	size_t n = strlen(to);
	memcpy(un.sun_path + 1, to + 1, n - 1);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (sendto(fd, text, strlen(text), 0, (void *)&un, len) < 0)
		return 8;
	char barrier[] = "BARRIER=1";
	struct iovec io = {barrier, sizeof barrier - 1};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	memset(&control, 0, sizeof control);
	struct msghdr m = {.msg_name = &un,
			   .msg_namelen = len,
			   .msg_iov = &io,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control.space};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fd[1], sizeof(int));
	if (sendmsg(fd, &m, 0) < 0)
		return 7;
	close(pipe_fd[1]);
	char x;
	return read(pipe_fd[0], &x, 1) == 0 ? 0 : 6; /* until curfew has closed what we sent */
}

static void test_notify(struct rig *r, const char *self)
{
	size_t fds = rig_fds();
	setenv("SELF", self, 1);
	struct cfw_value *def = sh_ready("$SELF send 'STATUS=warming' || exit 1; while [ ! -e $D/go ]; do sleep 0.01; done;"
					 "$SELF send \"MAINPID=1\nREADY=1\nSTATUS=at work\";"
					 "$SELF send READY=1 && echo yes > $D/twice; exec sleep 1000",
					 "notify", cfw_value_bool(true), 0);
	struct rig_proc p = rig_open(r, def);
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	char status[64] = "";
	for (uint64_t end = cfw_time_now() + 20 * CFW_SEC; strcmp(status, "warming") != 0 && cfw_time_now() < end;
	     rig_turn(r)) {
		struct cfw_value *v = cfw_process_kind.stats(p.srv);
		snprintf(status, sizeof status, "%s", cfw_value_get_str(v, "status", ""));
		cfw_value_free(v);
	}
	is_str(status, "warming", "notify: STATUS is kept");
	is_int((long long)r->n_reports, (long long)before, "notify: that is not ready yet");

	/* A stranger at the child's socket. */
	char path[128], env[65536];
	snprintf(path, sizeof path, "/proc/%d/environ", cfw_process_kind.pid(p.srv));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, env, sizeof env - 1);
	close(fd);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(env + i) + 1)
		if (!strncmp(env + i, "NOTIFY_SOCKET=", 14))
			setenv("NOTIFY_SOCKET", env + i + 14, 1);
	pid_t stranger = fork();
	if (stranger == 0) {
		unsetenv("CURFEW_SERVER");
		execl(self, self, "send", "READY=1\nSTATUS=lies", (char *)NULL);
		_exit(127);
	}
	rig_until(r, strstr(r->lines.data ? r->lines.data : "", "which is not one of its own, is ignored"), 2000);
	ok(strstr(r->lines.data ? r->lines.data : "", "it: a notification from process"),
	   "S10.2: a stranger's READY=1 is refused and logged");
	is_int((long long)r->n_reports, (long long)before, "S10.2: and changes nothing");
	unsetenv("NOTIFY_SOCKET");
	rig_until(r, kill(stranger, 0) != 0, 2000);

	snprintf(path, sizeof path, "%s/go", r->dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	rig_until(r, r->n_reports > before, 2000);
	is_str(rig_what(rig_last(r)->what), "STARTED", "notify: ready at READY=1 from one of its own");
	ok(cfw_process_kind.pid(p.srv) > 1, "S10.2: MAINPID is ignored");
	before = r->n_reports;
	rig_until(r, *rig_file(r, "twice"), 2000);
	is_int((long long)r->n_reports, (long long)before, "notify: READY=1 once more changes nothing");
	rig_stop(&p, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "it stops");
	rig_close(&p);
	is_int((long long)rig_fds(), (long long)fds, "what was sent along is closed");

	p = rig_start(r, sh_ready("exec sleep 1000", "notify", cfw_value_bool(true), 80));
	is_str(rig_last(r)->err, "was not ready within 80ms: it did not send READY=1", "notify: a timeout");
	rig_cut(&p);
	rig_close(&p);
}

static void test_bad(struct rig *r)
{
	static const struct {
		const char *key, *value, *want;
	} bad[] = {
		{"tcp", "db.example.org:1", "ready: \"db.example.org:1\": the host must be a number or localhost"},
		{"tcp", "127.0.0.1", "ready: \"127.0.0.1\": the port is missing"},
		{"tcp", "127.0.0.1:0", "ready: \"127.0.0.1:0\": the port is a number from 1 to 65535"},
		{"http", "ftp://127.0.0.1/",
		 "ready: \"ftp://127.0.0.1/\" is no URL of the form http://host:port/path or unix:/socket:/path"},
		{"exec", "true", "ready: exec is a list of strings, the program first"},
		{"tpc", "127.0.0.1:1", "ready has one of tcp, http, exec, notify and delay"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct curfew_err err = {0};
		struct cfw_value *def = sh_ready("", bad[i].key, cfw_value_str(bad[i].value), 0);
		ok(!cfw_process_kind.open(r->host, &r->env, 1, def, &err), "ready = { %s = %s } is refused", bad[i].key,
		   bad[i].value);
		is_str(err.msg, bad[i].want, "with a reason");
		cfw_value_free(def);
	}
	static const char *const good[] = {"[::1]:80", "localhost:1", ":5432", "5432", "unix:/run/x.sock"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct curfew_err err = {0};
		struct cfw_value *def = sh_ready("", "tcp", cfw_value_str(good[i]), 0);
		void *srv = cfw_process_kind.open(r->host, &r->env, 1, def, &err);
		ok(srv, "ready = { tcp = %s } is good%s", good[i], err.msg);
		if (srv)
			cfw_process_kind.free(srv);
		cfw_value_free(def);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return send_notify(argv[2]);
	struct rig *r = rig_new(CFW_REAP_ALL);
	setenv("D", r->dir, 1);
	size_t fds = rig_fds();
	test_tcp(r);
	test_http(r);
	test_exec(r);
	test_delay(r);
	test_early_end(r);
	test_notify(r, argv[0]);
	test_bad(r);
	is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
	is_int((long long)rig_children(), 0, "no process either");
	rig_free(r);
	return tap_done();
}
