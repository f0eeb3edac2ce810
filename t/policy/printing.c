/* print and io.write, where what they write to takes nothing, little, or is not there at all. */
#define _GNU_SOURCE
#include "fake.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

/* While a script runs, its standard output is fd (-1: closed); what TAP says goes to the old one. */
static struct fake *print_to(int fd, const char *script)
{
	struct fake *f = fake_new(0);
	fflush(stdout);
	int old = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	if (old < 0 || (fd < 0 ? close(STDOUT_FILENO) : dup2(fd, STDOUT_FILENO)) < 0)
		tap_bail("standard output cannot be another");
	fake_load(f, script);
	if (dup2(old, STDOUT_FILENO) < 0)
		tap_bail("standard output is lost");
	close(old);
	return f;
}

/* full_soon: it takes 4096 bytes. */
static void make_pipe(int fd[2], bool full_soon)
{
	if (pipe2(fd, O_CLOEXEC) || (full_soon && fcntl(fd[1], F_SETPIPE_SZ, 4096) < 0))
		tap_bail("no pipe");
}

/* All that is in the pipe, whose writing end is closed. */
static void drain(int fd[2], char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;
	close(fd[1]);
	while (n + 1 < size && (got = read(fd[0], buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	buf[n] = '\0';
	close(fd[0]);
}

static void read_by_somebody(void)
{
	char got[8192];
	int fd[2];
	make_pipe(fd, false);
	struct fake *f = print_to(fd[1], "print(('x'):rep(1024), 'y') print(('x'):rep(1024)) io.write('z', 7, '\\n')");
	drain(fd, got, sizeof got);
	is_int((long)strlen(got), 1024 + 3 + 1024 + 1 + 3, "lines that just fill a buffer are written whole");
	ok(got[1024] == '\t' && got[1026] == '\n' && !strcmp(got + 1024 + 3 + 1024, "\nz7\n"),
	   "with what is between and after");
	is_str(logged(f), "", "and nothing is logged");
	fake_free(f);
}

static void read_by_nobody(void)
{
	char got[8192];
	int fd[2];
	make_pipe(fd, true);
	struct fake *f = print_to(fd[1], "io.write(('a'):rep(5000)) print('b') io.write('') print('c\\nd')");
	ok(has(logged(f), "stdout takes no more: what scripts print is dropped until it does"), "a full pipe: said once");
	drain(fd, got, sizeof got);
	is_int((long)strlen(got), 4096, "it has what it took");

	make_pipe(fd, false);
	int old = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(fd[1], STDOUT_FILENO);
	fake_load(f, "print() print('e')");
	dup2(old, STDOUT_FILENO);
	close(old);
	drain(fd, got, sizeof got);
	is_str(got, "\ne\n", "what follows a line cut short is a line of its own");
	cfw_policy_free(f->p);
	f->p = NULL;
	ok(has(logged(f), "stdout takes no more: 4 lines dropped"), "at the end they are counted");
	fake_free(f);
}

static void broken(void)
{
	int fd[2];
	make_pipe(fd, true);
	close(fd[0]);
	struct fake *f = print_to(fd[1], "print('a') say('on')");
	close(fd[1]);
	ok(has(logged(f), "stdout takes no more"), "a pipe whose reader has left: dropped");
	is_str(said(f), "on;", "and the script goes on");
	cfw_policy_free(f->p);
	f->p = NULL;
	ok(has(logged(f), "stdout takes no more: 1 line dropped"), "one line, as counted");
	fake_free(f);

	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	f = print_to(full, "print('a') print('b') say('on')");
	close(full);
	ok(has(logged(f), "stdout takes no more"), "a device that is full: dropped");
	is_str(said(f), "on;", "and the script goes on");
	fake_free(f);

	f = print_to(-1, "print('a') say('on')");
	ok(has(logged(f), "stdout takes no more"), "no standard output: dropped");
	is_str(said(f), "on;", "and the script goes on");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "local o = io.tmpfile() io.output(o) o:close() say(tostring(pcall(io.write, 'x')), "
		     "tostring(pcall(o.write, o, 'x')))");
	is_str(said(f), "false false;", "a file that was closed is Lua's to complain of");
	fake_free(f);
}

static volatile sig_atomic_t rings;

static void ring(int signo)
{
	(void)signo;
	rings++;
}

/* A signal while it waits ends the wait: it is for the loop to look at. */
static void interrupted(void)
{
	int fd[2];
	make_pipe(fd, true);
	struct sigaction sa = {.sa_handler = ring}, was;
	struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
	sigaction(SIGALRM, &sa, &was);
	setitimer(ITIMER_REAL, &often, NULL);
	struct fake *f = print_to(fd[1], "io.write(('a'):rep(5000)) say('on')");
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &was, NULL);
	close(fd[0]);
	close(fd[1]);
	ok(has(logged(f), "stdout takes no more"), "interrupted, what is not taken is dropped");
	is_str(said(f), "on;", "and the script goes on");
	fake_free(f);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	read_by_somebody();
	read_by_nobody();
	broken();
	interrupted();
	return tap_done();
}
