/* S2.19: the signal path needs no loop. */
#define _GNU_SOURCE
#include "shell/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/poll.h"
#include "base/err.h"
#include "base/page.h"
#include "base/time.h"
#include "shell/watchdog.h"
#include "tap.h"

static struct curfew_loop loop;
static struct cfw_page *page;
static struct cfw_signals *signals;
static struct curfew_err err;

static char heard[256]; /* "15x1 1x2 " */
static bool free_inside;

static void hear(void *ud, int signo, unsigned times)
{
	size_t n = strlen(heard);
	snprintf(heard + n, sizeof heard - n, "%dx%u ", signo, times);
	if (ud != page)
		strcat(heard, "wrong ud");
	if (free_inside)
		cfw_signals_free(signals);
}

static void turn(void)
{
	if (curfew_poll_turn(&loop, cfw_time_now()) < 0)
		tap_bail("poll failed");
}

static void open_signals(void)
{
	signals = cfw_signals_new(&loop, page, hear, page, &err);
	if (!signals)
		tap_bail("signals: %s", err.msg);
	heard[0] = '\0';
}

static void catch_or_bail(int signo, bool stopping)
{
	if (cfw_signals_catch(signals, signo, stopping, false, &err) < 0)
		tap_bail("catch: %s", err.msg);
}

static void (*handler_of(int signo))(int)
{
	struct sigaction act;
	sigaction(signo, NULL, &act);
	return act.sa_handler;
}

static void test_delivery(void)
{
	open_signals();
	catch_or_bail(SIGTERM, true);
	catch_or_bail(SIGUSR1, false);
	errno = 77;
	raise(SIGTERM);
	is_int(errno, 77, "S2.19: the handler keeps errno");
	is_str(heard, "", "nothing is called from within the handler");
	is_int(atomic_load(&page->raised[SIGTERM]), 1, "S2.19: it counts in the page");
	ok(atomic_load(&page->pending_since_ns) <= cfw_time_now(), "S2.19: and notes since when a signal waits");
	turn();
	is_str(heard, "15x1 ", "S2.19: the loop was woken and hands it in");
	ok(atomic_load(&page->pending_since_ns) == CFW_NEVER, "nothing waits any more");
	is_int(atomic_load(&page->seen[SIGTERM]), 1, "the count is taken over");
	turn();
	is_str(heard, "15x1 ", "once");

	heard[0] = '\0';
	raise(SIGTERM);
	raise(SIGUSR1);
	raise(SIGTERM);
	turn();
	is_str(heard, "10x1 15x2 ", "S2.13: each number once, with how often it was delivered");

	heard[0] = '\0';
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGTERM);
	sigprocmask(SIG_BLOCK, &one, NULL);
	raise(SIGTERM);
	raise(SIGTERM);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	turn();
	is_str(heard, "15x1 ", "S2.13: signals that the kernel merged count once");
	cfw_signals_free(signals);
}

static void test_provisional(void)
{
	open_signals();
	catch_or_bail(SIGTERM, true);
	catch_or_bail(SIGUSR1, false);
	atomic_store(&page->exit_timeout_ns, 3600 * CFW_SEC);
	raise(SIGUSR1);
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "S2.19: a signal that does not stop arms nothing");
	uint64_t before = cfw_time_now();
	raise(SIGTERM);
	uint64_t at = atomic_load(&page->provisional_ns);
	ok(at >= before + 3600 * CFW_SEC && at <= cfw_time_now() + 3600 * CFW_SEC,
	   "S2.19: a stopping one arms a provisional deadline, exit_timeout from now");
	raise(SIGTERM);
	ok(atomic_load(&page->provisional_ns) == at, "S4.6: a second one does not start it anew");
	turn();
	cfw_signals_rearm(signals, true);
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "S2.19: the loop takes it back");

	raise(SIGTERM);
	cfw_signals_rearm(signals, true);
	ok(atomic_load(&page->provisional_ns) != CFW_NEVER,
	   "S2.19: what came in since the loop looked keeps a provisional deadline");
	turn();
	cfw_signals_rearm(signals, true);
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "until it is decided too");

	atomic_store(&page->deadline_ns, cfw_time_now() + CFW_SEC);
	raise(SIGTERM);
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "S4.6: where a stop runs its own deadline holds");
	atomic_store(&page->deadline_ns, CFW_NEVER);

	catch_or_bail(SIGTERM, false);
	turn();
	raise(SIGTERM);
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "caught again as one that does not stop: it arms nothing");
	cfw_signals_free(signals);
	atomic_store(&page->exit_timeout_ns, 5 * CFW_SEC);
}

static void other_handler(int signo)
{
	(void)signo;
}

