/* inject ARG…: run $CURFEW ARG… and make one system call of its whole family fail.
 *
 * The family is the process, its threads and its forks; who has executed another program is let go. A call is named by
 * phase, process, system call and occurrence: "1 0.1 openat 3" is the third openat of the first child's in phase 1. The phase is 0
 * and counts up with each SIGUSR1; occurrences are counted anew in each. Calls of the dynamic loader do not count.
 *
 * INJECT_FAIL="PHASE WHO CALL N ERRNO"   this one fails (close has its effect all the same, as the kernel has it)
 * INJECT_REPORT=FILE                     lines: call … (with INJECT_COUNT=1), hit …, died SIGNAL WHO, left WHO
 *
 * Signals to end by and to reload by are passed on. Exit code: the program's; 128 + n when signal n ended it; 99 when nothing could
 * be run. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const names[512] = {
#include "names.h"
};

enum { NOT_RUN = 99, MOST = 256, CALLS = 512, TRAP = SIGTRAP | 0x80 };

struct process {
	pid_t pid;
	char who[64];
	int children, threads;
	bool known, seen; /* its parent is known; it has stopped once */
	int fail;         /* the errno that this call ends with; 0: none */
	bool moved;       /* of a brk: its argument was taken away, and comes back */
	unsigned long long argument;
	unsigned n[CALLS], phase; /* of that phase */
};

static struct process all[MOST];
static struct {
	unsigned phase, n;
	char who[64], call[32];
	int error;
	bool wanted;
} point;
static FILE *report;
static bool counting, counts; /* wanted; the loader is through */
static volatile pid_t first;
static unsigned long entry, entry_word;
static volatile sig_atomic_t phase;
static const int passed_on[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT};

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	_exit(NOT_RUN);
}

static void on_signal(int signo)
{
	if (signo == SIGUSR1)
		phase++;
	else
		kill(first, signo);
}

static struct process *find(pid_t pid, bool make)
{
	struct process *free_one = NULL;
	for (int i = 0; i < MOST; i++) {
		if (all[i].pid == pid)
			return &all[i];
		if (!all[i].pid && !free_one)
			free_one = &all[i];
	}
	if (!make)
		return NULL;
	if (!free_one)
		give_up("too many processes");
	*free_one = (struct process){.pid = pid};
	return free_one;
}

static const char *name_of(long nr, char room[24])
{
	if (nr >= 0 && nr < CALLS && names[nr])
		return names[nr];
	snprintf(room, 24, "#%ld", nr);
	return room;
}

/* A call begins: is it the one? */
static void enter(struct process *p, struct user_regs_struct *regs)
{
	long nr = (long)regs->orig_rax;
	char room[24];
	p->fail = 0;
	if (!counts || nr < 0 || nr >= CALLS)
		return;
	if (p->phase != (unsigned)phase) {
		p->phase = (unsigned)phase;
		memset(p->n, 0, sizeof p->n);
	}
	unsigned n = ++p->n[nr];
	const char *name = name_of(nr, room);
	if (counting)
		fprintf(report, "call %u %s %s %u\n", p->phase, p->who, name, n);
	if (!point.wanted || p->phase != point.phase || n != point.n || strcmp(p->who, point.who) || strcmp(name, point.call))
		return;
	p->fail = point.error;
	point.wanted = false;
	fprintf(report, "hit %u %s %s %u %d\n", p->phase, p->who, name, n, point.error);
	fflush(report);
	if (nr == SYS_close)
		return;
	if (nr == SYS_brk) { /* the kernel says where the break still is */
		p->argument = regs->rdi;
		p->moved = true;
		regs->rdi = 0;
		p->fail = 0;
	} else {
		regs->orig_rax = (unsigned long long)-1;
	}
	ptrace(PTRACE_SETREGS, p->pid, NULL, regs);
}

static void at_call(struct process *p)
{
	struct user_regs_struct regs;
	struct __ptrace_syscall_info info;
	if (ptrace(PTRACE_GETREGS, p->pid, NULL, &regs) || ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info) <= 0)
		return; /* killed just now */
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		enter(p, &regs);
	} else if (p->moved) {
		regs.rdi = p->argument;
		ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
		p->moved = false;
	} else if (p->fail) {
		regs.rax = (unsigned long long)-(long long)p->fail;
		ptrace(PTRACE_SETREGS, p->pid, NULL, &regs);
		p->fail = 0;
	}
}

/* ---- where the loader ends ---- */

static unsigned long auxiliary(pid_t pid, unsigned long type)
{
	char path[64];
	Elf64_auxv_t a;
	snprintf(path, sizeof path, "/proc/%d/auxv", (int)pid);
	FILE *f = fopen(path, "r");
	unsigned long value = 0;
	while (f && fread(&a, sizeof a, 1, f) == 1 && a.a_type != AT_NULL)
		if (a.a_type == type)
			value = a.a_un.a_val;
	if (f)
		fclose(f);
	return value;
}

static void break_at_entry(pid_t pid)
{
	entry = auxiliary(pid, AT_ENTRY);
	errno = 0;
	entry_word = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, entry, NULL);
	if (!entry || errno || ptrace(PTRACE_POKETEXT, pid, entry, (entry_word & ~0xffUL) | 0xcc))
		give_up("a breakpoint");
}

