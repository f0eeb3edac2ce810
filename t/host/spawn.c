/* How a child is born: what it inherits, and what is said when it cannot be. */
#define _GNU_SOURCE
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "rig.h"

/* Start def; the text of its failure, "" when it started. */
static const char *failure(struct rig *r, struct cfw_value *def)
{
	static char text[256];
	size_t fds = rig_fds();
	struct rig_proc p = rig_start(r, def);
	snprintf(text, sizeof text, "%s", rig_last(r)->what == CFW_REPORT_START_FAILED ? rig_last(r)->err : "");
	if (*text)
		is_int(cfw_process_kind.pid(p.srv), 0, "no process is left of it");
	rig_cut(&p);
	is_int((long long)rig_fds(), (long long)fds, "no descriptor either");
	rig_close(&p);
	return text;
}

static struct cfw_value *command(struct cfw_value *list)
{
	struct cfw_value *def = rig_sh("");
	cfw_value_set(def, "command", list);
	return def;
}

static struct cfw_value *with(struct cfw_value *def, const char *key, struct cfw_value *v)
{
	cfw_value_set(def, key, v);
	return def;
}

/* A command without a slash, and where it is looked for. */
static struct cfw_value *command_in(const char *path, const char *name)
{
	return with(command(rig_list(name, NULL)), "env", with(cfw_value_map(), "PATH", cfw_value_str(path)));
}

static const char *make_file(const struct rig *r, const char *name, const char *text, mode_t mode)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", r->dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode))
		tap_bail("cannot make %s", path);
	close(fd);
	return path;
}

static void test_failures(struct rig *r)
{
	char want[512];
	is_str(failure(r, command(rig_list("/no/such", NULL))), "cannot run /no/such: No such file or directory",
	       "a program that is not there is named");
	is_str(failure(r, command(rig_list("no-such-command-here", NULL))),
	       "cannot run no-such-command-here: no such command in PATH", "a command that is not in PATH");
	is_str(failure(r, command(rig_list("", NULL))), "command: the name of the program is empty", "an empty name");
	is_str(failure(r, command(rig_list("/etc/passwd", NULL))), "cannot run /etc/passwd: Permission denied",
	       "one that may not be executed");
	is_str(failure(r, command(rig_list("/etc", NULL))), "cannot run /etc: Permission denied", "a folder");
	const char *path = make_file(r, "script", "echo hello\n", 0755);
	snprintf(want, sizeof want, "cannot run %s: Exec format error", path);
	is_str(failure(r, command(rig_list(path, NULL))), want, "a script that does not say who reads it");
	path = make_file(r, "script2", "#!/no/such/interpreter\n", 0755);
	snprintf(want, sizeof want, "cannot run %s: its interpreter is missing: No such file or directory", path);
	if (!rig_valgrind())
		is_str(failure(r, command(rig_list(path, NULL))), want, "a script whose interpreter is not there");
	is_str(failure(r, with(rig_sh(""), "cwd", cfw_value_str("/no/such"))),
	       "cannot run /bin/sh in /no/such: No such file or directory", "a missing folder to start in");
	is_str(failure(r, with(rig_sh(""), "user", cfw_value_str("nobody-at-all"))), "there is no user nobody-at-all",
	       "an unknown user");
	is_str(failure(r, with(rig_sh(""), "group", cfw_value_str("no-group-at-all"))), "there is no group no-group-at-all",
	       "an unknown group");
	is_str(failure(r, with(rig_sh(""), "stdout", cfw_value_str("file:/no/such/file"))),
	       "cannot open /no/such/file for stdout: No such file or directory", "an output file that cannot be made");
	struct cfw_value *env = cfw_value_map();
	cfw_value_set(env, "PATH", cfw_value_str("/no/such"));
	is_str(failure(r, with(command(rig_list("sh", "-c", "exit 0", NULL)), "env", env)),
	       "cannot run sh: no such command in PATH", "the child's own PATH decides");
	is_str(failure(r, command(rig_list("./no-such", NULL))), "cannot run ./no-such: No such file or directory",
	       "a path from here");
	is_str(failure(r, with(command(rig_list("./no-such", NULL)), "cwd", cfw_value_str("/etc"))),
	       "cannot run ./no-such: No such file or directory", "a path from another folder");
	is_str(failure(r, command_in("/etc/passwd:/no/such", "sh")), "cannot run sh: no such command in PATH",
	       "a file that stands in PATH is no folder");
	make_file(r, "not-to-run", "#!/bin/sh\n", 0644);
	is_str(failure(r, command_in(r->dir, "not-to-run")), "cannot run not-to-run: Permission denied",
	       "a command in PATH that may not be executed");
	is_int((long long)rig_children(), 0, "S9.3: no failed start leaves a zombie");
}

