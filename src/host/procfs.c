#define _GNU_SOURCE
#include "host/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "host/child.h"

enum { FILE_MAX_SIZE = 8 * 1024 * 1024 };

static void push(struct cfw_pids *p, pid_t pid)
{
	if (cfw_grow(&cfw_alloc_std, &p->v, &p->cap, p->n + 1, sizeof *p->v))
		p->partial = true;
	else
		p->v[p->n++] = pid;
}

/* Is errno a want of ours, and no answer? */
static bool in_want(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;
}

static void begin(struct cfw_pids *p)
{
	p->n = 0;
	p->partial = false;
}

void cfw_pids_clear(struct cfw_pids *p)
{
	free(p->v);
	memset(p, 0, sizeof *p);
}

/* The whole file; false when it cannot be read. */
static bool slurp(const char *path, struct cfw_buf *b)
{
	cfw_buf_reset(b);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	char space[32768]; /* an environment in one piece: the process may become another program between two reads */
	ssize_t n;
	while (((n = read(fd, space, sizeof space)) > 0 && b->len < FILE_MAX_SIZE) || (n < 0 && errno == EINTR))
		cfw_buf_put(b, space, n > 0 ? (size_t)n : 0);
	close(fd);
	if (b->failed)
		errno = ENOMEM;
	return n >= 0 && !b->failed;
}

/* Children of one thread. */
static bool read_children(pid_t pid, pid_t tid, struct cfw_buf *b, struct cfw_pids *out)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)tid);
	if (!slurp(path, b))
		return false;
	char *end;
	long n;
	for (const char *s = b->data; s && (n = strtol(s, &end, 10)) > 0; s = end)
		push(out, (pid_t)n);
	return true;
}

/* The numbers that name entries of a folder. */
static void read_numbers(const char *path, struct cfw_pids *out)
{
	DIR *d = opendir(path);
	if (!d) {
		out->partial |= in_want();
		return;
	}
	for (const struct dirent *e; errno = 0, (e = readdir(d));) {
		char *end;
		long n = strtol(e->d_name, &end, 10);
		if (n > 0 && !*end)
			push(out, (pid_t)n);
	}
	out->partial |= in_want();
	closedir(d);
}

static void read_all_threads(pid_t pid, struct cfw_buf *b, struct cfw_pids *out)
{
	char path[64];
	struct cfw_pids tids = {0};
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	read_numbers(path, &tids);
	for (size_t i = 0; i < tids.n; i++)
		read_children(pid, tids.v[i], b, out);
	cfw_pids_clear(&tids);
}

/* Where the kernel has no list of children: everybody whose parent is pid. */
static void search_children(pid_t pid, struct cfw_pids *out)
{
	struct cfw_pids all = {0};
	struct cfw_proc p;
	cfw_proc_all(&all);
	for (size_t i = 0; i < all.n; i++)
		if (cfw_proc_read(all.v[i], &p) && p.parent == pid)
			push(out, all.v[i]);
	out->partial |= all.partial;
	cfw_pids_clear(&all);
}

bool cfw_proc_ours(struct cfw_pids *out)
{
	pid_t pid = getpid(), tid = gettid();
	struct cfw_buf b;
	cfw_buf_init(&b);
	begin(out);
	/* Orphans are given to the first thread; ours were made by this one. */
	bool told = read_children(pid, pid, &b, out);
	if (told && tid != pid)
		read_children(pid, tid, &b, out);
	cfw_buf_clear(&b);
	if (!told)
		search_children(pid, out);
	return told || out->n;
}

void cfw_proc_below(pid_t pid, struct cfw_pids *out, size_t max)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	begin(out);
	read_all_threads(pid, &b, out);
	for (size_t i = 0; i < out->n && out->n < max; i++)
		read_all_threads(out->v[i], &b, out);
	cfw_buf_clear(&b);
}

void cfw_proc_all(struct cfw_pids *out)
{
	begin(out);
	read_numbers("/proc", out);
}

bool cfw_proc_read(pid_t pid, struct cfw_proc *out)
{
	char path[32], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *p = strrchr(text, ')'); /* the name before it may hold anything */
	int parent, group, session;
	if (!p || sscanf(p + 1, " %c %d %d %d", &out->state, &parent, &group, &session) != 4)
		return false;
	out->parent = parent;
	out->group = group;
	out->session = session;
	int field = 2;
	for (p++; *p && field < 21; p++) /* started is field 22; what follows the blank before it */
		field += *p == ' ';
	for (; *p && *p != ' '; p++)
		;
	out->started = strtoull(p, NULL, 10);
	return true;
}

enum cfw_mark cfw_proc_mark(pid_t pid, uint64_t instance, uint64_t *serial)
{
	char path[32], mark[64];
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	int len = snprintf(mark, sizeof mark, CFW_CHILD_MARK "=%016" PRIx64 ".", instance);
	struct cfw_buf b;
	cfw_buf_init(&b);
	enum cfw_mark found = CFW_MARK_NONE;
	if (!slurp(path, &b))
		found = errno == ESRCH || errno == ENOENT ? CFW_MARK_GONE : in_want() ? CFW_MARK_BLANK : CFW_MARK_NONE;
	else if (!b.len)
		found = CFW_MARK_BLANK;
	for (size_t at = 0; at < b.len && found == CFW_MARK_NONE; at += strlen(b.data + at) + 1)
		if (!strncmp(b.data + at, mark, (size_t)len)) {
			*serial = strtoull(b.data + at + len, NULL, 10);
			found = CFW_MARK_OURS;
		}
	cfw_buf_clear(&b);
	return found;
}
