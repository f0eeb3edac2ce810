#define _GNU_SOURCE
#include "shell/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/page.h"
#include "base/time.h"

enum { FORCED_CODE = 255 };

/* What the handler needs, so global. One owner a process; the timers are not inherited by a child. */
static struct {
	_Atomic(struct cfw_page *) page; /* NULL: closed */
	_Atomic uint64_t wanted_ns;
	timer_t first, second;
	struct sigaction before;
	bool was_blocked;
} dog = {.wanted_ns = CFW_NEVER};

/* How long the handler of the first timer may take before the kernel ends the process itself. */
static const uint64_t second_after_ns = 100 * CFW_MS;

int cfw_watchdog_signo(void)
{
	return SIGRTMAX - 1;
}

/* One line to stderr, unless that would block: a reader that stopped reading must not hold the end. */
static void say(const char *line)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&p, 1, 0) == 1 && p.revents == POLLOUT && write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* nobody is left to tell */
}

void cfw_watchdog_force(void)
{
	struct cfw_page *page = atomic_load(&dog.page);
	/* SIGPIPE, or another signal's handler, must not come between. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (page && !atomic_load(&page->guarded)) /* a guardian has hooks to run first, which may need them */
		cfw_page_kill_groups(page);
	if (page)
		atomic_store(&page->stalled, 1);
	say(cfw_time_now() >= atomic_load(&dog.wanted_ns) ? "curfew: exit timeout: forced end, code 255\n"
							  : "curfew: loop stalled: forced end, code 255\n");
	_exit(FORCED_CODE);
}

/* A delivery may be older than the deadline that holds now, and anybody may send the signal: only the time counts. */
static void on_expired(int signo)
{
	(void)signo;
	int saved = errno;
	if (cfw_time_now() >= atomic_load(&dog.wanted_ns))
		cfw_watchdog_force();
	errno = saved;
}

static void set_one(timer_t timer, uint64_t at_ns)
{
	struct itimerspec when = {0};
	if (at_ns != CFW_NEVER) {
		at_ns = cfw_time_max(at_ns, 1); /* zero would disarm */
		when.it_value.tv_sec = (time_t)(at_ns / CFW_SEC);
		when.it_value.tv_nsec = (long)(at_ns % CFW_SEC);
	}
	timer_settime(timer, TIMER_ABSTIME, &when, NULL);
}

void cfw_watchdog_arm(uint64_t deadline_ns)
{
	int saved = errno;
	if (!atomic_load(&dog.page) || atomic_exchange(&dog.wanted_ns, deadline_ns) == deadline_ns)
		return;
	/* A signal handler may come between and arm anew: the timers get what was wanted last. */
	uint64_t set;
	do {
		set = atomic_load(&dog.wanted_ns);
		set_one(dog.first, set);
		set_one(dog.second, cfw_time_add(cfw_time_max(set, cfw_time_now()), second_after_ns));
	} while (atomic_load(&dog.wanted_ns) != set);
	errno = saved;
}

static int catch_signal(struct curfew_err *err)
{
	struct sigaction act = {.sa_handler = on_expired, .sa_flags = SA_RESTART};
	sigfillset(&act.sa_mask);
	if (sigaction(cfw_watchdog_signo(), &act, &dog.before) < 0)
		return cfw_err_sys(err, "watchdog: cannot catch its signal");
	sigset_t mine, before;
	sigemptyset(&mine);
	sigaddset(&mine, cfw_watchdog_signo());
	sigprocmask(SIG_UNBLOCK, &mine, &before);
	dog.was_blocked = sigismember(&before, cfw_watchdog_signo()) == 1;
	return 0;
}

static void give_signal_back(void)
{
	sigaction(cfw_watchdog_signo(), &dog.before, NULL);
	if (!dog.was_blocked)
		return;
	sigset_t mine;
	sigemptyset(&mine);
	sigaddset(&mine, cfw_watchdog_signo());
	sigprocmask(SIG_BLOCK, &mine, NULL);
}

int cfw_watchdog_open(struct cfw_page *page, struct curfew_err *err)
{
	if (atomic_load(&dog.page))
		return cfw_err_set(err, CURFEW_EEXIST, "watchdog: this process has one");
	int rc = catch_signal(err);
	if (rc < 0)
		return rc;
	struct sigevent first = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = cfw_watchdog_signo()};
	struct sigevent second = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	if (timer_create(CLOCK_MONOTONIC, &first, &dog.first) < 0) {
		rc = cfw_err_sys(err, "watchdog: timer_create");
		give_signal_back();
		return rc;
	}
	if (timer_create(CLOCK_MONOTONIC, &second, &dog.second) < 0) {
		rc = cfw_err_sys(err, "watchdog: timer_create");
		timer_delete(dog.first);
		give_signal_back();
		return rc;
	}
	atomic_store(&dog.wanted_ns, CFW_NEVER);
	atomic_store(&dog.page, page);
	return 0;
}

void cfw_watchdog_close(void)
{
	if (!atomic_load(&dog.page))
		return;
	cfw_watchdog_arm(CFW_NEVER);
	atomic_store(&dog.page, NULL);
	timer_delete(dog.first);
	timer_delete(dog.second);
	give_signal_back();
}