static void test_limit(struct rig *r)
{
	if (geteuid() == 0 && !rig_valgrind()) { /* root is not bound by it: as somebody else */
		pid_t pid = fork();
		if (pid == 0) {
			struct rlimit one = {1, 1};
			if (setgid(65534) || setuid(65534) || setrlimit(RLIMIT_NPROC, &one))
				_exit(3);
			struct curfew_err err = {0};
			struct cfw_host *h = cfw_host_new(&r->env, CFW_REAP_PIDFD, &err);
			struct cfw_value *def = rig_sh("exit 0");
			r->n_reports = 0;
			void *srv = cfw_process_kind.open(h, &r->env, 1, def, &err);
			cfw_process_kind.start(srv, 1);
			_exit(r->n_reports == 1 && strstr(r->reports[0].err, "cannot make a process") ? 0 : 4);
		}
		int status = -1;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		is_int(WEXITSTATUS(status), 0, "no room for a process is told as such");
	}
}

/* A list of one step. */
static struct cfw_value *step_of(struct cfw_value *signal)
{
	struct cfw_value *steps = cfw_value_list();
	cfw_value_push(steps, with(cfw_value_map(), "signal", signal));
	return steps;
}

static void test_bad_definitions(struct rig *r)
{
	static const struct {
		const char *key, *value, *want;
	} bad[] = {
		{"command", "sh", "command is a list of strings, the program first"},
		{"stdout", "nowhere", "stdout is \"inherit\", \"log\", \"null\" or \"file:/path\", not \"nowhere\""},
		{"stdout", "file:", "stdout is \"inherit\", \"log\", \"null\" or \"file:/path\", not \"file:\""},
		{"stdin", "log", "stdin is \"null\" or \"inherit\", not \"log\""},
		{"stop_to", "all", "stop_to is \"group\" or \"main\", not \"all\""},
		{"stop", "TERM", "stop is a list of steps: { { signal = \"TERM\", wait = \"10s\" }, … }"},
		{"ready", "now", "ready is a table: { tcp = \"127.0.0.1:80\" } and so on"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct curfew_err err = {0};
		struct cfw_value *def = with(rig_sh(""), bad[i].key, cfw_value_str(bad[i].value));
		void *srv = cfw_process_kind.open(r->host, &r->env, 1, def, &err);
		ok(!srv && err.code == CURFEW_EINVAL, "%s = %s is refused", bad[i].key, bad[i].value);
		is_str(err.msg, bad[i].want, "and said why");
		cfw_value_free(def);
	}
	struct cfw_value *both = with(rig_sh(""), "new_session", cfw_value_bool(true)), *number = cfw_value_list();
	cfw_value_push(number, cfw_value_int(1));
	const struct {
		struct cfw_value *def;
		const char *want;
	} worse[] = {
		{command(cfw_value_list()), "command is a list of strings, the program first"},
		{command(number), "command: argument 1 is not a string"},
		{with(rig_sh(""), "stop", cfw_value_list()), bad[5].want},
		{with(rig_sh(""), "stop", step_of(cfw_value_int(0))), "stop: step 1: there is no signal \"\""},
		{with(rig_sh(""), "stop", step_of(cfw_value_int(65))), "stop: step 1: there is no signal \"\""},
		{with(both, "foreground", cfw_value_bool(true)), "new_session and foreground exclude each other"},
		{with(rig_sh(""), "ready", with(cfw_value_map(), "exec", cfw_value_list())),
		 "ready: exec is a list of strings, the program first"},
	};
	for (size_t i = 0; i < sizeof worse / sizeof *worse; i++) {
		struct curfew_err err = {0};
		ok(!cfw_process_kind.open(r->host, &r->env, 1, worse[i].def, &err), "refused: %s", worse[i].want);
		is_str(err.msg, worse[i].want, "and said why");
		cfw_value_free(worse[i].def);
	}
	struct curfew_err err = {0};
	struct cfw_value *def = with(rig_sh(""), "stop", step_of(cfw_value_str("TREM")));
	ok(!cfw_process_kind.open(r->host, &r->env, 1, def, &err), "an unknown signal is refused");
	is_str(err.msg, "stop: step 1: there is no signal \"TREM\"", "and named");
	cfw_value_free(def);
}

/* Run the script to its end with what it says in a file; what that is. */
static const char *told(struct rig *r, struct cfw_value *def, const char *name)
{
	char spec[128];
	snprintf(spec, sizeof spec, "file:%s/%s", r->dir, name);
	cfw_value_set(def, "stdout", cfw_value_str(spec));
	struct rig_proc p = rig_start(r, def);
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED || rig_last(r)->what == CFW_REPORT_START_FAILED, 3000);
	if (rig_last(r)->what == CFW_REPORT_START_FAILED)
		tap_diag("%s", rig_last(r)->err);
	rig_close(&p);
	return rig_file(r, name);
}

