/* The services fs.*: each a job for the pool. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"
#include "host/beneath.h"
#include "host/internal.h"
#include "host/pool.h"

enum { MAX_READ = 64 * 1024 * 1024, PIECE = 256 * 1024 };

struct op {
	struct cfw_job job;                /* first */
	const struct cfw_beneath *beneath; /* the host's; NULL: files may be anywhere */
	char *path, *to, *data;
	size_t n, max;
	mode_t mode;
	bool append, sync;
};

static void op_free(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	free(o->path);
	free(o->to);
	free(o->data);
	free(o);
}

static void give(struct op *o, struct cfw_value *v)
{
	o->job.value = v;
	if (!v)
		cfw_err_set(&o->job.err, CURFEW_ENOMEM, "out of memory");
}

/* What the sandbox refused is said so; true: it was that. */
static bool refused(struct op *o, const char *path, const char *flag)
{
	if (!o->beneath || (errno != EPERM && errno != EXDEV && errno != ELOOP))
		return false;
	cfw_err_set(&o->job.err, CURFEW_EREFUSED, "%s is not beneath a folder that the sandbox allows (%s FOLDER would)", path,
		    flag);
	return true;
}

static int stat_op(const struct op *o, struct stat *st)
{
	if (!o->beneath)
		return stat(o->path, st);
	int fd = cfw_beneath_open(o->beneath, CFW_BENEATH_READ, o->path, O_PATH, 0);
	int rc = fd < 0 ? -1 : fstat(fd, st), saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return rc;
}

static void run_exists(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	struct stat st;
	if (stat_op(o, &st) == 0)
		give(o, cfw_value_bool(true));
	else if (errno == ENOENT || errno == ENOTDIR)
		give(o, cfw_value_bool(false));
	else if (!refused(o, o->path, "--allow-read"))
		cfw_err_sys(&j->err, "%s", o->path);
}

static const char *type_name(mode_t mode)
{
	static const char *const names[(S_IFMT >> 12) + 1] = {
		[S_IFREG >> 12] = "file",    [S_IFDIR >> 12] = "directory", [S_IFIFO >> 12] = "fifo",
		[S_IFSOCK >> 12] = "socket", [S_IFBLK >> 12] = "block",     [S_IFCHR >> 12] = "char",
	};
	const char *name = names[(mode & S_IFMT) >> 12];
	return name ? name : "other";
}

