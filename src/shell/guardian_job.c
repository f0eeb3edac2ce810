/* guardian_job.c: the orchestrator is in a group of its own, so that the terminal speaks to the guardian alone and a Ctrl-C counts
 * once; only with `-- COMMAND` on a terminal that group has the foreground, and the guardian is out of earshot; or, in a pipeline, it
 * stays in the guardian's, which then turns a deaf ear. What a shell sees of
 * the job is the guardian: it stops when the orchestrator was stopped, and continues it when it is continued (S8.1). */
#define _GNU_SOURCE
#include <unistd.h>

#include "shell/guardian_impl.h"

void cfw_job_init(struct cfw_job *j, bool has_command)
{
	*j = (struct cfw_job){.tty = -1, .group = getpgrp()};
	if (!has_command || isatty(STDIN_FILENO) != 1 || tcgetpgrp(STDIN_FILENO) < 0)
		return;
	if (isatty(STDOUT_FILENO) == 1)
		j->tty = STDIN_FILENO;
	else
		j->shares = true;
}

/* SIGTTOU is blocked, so that these are not refused to a group in the background. */
void cfw_job_give(struct cfw_job *j, pid_t worker)
{
	j->worker = worker;
	if (j->tty >= 0 && tcgetpgrp(j->tty) == j->group)
		tcsetpgrp(j->tty, worker);
}

void cfw_job_take(struct cfw_job *j)
{
	if (j->tty >= 0 && j->worker > 1 && tcgetpgrp(j->tty) == j->worker)
		tcsetpgrp(j->tty, j->group);
}

static void to_worker(const struct cfw_job *j, int signo)
{
	kill(j->shares ? j->worker : -j->worker, signo);
}

void cfw_job_stop(struct cfw_job *j)
{
	j->stops++;
	j->continues = 0;
	to_worker(j, SIGTSTP);
}

void cfw_job_continue(struct cfw_job *j)
{
	j->continues++;
	cfw_job_give(j, j->worker);
	to_worker(j, SIGCONT);
}

/* Nobody can continue the first process of a system or session. */
static bool can_be_stopped(void)
{
	return getpid() != 1 && getsid(0) != getpid();
}

void cfw_job_stopped(struct cfw_job *j, int signo)
{
	sigset_t pending;
	if (signo == SIGSTOP) /* by somebody who means the orchestrator alone: it is stalled */
		return;
	bool was_continued = j->stops && j->continues; /* since: what stopped it came before */
	sigpending(&pending);
	j->stops = 0;
	if (!can_be_stopped() || was_continued || sigismember(&pending, SIGCONT) == 1) {
		to_worker(j, SIGCONT);
		return;
	}
	cfw_job_take(j);
	if (j->tty >= 0)
		kill(0, SIGTSTP); /* who shares our group was out of earshot as we were; what it is to us SIGCONT takes away */
	raise(SIGSTOP);           /* what continues us comes by the descriptor */
}
