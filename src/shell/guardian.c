#define _GNU_SOURCE
#include "shell/guardian.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "instance.h"
#include "shell/guarded.h"
#include "shell/guardian_impl.h"
#include "shell/run.h"
#include "shell/sd.h"
#include "shell/sources.h"

enum { FORCED_CODE = 255, TRIES = 64, TRIES_IN_VAIN = 3 };

struct guardian {
	const struct cfw_run_options *opt;
	struct cfw_guarded guarded; /* of the next child */
	struct cfw_page *page;
	struct cfw_sources kept;
	struct curfew_crash crash;
	struct cfw_inherited inherited;
	struct cfw_job job;
	struct cfw_pids spared; /* children we had before: of whoever was this process earlier */
	struct cfw_vigil vigil;
	int signals, channel;
	unsigned deaf; /* the channel could not be read, so often in a row */
	pid_t worker;
	int status; /* of the worker, once ended */
	bool ended, ready, crashed;
	enum cfw_verdict verdict; /* why we ended it; CFW_FINE: we did not */
	unsigned held[CFW_PAGE_SIGNALS];
	const char *notify; /* systemd's socket, which hears this process only; NULL: there is none */
	int code, tries;
	struct cfw_region old_region; /* of a crash run for a policy that a reload had replaced */
	size_t old_at;                /* where to look for the next one */
};

/* ---- launching ---- */

/* What systemd says to the process that it started is meant for the one that does the work. */
static void rewrite_pid(const char *name, pid_t ours)
{
	char text[24];
	const char *was = getenv(name);
	snprintf(text, sizeof text, "%d", (int)ours);
	if (!was || strcmp(was, text) != 0)
		return;
	snprintf(text, sizeof text, "%d", (int)getpid());
	setenv(name, text, 1);
}

/* The page, for one that has just been launched: what the one before was about is over, what it owes stays. */
static void renew_page(struct cfw_page *page, uint64_t now_ns, const struct curfew_crash *crash)
{
	atomic_store(&page->turned_ns, now_ns);
	atomic_store(&page->guarded, 1);
	atomic_store(&page->stalled, 0);
	atomic_store(&page->caught, 0);
	atomic_store(&page->finished, 0);
	atomic_store(&page->provisional_ns, CFW_NEVER);
	atomic_store(&page->pending_since_ns, CFW_NEVER);
	if (!crash)
		return;
	uint64_t left = cfw_time_left(now_ns, crash->deadline_ns);
	atomic_store(&page->deadline_ns, crash->deadline_ns);
	atomic_store(&page->margin_ns, crash->deadline_ns - cfw_time_min(left / 4, 500 * CFW_MS));
}

static void become_worker(struct guardian *g, const int ends[2], pid_t parent)
{
	if (!g->job.shares)
		setpgid(0, 0);
	if (!g->crashed)
		cfw_job_give(&g->job, getpid());
	close(ends[0]);
	close(g->signals);
	cfw_inherited_give_back(&g->inherited);
	if (g->job.tty < 0 && !g->job.shares)
		signal(SIGTTOU, SIG_IGN); /* we are in the background, and log to the terminal all the same */
	rewrite_pid("LISTEN_PID", parent);
	rewrite_pid("WATCHDOG_PID", parent);
	g->guarded.channel = ends[1];
}