static void test_dispositions(void)
{
	struct sigaction act = {.sa_handler = other_handler, .sa_flags = SA_NODEFER}, got;
	sigaction(SIGTERM, &act, NULL);
	signal(SIGCHLD, SIG_IGN);
	sigset_t blocked, mask;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);

	open_signals();
	ok(handler_of(SIGPIPE) == SIG_IGN, "S2.19: SIGPIPE is ignored");
	ok(handler_of(SIGCHLD) != SIG_IGN && handler_of(SIGCHLD) != SIG_DFL,
	   "SIGCHLD is caught, though it was inherited as ignored");
	ok(handler_of(SIGTSTP) == SIG_DFL && handler_of(SIGTERM) == other_handler,
	   "others are untouched until they are asked for");
	raise(SIGCHLD);
	turn();
	is_str(heard, "17x1 ", "SIGCHLD is handed in");
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "and stops nothing");

	catch_or_bail(SIGTERM, true);
	catch_or_bail(SIGTERM, true);
	heard[0] = '\0';
	raise(SIGTERM);
	turn();
	is_str(heard, "15x1 ", "a signal that was inherited as blocked is let through");
	struct curfew_err none = {0};
	is_int(cfw_signals_catch(signals, SIGRTMIN + 3, false, false, &none), 0, "real-time signals can be caught");
	sigaction(SIGTERM, NULL, &got);
	sigset_t full;
	sigfillset(&full);
	ok(sigismember(&got.sa_mask, SIGUSR2) == 1 && sigismember(&got.sa_mask, SIGINT) == 1 && (got.sa_flags & SA_RESTART),
	   "the handler runs with every signal blocked, and system calls restart");

	cfw_signals_free(signals);
	cfw_signals_free(NULL);
	sigaction(SIGTERM, NULL, &got);
	ok(got.sa_handler == other_handler && (got.sa_flags & SA_NODEFER) && !(got.sa_flags & SA_RESTART),
	   "S3.5: the disposition is given back as it was found, flags included");
	ok(handler_of(SIGPIPE) == SIG_DFL && handler_of(SIGCHLD) == SIG_IGN && handler_of(SIGRTMIN + 3) == SIG_DFL,
	   "S3.5: those of SIGPIPE, SIGCHLD and the rest too");
	sigprocmask(SIG_SETMASK, NULL, &mask);
	ok(sigismember(&mask, SIGTERM) == 1, "S3.5: and the mask");
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

static void test_keep_ignored(void)
{
	signal(SIGHUP, SIG_IGN);
	open_signals();
	is_int(cfw_signals_catch(signals, SIGHUP, true, true, &err), 0, "S2.2: SIGHUP under nohup");
	ok(handler_of(SIGHUP) == SIG_IGN, "S2.2: stays ignored");
	is_int(cfw_signals_catch(signals, SIGHUP, true, false, &err), 0, "S2.2: unless a rule names it");
	ok(handler_of(SIGHUP) != SIG_IGN, "S2.2: then it is caught");
	is_int(cfw_signals_catch(signals, SIGHUP, true, true, &err), 0, "S2.2: and stays caught");
	ok(handler_of(SIGHUP) != SIG_IGN, "S2.2: whoever asks");
	cfw_signals_free(signals);
	ok(handler_of(SIGHUP) == SIG_IGN, "S3.5: and is ignored again afterwards");
	signal(SIGHUP, SIG_DFL);
	open_signals();
	cfw_signals_catch(signals, SIGHUP, true, true, &err);
	ok(handler_of(SIGHUP) != SIG_DFL, "S2.2: not inherited as ignored, it is caught");
	cfw_signals_free(signals);
}

static void test_refusals(void)
{
	open_signals();
	static const int wrong[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPIPE, 0, -1, 65, 1000};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct curfew_err e = {0};
		int rc = cfw_signals_catch(signals, wrong[i], true, false, &e);
		ok(rc == CURFEW_EINVAL && e.msg[0], "signal %d is refused: %s", wrong[i], e.msg);
	}
	is_int(cfw_signals_catch(signals, cfw_watchdog_signo(), true, false, &err), CURFEW_EINVAL, "so is the watchdog's own");
	is_int(cfw_signals_catch(signals, 33, true, false, &err), CURFEW_ESYS, "and one that the C library keeps for itself");
	ok(handler_of(SIGPIPE) == SIG_IGN, "SIGPIPE is still ignored");
	struct curfew_err e = {0};
	ok(!cfw_signals_new(&loop, page, hear, NULL, &e) && e.code == CURFEW_EEXIST, "one owner a process");
	raise(SIGCHLD);
	turn();
	is_str(heard, "17x1 ", "the first owner goes on");
	cfw_signals_free(signals);
}

