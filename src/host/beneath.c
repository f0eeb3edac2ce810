#define _GNU_SOURCE
#include "host/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/value.h"

struct folder {
	enum cfw_beneath_use use;
	char *path; /* absolute, without a slash at its end; "" is the root */
	int fd;
};

struct cfw_beneath {
	struct folder *folders;
	size_t n;
};

/* path from the root, without "." and doubled slashes. ".." stays: what it means is for the kernel to say. False: too long. */
static bool make_absolute(const char *path, char out[PATH_MAX])
{
	char whole[PATH_MAX * 2];
	char cwd[PATH_MAX] = "";
	size_t n = 0;
	if (*path != '/' && !getcwd(cwd, sizeof cwd))
		return false;
	if (snprintf(whole, sizeof whole, "%s/%s", cwd, path) >= PATH_MAX)
		return false;
	for (char *rest = whole, *part; (part = strsep(&rest, "/"));) {
		size_t len = strlen(part);
		if (!len || strcmp(part, ".") == 0)
			continue;
		out[n++] = '/';
		memcpy(out + n, part, len);
		n += len;
	}
	out[n] = '\0';
	return true;
}

static int add_folder(struct cfw_beneath *b, enum cfw_beneath_use use, const char *path, struct curfew_err *err)
{
	char absolute[PATH_MAX];
	if (!make_absolute(path, absolute))
		return cfw_err_set(err, CURFEW_EINVAL, "the folder %.200s: its path is too long", path);
	struct folder *f = &b->folders[b->n];
	f->use = use;
	f->path = strdup(absolute);
	f->fd = open(*path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	b->n++;
	if (!f->path)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return f->fd < 0 ? cfw_err_sys(err, "the folder %s, which the sandbox allows", path) : 0;
}

struct cfw_beneath *cfw_beneath_new(const struct cfw_value *const lists[CFW_BENEATH_USES], struct curfew_err *err)
{
	struct cfw_beneath *b = calloc(1, sizeof *b);
	size_t total = 1;
	for (int use = 0; use < CFW_BENEATH_USES; use++)
		total += cfw_value_len(lists[use]);
	if (b)
		b->folders = calloc(total, sizeof *b->folders);
	if (!b || !b->folders) {
		free(b);
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	int rc = 0;
	for (int use = 0; use < CFW_BENEATH_USES; use++)
		for (size_t i = 0; !rc && i < cfw_value_len(lists[use]); i++)
			rc = add_folder(b, (enum cfw_beneath_use)use, cfw_value_to_str(cfw_value_at(lists[use], i), ""), err);
	if (rc == 0)
		return b;
	cfw_beneath_free(b);
	return NULL;
}

void cfw_beneath_free(struct cfw_beneath *b)
{
	for (size_t i = 0; b && i < b->n; i++) {
		free(b->folders[i].path);
		if (b->folders[i].fd >= 0)
			close(b->folders[i].fd);
	}
	if (b)
		free(b->folders);
	free(b);
}

/* The folder of that use that absolute begins with, the longest of them; *rest is what follows it. */
static const struct folder *find(const struct cfw_beneath *b, enum cfw_beneath_use use, const char *absolute, const char **rest)
{
	const struct folder *best = NULL;
	size_t most = 0;
	for (size_t i = 0; i < b->n; i++) {
		const struct folder *f = &b->folders[i];
		size_t n = strlen(f->path);
		if (f->use != use || strncmp(absolute, f->path, n) != 0 || (absolute[n] && absolute[n] != '/') ||
		    (best && n < most))
			continue;
		best = f;
		most = n;
		*rest = absolute[n] ? absolute + n + 1 : ".";
	}
	return best;
}

static int open_in(int folder, const char *path, int flags, mode_t mode)
{
	unsigned all = (unsigned)flags | O_CLOEXEC | (flags & O_PATH ? 0u : (unsigned)(O_NONBLOCK | O_NOCTTY));
	struct open_how how = {.flags = all, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	if (flags & O_CREAT)
		how.mode = mode & 0777;
	return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

int cfw_beneath_open(const struct cfw_beneath *b, enum cfw_beneath_use use, const char *path, int flags, mode_t mode)
{
	char absolute[PATH_MAX];
	const char *rest;
	const struct folder *f = make_absolute(path, absolute) ? find(b, use, absolute, &rest) : NULL;
	if (!f) {
		errno = EPERM;
		return -1;
	}
	return open_in(f->fd, rest, flags, mode);
}

int cfw_beneath_parent(const struct cfw_beneath *b, enum cfw_beneath_use use, const char *path, const char **name)
{
	char absolute[PATH_MAX], *slash;
	const char *rest;
	const struct folder *f = make_absolute(path, absolute) ? find(b, use, absolute, &rest) : NULL;
	const char *last = strrchr(path, '/');
	*name = last ? last + 1 : path;
	if (!f || strcmp(rest, ".") == 0 || !**name || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) {
		errno = EPERM;
		return -1;
	}
	slash = strrchr(absolute + strlen(f->path), '/');
	*slash = '\0';
	return open_in(f->fd, slash > absolute + strlen(f->path) ? rest : ".", O_PATH | O_DIRECTORY, 0);
}
