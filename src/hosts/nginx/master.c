/* master.c: the signals of the master, which has no loop that a module could take part in, only handlers and flags.
 *
 * With curfew_term graceful the first TERM is QUIT; the next is what it was.
 * With curfew_mode master QUIT is held back: the workers are asked through shared memory and a signal, run their pre_stop hooks with
 * all listeners open, set their slots and write to their channels, whose other end raises SIGIO here. When all that were asked have
 * done so, have died, or are past their time, nginx's own handler hears of the QUIT. Until then the master is as it was: it starts
 * workers in the place of those that die. */
#include "module.h"

#include <ngx_channel.h>
#include <sys/time.h>

typedef void handler_fn(int signo, siginfo_t *info, void *context);

/* As in ngx_process.c: no header has it. */
struct signal_entry {
	int signo;
	char *signame;
	char *name;
	handler_fn *handler;
};
extern struct signal_entry signals[];

enum {
	TICK_US = 100000,   /* between two looks at what nothing wakes us for */
	MS = 1000000,       /* in ns */
	PATIENCE_MS = 2000, /* for a worker to begin: it may be blocked, or its policy has ignored the signal */
	OVERDUE_MS = 500    /* past the end that it has told */
};

static struct {
	const struct ngx_curfew_conf *conf; /* of the cycle in force; NULL: all is nginx's own */
	handler_fn *original;
	bool gathering;
	uint64_t since_ns;
	ngx_pid_t asked[NGX_MAX_PROCESSES]; /* -1: nobody */
} m;

/* ---- all together ---- */

static void tick(suseconds_t us)
{
	struct itimerval t = {{0, us}, {0, us}};
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Workers of this cycle that serve with a policy. */
static ngx_int_t ask_workers(void)
{
	const ngx_process_t *p = ngx_processes;
	struct ngx_curfew_slot *slots = m.conf->shared->slots;
	ngx_int_t i, n = 0;
	(void)ngx_atomic_fetch_add(&m.conf->shared->asked, 1);
	for (i = 0; i < NGX_MAX_PROCESSES; i++) {
		m.asked[i] = -1;
		if (i >= ngx_last_process || p[i].pid == -1 || p[i].exiting || p[i].exited || slots[i].pid != p[i].pid)
			continue;
		m.asked[i] = p[i].pid;
		n += kill(p[i].pid, SIGUSR2) == 0;
	}
	return n;
}

static bool is_waited_for(ngx_int_t i, uint64_t now)
{
	const ngx_process_t *p = &ngx_processes[i];
	const struct ngx_curfew_slot *s = &m.conf->shared->slots[i];
	if (m.asked[i] == -1 || p->pid != m.asked[i] || p->exited || s->pid != m.asked[i])
		return false;
	if (s->state == NGX_CURFEW_DONE)
		return false;
	if (s->until_ns == CURFEW_NEVER)
		return now < m.since_ns + (uint64_t)PATIENCE_MS * MS;
	return now < s->until_ns + (uint64_t)OVERDUE_MS * MS;
}

static bool is_complete(void)
{
	uint64_t now = ngx_curfew_now_ns();
	ngx_int_t i;
	for (i = 0; i < ngx_last_process; i++)
		if (is_waited_for(i, now))
			return false;
	return true;
}

static void end_gathering(void)
{
	m.gathering = false;
	tick(0);
}

static bool begin_gathering(void)
{
	m.since_ns = ngx_curfew_now_ns();
	m.gathering = ask_workers() > 0;
	if (m.gathering)
		tick(TICK_US);
	return m.gathering;
}

static void say(const char *what)
{
	ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "curfew: %s", what);
}

/* ---- the handler ---- */

/* Is it dealt with? *signo is what nginx's own is to hear else. */
static bool take(int *signo)
{
	if (*signo == SIGTERM && m.conf->term == NGX_CURFEW_GRACEFUL && !m.gathering && !ngx_quit && !ngx_terminate) {
		say("TERM is a graceful stop; the next one ends at once");
		*signo = SIGQUIT;
	}
	switch (*signo) {
	case SIGTERM:
	case SIGINT:
		if (m.gathering)
			end_gathering();
		return false;
	case SIGQUIT:
		if (m.gathering) {
			end_gathering(); /* said twice: no worker waits for another */
			return false;
		}
		if (m.conf->mode != NGX_CURFEW_MASTER || ngx_quit || ngx_terminate || !begin_gathering())
			return false;
		say("all workers are asked to stop");
		return true;
	case SIGHUP:
		if (m.gathering)
			say("a stop has begun: no reload");
		return m.gathering;
	default:
		return false;
	}
}

/* Handlers are installed with an empty mask: another signal in the middle of this one would find half of it done. */
static void on_signal(int signo, siginfo_t *info, void *context)
{
	sigset_t all, old;
	int saved = ngx_errno;
	if (ngx_process != NGX_PROCESS_MASTER || !m.conf) {
		m.original(signo, info, context);
		return;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	if (!take(&signo))
		m.original(signo, info, context);
	if (m.gathering && is_complete()) {
		end_gathering();
		m.original(SIGQUIT, info, context);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	ngx_set_errno(saved);
}

/* ---- set up ---- */

bool ngx_curfew_is_nginx(const struct sigaction *sa)
{
	return sa->sa_flags & SA_SIGINFO && (sa->sa_sigaction == on_signal || sa->sa_sigaction == m.original);
}

/* In the table, which nginx installs when it starts, and in the process, when it has done so already. */
static void patch(ngx_log_t *log)
{
	static const int mine[] = {SIGQUIT, SIGTERM, SIGINT, SIGHUP, SIGIO, SIGALRM, SIGCHLD};
	struct sigaction sa;
	struct signal_entry *s;
	size_t i;
	if (signals[0].signo != SIGHUP || ngx_strcmp(signals[0].signame, "SIGHUP") != 0) {
		ngx_log_error(NGX_LOG_ERR, log, 0,
			      "curfew: this nginx has another table of signals: the master's stay its own");
		return;
	}
	for (s = signals; s->signo; s++)
		for (i = 0; i < sizeof mine / sizeof *mine; i++) {
			if (s->signo != mine[i] || s->handler == on_signal)
				continue;
			m.original = s->handler;
			s->handler = on_signal;
			if (ngx_process != NGX_PROCESS_MASTER)
				continue;
			ngx_memzero(&sa, sizeof sa);
			sa.sa_sigaction = on_signal;
			sa.sa_flags = SA_SIGINFO;
			sigemptyset(&sa.sa_mask);
			sigaction(s->signo, &sa, NULL);
		}
}

void ngx_curfew_master_init(ngx_cycle_t *cycle, struct ngx_curfew_conf *conf)
{
	m.conf = conf->policy.len ? conf : NULL;
	if (m.conf)
		patch(cycle->log);
}

void ngx_curfew_master_forget(const struct ngx_curfew_conf *conf)
{
	if (m.conf == conf)
		m.conf = NULL;
}

void ngx_curfew_master_wake(ngx_log_t *log)
{
	ngx_channel_t ch;
	ngx_memzero(&ch, sizeof ch); /* command 0: the master reads none of it */
	ch.fd = -1;
	ngx_write_channel(ngx_channel, &ch, sizeof ch, log);
}