/* The breakpoint, or a signal of that number? */
static bool at_entry(pid_t pid)
{
	struct user_regs_struct regs;
	if (counts || pid != first || ptrace(PTRACE_GETREGS, pid, NULL, &regs) || regs.rip != entry + 1)
		return false;
	ptrace(PTRACE_POKETEXT, pid, entry, entry_word);
	regs.rip = entry;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	counts = true;
	return true;
}

/* ---- events ---- */

static void resume(pid_t pid, int signo)
{
	ptrace(PTRACE_SYSCALL, pid, NULL, signo);
}

static void born(struct process *parent, int event)
{
	unsigned long pid;
	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid))
		return;
	struct process *p = find((pid_t)pid, true);
	if (event == PTRACE_EVENT_CLONE) /* a thread */
		snprintf(p->who, sizeof p->who, "%.50s/%d", parent->who, ++parent->threads);
	else
		snprintf(p->who, sizeof p->who, "%.50s.%d", parent->who, ++parent->children);
	p->known = true;
	if (p->seen) /* it had to wait for its name */
		resume(p->pid, 0);
}

static bool is_the_program(pid_t pid, const char *program)
{
	char path[64], exe[PATH_MAX], real[PATH_MAX];
	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(path, exe, sizeof exe - 1);
	exe[n > 0 ? n : 0] = 0;
	return realpath(program, real) && strcmp(exe, real) == 0;
}

/* Of a stop that is none of a call's. */
static void look(struct process *p, int status, const char *program)
{
	int signo = WSTOPSIG(status), event = status >> 16;
	switch (event) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		born(p, event);
		resume(p->pid, 0);
		return;
	case PTRACE_EVENT_EXEC:
		if (p->pid == first && !entry) {
			break_at_entry(p->pid);
		} else if (!is_the_program(p->pid, program)) {
			ptrace(PTRACE_DETACH, p->pid, NULL, 0);
			p->pid = 0;
			return;
		}
		resume(p->pid, 0);
		return;
	case PTRACE_EVENT_STOP:
		if (signo != SIGTRAP) { /* stopped as a job is: it stays so until it is continued */
			ptrace(PTRACE_LISTEN, p->pid, NULL, 0);
			return;
		}
		p->seen = true;
		if (p->known)
			resume(p->pid, 0);
		return;
	default:
		resume(p->pid, signo == SIGTRAP && at_entry(p->pid) ? 0 : signo);
	}
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Until the first process has ended and the others of its family too; those have a second more. Its wait status. */
static int trace(const char *program)
{
	int status, end = -1;
	double until = 0;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL | (until > 0 ? WNOHANG : 0));
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return end;
		if (pid == 0 && now() > until)
			return end;
		if (pid == 0) {
			nanosleep(&(struct timespec){0, 1000000}, NULL);
			continue;
		}
		bool ended = !WIFSTOPPED(status);
		struct process *p = find(pid, !ended);
		if (ended) {
			if (p && WIFSIGNALED(status))
				fprintf(report, "died %d %s\n", WTERMSIG(status), p->who);
			if (p)
				p->pid = 0;
			if (pid == first) {
				end = status;
				until = now() + 1;
			}
		} else if (WSTOPSIG(status) == TRAP) {
			at_call(p);
			resume(pid, 0);
		} else {
			look(p, status, program);
		}
	}
}

static void launch(const char *program, char **argv)
{
	int gate[2];
	if (pipe(gate))
		give_up("a pipe");
	pid_t pid = first = fork();
	if (pid == 0) {
		char c;
		close(gate[1]);
		if (read(gate[0], &c, 1) == 0)
			_exit(NOT_RUN); /* nobody traces us */
		close(gate[0]);
		unsetenv("INJECT_FAIL");
		execv(program, argv);
		_exit(NOT_RUN);
	}
	struct process *p = find(pid, true);
	strcpy(p->who, "0");
	p->known = true;
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL,
			      PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
				      PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL))
		give_up("ptrace");
	/* Calls are seen from its next stop on. */
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	if (write(gate[1], "", 1) != 1)
		give_up("a pipe");
	close(gate[0]);
	close(gate[1]);
}

int main(int argc, char **argv)
{
	const char *program = getenv("CURFEW"), *fail = getenv("INJECT_FAIL"), *to = getenv("INJECT_REPORT");
	(void)argc;
	errno = EINVAL;
	if (!program || !to || !(report = fopen(to, "we")))
		give_up("CURFEW and INJECT_REPORT");
	counting = getenv("INJECT_COUNT") != NULL;
	if (fail && sscanf(fail, "%u %63s %31s %u %d", &point.phase, point.who, point.call, &point.n, &point.error) != 5)
		give_up("INJECT_FAIL");
	point.wanted = fail != NULL;
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGUSR1, &sa, NULL);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		sigaction(passed_on[i], &sa, NULL);
	launch(program, argv);
	int status = trace(program);
	for (int i = 0; i < MOST; i++)
		if (all[i].pid)
			fprintf(report, "left %s\n", all[i].who);
	fclose(report);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