static void run_stat(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	struct stat st;
	if (stat_op(o, &st)) {
		if (!refused(o, o->path, "--allow-read"))
			cfw_err_sys(&j->err, "%s", o->path);
		return;
	}
	struct cfw_value *v = cfw_value_map();
	give(o, v);
	if (!v)
		return;
	double mtime = (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9;
	if (cfw_value_set(v, "type", cfw_value_str(type_name(st.st_mode))) ||
	    cfw_value_set(v, "size", cfw_value_int(st.st_size)) || cfw_value_set(v, "mtime", cfw_value_num(mtime)) ||
	    cfw_value_set(v, "mode", cfw_value_int(st.st_mode & 07777)))
		cfw_err_set(&j->err, CURFEW_ENOMEM, "out of memory");
}

/* FIFOs and terminals are opened without blocking and waited for, so that a thread can always be had back. */
static int open_op(struct op *o, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	int fd = o->beneath
			 ? cfw_beneath_open(o->beneath, writes ? CFW_BENEATH_WRITE : CFW_BENEATH_READ, o->path, flags, o->mode)
			 : open(o->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, o->mode);
	if (fd < 0 && !refused(o, o->path, writes ? "--allow-write" : "--allow-read"))
		cfw_err_sys(&o->job.err, "%s", o->path);
	return fd;
}

static void read_all(struct op *o, int fd, struct cfw_buf *b)
{
	char *space = malloc(PIECE);
	if (!space) {
		cfw_err_set(&o->job.err, CURFEW_ENOMEM, "out of memory");
		return;
	}
	for (;;) {
		ssize_t n = read(fd, space, PIECE);
		if (n < 0 && (errno == EINTR || (errno == EAGAIN && cfw_job_wait(&o->job, fd, POLLIN))))
			continue;
		if (n < 0)
			cfw_err_sys(&o->job.err, "%s", o->path);
		if (n > 0 && b->len + (size_t)n > o->max) {
			cfw_err_set(&o->job.err, CURFEW_ELIMIT, "%s has more than %zu bytes", o->path, o->max);
			o->job.err.sys_errno = EFBIG;
			n = 0;
		}
		if (n <= 0 || atomic_load(&o->job.cancelled))
			break;
		cfw_buf_put(b, space, (size_t)n);
	}
	free(space);
}

static void run_read(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	int fd = open_op(o, O_RDONLY);
	if (fd < 0)
		return;
	struct cfw_buf b;
	cfw_buf_init(&b);
	read_all(o, fd, &b);
	close(fd);
	if (!j->err.code)
		give(o, b.failed ? NULL : cfw_value_strn(b.data ? b.data : "", b.len));
	cfw_buf_clear(&b);
}

static void run_write(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	int fd = open_op(o, O_WRONLY | O_CREAT | (o->append ? O_APPEND : O_TRUNC));
	if (fd < 0)
		return;
	for (size_t at = 0; at < o->n && !j->err.code;) {
		ssize_t n = write(fd, o->data + at, o->n - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR && !(errno == EAGAIN && cfw_job_wait(j, fd, POLLOUT)))
			cfw_err_sys(&j->err, "%s", o->path);
	}
	if (!j->err.code && o->sync && fsync(fd) && errno != EINVAL && errno != EROFS)
		cfw_err_sys(&j->err, "%s", o->path);
	if (close(fd) && !j->err.code && errno != EINTR)
		cfw_err_sys(&j->err, "%s", o->path);
	if (!j->err.code)
		give(o, cfw_value_bool(true));
}

/* *who: the path that is in the way. */
static int rename_op(const struct op *o, const char **who)
{
	*who = o->path;
	const char *from_name, *to_name;
	if (!o->beneath)
		return rename(o->path, o->to);
	int from = cfw_beneath_parent(o->beneath, CFW_BENEATH_WRITE, o->path, &from_name);
	if (from >= 0)
		*who = o->to;
	int to = from < 0 ? -1 : cfw_beneath_parent(o->beneath, CFW_BENEATH_WRITE, o->to, &to_name);
	int rc = to < 0 ? -1 : renameat(from, from_name, to, to_name), saved = errno;
	if (to >= 0)
		close(to);
	if (from >= 0)
		close(from);
	errno = saved;
	return rc;
}

static void run_rename(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	const char *who;
	if (rename_op(o, &who) && !refused(o, who, "--allow-write"))
		cfw_err_sys(&j->err, "%s to %s", o->path, o->to);
	else if (!j->err.code)
		give(o, cfw_value_bool(true));
}

static int remove_op(const struct op *o)
{
	const char *name;
	if (!o->beneath)
		return remove(o->path);
	int folder = cfw_beneath_parent(o->beneath, CFW_BENEATH_WRITE, o->path, &name);
	if (folder < 0)
		return -1;
	int rc = unlinkat(folder, name, 0);
	if (rc && errno == EISDIR)
		rc = unlinkat(folder, name, AT_REMOVEDIR);
	int saved = errno;
	close(folder);
	errno = saved;
	return rc;
}

static void run_remove(struct cfw_job *j)
{
	struct op *o = (struct op *)j;
	if (remove_op(o) && !refused(o, o->path, "--allow-write"))
		cfw_err_sys(&j->err, "%s", o->path);
	else if (!j->err.code)
		give(o, cfw_value_bool(true));
}

/* A path from the arguments into *out: a string without NUL that is not empty. */
static int take_path(const struct cfw_value *args, const char *key, char **out, struct curfew_err *err)
{
	size_t n = 0;
	const char *s = cfw_value_bytes(cfw_value_get(args, key), &n);
	if (!s || !n || strlen(s) != n)
		return cfw_err_set(err, CURFEW_EINVAL, "%s must be a path: a string without NUL", key);
	*out = strdup(s);
	return *out ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
}

static int take_data(struct op *o, const struct cfw_value *args, struct curfew_err *err)
{
	const char *data = cfw_value_bytes(cfw_value_get(args, "data"), &o->n);
	if (!data)
		return cfw_err_set(err, CURFEW_EINVAL, "data must be a string");
	o->data = malloc(o->n + 1);
	if (!o->data)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	memcpy(o->data, data, o->n);
	return 0;
}

static int begin(struct cfw_host *h, uint64_t token, const struct cfw_value *args, void (*run)(struct cfw_job *),
		 struct curfew_err *err)
{
	struct op *o = calloc(1, sizeof *o);
	if (!o)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	o->job.run = run;
	o->job.free = op_free;
	o->job.token = token;
	o->beneath = h->beneath;
	o->mode = (mode_t)cfw_value_get_int(args, "mode", 0666) & 07777;
	o->append = cfw_value_get_bool(args, "append", false);
	o->sync = cfw_value_get_bool(args, "sync", false);
	int64_t max = cfw_value_get_int(args, "max", MAX_READ);
	o->max = max > 0 ? (size_t)max : 0;
	int e = take_path(args, run == run_rename ? "from" : "path", &o->path, err);
	if (!e && run == run_rename)
		e = take_path(args, "to", &o->to, err);
	if (!e && run == run_write)
		e = take_data(o, args, err);
	if (!e)
		e = cfw_pool_submit(h, &o->job, err);
	if (e)
		op_free(&o->job);
	return e;
}

#define OPERATION(name)                                                                                                        \
	int cfw_fs_##name(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args,                   \
			  struct curfew_err *err)                                                                              \
	{                                                                                                                      \
		(void)env;                                                                                                     \
		return begin(ud, token, args, run_##name, err);                                                                \
	}

OPERATION(exists)
OPERATION(stat)
OPERATION(read)
OPERATION(write)
OPERATION(rename)
OPERATION(remove)

void cfw_fs_cancel(void *ud, uint64_t token)
{
	cfw_pool_cancel(ud, token);
}