/* Its pid in the guardian, 0 in the child, negative when there is none. */
static pid_t launch(struct guardian *g)
{
	int ends[2];
	pid_t parent = getpid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	uint64_t now = cfw_time_now();
	renew_page(g->page, now, g->crashed ? &g->crash : NULL);
	pid_t pid = fork();
	if (pid == 0) {
		become_worker(g, ends, parent);
		return 0;
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	if (!g->job.shares)
		setpgid(pid, pid);
	if (g->crashed)
		g->job.worker = pid;
	else
		cfw_job_give(&g->job, pid);
	g->channel = ends[0];
	g->worker = pid;
	g->ended = g->ready = false;
	g->verdict = CFW_FINE;
	g->vigil = (struct cfw_vigil){
		.since_ns = now, .own_end_ns = g->crashed ? g->crash.deadline_ns : CFW_NEVER, .after = g->crashed};
	return pid;
}

/* Somebody has to run the hooks that are left: until the deadline there may be a process, or a descriptor, for it. */
static pid_t launch_again(struct guardian *g)
{
	pid_t pid;
	while ((pid = launch(g)) < 0 && g->crashed && cfw_time_now() < g->crash.deadline_ns)
		nanosleep(&(struct timespec){0, 10000000}, NULL);
	return pid;
}

/* ---- while it runs ---- */

static void pass_on(struct guardian *g, int signo)
{
	if (g->ended)
		return;
	if (kill(g->worker, signo) < 0) {
		g->held[signo]++; /* once more, later */
		return;
	}
	if (signo == SIGINT || signo == SIGTERM || signo == SIGQUIT || signo == SIGHUP)
		cfw_vigil_asked(&g->vigil, g->page, cfw_time_now());
}

/* Before its handlers are there a signal would end it by default, and nobody's hooks would run for that. */
static void pass_held(struct guardian *g)
{
	g->ready = true;
	for (int s = 1; s < CFW_PAGE_SIGNALS; s++) {
		unsigned n = g->held[s];
		g->held[s] = 0;
		while (n--)
			pass_on(g, s);
	}
}

static void reap(struct guardian *g)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != g->worker || g->ended)
			continue; /* an orphan */
		if (WIFSTOPPED(status)) {
			cfw_job_stopped(&g->job, WSTOPSIG(status));
			continue;
		}
		g->status = status;
		g->ended = true;
	}
}

static void take_signal(struct guardian *g, const struct signalfd_siginfo *s)
{
	int signo = (int)s->ssi_signo;
	if (signo == SIGCHLD) {
		reap(g);
	} else if (signo == SIGCONT) {
		g->vigil.since_ns = cfw_time_now();
		cfw_job_continue(&g->job);
	} else if (g->job.shares && s->ssi_code == SI_KERNEL) {
		return; /* the terminal has told the worker too */
	} else if (signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU) {
		cfw_job_stop(&g->job);
	} else if (cfw_signal_is_passed(signo) && g->ready) {
		pass_on(g, signo);
	} else if (cfw_signal_is_passed(signo)) {
		g->held[signo]++;
	}
}

static void take_signals(struct guardian *g)
{
	struct signalfd_siginfo s[16];
	ssize_t n;
	while ((n = read(g->signals, s, sizeof s)) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof *s; i++)
			take_signal(g, &s[i]);
}

/* All that has come by the channel. */
static void take_messages(struct guardian *g)
{
	char message[CFW_CHANNEL_MESSAGE];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	while (g->channel >= 0) {
		struct iovec part = {message, sizeof message};
		struct msghdr m = {
			.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
		ssize_t n = recvmsg(g->channel, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || ++g->deaf < CFW_CHANNEL_TRIES))
			return;
		if (n <= 0) {
			close(g->channel);
			g->channel = -1;
			return;
		}
		g->deaf = 0;
		const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		int fd = -1;
		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
		if (fd >= 0 && cfw_sources_take(&g->kept, message, (size_t)n, fd))
			cfw_sources_prune(&g->kept, g->page, (unsigned)strtoul(g->kept.v[g->kept.n - 1].key, NULL, 10));
		else if (fd >= 0)
			continue;
		else if (message[0] == CFW_MSG_READY)
			pass_held(g);
		else if (message[0] == CFW_MSG_NOTIFY && g->notify)
			cfw_sd_send(g->notify, message + 1, (size_t)n - 1);
	}
}

