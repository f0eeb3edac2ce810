#define _GNU_SOURCE
#include "shell/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/page.h"
#include "base/text.h"
#include "base/time.h"
#include "shell/watchdog.h"

enum { FORCE_AFTER = 3, WAKE_TRIES = 3 };
static const uint64_t stalled_after_ns = CFW_SEC; /* a loop on a machine that is short of CPU is late, not stalled */
static const uint64_t moment_ns = 10 * CFW_MS;

struct caught {
	bool taken;       /* before holds what it was */
	bool was_blocked; /* in the mask */
	struct sigaction before;
};

struct cfw_signals {
	const struct curfew_loop *loop;
	struct cfw_page *page;
	cfw_signal_fn *fn;
	void *ud;
	int fd;
	struct curfew_watch *watch;
	struct caught caught[CFW_PAGE_SIGNALS];
	bool calling, freed; /* _free may come from within fn */
};

/* What the handler needs, so global. One owner a process. */
static struct {
	_Atomic(struct cfw_page *) page; /* NULL: no owner */
	_Atomic int fd;
	_Atomic pid_t pid; /* a child that was forked and has not reset its handlers yet must not count in our page */
	_Atomic bool stopping[CFW_PAGE_SIGNALS];
} state;

static uint32_t count_unseen(struct cfw_page *page)
{
	uint32_t n = 0;
	for (int i = 1; i < CFW_PAGE_SIGNALS; i++)
		if (atomic_load(&state.stopping[i]))
			n += atomic_load(&page->raised[i]) - atomic_load(&page->seen[i]);
	return n;
}

static void arm_provisional(struct cfw_page *page, uint64_t now_ns)
{
	if (atomic_load(&page->deadline_ns) != CFW_NEVER)
		return;
	uint64_t none = CFW_NEVER, at = cfw_time_add(now_ns, atomic_load(&page->exit_timeout_ns));
	if (atomic_compare_exchange_strong(&page->provisional_ns, &none, at))
		cfw_watchdog_arm(at);
}

static void on_signal(int signo)
{
	int saved = errno;
	struct cfw_page *page = atomic_load(&state.page);
	if (!page || getpid() != atomic_load(&state.pid)) {
		errno = saved;
		return;
	}
	uint64_t now = cfw_time_now(), since = CFW_NEVER;
	atomic_fetch_add(&page->raised[signo], 1);
	if (atomic_compare_exchange_strong(&page->pending_since_ns, &since, now))
		since = now;
	if (atomic_load(&state.stopping[signo])) {
		arm_provisional(page, now);
		if (cfw_time_left(since, now) >= stalled_after_ns && count_unseen(page) >= FORCE_AFTER)
			cfw_watchdog_force();
	}
	uint64_t one = 1; /* refused by a counter that is full, the loop is awake already; by anything else, it is not */
	for (int tries = 0; tries < WAKE_TRIES && write(atomic_load(&state.fd), &one, sizeof one) < 0;)
		tries++;
	errno = saved;
}

static void free_signals(struct cfw_signals *s)
{
	close(s->fd);
	free(s);
}

/* Counts are taken over only after pending_since: what comes in between is counted here or wakes the loop once more. */
static void on_awake(void *ud, int fd, unsigned what)
{
	(void)what;
	struct cfw_signals *s = ud;
	struct cfw_page *page = s->page;
	uint64_t awakenings;
	if (read(fd, &awakenings, sizeof awakenings) < 0)
		return;
	atomic_store(&page->pending_since_ns, CFW_NEVER);
	uint32_t times[CFW_PAGE_SIGNALS] = {0};
	for (int i = 1; i < CFW_PAGE_SIGNALS; i++) {
		uint32_t raised = atomic_load(&page->raised[i]);
		times[i] = raised - atomic_load(&page->seen[i]);
		atomic_store(&page->seen[i], raised);
	}
	s->calling = true;
	for (int i = 1; i < CFW_PAGE_SIGNALS && !s->freed; i++)
		if (times[i])
			s->fn(s->ud, i, times[i]);
	s->calling = false;
	if (s->freed)
		free_signals(s);
}

static void set_blocked(int signo, int how, bool *was_blocked)
{
	sigset_t one, before;
	sigemptyset(&one);
	sigaddset(&one, signo);
	sigprocmask(how, &one, &before);
	if (was_blocked)
		*was_blocked = sigismember(&before, signo) == 1;
}

/* The handler, or SIG_IGN; what was there before is kept at the first time only. */
static int take(struct cfw_signals *s, int signo, void (*handler)(int), struct curfew_err *err)
{
	struct caught *c = &s->caught[signo];
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART | (signo == SIGCHLD ? SA_NOCLDSTOP : 0)};
	sigfillset(&act.sa_mask);
	if (sigaction(signo, &act, c->taken ? NULL : &c->before) < 0)
		return cfw_err_sys(err, "cannot catch %s", cfw_signal_name(signo));
	if (!c->taken)
		set_blocked(signo, SIG_UNBLOCK, &c->was_blocked); /* who started us may have left it blocked */
	c->taken = true;
	return 0;
}

