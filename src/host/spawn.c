#define _GNU_SOURCE
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

enum stage { STAGE_GROUP, STAGE_LIMIT, STAGE_USER, STAGE_CWD, STAGE_FD, STAGE_EXEC };

/* What the child writes into the pipe when it cannot become the program. */
struct failure {
	int stage, error;
};

struct job {
	const struct cfw_spawn *s;
	int report; /* write end; closed by a successful exec */
};

/* From here to child_main: runs in the child, on our memory, with all signals blocked: system calls only, and none of glibc's
 * wrappers that tell other threads (setuid and its like). ASan does not know its stack. */
#define CHILD __attribute__((no_sanitize("address")))

CHILD static _Noreturn void fail(const struct job *j, enum stage stage)
{
	struct failure f = {(int)stage, errno};
	while (write(j->report, &f, sizeof f) < 0 && errno == EINTR)
		;
	_exit(127);
}

CHILD static void reset_signals(void)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;
		if (sigaction(sig, NULL, &sa) || sa.sa_handler == SIG_DFL)
			continue; /* those of the C library itself, too */
		memset(&sa, 0, sizeof sa);
		sa.sa_handler = SIG_DFL;
		sigaction(sig, &sa, NULL);
	}
}

CHILD static void set_limits(const struct job *j)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit *want = &j->s->limits[i];
		struct rlimit is;
		if (want->rlim_cur > want->rlim_max || syscall(SYS_prlimit64, 0, i, NULL, &is))
			continue;
		if (is.rlim_cur == want->rlim_cur && is.rlim_max == want->rlim_max)
			continue;
		struct rlimit to = *want;
		if (syscall(SYS_prlimit64, 0, i, &to, NULL) == 0)
			continue;
		to.rlim_max = is.rlim_max; /* a hard limit that was lowered stays */
		to.rlim_cur = want->rlim_cur < is.rlim_max ? want->rlim_cur : is.rlim_max;
		if (syscall(SYS_prlimit64, 0, i, &to, NULL))
			fail(j, STAGE_LIMIT);
	}
}

CHILD static void set_user(const struct job *j)
{
	const struct cfw_spawn *s = j->s;
	if (!s->set_user)
		return;
	uid_t uid = s->uid;
	gid_t gid = s->gid;
	if (geteuid() == 0 && syscall(SYS_setgroups, s->n_groups, s->groups))
		fail(j, STAGE_USER);
	if (syscall(SYS_setresgid, gid, gid, gid) || syscall(SYS_setresuid, uid, uid, uid))
		fail(j, STAGE_USER);
}

/* All numbers of fd[] are above 2 or -1: cfw_spawn saw to it. */
CHILD static void set_descriptors(const struct job *j)
{
	for (int i = 0; i < 3; i++)
		if (j->s->fd[i] >= 0 && dup2(j->s->fd[i], i) < 0)
			fail(j, STAGE_FD);
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	struct rlimit is; /* a kernel before 5.11 */
	long top = syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &is) || is.rlim_cur > 65536 ? 65536 : (long)is.rlim_cur;
	for (int fd = 3; fd < top; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

CHILD static _Noreturn void run(const struct job *j)
{
	int worst = ENOENT;
	for (const char *path = j->s->paths; *path; path += strlen(path) + 1) {
		execve(path, j->s->argv, j->s->envp);
		if (errno == EACCES)
			worst = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR) {
			worst = errno;
			break;
		}
	}
	errno = worst;
	fail(j, STAGE_EXEC);
}

CHILD static int child_main(void *arg)
{
	const struct job *j = arg;
	reset_signals();
	if (j->s->group == CFW_GROUP_OWN && setpgid(0, 0))
		fail(j, STAGE_GROUP);
	if (j->s->group == CFW_GROUP_SESSION && setsid() < 0)
		fail(j, STAGE_GROUP);
	set_descriptors(j); /* before the limits: a lower RLIMIT_NOFILE does not hide what is open */
	set_limits(j);
	set_user(j);
	if (j->s->cwd && chdir(j->s->cwd)) /* as the user: root's rights do not count */
		fail(j, STAGE_CWD);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	run(j);
}

