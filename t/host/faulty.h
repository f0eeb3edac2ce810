/* faulty.h: system calls that fail: counted with the allocations of short.h, each with an error that it can have. */
#ifndef T_HOST_FAULTY_H
#define T_HOST_FAULTY_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "short.h"

/* Only interrupted, each call that can be, and no more than that: nothing may come of it. */
#define faulty_interrupts cfw_short.ample

static inline bool faulty(int error)
{
	if (faulty_interrupts || !short_fails())
		return false;
	errno = error;
	return true;
}

static inline bool interrupted(void)
{
	if (!faulty_interrupts || !short_fails())
		return false;
	errno = EINTR;
	return true;
}

/* One call, by its name, that fails as a test wants it to, counted or not. */
static struct {
	const char *call;
	int error;
	unsigned after, times; /* so many of it are as they are, then so many fail */
} faulty_one;

__attribute__((unused)) static void single_out(const char *call, int error, unsigned after, unsigned times)
{
	faulty_one.call = call;
	faulty_one.error = error;
	faulty_one.after = after;
	faulty_one.times = times;
}

static void (*faulty_meanwhile)(void); /* what happens while somebody reads */
static void (*faulty_before)(void);    /* what happens before a pidfd is opened */

static inline bool singled_out(const char *call)
{
	if (!faulty_one.call || strcmp(faulty_one.call, call) != 0)
		return false;
	if (faulty_one.after) {
		faulty_one.after--;
		return false;
	}
	if (!faulty_one.times)
		return false;
	faulty_one.times--;
	errno = faulty_one.error;
	return true;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): whole declarations */
#define FAULTY(type, failure, error, name, parameters, arguments)                                                              \
	type __real_##name parameters;                                                                                         \
	type __wrap_##name parameters;                                                                                         \
	type __wrap_##name parameters                                                                                          \
	{                                                                                                                      \
		return singled_out(#name) || faulty(error) ? failure : __real_##name arguments;                                \
	}
#define SLOW(type, failure, error, name, parameters, arguments)                                                                \
	type __real_##name parameters;                                                                                         \
	type __wrap_##name parameters;                                                                                         \
	type __wrap_##name parameters                                                                                          \
	{                                                                                                                      \
		return singled_out(#name) || interrupted() || faulty(error) ? failure : __real_##name arguments;               \
	}
#define BY_NUMBER(error, name, parameters, arguments)                                                                          \
	int __real_##name parameters;                                                                                          \
	int __wrap_##name parameters;                                                                                          \
	int __wrap_##name parameters                                                                                           \
	{                                                                                                                      \
		return singled_out(#name) ? errno : faulty(error) ? error : __real_##name arguments;                           \
	}

/* NOLINTEND(bugprone-macro-parentheses) */
SLOW(ssize_t, -1, ECONNRESET, recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags))
SLOW(ssize_t, -1, EPIPE, send, (int fd, const void *from, size_t n, int flags), (fd, from, n, flags))
SLOW(ssize_t, -1, ENOMEM, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
SLOW(int, -1, ENOMEM, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
FAULTY(int, -1, ENETUNREACH, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
FAULTY(int, -1, EMFILE, pipe2, (int *fds, int flags), (fds, flags))
FAULTY(int, -1, EMFILE, socket, (int family, int type, int protocol), (family, type, protocol))
FAULTY(int, -1, EADDRINUSE, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
FAULTY(int, -1, ENOBUFS, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
FAULTY(int, -1, ENOBUFS, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n))
FAULTY(int, -1, ENOBUFS, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n))
FAULTY(int, -1, EMFILE, eventfd, (unsigned n, int flags), (n, flags))
FAULTY(int, -1, EMFILE, inotify_init1, (int flags), (flags))
FAULTY(int, -1, ENOSPC, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
FAULTY(ssize_t, -1, EAGAIN, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags))
FAULTY(int, -1, EIO, stat, (const char *path, struct stat *st), (path, st))
FAULTY(int, -1, EIO, fstat, (int fd, struct stat *st), (fd, st))
FAULTY(DIR *, NULL, EMFILE, opendir, (const char *path), (path))
FAULTY(struct dirent *, NULL, EIO, readdir, (DIR * d), (d))
FAULTY(int, -1, EIO, rename, (const char *from, const char *to), (from, to))
FAULTY(int, -1, EIO, renameat, (int d, const char *from, int e, const char *to), (d, from, e, to))
FAULTY(int, -1, EIO, remove, (const char *path), (path))
FAULTY(int, -1, EIO, unlinkat, (int d, const char *path, int flags), (d, path, flags))
FAULTY(int, -1, EIO, fsync, (int fd), (fd))
FAULTY(int, -1, EINVAL, getrlimit, (__rlimit_resource_t what, struct rlimit *to), (what, to))
FAULTY(pid_t, -1, EPERM, setsid, (void), ())
FAULTY(int, -1, EPERM, setpgid, (pid_t pid, pid_t group), (pid, group))
FAULTY(int, -1, EBADF, dup2, (int from, int to), (from, to))
FAULTY(char *, NULL, ENOMEM, realpath, (const char *path, char *to), (path, to))
FAULTY(char *, NULL, ENOENT, getcwd, (char *to, size_t n), (to, n))
FAULTY(void *, MAP_FAILED, ENOMEM, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t from),
       (at, n, prot, flags, fd, from))
BY_NUMBER(EAGAIN, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *ud), (t, a, f, ud))
BY_NUMBER(EIO, getpwnam_r, (const char *name, struct passwd *p, char *b, size_t n, struct passwd **r), (name, p, b, n, r))
BY_NUMBER(EIO, getpwuid_r, (uid_t uid, struct passwd *p, char *b, size_t n, struct passwd **r), (uid, p, b, n, r))
BY_NUMBER(EIO, getgrnam_r, (const char *name, struct group *g, char *b, size_t n, struct group **r), (name, g, b, n, r))

/* Files, sockets and pipes that are read have errors; what wakes a loop has none. */
static inline bool may_wait(int fd)
{
	struct stat st;
	return !__real_fstat(fd, &st) && !S_ISREG(st.st_mode); /* no signal comes between a file and its reader */
}

static inline bool may_fail(int fd)
{
	struct stat st;
	return !__real_fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode));
}

static inline bool is_pipe(int fd)
{
	struct stat st;
	return !__real_fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

/* What has ended can be asked for at any time: only interrupted. */
int __real_waitid(idtype_t type, id_t id, siginfo_t *si, int how);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *si, int how);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *si, int how)
{
	return interrupted() ? -1 : __real_waitid(type, id, si, how);
}

