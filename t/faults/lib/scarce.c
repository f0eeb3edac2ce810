/* scarce.so, to be preloaded: makes one allocation of one process fail.
 *
 * SCARCE_AT=N         the N-th since the program was started, or since it was forked
 * SCARCE_WHO=0|1      the process itself, or its forks
 * SCARCE_COUNT=FILE   at each process's end: "WHO N", how many there were
 * SCARCE_HIT=FILE     is made when it fails, and has to be there not: so only one does */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The C library's own, under the names by which it has them beside the public ones. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t size);
PUBLIC void *calloc(size_t n, size_t size);
PUBLIC void *realloc(void *p, size_t size);
PUBLIC int posix_memalign(void **out, size_t alignment, size_t size);
PUBLIC void *aligned_alloc(size_t alignment, size_t size);

static atomic_ulong count;
static unsigned long at;
static int who, wanted_who = -1;
static const char *count_file, *hit_file = "";
static bool ready;

static void note(const char *path, unsigned long n)
{
	char line[48];
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	int len = snprintf(line, sizeof line, "%d %lu\n", who, n);
	if (write(fd, line, (size_t)len) != len)
		abort();
	close(fd);
}

static bool fails(void)
{
	if (!ready)
		return false;
	unsigned long n = atomic_fetch_add(&count, 1) + 1;
	if (n != at || who != wanted_who)
		return false;
	int saved = errno, fd = open(hit_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* once for all of them */
	if (fd >= 0)
		close(fd);
	errno = fd >= 0 ? ENOMEM : saved;
	return fd >= 0;
}

/* Of the guardian or of what it has forked: a fork counts anew. */
static void forked(void)
{
	who++;
	atomic_store(&count, 0);
}

static __attribute__((constructor)) void begin(void)
{
	const char *n = getenv("SCARCE_AT"), *w = getenv("SCARCE_WHO");
	at = n ? strtoul(n, NULL, 10) : 0;
	wanted_who = w ? atoi(w) : 0;
	count_file = getenv("SCARCE_COUNT");
	hit_file = getenv("SCARCE_HIT") ? getenv("SCARCE_HIT") : "";
	pthread_atfork(NULL, NULL, forked);
	unsetenv("LD_PRELOAD"); /* what it runs is not meant */
	ready = true;
}

static __attribute__((destructor)) void end(void)
{
	note(count_file, atomic_load(&count));
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);
	if (p)
		*out = p;
	return p ? 0 : ENOMEM;
}
