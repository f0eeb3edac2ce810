/* probe_proc.c: the processes under measurement: start, stop, wait, what they take, and nothing left of them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "marks.h"
#include "probe.h"

struct process {
	pid_t pid, parent;
	bool below; /* us */
};

static volatile sig_atomic_t told_to_end;

/* SIGALRM only interrupts waitpid: the deadline is looked at after each. */
static void on_signal(int signo)
{
	if (signo != SIGALRM)
		told_to_end = 1;
}

/* Every process of the machine; *n of them, to be freed. */
static struct process *read_processes(size_t *n)
{
	struct process *list = NULL;
	size_t cap = 0;
	DIR *dir = opendir("/proc");
	*n = 0;
	for (struct dirent *e; dir && (e = readdir(dir));) {
		char path[300], line[512];
		long pid = strtol(e->d_name, NULL, 10), parent;
		if (pid <= 0)
			continue;
		snprintf(path, sizeof path, "/proc/%ld/stat", pid);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		const char *end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (!end || sscanf(end + 1, " %*c %ld", &parent) != 1)
			continue;
		if (*n == cap) {
			cap = cap ? 2 * cap : 256;
			struct process *grown = realloc(list, cap * sizeof *list);
			if (!grown)
				break;
			list = grown;
		}
		list[(*n)++] = (struct process){(pid_t)pid, (pid_t)parent, false};
	}
	if (dir)
		closedir(dir);
	return list;
}

/* Mark what is below this process. Pids are in no order of birth once they wrap, so until nothing changes. */
static void mark_below(struct process *list, size_t n)
{
	pid_t self = getpid();
	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = 0; i < n; i++) {
			if (list[i].below)
				continue;
			bool below = list[i].parent == self;
			for (size_t j = 0; j < n && !below; j++)
				below = list[j].below && list[j].pid == list[i].parent;
			changed |= below;
			list[i].below = below;
		}
	}
}

static void kill_all(void)
{
	for (int tries = 0; tries < 1000; tries++) {
		size_t n;
		struct process *list = read_processes(&n);
		mark_below(list, n);
		for (size_t i = 0; i < n; i++)
			if (list[i].below)
				kill(list[i].pid, SIGKILL);
		free(list);
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
		probe_nap(5 * PROBE_MS);
	}
}

void probe_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("probe: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n", stderr);
	kill_all();
	exit(1);
}

void probe_check_deadline(const struct probe_options *o, const char *waiting_for)
{
	if (told_to_end)
		probe_fail("told to end");
	if (bench_now() > o->deadline_ns)
		probe_fail("%s: no %s in time", o->command[0], waiting_for);
}

void probe_nap(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / 1000000000U), (long)(ns % 1000000000U)};
	nanosleep(&ts, NULL);
}

static _Noreturn void become(const struct probe_options *o, int null, _Atomic uint64_t *began)
{
	bool verbose = getenv("VERBOSE") != NULL;
	setpgid(0, 0);
	dup2(null, 0);
	dup2(verbose ? 2 : null, 1);
	dup2(verbose ? 2 : null, 2);
	*began = bench_now();
	execvp(o->command[0], o->command);
	_exit(127);
}

/* Whatever ends the probe, what it started ends with it. */
static void catch_signals(const struct probe_options *o)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	alarm((unsigned)((o->deadline_ns - bench_now()) / (1000 * PROBE_MS)) + 1);
}

pid_t probe_spawn(const struct probe_options *o, uint64_t *exec_ns)
{
	_Atomic uint64_t *began = mmap(NULL, sizeof *began, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (began == MAP_FAILED || null < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1))
		probe_fail("cannot prepare: %s", strerror(errno));
	catch_signals(o);
	pid_t pid = fork();
	if (pid < 0)
		probe_fail("fork: %s", strerror(errno));
	if (pid == 0)
		become(o, null, began);
	prctl(PR_SET_TIMERSLACK, 1); /* naps that end when they should, here and not in the child */
	while (*began == 0)
		probe_nap(1000);
	*exec_ns = *began;
	munmap((void *)(uintptr_t)began, sizeof *began);
	close(null);
	return pid;
}

uint64_t probe_stop(const struct probe_options *o, pid_t pid)
{
	uint64_t now = bench_now();
	if (kill(pid, o->signo))
		probe_fail("kill: %s", strerror(errno));
	return now;
}

bool probe_ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

uint64_t probe_wait(const struct probe_options *o, pid_t pid, int *status)
{
	for (;;) {
		int st;
		pid_t got = waitpid(pid, &st, 0);
		uint64_t now = bench_now();
		if (got > 0 && got == pid) {
			*status = st;
			return now;
		}
		if (got < 0 && errno != EINTR)
			probe_fail("waitpid: %s", strerror(errno));
		probe_check_deadline(o, "end");
	}
}

uint64_t probe_wait_all(const struct probe_options *o, pid_t pid, int *status)
{
	uint64_t last = 0;
	for (;;) {
		int st;
		pid_t got = waitpid(-1, &st, 0);
		uint64_t now = bench_now();
		if (got == pid)
			*status = st;
		if (got > 0)
			last = now;
		else if (errno == ECHILD)
			return last;
		probe_check_deadline(o, "end of all that it started");
	}
}

uint64_t probe_wait_bounded(const struct probe_options *o, pid_t pid, uint64_t stop, int *status)
{
	uint64_t last = 0, us = o->bound_ns / 1000;
	struct itimerval bound = {{0, 100000}, {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)}};
	setitimer(ITIMER_REAL, &bound, NULL); /* SIGALRM interrupts waitpid, again and again */
	for (;;) {
		int st;
		pid_t got = waitpid(-1, &st, 0);
		uint64_t now = bench_now();
		if (got == pid)
			*status = st;
		if (got > 0)
			last = now;
		else if (errno == ECHILD)
			return last;
		else if (now - stop >= o->bound_ns) {
			kill_all();
			return 0;
		}
		if (told_to_end)
			probe_fail("told to end");
	}
}

static long pss_of(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

long probe_pss_kb(const int32_t *except, int nexcept)
{
	size_t n;
	struct process *list = read_processes(&n);
	mark_below(list, n);
	long sum = 0;
	for (size_t i = 0; i < n; i++) {
		bool counts = list[i].below;
		for (int j = 0; j < nexcept && counts; j++)
			counts = list[i].pid != except[j];
		if (counts)
			sum += pss_of(list[i].pid);
	}
	free(list);
	return sum;
}

void probe_print_end(int status)
{
	printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}