/* A script whose interpreter is missing gives ENOENT too; tell the two apart. */
static int tell_exec(const struct cfw_spawn *s, int error, struct curfew_err *err)
{
	const char *path = s->argv[0];
	bool single = strchr(path, '/');
	bool there = single && (*path == '/' || !s->cwd) && access(path, F_OK) == 0;
	errno = error;
	if (error == ENOENT && there) {
		cfw_err_sys(err, "cannot run %s: its interpreter is missing", s->argv[0]);
		return -1;
	}
	if (!single && error == ENOENT) {
		cfw_err_set(err, CURFEW_ESYS, "cannot run %s: no such command in PATH", s->argv[0]);
		if (err)
			err->sys_errno = ENOENT;
		return -1;
	}
	cfw_err_sys(err, "cannot run %s", s->argv[0]);
	return -1;
}

static pid_t tell(const struct cfw_spawn *s, const struct failure *f, struct curfew_err *err)
{
	errno = f->error;
	switch ((enum stage)f->stage) {
	case STAGE_EXEC:
		return tell_exec(s, f->error, err);
	case STAGE_CWD:
		cfw_err_sys(err, "cannot run %s in %s", s->argv[0], s->cwd);
		break;
	case STAGE_USER:
		cfw_err_sys(err, "cannot run %s as user %s", s->argv[0], s->user ? s->user : "?");
		break;
	case STAGE_FD:
		cfw_err_sys(err, "cannot run %s: its standard streams", s->argv[0]);
		break;
	case STAGE_LIMIT:
		cfw_err_sys(err, "cannot run %s: its resource limits", s->argv[0]);
		break;
	case STAGE_GROUP:
		cfw_err_sys(err, "cannot run %s: its process group", s->argv[0]);
		break;
	}
	return -1;
}

/* Clone with our memory: the caller sleeps until the child has become the program or has failed. */
static pid_t clone_child(struct job *j, struct curfew_err *err)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* no handler of ours may run in the child */
	int saved = errno;
	pid_t pid = clone(child_main, j->s->stack + CFW_SPAWN_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, j);
	if (pid < 0)
		cfw_err_sys(err, "cannot run %s: cannot make a process", j->s->argv[0]);
	errno = saved;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

pid_t cfw_spawn(const struct cfw_spawn *s, struct curfew_err *err)
{
	struct cfw_spawn own = *s;
	int report[2], moved[3] = {-1, -1, -1};
	if (pipe2(report, O_CLOEXEC)) {
		cfw_err_sys(err, "cannot run %s: no pipe", s->argv[0]);
		return -1;
	}
	struct job j = {&own, report[1]};
	pid_t pid = -1;
	bool ready = true;
	for (int i = 0; i < 3; i++)
		if (own.fd[i] >= 0 && own.fd[i] <= 2)
			ready = (own.fd[i] = moved[i] = fcntl(own.fd[i], F_DUPFD_CLOEXEC, 3)) >= 0 && ready;
	if (report[1] <= 2) /* somebody runs us with closed streams */
		ready = (j.report = fcntl(report[1], F_DUPFD_CLOEXEC, 3)) >= 0 && ready;
	if (ready)
		pid = clone_child(&j, err);
	else
		cfw_err_sys(err, "cannot run %s: no descriptor", s->argv[0]);
	if (j.report != report[1] && j.report >= 0)
		close(j.report);
	close(report[1]);
	struct failure f;
	ssize_t n = 0; /* without a report it has become the program, as far as can be told */
	while (pid > 0 && (n = read(report[0], &f, sizeof f)) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof f) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		pid = tell(s, &f, err);
	}
	close(report[0]);
	for (int i = 0; i < 3; i++)
		if (moved[i] >= 0)
			close(moved[i]);
	return pid;
}