void cfw_signals_unblock(const struct cfw_signals *s)
{
	sigset_t caught;
	sigemptyset(&caught);
	for (int i = 1; i < CFW_PAGE_SIGNALS; i++)
		if (s->caught[i].taken)
			sigaddset(&caught, i);
	sigprocmask(SIG_UNBLOCK, &caught, NULL);
}

static void give_back(struct cfw_signals *s)
{
	for (int i = 1; i < CFW_PAGE_SIGNALS; i++) {
		atomic_store(&state.stopping[i], false);
		if (!s->caught[i].taken)
			continue;
		if (s->caught[i].was_blocked)
			set_blocked(i, SIG_BLOCK, NULL);
		sigaction(i, &s->caught[i].before, NULL);
		s->caught[i].taken = false;
	}
}

/* What was counted for an earlier owner of the page is nothing to this one. */
static void forget_counts(struct cfw_page *page)
{
	atomic_store(&page->pending_since_ns, CFW_NEVER);
	for (int i = 0; i < CFW_PAGE_SIGNALS; i++)
		atomic_store(&page->seen[i], atomic_load(&page->raised[i]));
}

struct cfw_signals *cfw_signals_new(const struct curfew_loop *loop, struct cfw_page *page, cfw_signal_fn *fn, void *ud,
				    struct curfew_err *err)
{
	if (atomic_load(&state.page)) {
		cfw_err_set(err, CURFEW_EEXIST, "the signals of this process have an owner");
		return NULL;
	}
	struct cfw_signals *s = calloc(1, sizeof *s);
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "no memory for signals");
		return NULL;
	}
	*s = (struct cfw_signals){.loop = loop, .page = page, .fn = fn, .ud = ud};
	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->fd < 0) {
		cfw_err_sys(err, "signals: eventfd");
		free(s);
		return NULL;
	}
	int rc = loop->ops->watch(loop->loop, &s->watch, s->fd, CURFEW_READ, on_awake, s);
	if (rc < 0) {
		cfw_err_set(err, rc, "signals: the loop takes no watch");
		free_signals(s);
		return NULL;
	}
	forget_counts(page);
	atomic_store(&state.fd, s->fd);
	atomic_store(&state.pid, getpid());
	atomic_store(&state.page, page);
	if (take(s, SIGPIPE, SIG_IGN, err) < 0 || take(s, SIGXFSZ, SIG_IGN, err) < 0 || take(s, SIGCHLD, on_signal, err) < 0) {
		cfw_signals_free(s);
		return NULL;
	}
	return s;
}

void cfw_signals_free(struct cfw_signals *s)
{
	if (!s || s->freed)
		return;
	give_back(s);
	cfw_signals_rearm(s, true); /* nobody is left to decide */
	atomic_store(&state.page, NULL);
	s->loop->ops->watch(s->loop->loop, &s->watch, -1, 0, NULL, NULL);
	s->freed = true;
	if (!s->calling)
		free_signals(s);
}

int cfw_signals_catch(struct cfw_signals *s, int signo, bool stopping, bool keep_ignored, struct curfew_err *err)
{
	if (signo < 1 || signo >= CFW_PAGE_SIGNALS)
		return cfw_err_set(err, CURFEW_EINVAL, "there is no signal %d", signo);
	if (signo == SIGKILL || signo == SIGSTOP)
		return cfw_err_set(err, CURFEW_EINVAL, "%s cannot be caught", cfw_signal_name(signo));
	if (signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL)
		return cfw_err_set(err, CURFEW_EINVAL, "%s is a fault of the process itself: no rule can answer it",
				   cfw_signal_name(signo));
	if (signo == SIGPIPE)
		return cfw_err_set(err, CURFEW_EINVAL, "SIGPIPE stays ignored");
	if (signo == cfw_watchdog_signo())
		return cfw_err_set(err, CURFEW_EINVAL, "signal %d belongs to the watchdog", signo);
	if (keep_ignored && !s->caught[signo].taken) {
		struct sigaction now;
		if (sigaction(signo, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN)
			return 0;
	}
	/* In this order: a delivery in between is counted as it will be. */
	bool was = atomic_exchange(&state.stopping[signo], stopping);
	int rc = take(s, signo, on_signal, err);
	if (rc < 0)
		atomic_store(&state.stopping[signo], was);
	return rc;
}

/* A loop that turns ends at its deadline by itself, with a log line and a timeline; the watchdog is for one that does not. */
static uint64_t when_to_bite(struct cfw_page *page)
{
	return cfw_time_min(cfw_time_add(atomic_load(&page->deadline_ns), moment_ns), atomic_load(&page->provisional_ns));
}

void cfw_signals_rearm(struct cfw_signals *s, bool decided)
{
	struct cfw_page *page = s->page;
	if (decided) {
		atomic_store(&page->provisional_ns, CFW_NEVER);
		if (count_unseen(page)) /* came in meanwhile: not decided yet */
			arm_provisional(page, cfw_time_now());
	}
	/* The handler may come between reading and arming. */
	uint64_t armed;
	do {
		armed = when_to_bite(page);
		cfw_watchdog_arm(armed);
	} while (armed != when_to_bite(page));
}

void cfw_signals_reset_child(void)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	sigemptyset(&act.sa_mask);
	for (int i = 1; i < CFW_PAGE_SIGNALS; i++)
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &act, NULL);
	sigprocmask(SIG_SETMASK, &act.sa_mask, NULL);
}
