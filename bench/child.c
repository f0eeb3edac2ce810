/* child.c: a child process that tells when it was ready and when SIGTERM reached its handler.
 *
 *   child [PLACE]
 *
 * The environment's BENCH_MARKS names the file of struct bench_marks that the probe made; PLACE (from 1) is its mark there, the next
 * free one if not given. With BENCH_LINGER it takes that many milliseconds to end; with BENCH_IGNORE it never ends by itself. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "marks.h"

static struct bench_mark *mine;
static int linger_ms;
static bool ignore;

static void on_term(int signo)
{
	(void)signo;
	mine->term_ns = bench_now();
	if (ignore)
		return;
	if (linger_ms > 0)
		poll(NULL, 0, linger_ms);
	mine->end_ns = bench_now();
	_exit(0);
}

static struct bench_marks *map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return NULL;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

int main(int argc, char **argv)
{
	const char *path = getenv("BENCH_MARKS");
	struct bench_marks *marks = path ? map(path) : NULL;
	if (!marks) {
		perror(path ? path : "child: BENCH_MARKS");
		return 1;
	}
	const char *linger = getenv("BENCH_LINGER");
	linger_ms = linger ? (int)strtol(linger, NULL, 10) : 0;
	ignore = getenv("BENCH_IGNORE") != NULL;
	uint32_t i = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) - 1 : atomic_fetch_add(&marks->claimed, 1);
	if (i >= marks->capacity) {
		fprintf(stderr, "child: there are %u marks only\n", marks->capacity);
		return 1;
	}
	mine = &marks->mark[i];
	mine->pid = getpid();
	struct sigaction sa = {.sa_handler = on_term};
	sigaction(SIGTERM, &sa, NULL);
	mine->ready_ns = bench_now();
	atomic_fetch_add(&marks->ready, 1);
	for (;;)
		pause();
}
