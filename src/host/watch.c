#define _GNU_SOURCE
#include "host/watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/alloc.h"
#include "base/time.h"

/* Files have to stand still for so long: a burst of writes is one change. */
#define STILLNESS (100 * CFW_MS)

enum { MOST = 4096 };

/* What a name leads to; all zero where that is nothing. */
struct look {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec written, changed;
};

struct file {
	char *path;
	struct look read, last; /* when it was read; at the last look */
};

struct cfw_watch {
	struct curfew_loop loop;
	void (*changed)(void *ud, const char *name);
	void *ud;
	struct file *files;
	size_t n, cap;
	int fd;       /* -1: not watching */
	bool looking; /* the timer runs */
	struct curfew_watch *readable;
};

static struct look look_at(const char *path)
{
	struct stat st;
	struct look l;
	memset(&l, 0, sizeof l); /* compared as bytes */
	if (stat(path, &st))
		return l;
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	l.size = st.st_size;
	l.written = st.st_mtim;
	l.changed = st.st_ctim;
	return l;
}

static bool same(const struct look *a, const struct look *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static void watch_directory_of(const struct cfw_watch *w, const char *path)
{
	enum { WHAT = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_ONLYDIR };
	char *copy = strdup(path);
	if (copy)
		(void)inotify_add_watch(w->fd, dirname(copy), WHAT); /* where it fails the other files are seen still */
	free(copy);
}

/* Where the name stands, and where what it leads to does. */
static void add(const struct cfw_watch *w, const struct file *f)
{
	char real[PATH_MAX];
	if (w->fd < 0)
		return;
	watch_directory_of(w, f->path);
	if (realpath(f->path, real))
		watch_directory_of(w, real);
}

static void on_timer(void *ud);

static void look_soon(struct cfw_watch *w)
{
	w->looking = !w->loop.ops->timer(w->loop.loop, w->loop.ops->now_ns(w->loop.loop) + STILLNESS, on_timer, w);
}

void cfw_watch_look(struct cfw_watch *w)
{
	if (w->fd >= 0 && !w->looking)
		look_soon(w);
}

/* Something happened a moment ago: has a file changed, and stands still since the last look? */
static void on_timer(void *ud)
{
	struct cfw_watch *w = ud;
	const char *name = NULL;
	bool moves = false;
	w->looking = false;
	for (size_t i = 0; i < w->n; i++) {
		struct file *f = &w->files[i];
		struct look now = look_at(f->path);
		moves |= !same(&now, &f->last);
		if (!same(&now, &f->read))
			name = f->path;
		f->last = now;
	}
	if (!name)
		return;
	if (moves) {
		look_soon(w);
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		w->files[i].read = w->files[i].last; /* told once */
		add(w, &w->files[i]);                /* a name may lead elsewhere by now */
	}
	w->changed(w->ud, name);
}

static void on_event(void *ud, int fd, unsigned what)
{
	char room[4096];
	(void)what;
	while (read(fd, room, sizeof room) > 0)
		;
	cfw_watch_look(ud);
}

struct cfw_watch *cfw_watch_new(const struct curfew_loop *loop, void (*changed)(void *ud, const char *name), void *ud)
{
	struct cfw_watch *w = calloc(1, sizeof *w);
	if (w)
		*w = (struct cfw_watch){.loop = *loop, .changed = changed, .ud = ud, .fd = -1};
	return w;
}

static void end(struct cfw_watch *w)
{
	w->loop.ops->timer(w->loop.loop, CFW_NEVER, on_timer, w);
	w->loop.ops->watch(w->loop.loop, &w->readable, -1, 0, NULL, NULL);
	w->looking = false;
	close(w->fd);
	w->fd = -1;
}

void cfw_watch_free(struct cfw_watch *w)
{
	if (!w)
		return;
	cfw_watch_enable(w, false);
	for (size_t i = 0; i < w->n; i++)
		free(w->files[i].path);
	cfw_free(&cfw_alloc_std, w->files, w->cap * sizeof *w->files);
	free(w);
}

void cfw_watch_file(struct cfw_watch *w, const char *path)
{
	size_t i = 0;
	while (i < w->n && strcmp(w->files[i].path, path) != 0)
		i++;
	if (i == w->n) {
		if (w->n == MOST)
			return; /* a script that asks for modules without end */
		char *copy = strdup(path);
		if (!copy || cfw_grow(&cfw_alloc_std, &w->files, &w->cap, w->n + 1, sizeof *w->files)) {
			free(copy);
			return; /* one that nobody watches */
		}
		w->files[w->n++].path = copy;
		add(w, &w->files[i]);
	}
	w->files[i].read = w->files[i].last = look_at(path);
}

int cfw_watch_enable(struct cfw_watch *w, bool on)
{
	if (on == (w->fd >= 0))
		return 0;
	if (!on) {
		end(w);
		return 0;
	}
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return CURFEW_ESYS;
	int rc = w->loop.ops->watch(w->loop.loop, &w->readable, w->fd, CURFEW_READ, on_event, w);
	if (rc) {
		end(w);
		return rc;
	}
	for (size_t i = 0; i < w->n; i++)
		add(w, &w->files[i]);
	cfw_watch_look(w); /* what changed before */
	return 0;
}