static void test_inheritance(struct rig *r)
{
	int leak = open("/dev/null", O_RDONLY); /* of a host that does not know CLOEXEC */
	struct cfw_value *def = command(rig_list("ls", "/proc/self/fd", NULL));
	is_str(told(r, def, "fds"), "0\n1\n2\n3\n", "S10.2: a child has 0, 1, 2 (and ls its own 3), though we have more");
	close(leak);

	sigset_t some, old;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigaddset(&some, SIGTERM);
	sigprocmask(SIG_BLOCK, &some, &old);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	const char *status = told(r, command(rig_list("cat", "/proc/self/status", NULL)), "signals");
	ok(strstr(status, "SigBlk:\t0000000000000000\n"), "S2.19: a child begins with an empty mask, whatever ours is");
	ok(strstr(status, "SigIgn:\t0000000000000000\n"), "S2.19: and default dispositions");
	signal(SIGUSR2, SIG_DFL);
	sigset_t now;
	sigprocmask(SIG_SETMASK, &old, &now);
	ok(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGHUP), "our own mask is as it was");

	struct rlimit was, low;
	getrlimit(RLIMIT_NOFILE, &was);
	low = was;
	low.rlim_cur = was.rlim_cur > 200 ? 200 : was.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &low);
	char want[32];
	snprintf(want, sizeof want, "%llu\n", (unsigned long long)was.rlim_cur);
	if (!rig_valgrind())
		is_str(told(r, rig_sh("ulimit -n"), "limit"), want,
		       "S2.19: the limits are those from before the host was made");
	setrlimit(RLIMIT_NOFILE, &was);

	def = rig_sh("cat /proc/self/status >/dev/null; read x < /proc/self/stat; kill -0 $PPID && echo same");
	is_str(told(r, def, "parent"), "same\n", "its parent is us");
	is_str(told(r, rig_sh("cat; echo end"), "stdin"), "end\n", "stdin is /dev/null by default");
	is_str(told(r, with(rig_sh("pwd"), "cwd", cfw_value_str("/usr")), "cwd"), "/usr\n", "cwd");
	def = with(rig_sh("ps -o pid=,sid= -p $$ | awk '{ print $1 == $2 }'"), "new_session", cfw_value_bool(true));
	is_str(told(r, def, "sid"), "1\n", "new_session: it leads a session");
	int keep = fcntl(0, F_DUPFD_CLOEXEC, 10);
	close(0); /* the next descriptors that are opened get the number */
	is_str(told(r, rig_sh("echo fine"), "closed"), "fine\n", "our own stdin may be closed");
	def = rig_sh("echo in the log");
	cfw_value_set(def, "stdout", cfw_value_str("log"));
	struct rig_proc p = rig_start(r, def);
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
	ok(r->lines.data && strstr(r->lines.data, "it|stdout|in the log\n"), "also where a pipe of ours becomes number 0");
	rig_close(&p);
	if (keep >= 0) {
		dup2(keep, 0);
		close(keep);
	}
	char pgid[32];
	snprintf(pgid, sizeof pgid, "%d\n", (int)getpgrp());
	def = with(rig_sh("ps -o pgid= -p $$ | tr -d ' '"), "foreground", cfw_value_bool(true));
	is_str(told(r, def, "pgid"), pgid, "foreground: it keeps our group");
}