static int refuse_watch(void *l, struct curfew_watch **w, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	(void)l, (void)w, (void)fd, (void)what, (void)fn, (void)ud;
	return CURFEW_ENOMEM;
}

static void test_failures(void)
{
	struct curfew_loop_ops ops = *loop.ops;
	struct curfew_loop bad = {.ops = &ops, .loop = loop.loop};
	struct curfew_err e = {0};
	ops.watch = refuse_watch;
	ok(!cfw_signals_new(&bad, page, hear, NULL, &e) && e.code == CURFEW_ENOMEM, "a loop that takes no watch: an error");
	ok(handler_of(SIGPIPE) == SIG_DFL && handler_of(SIGCHLD) == SIG_DFL, "and nothing was touched");

	struct rlimit old, none;
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	e = (struct curfew_err){0};
	struct cfw_signals *s = cfw_signals_new(&loop, page, hear, NULL, &e);
	setrlimit(RLIMIT_NOFILE, &old);
	ok(!s && e.code == CURFEW_ESYS && e.sys_errno == EMFILE, "no descriptor: an error");
	open_signals();
	ok(signals != NULL, "after which an owner can be made");
	cfw_signals_free(signals);
}

static void test_free_inside(void)
{
	open_signals();
	catch_or_bail(SIGTERM, true);
	catch_or_bail(SIGUSR1, false);
	raise(SIGTERM);
	raise(SIGUSR1);
	free_inside = true;
	turn();
	free_inside = false;
	is_str(heard, "10x1 ", "S3.5: freed from within its own call: the rest is not handed in");
	ok(handler_of(SIGTERM) == SIG_DFL, "S3.5: and all dispositions are back");
	ok(atomic_load(&page->provisional_ns) == CFW_NEVER, "S3.5: and the provisional deadline is taken back");
	turn();

	open_signals();
	turn();
	is_str(heard, "", "a new owner hears nothing of what came before it");
	cfw_signals_free(signals);
}

static int wait_code(pid_t pid)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		tap_bail("no child");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void test_children(void)
{
	open_signals();
	catch_or_bail(SIGTERM, true);
	uint32_t before = atomic_load(&page->raised[SIGTERM]);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGTERM);
		_exit(5);
	}
	is_int(wait_code(pid), 5, "a child between fork and exec survives its parent's handler");
	is_int(atomic_load(&page->raised[SIGTERM]), before, "and does not count in its parent's page");

	pid = fork();
	if (pid == 0) {
		sigset_t all, mask;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		signal(SIGHUP, SIG_IGN);
		cfw_signals_reset_child();
		sigprocmask(SIG_SETMASK, NULL, &mask);
		for (int i = 1; i < 65; i++)
			if (sigismember(&mask, i) == 1 || (i != 32 && i != 33 && handler_of(i) != SIG_DFL))
				_exit(i);
		_exit(0);
	}
	is_int(wait_code(pid), 0, "S2.19: a child is given default dispositions and an empty mask");
	cfw_signals_free(signals);
}

/* ---- a loop that does not turn ---- */

static int to_parent[2];
static char end_text[256];
static uint64_t end_took_ns;

static _Noreturn void stall(void)
{
	dup2(to_parent[1], STDERR_FILENO);
	if (cfw_watchdog_open(page, &err) < 0)
		_exit(98);
	open_signals();
	catch_or_bail(SIGTERM, true);
	catch_or_bail(SIGUSR1, false);
	if (write(to_parent[1], "r", 1) != 1)
		_exit(97);
	for (volatile unsigned n = 0;; n++)
		;
}