/* So is the end of a child that is waited for, and a signal reaches who is there and ours. */
pid_t __real_waitpid(pid_t pid, int *status, int how);
pid_t __wrap_waitpid(pid_t pid, int *status, int how);
pid_t __wrap_waitpid(pid_t pid, int *status, int how)
{
	return interrupted() ? -1 : __real_waitpid(pid, status, how);
}

int __real_kill(pid_t pid, int signo);
int __wrap_kill(pid_t pid, int signo);
int __wrap_kill(pid_t pid, int signo)
{
	return singled_out("kill") ? -1 : __real_kill(pid, signo);
}

static int faulty_groups;       /* so many groups has everybody; 0: as it is */
static bool faulty_groups_told; /* where they find no room: how many they are */

int __real_getgrouplist(const char *user, gid_t gid, gid_t *groups, int *n);
int __wrap_getgrouplist(const char *user, gid_t gid, gid_t *groups, int *n);
int __wrap_getgrouplist(const char *user, gid_t gid, gid_t *groups, int *n)
{
	if (!faulty_groups)
		return __real_getgrouplist(user, gid, groups, n);
	bool room = *n >= faulty_groups;
	for (int i = 0; room && i < faulty_groups; i++)
		groups[i] = gid + (gid_t)i;
	if (room || faulty_groups_told)
		*n = faulty_groups;
	return room ? faulty_groups : -1;
}

/* A file may not have been written; it is closed all the same. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	struct stat st;
	bool file = !__real_fstat(fd, &st) && S_ISREG(st.st_mode);
	int rc = __real_close(fd), error = errno;
	if (file && (singled_out("close") || faulty(EIO)))
		return -1;
	errno = error;
	return rc;
}

char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
	size_t k = strnlen(s, n);
	char *p = __wrap_calloc(1, k + 1);
	return p ? memcpy(p, s, k) : NULL;
}

ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n)
{
	if (singled_out("read") || (may_wait(fd) && interrupted()) || ((may_fail(fd) || is_pipe(fd)) && faulty(EIO)))
		return -1;
	if (faulty_meanwhile)
		faulty_meanwhile();
	return __real_read(fd, to, n);
}

ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n)
{
	if (singled_out("write") || (may_wait(fd) && interrupted()) || (may_fail(fd) && faulty(EIO)))
		return -1;
	return __real_write(fd, from, n);
}

/* With what follows passed on as it is, whatever it is. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	mode_t mode = va_arg(ap, mode_t);
	va_end(ap);
	return singled_out("open") || faulty(EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...)
{
	va_list ap;
	va_start(ap, what);
	long value = va_arg(ap, long);
	va_end(ap);
	bool makes_one = what == F_DUPFD_CLOEXEC || what == F_DUPFD;
	return makes_one && (singled_out("fcntl") || faulty(EMFILE)) ? -1 : __real_fcntl(fd, what, value);
}

int __real_prctl(int what, ...);
int __wrap_prctl(int what, ...);
int __wrap_prctl(int what, ...)
{
	va_list ap;
	va_start(ap, what);
	unsigned long value = va_arg(ap, unsigned long);
	va_end(ap);
	return faulty(EPERM) ? -1 : __real_prctl(what, value, 0, 0, 0);
}

static bool faulty_no_pidfd; /* Linux before 5.3 */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	va_list ap;
	long a[6];
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_pidfd_open && faulty_before)
		faulty_before();
	if (number == SYS_pidfd_open && faulty_no_pidfd) {
		errno = ENOSYS;
		return -1;
	}
	if (singled_out(number == SYS_pidfd_open          ? "pidfd_open"
			: number == SYS_prlimit64 && a[2] ? "set a limit"
							  : "another syscall"))
		return -1;
	return faulty(number == SYS_pidfd_open ? EMFILE : ENOSYS) ? -1
								  : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int __real_clone(int (*f)(void *), void *stack, int flags, void *ud, ...);
int __wrap_clone(int (*f)(void *), void *stack, int flags, void *ud, ...);
int __wrap_clone(int (*f)(void *), void *stack, int flags, void *ud, ...)
{
	return faulty(EAGAIN) ? -1 : __real_clone(f, stack, flags, ud);
}

#endif