static void test_environment(struct rig *r)
{
	setenv("NOTIFY_SOCKET", "/run/x", 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_PID", "1", 1);
	setenv("WATCHDOG_USEC", "1", 1);
	setenv("CURFEW_SERVER", "outer", 1);
	setenv("KEPT", "kept", 1);
	setenv("OTHER", "old", 1);
	struct cfw_value *env = cfw_value_map();
	cfw_value_set(env, "OTHER", cfw_value_str("new=x"));
	cfw_value_set(env, "NUMBER", cfw_value_int(42));
	struct cfw_value *def = with(rig_sh("env | grep -E '^(NOTIFY|LISTEN|WATCHDOG|KEPT|OTHER|NUMBER)' | sort"), "env", env);
	is_str(told(r, def, "env"), "KEPT=kept\nNUMBER=42\nOTHER=new=x\n",
	       "S10.2: the environment is inherited but for what is ours, and what is given counts more");
	def = rig_sh("env | grep -c '^CURFEW_SERVER=[0-9a-f]\\{16\\}\\.[0-9]*:it$'");
	is_str(told(r, def, "mark"), "1\n", "the marker is there once, and it is ours");
	env = cfw_value_map();
	cfw_value_set(env, "ONLY", cfw_value_str("1"));
	def = with(with(command(rig_list("env", NULL)), "env", env), "clear_env", cfw_value_bool(true));
	const char *text = told(r, def, "clear");
	ok(!strncmp(text, "ONLY=1\nCURFEW_SERVER=", 21) && !strstr(text, "KEPT"), "clear_env: what is given, and the marker");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("WATCHDOG_USEC");
	unsetenv("CURFEW_SERVER");
}

static void test_user(struct rig *r)
{
	bool root = geteuid() == 0;
	if (root && seteuid(65534))
		tap_bail("root cannot be somebody else");
	is_str(failure(r, with(rig_sh(""), "user", cfw_value_str("daemon"))),
	       "cannot run /bin/sh as user daemon: Operation not permitted", "not everybody may change the user");
	is_str(failure(r, with(rig_sh(""), "group", cfw_value_str("daemon"))),
	       "cannot run /bin/sh as user ?: Operation not permitted", "nor the group");
	if (!root)
		return;
	if (seteuid(0))
		tap_bail("root for ever is somebody else");
	chmod(r->dir, 0755);
	struct cfw_value *def = with(rig_sh("id -un; id -Gn; echo $USER $LOGNAME $HOME"), "user", cfw_value_str("nobody"));
	const struct passwd *pw = getpwnam("nobody");
	char want[256];
	snprintf(want, sizeof want, "nobody\nnogroup\nnobody nobody %s\n", pw ? pw->pw_dir : "?");
	is_str(told(r, def, "user"), want, "user: uid, its groups and no others, HOME, USER, LOGNAME");
	def = with(rig_sh("id -u; id -g; id -G"), "user", cfw_value_str("12345"));
	is_str(told(r, def, "uid"), "12345\n12345\n12345\n", "a user by number that no file knows");
	def = with(with(rig_sh("id -u; id -gn"), "user", cfw_value_str("nobody")), "group", cfw_value_str("daemon"));
	snprintf(want, sizeof want, "%d\ndaemon\n", pw ? (int)pw->pw_uid : -1);
	is_str(told(r, def, "group"), want, "group: instead of the user's own");
	def = with(with(rig_sh(""), "user", cfw_value_str("nobody")), "cwd", cfw_value_str("/root"));
	is_str(failure(r, def), "cannot run /bin/sh in /root: Permission denied",
	       "the folder is entered with the user's rights");
}

/* A handler of ours must never run in the child, which shares our memory until it runs its program. */
static volatile sig_atomic_t here;
static volatile pid_t in;

static void on_alarm(int sig)
{
	(void)sig;
	here++;
	if (getpid() != in)
		in = -1;
}

static void test_signals_while_born(struct rig *r)
{
	in = getpid();
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_t timer;
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer))
		tap_bail("no timer");
	struct itimerspec each = {{0, 100000}, {0, 100000}};
	timer_settime(timer, 0, &each, NULL);
	size_t good = 0;
	for (int i = 0; i < 50; i++) {
		struct rig_proc p = rig_start(r, command(rig_list("/bin/true", NULL)));
		rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 2000);
		good += rig_last(r)->exit_code == 0;
		rig_close(&p);
	}
	timer_delete(timer);
	signal(SIGALRM, SIG_DFL);
	is_int((long long)good, 50, "50 starts under a rain of signals");
	ok(here > 0 && in == getpid(), "whose handler ran in us alone");
}

int main(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	test_failures(r);
	test_limit(r);
	test_bad_definitions(r);
	test_inheritance(r);
	test_environment(r);
	test_user(r);
	test_signals_while_born(r);
	rig_free(r);
	return tap_done();
}
