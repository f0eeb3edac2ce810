/* S4.8: the process ends at its deadline whatever it is doing. Each case is a child of its own. */
#define _GNU_SOURCE
#include "shell/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/page.h"
#include "base/time.h"
#include "tap.h"

struct end {
	int status;
	uint64_t took_ns;
	char text[256]; /* stderr */
};

static struct cfw_page *page;
static uint64_t born_ns; /* when the child began */

static struct end run(void (*child)(void))
{
	int fd[2];
	if (pipe2(fd, O_CLOEXEC) < 0)
		tap_bail("pipe: %s", strerror(errno));
	struct end end = {0};
	born_ns = cfw_time_now();
	pid_t pid = fork();
	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		child();
		_exit(99);
	}
	close(fd[1]);
	if (waitpid(pid, &end.status, 0) != pid)
		tap_bail("waitpid: %s", strerror(errno));
	end.took_ns = cfw_time_now() - born_ns;
	ssize_t n = read(fd[0], end.text, sizeof end.text - 1);
	end.text[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	return end;
}

static void open_dog(void)
{
	struct curfew_err err = {0};
	if (cfw_watchdog_open(page, &err) < 0)
		_exit(98);
}

static bool ended_with(struct end end, int code)
{
	return WIFEXITED(end.status) && WEXITSTATUS(end.status) == code;
}

static _Noreturn void spin(void)
{
	for (volatile unsigned n = 0;; n++)
		;
}

static void spin_past_deadline(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 100 * CFW_MS);
	spin();
}

static void block_everything(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 100 * CFW_MS);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
}

static void move_later(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 60 * CFW_MS);
	cfw_watchdog_arm(born_ns + 350 * CFW_MS);
	spin();
}

static void move_earlier(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 3600 * CFW_SEC);
	cfw_watchdog_arm(born_ns + 60 * CFW_MS);
	cfw_watchdog_arm(born_ns + 60 * CFW_MS);
	spin();
}

static void spin_until(uint64_t at_ns)
{
	while (cfw_time_now() < at_ns)
		;
}

static void disarm(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 50 * CFW_MS);
	cfw_watchdog_arm(CFW_NEVER);
	spin_until(born_ns + 250 * CFW_MS);
	_exit(7);
}

static void close_armed(void)
{
	open_dog();
	cfw_watchdog_arm(born_ns + 50 * CFW_MS);
	cfw_watchdog_close();
	cfw_watchdog_close();
	cfw_watchdog_arm(born_ns + 60 * CFW_MS);
	spin_until(born_ns + 250 * CFW_MS);
	_exit(7);
}

static void arm_in_the_past(void)
{
	open_dog();
	cfw_watchdog_arm(0);
	spin();
}

static void signal_by_hand(void)
{
	open_dog();
	cfw_watchdog_arm(cfw_time_now() + 3600 * CFW_SEC);
	errno = 77;
	raise(cfw_watchdog_signo());
	_exit(errno == 77 ? 7 : 6);
}

static void force(void)
{
	open_dog();
	cfw_watchdog_arm(cfw_time_now() + 3600 * CFW_SEC);
	cfw_watchdog_force();
}

static void force_closed(void)
{
	cfw_watchdog_force();
}

/* A stderr that nobody reads. */
static void fill_stderr(void)
{
	int fd[2];
	if (pipe(fd) < 0 || fcntl(fd[1], F_SETFL, O_NONBLOCK) < 0)
		_exit(97);
	while (write(fd[1], "xxxxxxxxxxxxxxxx", 16) > 0)
		;
	fcntl(fd[1], F_SETFL, 0);
	dup2(fd[1], STDERR_FILENO);
	spin_past_deadline();
}

