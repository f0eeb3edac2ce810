#define _GNU_SOURCE
#include <string.h>
#include <sys/signalfd.h>

#include "shell/guardian_impl.h"
#include "shell/watchdog.h"

int cfw_inherited_block(struct cfw_inherited *i)
{
	sigset_t all;
	sigfillset(&all);
	return sigprocmask(SIG_BLOCK, &all, &i->mask);
}

int cfw_inherited_take(struct cfw_inherited *i)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t all;
	sigfillset(&all);
	/* one that is ignored would not come by the descriptor; and a child would not have to be waited for */
	for (int s = 1; s < CFW_PAGE_SIGNALS; s++)
		if (s != SIGKILL && s != SIGSTOP && sigaction(s, NULL, &i->act[s]) == 0)
			sigaction(s, &plain, NULL);
	return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

void cfw_inherited_give_back(const struct cfw_inherited *i)
{
	for (int s = 1; s < CFW_PAGE_SIGNALS; s++)
		if (s != SIGKILL && s != SIGSTOP)
			sigaction(s, &i->act[s], NULL);
	sigprocmask(SIG_SETMASK, &i->mask, NULL);
}

bool cfw_signal_is_passed(int signo)
{
	static const int own[] = {SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (own[i] == signo)
			return false;
	return signo > 0 && signo < CFW_PAGE_SIGNALS && signo != cfw_watchdog_signo();
}