/* A child of ours that is ready for signals and never turns its loop. */
static pid_t start_stalled(void)
{
	if (pipe2(to_parent, O_CLOEXEC) < 0)
		tap_bail("pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		stall();
	char c;
	if (read(to_parent[0], &c, 1) != 1)
		tap_bail("the stalled child did not start");
	close(to_parent[1]);
	return pid;
}

/* Send a signal and wait until the child's handler has counted it. */
static void send_and_wait(pid_t pid, int signo)
{
	uint32_t before = atomic_load(&page->raised[signo]);
	uint64_t limit = cfw_time_now() + 5 * CFW_SEC;
	kill(pid, signo);
	while (atomic_load(&page->raised[signo]) == before && cfw_time_now() < limit)
		poll(NULL, 0, 1);
}

static void wait_until(uint64_t at_ns)
{
	while (cfw_time_now() < at_ns)
		poll(NULL, 0, 1);
}

static int end_of(pid_t pid, uint64_t began_ns)
{
	int code = wait_code(pid);
	end_took_ns = cfw_time_now() - began_ns;
	ssize_t n = read(to_parent[0], end_text, sizeof end_text - 1);
	end_text[n > 0 ? n : 0] = '\0';
	close(to_parent[0]);
	atomic_store(&page->provisional_ns, CFW_NEVER);
	return code;
}

static bool alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static void test_stalled(void)
{
	atomic_store(&page->exit_timeout_ns, 300 * CFW_MS);
	pid_t pid = start_stalled();
	uint64_t began = cfw_time_now();
	kill(pid, SIGTERM);
	is_int(end_of(pid, began), 255, "S4.8: blocked before any stop began: one SIGTERM ends it with 255");
	ok(end_took_ns >= 300 * CFW_MS && end_took_ns < 2 * CFW_SEC, "S4.8: at the exit timeout (%d ms)",
	   (int)(end_took_ns / CFW_MS));
	is_str(end_text, "curfew: exit timeout: forced end, code 255\n", "S4.8: and says so");

	atomic_store(&page->exit_timeout_ns, 60 * CFW_SEC);
	pid = start_stalled();
	began = cfw_time_now();
	send_and_wait(pid, SIGTERM);
	wait_until(atomic_load(&page->pending_since_ns) + 1010 * CFW_MS);
	send_and_wait(pid, SIGTERM);
	ok(alive(pid), "S2.19: two signals do not force a stalled loop");
	kill(pid, SIGTERM);
	is_int(end_of(pid, began), 255, "S2.19: the third one does, at once");
	ok(end_took_ns < 10 * CFW_SEC, "S2.19: long before the exit timeout");
	is_str(end_text, "curfew: loop stalled: forced end, code 255\n", "S2.19: and says why");

	pid = start_stalled();
	for (int i = 0; i < 3; i++)
		send_and_wait(pid, SIGTERM);
	uint64_t since = atomic_load(&page->pending_since_ns);
	ok(cfw_time_now() - since >= CFW_SEC || alive(pid), "S2.19: three at once do not: the loop may just be busy");
	for (int i = 0; i < 5; i++)
		send_and_wait(pid, SIGUSR1);
	wait_until(since + 1010 * CFW_MS);
	kill(pid, SIGTERM);
	is_int(end_of(pid, began), 255, "S2.19: the next after a second does");

	pid = start_stalled();
	send_and_wait(pid, SIGUSR1);
	wait_until(atomic_load(&page->pending_since_ns) + 1010 * CFW_MS);
	for (int i = 0; i < 5; i++)
		send_and_wait(pid, SIGUSR1);
	ok(alive(pid), "S2.19: signals that do not stop force nothing");
	kill(pid, SIGKILL);
	is_int(end_of(pid, began), 1000 + SIGKILL, "the child is gone");
	atomic_store(&page->exit_timeout_ns, 5 * CFW_SEC);
}

/* With a watchdog: what decided() arms is what holds. */
static void test_decided_disarms(void)
{
	for (int stop = 0; stop < 2; stop++) {
		pid_t pid = fork();
		if (pid == 0) {
			int null = open("/dev/null", O_WRONLY);
			dup2(null, STDERR_FILENO);
			if (cfw_watchdog_open(page, &err) < 0)
				_exit(98);
			atomic_store(&page->exit_timeout_ns, 100 * CFW_MS);
			open_signals();
			catch_or_bail(SIGTERM, true);
			raise(SIGTERM);
			turn();
			uint64_t now = cfw_time_now();
			atomic_store(&page->deadline_ns, stop ? now + 300 * CFW_MS : CFW_NEVER);
			cfw_signals_rearm(signals, true);
			while (cfw_time_now() < now + 200 * CFW_MS)
				;
			if (!stop)
				_exit(7);
			for (;;)
				;
		}
		if (stop)
			is_int(wait_code(pid), 255, "S2.19: decided to stop: the stop's own, later deadline holds");
		else
			is_int(wait_code(pid), 7, "S2.19: decided not to stop: the watchdog is disarmed");
		atomic_store(&page->deadline_ns, CFW_NEVER);
		atomic_store(&page->provisional_ns, CFW_NEVER);
	}
	atomic_store(&page->exit_timeout_ns, 5 * CFW_SEC);
}

int main(void)
{
	page = cfw_page_new();
	if (!page || curfew_poll_new(&loop, &err) < 0)
		tap_bail("no page or no loop");
	test_delivery();
	test_provisional();
	test_dispositions();
	test_keep_ignored();
	test_refusals();
	test_failures();
	test_free_inside();
	test_children();
	test_stalled();
	test_decided_disarms();
	curfew_poll_free(&loop);
	cfw_page_free(page);
	return tap_done();
}