/* A stderr whose reader is gone: SIGPIPE with its default disposition must not decide the code. */
static void break_stderr(void)
{
	int fd[2];
	if (pipe(fd) < 0)
		_exit(97);
	close(fd[0]);
	dup2(fd[1], STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	spin_past_deadline();
}

static int group_pipe[2];

static pid_t start_group(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		signal(SIGTERM, SIG_IGN);
		if (fork() == 0)
			for (;;)
				pause();
		if (write(group_pipe[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	return pid;
}

static void die_with_groups(void)
{
	open_dog();
	for (int i = 0; i < 3; i++) {
		pid_t pid = start_group();
		char c;
		if (pid < 0 || read(group_pipe[0], &c, 1) != 1 || cfw_page_group_add(page, pid) < 0)
			_exit(97);
	}
	close(group_pipe[1]);
	cfw_watchdog_arm(cfw_time_now() + 20 * CFW_MS);
	spin();
}

static void open_without_timers(void)
{
	struct sigaction before, after;
	struct rlimit r;
	int refused = 0;
	getrlimit(RLIMIT_SIGPENDING, &r);
	sigaction(cfw_watchdog_signo(), NULL, &before);
	for (r.rlim_cur = 0; r.rlim_cur < 4096; r.rlim_cur++) {
		setrlimit(RLIMIT_SIGPENDING, &r);
		struct curfew_err err = {0};
		int rc = cfw_watchdog_open(page, &err);
		if (rc == 0)
			_exit(refused >= 2 ? 7 : 5);
		sigaction(cfw_watchdog_signo(), NULL, &after);
		if (rc != CURFEW_ESYS || err.sys_errno == 0 || after.sa_handler != before.sa_handler)
			_exit(4);
		refused++;
	}
	_exit(3);
}

static void test_groups(void)
{
	if (pipe(group_pipe) < 0)
		tap_bail("pipe: %s", strerror(errno));
	struct end end = run(die_with_groups);
	ok(ended_with(end, 255), "S4.8: with children: code 255");
	close(group_pipe[1]);
	struct pollfd p = {.fd = group_pipe[0], .events = POLLIN};
	char c;
	ok(poll(&p, 1, 5000) == 1 && read(group_pipe[0], &c, 1) == 0,
	   "S4.8: their whole groups are killed: no holder of the pipe is left");
	close(group_pipe[0]);
	for (int i = 0; i < 3; i++)
		cfw_page_group_del(page, i);
}

static void test_here(void)
{
	struct curfew_err err = {0};
	struct sigaction before, after;
	sigset_t mine, mask;
	sigemptyset(&mine);
	sigaddset(&mine, cfw_watchdog_signo());
	sigprocmask(SIG_BLOCK, &mine, NULL);
	sigaction(cfw_watchdog_signo(), NULL, &before);
	is_int(cfw_watchdog_open(page, &err), 0, "a watchdog is opened");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	is_int(sigismember(&mask, cfw_watchdog_signo()), 0, "its signal is let through, though it was inherited as blocked");
	is_int(cfw_watchdog_open(page, &err), CURFEW_EEXIST, "one a process");
	ok(strstr(err.msg, "watchdog") != NULL, "the second one is told so");
	cfw_watchdog_close();
	sigaction(cfw_watchdog_signo(), NULL, &after);
	ok(after.sa_handler == before.sa_handler, "closing gives the disposition back");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	is_int(sigismember(&mask, cfw_watchdog_signo()), 1, "and the mask");
	sigprocmask(SIG_UNBLOCK, &mine, NULL);
	is_int(cfw_watchdog_open(page, &err), 0, "it can be opened again");
	cfw_watchdog_close();
}

int main(void)
{
	static const char timed_out[] = "curfew: exit timeout: forced end, code 255\n";
	page = cfw_page_new();
	if (!page)
		tap_bail("no page");

	struct end end = run(spin_past_deadline);
	ok(ended_with(end, 255), "S4.8: in while (1): code 255");
	ok(end.took_ns >= 100 * CFW_MS && end.took_ns < 2 * CFW_SEC, "S4.8: at the deadline (%d ms)",
	   (int)(end.took_ns / CFW_MS));
	is_str(end.text, timed_out, "S4.8: with one line that says so");

	end = run(block_everything);
	ok(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL, "S4.8: with every signal blocked the kernel kills it");
	ok(end.took_ns >= 200 * CFW_MS && end.took_ns < 2 * CFW_SEC, "S4.8: a little after the deadline (%d ms)",
	   (int)(end.took_ns / CFW_MS));

	end = run(move_later);
	ok(ended_with(end, 255) && end.took_ns >= 350 * CFW_MS, "S4.6: moved to later, it ends later (%d ms)",
	   (int)(end.took_ns / CFW_MS));
	end = run(move_earlier);
	ok(ended_with(end, 255) && end.took_ns < 2 * CFW_SEC, "moved to earlier, it ends earlier");
	end = run(arm_in_the_past);
	ok(ended_with(end, 255) && end.took_ns < 2 * CFW_SEC, "a deadline that has passed ends it at once");
	end = run(disarm);
	ok(ended_with(end, 7), "disarmed, it goes on");
	is_str(end.text, "", "and says nothing");
	end = run(close_armed);
	ok(ended_with(end, 7), "closed while armed, it goes on; arming a closed one does nothing");
	end = run(signal_by_hand);
	ok(ended_with(end, 7), "its signal, sent by somebody, does nothing before the deadline and keeps errno");

	end = run(force);
	ok(ended_with(end, 255), "S2.19: forced: code 255");
	is_str(end.text, "curfew: loop stalled: forced end, code 255\n", "S2.19: and why");
	end = run(force_closed);
	ok(ended_with(end, 255), "forced without a watchdog: the same");

	end = run(fill_stderr);
	ok(ended_with(end, 255) && end.took_ns < 2 * CFW_SEC, "S4.8: a stderr that nobody reads does not hold it");
	end = run(break_stderr);
	ok(ended_with(end, 255), "S4.8: nor does one whose reader is gone change the code");

	test_groups();
	end = run(open_without_timers);
	ok(ended_with(end, 7), "no timer to be had, the first or the second: an error, and everything given back (%d)",
	   WEXITSTATUS(end.status));
	test_here();
	cfw_page_free(page);
	return tap_done();
}
