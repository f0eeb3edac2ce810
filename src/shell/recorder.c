#define _GNU_SOURCE
#include "shell/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "view/black_box.h"

struct cfw_recorder {
	struct cfw_black_box box;
	void *at;
	int fd; /* its lock */
	bool lost;
};

static uint64_t wall_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * CFW_SEC + (uint64_t)t.tv_nsec;
}

/* made: it was not there. */
static int open_file(const char *path, struct stat *st, bool *made, struct curfew_err *err)
{
	enum { HOW = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK };
	int fd = open(path, HOW | O_CREAT | O_EXCL, 0600);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, HOW);
	if (fd < 0 || fstat(fd, st)) {
		cfw_err_sys(err, "black box %s", path);
	} else if (!S_ISREG(st->st_mode)) {
		cfw_err_set(err, CURFEW_EINVAL, "black box %s: it is no file", path);
	} else if (flock(fd, LOCK_EX | LOCK_NB)) {
		cfw_err_set(err, CURFEW_EINVAL, "black box %s: another process writes it", path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_black_box(int fd)
{
	char head[256] = "";
	return pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && cfw_black_box_is(head, sizeof head);
}

/* Nobody else's file is to be lost. */
static bool may_be_replaced(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	bool may = fd < 0 ? errno == ENOENT : is_black_box(fd);
	if (fd >= 0)
		close(fd);
	return may;
}

/* What is there is kept beside, and a new file made in its place. */
static int rotate(const char *path, int fd, struct stat *st, bool *made, struct curfew_err *err)
{
	char *old = NULL;
	if (!is_black_box(fd)) {
		close(fd);
		cfw_err_set(err, CURFEW_EINVAL, "black box %s: there is a file that is none: it is not overwritten", path);
		return -1;
	}
	int rc = asprintf(&old, "%s.old", path) < 0 ? -1 : 0;
	if (!rc && !may_be_replaced(old)) {
		cfw_err_set(err, CURFEW_EINVAL, "black box %s: the old one would be kept as %s, where there is something else",
			    path, old);
		free(old);
		close(fd);
		return -1;
	}
	rc = rc ? rc : rename(path, old);
	if (rc)
		cfw_err_sys(err, "black box %s: cannot keep the old one as %s", path, old ? old : "?");
	free(old);
	close(fd);
	return rc ? -1 : open_file(path, st, made, err);
}

/* One that was there may have had another mode (S10.3). */
static bool make_private(int fd, const char *path, struct curfew_err *err)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && ((st.st_mode & 07777) == 0600 || fchmod(fd, 0600) == 0))
		return true;
	cfw_err_sys(err, "black box %s: its mode cannot be made 0600", path);
	return false;
}

static bool map_it(struct cfw_recorder *r, const char *path, struct curfew_err *err)
{
	int rc = posix_fallocate(r->fd, 0, CFW_BLACK_BOX_SIZE);
	if (rc) {
		errno = rc;
		cfw_err_sys(err, "black box %s: no room for its %d KB", path, CFW_BLACK_BOX_SIZE >> 10);
		return false;
	}
	r->at = mmap(NULL, CFW_BLACK_BOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->at == MAP_FAILED)
		cfw_err_sys(err, "black box %s", path);
	return r->at != MAP_FAILED;
}

struct cfw_recorder *cfw_recorder_open(const char *path, bool crash, struct curfew_err *err)
{
	struct stat st;
	struct cfw_recorder *r = calloc(1, sizeof *r);
	if (!r) {
		cfw_err_set(err, CURFEW_ENOMEM, "black box: out of memory");
		return NULL;
	}
	r->at = MAP_FAILED;
	bool made;
	r->fd = open_file(path, &st, &made, err);
	bool goes_on = crash && r->fd >= 0 && st.st_size == CFW_BLACK_BOX_SIZE && is_black_box(r->fd);
	if (r->fd >= 0 && st.st_size && !goes_on)
		r->fd = rotate(path, r->fd, &st, &made, err);
	bool ok = r->fd >= 0 && make_private(r->fd, path, err) && map_it(r, path, err);
	if (ok && goes_on)
		ok = cfw_black_box_resume(&r->box, r->at, CFW_BLACK_BOX_SIZE, err) == 0;
	else if (ok)
		cfw_black_box_format(&r->box, r->at, CFW_BLACK_BOX_SIZE, getpid(), cfw_time_now(), wall_ns());
	if (ok)
		return r;
	if (made)
		unlink(path); /* nothing is left that would be in the way next time */
	cfw_recorder_close(r);
	return NULL;
}

/* Whoever cuts it off takes the pages from under us: to touch them would be the end of this process. */
static bool is_whole(struct cfw_recorder *r, const struct cfw_log *log)
{
	struct stat st;
	if (!r->lost && (fstat(r->fd, &st) || st.st_size < CFW_BLACK_BOX_SIZE)) {
		r->lost = true;
		cfw_log_at(log, CFW_WARN, "black box: it was cut off by another: nothing more is written to it");
	}
	return !r->lost;
}

void cfw_recorder_put(struct cfw_recorder *r, const struct cfw_core *core, const struct cfw_journal_entry *e,
		      const struct cfw_log *log)
{
	if (!r || !is_whole(r, log))
		return;
	cfw_black_box_put(&r->box, core, e);
	/* The kernel has it, whatever becomes of this process. The disk is to have it soon, too: it is told to begin, and not waited for. */
	if (e->what == CFW_J_STOP || e->what == CFW_J_EXIT)
		sync_file_range(r->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

void cfw_recorder_close(struct cfw_recorder *r)
{
	if (!r)
		return;
	if (r->at != MAP_FAILED)
		munmap(r->at, CFW_BLACK_BOX_SIZE);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

/* All of it, or as much as there is; the writer may be at work. */
static size_t read_all(int fd, char *to, size_t n)
{
	size_t done = 0;
	for (ssize_t got; done < n && (got = read(fd, to + done, n - done)) != 0; done += (size_t)got)
		if (got < 0) {
			if (errno != EINTR)
				return 0;
			got = 0;
		}
	return done;
}

void *cfw_recorder_read(const char *path, size_t *size, struct curfew_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *data = NULL;
	*size = 0;
	if (fd < 0 || fstat(fd, &st))
		cfw_err_sys(err, "%s", path);
	else if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > CFW_BLACK_BOX_SIZE)
		cfw_err_set(err, CURFEW_EINVAL, "%s: it is no black box of curfew", path);
	else if (!(data = malloc((size_t)st.st_size)))
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	else if (!(*size = read_all(fd, data, (size_t)st.st_size)))
		cfw_err_sys(err, "%s", path);
	if (fd >= 0)
		close(fd);
	if (*size)
		return data;
	free(data);
	return NULL;
}