static void judge(struct guardian *g, uint64_t *next_ns)
{
	bool ping;
	uint64_t now = cfw_time_now();
	enum cfw_verdict v = cfw_vigil_look(&g->vigil, g->page, now, next_ns, &ping);
	static const char message = CFW_MSG_PING;
	if (ping && g->channel >= 0 && send(g->channel, &message, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		*next_ns = cfw_time_min(*next_ns, now + 10 * CFW_MS); /* it is full of such: stalled, as will show */
	cfw_vigil_note_cpu(&g->vigil, g->page, g->worker);
	if (v == CFW_STALLED && cfw_vigil_starves(&g->vigil, g->worker)) {
		*next_ns = now + 10 * CFW_MS;
		return;
	}
	if (v == CFW_FINE)
		return;
	g->verdict = v;
	kill(g->worker, SIGKILL); /* a child that was not reaped: it is this one or a zombie */
}

static void wait_for_end(struct guardian *g)
{
	while (!g->ended) {
		uint64_t next = cfw_time_now() + 100 * CFW_MS; /* for one that was killed */
		if (g->verdict == CFW_FINE)
			judge(g, &next);
		uint64_t left = cfw_time_left(cfw_time_now(), next);
		struct timespec t = {(time_t)(left / CFW_SEC), (long)(left % CFW_SEC)};
		struct pollfd fds[2] = {{.fd = g->signals, .events = POLLIN}, {.fd = g->channel, .events = POLLIN}};
		ppoll(fds, 2, next == CFW_NEVER ? NULL : &t, NULL);
		take_messages(g);
		take_signals(g);
		if (g->ready || atomic_load(&g->page->caught)) /* what was not passed on, or its message was lost */
			pass_held(g);
		if (g->channel < 0) /* it ends, or has, whatever SIGCHLD's one chance to reap it came to */
			reap(g);
	}
	take_messages(g); /* what it sent last */
	if (g->channel >= 0)
		close(g->channel);
	g->channel = -1;
}

/* ---- after its end ---- */

static int clamp_code(int code)
{
	return code < 0 ? 0 : code > FORCED_CODE ? FORCED_CODE : code;
}

static void raise_code(struct guardian *g, int code)
{
	if (clamp_code(code) > g->code)
		g->code = clamp_code(code);
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : (128 + WTERMSIG(status)) & 255;
}

/* S3.6 */
static void log_end(const struct guardian *g)
{
	const struct cfw_page *page = g->page;
	uint32_t format = atomic_load(&page->log_format), level = atomic_load(&page->log_level);
	struct cfw_logger *l =
		cfw_logger_new(STDERR_FILENO, format <= CFW_LOG_JSON ? (enum cfw_log_format)format : CFW_LOG_TEXT,
			       level <= CFW_ERROR ? (enum cfw_log_level)level : CFW_INFO, isatty(STDERR_FILENO) == 1);
	if (!l)
		return;
	uint32_t life = atomic_load(&page->life);
	const char *state = cfw_life_name(life < CFW_LIVES ? (enum cfw_life)life : CFW_L_NEW);
	if (g->crash.stall)
		cfw_log_at(cfw_logger_log(l), CFW_ERROR, "exiting without stopping (state %s): the loop stalled", state);
	else if (WIFSIGNALED(g->status))
		cfw_log_at(cfw_logger_log(l), CFW_ERROR, "exiting without stopping (state %s): ended by %s", state,
			   cfw_signal_name(WTERMSIG(g->status)));
	else
		cfw_log_at(cfw_logger_log(l), CFW_ERROR, "exiting without stopping (state %s): exit code %d", state,
			   WEXITSTATUS(g->status));
	cfw_logger_free(l);
}

/* What comes next takes until the deadline, and systemd is to let it. */
static void tell_crash(const struct guardian *g, uint64_t now)
{
	char text[160];
	uint64_t us = cfw_time_left(now, g->crash.deadline_ns) / 1000 + 1000000;
	int n = snprintf(text, sizeof text,
			 "STOPPING=1\nSTATUS=the orchestrator is gone: its pre_stop hooks are run\nEXTEND_TIMEOUT_USEC=%llu",
			 (unsigned long long)us);
	if (g->notify)
		cfw_sd_send(g->notify, text, (size_t)n);
}

/* The orchestrator is gone and its stop is not over: what that was, and until when the rest may take (S4.11, S8.2). */
static void note_crash(struct guardian *g, uint64_t now)
{
	uint64_t deadline = cfw_vigil_deadline(&g->vigil, g->page);
	uint64_t most = cfw_time_add(now, cfw_time_max(atomic_load(&g->page->exit_timeout_ns), 24 * 3600 * CFW_SEC));
	g->crashed = true;
	g->crash = (struct curfew_crash){
		.stall = g->verdict == CFW_STALLED || atomic_load(&g->page->stalled),
		.signo = WIFSIGNALED(g->status) ? WTERMSIG(g->status) : 0,
		.code = WIFEXITED(g->status) ? WEXITSTATUS(g->status) : 0,
		.deadline_ns = deadline <= most ? deadline : cfw_time_add(now, atomic_load(&g->page->exit_timeout_ns)),
	};
	raise_code(g, atomic_load(&g->page->code));
	bool over = g->verdict == CFW_OVER || now >= deadline;
	int own = code_of(g->status);
	raise_code(g, over || g->crash.stall ? FORCED_CODE : own ? own : 1);
	log_end(g);
	tell_crash(g, now);
	g->guarded.crash = &g->crash;
	g->guarded.kept = &g->kept;
}

/* Another policy whose servers were still stopping (S4.12, S7.2): a run of its own, until the same deadline. */
static bool next_region(struct guardian *g, uint64_t now)
{
	while (g->crashed && now < g->crash.deadline_ns && g->old_at < CFW_PAGE_OLD)
		if (cfw_page_old_get(g->page, g->old_at++, &g->old_region)) {
			g->crash.old_region = &g->old_region;
			g->crash.vain = false;
			g->tries = 0;
			return true;
		}
	return false;
}

/* True when something is left to do, for another. */
static bool look_at_end(struct guardian *g, uint32_t marks_before)
{
	uint64_t now = cfw_time_now();
	int finished = atomic_load(&g->page->finished);
	if (atomic_load(&g->page->released) && !g->crashed) { /* S3.5 */
		g->code = code_of(g->status);
		return false;
	}
	if (finished > 0) {
		raise_code(g, g->verdict != CFW_FINE ? FORCED_CODE
			      : WIFEXITED(g->status) ? WEXITSTATUS(g->status)
						     : finished - 1);
		return next_region(g, now);
	}
	bool progress = cfw_page_count_marks(g->page) != marks_before;
	if (!g->crashed) {
		note_crash(g, now);
	} else {
		g->crash.vain |= !progress;
		if (g->verdict != CFW_FINE)
			raise_code(g, FORCED_CODE);
	}
	g->tries = progress ? g->tries + 1 : g->tries + TRIES / TRIES_IN_VAIN;
	bool again = atomic_load(&g->page->loaded) && now < g->crash.deadline_ns && g->tries < TRIES;
	return again || (atomic_load(&g->page->loaded) && next_region(g, now));
}

static bool open_guardian(struct guardian *g, const struct cfw_run_options *options)
{
	*g = (struct guardian){.opt = options, .signals = -1, .channel = -1, .notify = getenv("NOTIFY_SOCKET")};
	g->page = cfw_page_new();
	if (!g->page || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return false;
	cfw_proc_ours(&g->spared);
	cfw_job_init(&g->job, options->command != NULL);
	g->guarded = (struct cfw_guarded){.page = g->page, .group = getpgrp()};
	return true;
}

static void close_guardian(struct guardian *g)
{
	cfw_job_take(&g->job);
	/* also after deactivate(): its end is none of ours, what it leaves behind is */
	cfw_rest_kill(g->page, &g->spared, cfw_time_add(cfw_time_now(), CFW_SEC));
	if (g->crashed)
		cfw_rest_remove_files(g->page);
	cfw_sources_clear(&g->kept);
	cfw_pids_clear(&g->spared);
	cfw_page_free(g->page);
}

int cfw_guardian_run(const struct cfw_run_options *options)
{
	static struct guardian g; /* static: the child keeps what it was given until its exit handlers have run */
	if (!open_guardian(&g, options) || cfw_inherited_block(&g.inherited) < 0) {
		fprintf(stderr, "curfew: no guardian: %s\n", strerror(errno));
		return cfw_run(options, NULL);
	}
	g.signals = cfw_inherited_take(&g.inherited);
	pid_t pid = g.signals < 0 ? -1 : launch(&g);
	if (pid > 0)
		cfw_guardian_slim();
	for (uint32_t marks = 0; pid > 0; pid = launch_again(&g)) {
		wait_for_end(&g);
		if (!look_at_end(&g, marks)) {
			close_guardian(&g);
			return g.code;
		}
		marks = cfw_page_count_marks(g.page);
		cfw_job_take(&g.job);
		g.job.shares = false;
	}
	if (pid == 0)
		return cfw_run(options, &g.guarded);
	if (g.crashed) {
		close_guardian(&g);
		return g.code;
	}
	int why = errno;
	if (g.signals >= 0)
		close(g.signals);
	cfw_inherited_give_back(&g.inherited);
	fprintf(stderr, "curfew: no guardian: %s\n", strerror(why));
	return cfw_run(options, NULL);
}
