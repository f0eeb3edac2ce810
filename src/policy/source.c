/* source.c: files of Lua that scripts load, as text: kept when they are read, and after a crash read from what was kept. */
#define _GNU_SOURCE
#include "policy/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "policy/state.h"

/* The whole file, malloc; NULL with errno. */
static char *read_all(const struct cfw_policy *p, const char *path, bool module, size_t *n)
{
	enum { PART = 16384 };
	int fd = p->ops->open_source ? p->ops->open_source(p->ud, path, module) : open(path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	char *text = NULL, *more;
	*n = 0;
	if (!f) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	for (size_t got = PART; got == PART; *n += got) {
		more = realloc(text, *n + PART);
		if (!more) {
			errno = ENOMEM;
			break;
		}
		text = more;
		errno = 0;
		got = fread(text + *n, 1, PART, f);
		if (got < PART && ferror(f)) {
			more = NULL;
			break;
		}
	}
	int why = errno;
	fclose(f);
	if (!more) {
		free(text);
		errno = why ? why : EIO;
		return NULL;
	}
	return text;
}

/* As luaL_loadfilex has it: no mark of UTF-8, no first line for the shell; that line's end is kept. */
static const char *skip_head(const char *src, size_t *n)
{
	if (*n >= 3 && memcmp(src, "\xEF\xBB\xBF", 3) == 0) {
		src += 3;
		*n -= 3;
	}
	if (*n && *src == '#') {
		const char *end = memchr(src, '\n', *n);
		end = end ? end : src + *n;
		*n -= (size_t)(end - src);
		src = end;
	}
	return src;
}

int cfw_source_load(lua_State *L, const char *kind, const char *name, const char *path)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	const char *key = lua_pushfstring(L, "%s:%s", kind, name);
	const char *chunk = lua_pushfstring(L, "@%s", path);
	const char *from = path;
	char *own = NULL;
	size_t n = 0;
	const char *src = p->ops->find_source ? p->ops->find_source(p->ud, key, &from, &n) : NULL;
	/* nothing between here and free raises */
	if (!src && p->ops->on_source && access(path, R_OK) == 0)
		p->ops->on_source(p->ud, path);
	if (!src)
		src = own = read_all(p, path, strcmp(kind, "module") == 0, &n);
	if (!src) {
		bool refused = p->config.sandbox && (errno == EPERM || errno == EXDEV || errno == ELOOP);
		lua_pushfstring(L, "cannot open %s: %s", path,
				refused ? "the sandbox does not allow it (--allow-read FOLDER would)" : strerror(errno));
		lua_replace(L, -3);
		lua_pop(L, 1);
		return LUA_ERRFILE;
	}
	if (own && p->ops->keep_source)
		p->ops->keep_source(p->ud, key, path, src, n);
	src = skip_head(src, &n);
	int status = luaL_loadbufferx(L, src, n, chunk, "t");
	free(own);
	lua_replace(L, -3);
	lua_pop(L, 1);
	return status;
}

const char *cfw_source_module(lua_State *L, const char *name)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	const char *key = lua_pushfstring(L, "module:%s", name), *path = NULL;
	size_t n;
	if (p->ops->find_source && !p->ops->find_source(p->ud, key, &path, &n))
		path = NULL;
	lua_pop(L, 1);
	return path;
}
