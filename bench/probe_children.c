/* probe_children.c: a supervisor with n children (child.c): start, what it takes itself, signal, end of all. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "marks.h"
#include "probe.h"

static struct bench_marks *make_marks(const char *path, uint32_t n)
{
	size_t size = sizeof(struct bench_marks) + n * sizeof(struct bench_mark);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		probe_fail("%s: %s", path, strerror(errno));
	struct bench_marks *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (m == MAP_FAILED)
		probe_fail("%s: %s", path, strerror(errno));
	m->capacity = n;
	return m;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Median over the children of the time from the signal to the handler, ms. */
static double median_handler(const struct bench_marks *m, uint64_t stop)
{
	double *ms = calloc(m->capacity, sizeof *ms);
	if (!ms)
		probe_fail("out of memory");
	for (uint32_t i = 0; i < m->capacity; i++) {
		if (m->mark[i].term_ns == 0)
			probe_fail("child %d never saw SIGTERM", (int)m->mark[i].pid);
		ms[i] = (double)(m->mark[i].term_ns - stop) / 1e6;
	}
	qsort(ms, m->capacity, sizeof *ms, compare);
	double median = ms[m->capacity / 2];
	free(ms);
	return median;
}

/* How many heard the signal before the one after them had ended. */
static int disorder(const struct bench_marks *m)
{
	int n = 0;
	for (uint32_t i = 0; i + 1 < m->capacity; i++)
		n += m->mark[i + 1].end_ns == 0 || m->mark[i].term_ns < m->mark[i + 1].end_ns;
	return n;
}

int probe_children(const struct probe_options *o)
{
	if (!o->marks || o->n < 1)
		probe_fail("-m and -n are needed");
	uint32_t n = (uint32_t)o->n;
	struct bench_marks *m = make_marks(o->marks, n);
	int32_t *pids = calloc(n, sizeof *pids);
	uint64_t began, ready = 0;
	int status = 0;
	if (!pids || setenv("BENCH_MARKS", o->marks, 1))
		probe_fail("out of memory");
	pid_t pid = probe_spawn(o, &began);
	while (m->ready < n) {
		if (probe_ended(pid, &status))
			probe_fail("%s ended before its children were ready, status 0x%x", o->command[0], (unsigned)status);
		probe_check_deadline(o, "children");
		probe_nap(PROBE_MS / 20);
	}
	for (uint32_t i = 0; i < n; i++) {
		pids[i] = m->mark[i].pid;
		if (m->mark[i].ready_ns > ready)
			ready = m->mark[i].ready_ns;
	}
	probe_nap(o->idle_ns);
	long pss = probe_pss_kb(pids, o->n);
	uint64_t stop = probe_stop(o, pid);
	uint64_t end = o->bound_ns ? probe_wait_bounded(o, pid, stop, &status) : probe_wait_all(o, pid, &status);
	printf("start_ms %.3f\nstop_ms %.3f\nhandler_ms %.4f\npss_kb %ld\ndisorder %d\nleft %d\n",
	       (double)(ready - began) / 1e6, (double)(end ? end - stop : o->bound_ns) / 1e6, median_handler(m, stop), pss,
	       disorder(m), end == 0);
	probe_print_end(status);
	free(pids);
	return 0;
}
