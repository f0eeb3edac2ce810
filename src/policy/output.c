/* output.c: print and io.write, which never block for long: what a pipe that nobody reads does not take is dropped, and said so. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/time.h"
#include "policy/state.h"

/* What may be waited in all; it comes back at a tenth of the time that passes. */
#define WAIT_NS    (100 * CFW_MS)
#define COMES_BACK 10

static const char *const names[] = {"stdout", "stderr"};

static void refill(struct cfw_out *o, uint64_t now)
{
	o->waited_ns = cfw_time_left((now - o->checked_ns) / COMES_BACK, o->waited_ns);
	o->checked_ns = now;
}

/* True when fd takes something now, or within what may still be waited. */
static bool takes(struct cfw_out *o, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t began = cfw_time_now();
	refill(o, began);
	int ms = o->stuck ? 0 : (int)(cfw_time_left(o->waited_ns, WAIT_NS) / CFW_MS);
	int n;
	while ((n = poll(&p, 1, ms)) < 0 && errno == EINTR)
		ms = 0;
	o->checked_ns = cfw_time_now();
	o->waited_ns += o->checked_ns - began;
	return n > 0 && p.revents & POLLOUT;
}

/* As much as is taken at once: a pipe that poll(2) calls writable has room for PIPE_BUF; a terminal for some. */
static size_t piece_of(int fd)
{
	enum { TTY_PIECE = 256, FILE_PIECE = 1 << 20 };
	struct stat st;
	if (fstat(fd, &st) || S_ISREG(st.st_mode))
		return FILE_PIECE;
	return S_ISCHR(st.st_mode) ? TTY_PIECE : PIPE_BUF;
}

/* n is not 0. */
static size_t count_lines(const char *s, size_t n)
{
	size_t lines = s[n - 1] != '\n';
	for (const char *at = s; (at = memchr(at, '\n', n - (size_t)(at - s))); at++)
		lines++;
	return lines;
}

static void told(struct cfw_policy *p, struct cfw_out *o)
{
	if (o->dropped)
		cfw_log_at(cfw_policy_log(p), CFW_WARN, "%s takes no more: %zu line%s dropped", names[o - p->out], o->dropped,
			   o->dropped == 1 ? "" : "s");
	o->dropped = 0;
}

static void drop(struct cfw_policy *p, struct cfw_out *o, const char *s, size_t n)
{
	o->stuck = true;
	o->dropped += count_lines(s, n);
	if (!o->told)
		cfw_log_at(cfw_policy_log(p), CFW_WARN, "%s takes no more: what scripts print is dropped until it does",
			   names[o - p->out]);
	o->told = true;
}

static void put(struct cfw_policy *p, int fd, const char *s, size_t n)
{
	struct cfw_out *o = &p->out[fd - 1];
	size_t piece = piece_of(fd), at = 0;
	int vain = 0;
	while (at < n) {
		bool newline = o->torn && s[at] != '\n'; /* what follows a line cut short is a line of its own */
		if (!takes(o, fd)) {
			o->torn = o->torn || (at && s[at - 1] != '\n');
			drop(p, o, s + at, n - at);
			return;
		}
		o->stuck = false;
		size_t most = n - at < piece ? n - at : piece;
		ssize_t got = newline ? write(fd, "\n", 1) : write(fd, s + at, most);
		if (got < 0 && (errno == EINTR || errno == EAGAIN) && ++vain < 4)
			continue;
		if (got < 0) {
			drop(p, o, s + at, n - at);
			return;
		}
		o->torn = false;
		if (!newline)
			at += (size_t)got;
	}
}

static int l_print(lua_State *L)
{
	int n = lua_gettop(L);
	luaL_Buffer b;
	luaL_checkstack(L, n + LUA_MINSTACK, "too many arguments");
	for (int i = 1; i <= n; i++)
		luaL_tolstring(L, i, NULL);
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		size_t len;
		const char *s = lua_tolstring(L, n + i, &len);
		luaL_addlstring(&b, s, len);
	}
	luaL_addchar(&b, '\n');
	luaL_pushresult(&b);
	size_t len;
	const char *line = lua_tolstring(L, -1, &len);
	fflush(stdout); /* empty unless a library of the script's writes to it: order is kept */
	put(cfw_policy_of(L), STDOUT_FILENO, line, len);
	return 0;
}

/* 1 or 2 when the value at idx is Lua's file for it, open; 0 for any other. */
static int standard(lua_State *L, int idx)
{
	const luaL_Stream *s = luaL_testudata(L, idx, LUA_FILEHANDLE);
	if (!s || !s->closef)
		return 0;
	return s->f == stdout ? STDOUT_FILENO : s->f == stderr ? STDERR_FILENO : 0;
}

static void write_standard(lua_State *L, int fd, int from, int to)
{
	fflush(fd == STDOUT_FILENO ? stdout : stderr);
	for (int i = from; i <= to; i++) {
		size_t len;
		const char *s = luaL_checklstring(L, i, &len);
		put(cfw_policy_of(L), fd, s, len);
	}
}

/* file:write, with Lua's own as its upvalue. */
static int l_file_write(lua_State *L)
{
	int fd = standard(L, 1);
	if (fd) {
		write_standard(L, fd, 2, lua_gettop(L));
		lua_settop(L, 1);
		return 1;
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* io.write; upvalues: Lua's own, io.output. */
static int l_io_write(lua_State *L)
{
	int n = lua_gettop(L);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_call(L, 0, 1);
	int fd = standard(L, -1);
	if (fd) {
		write_standard(L, fd, 1, n);
		return 1;
	}
	lua_pop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

void cfw_output_end(struct cfw_policy *p)
{
	for (size_t i = 0; i < sizeof p->out / sizeof *p->out; i++)
		told(p, &p->out[i]);
}

void cfw_open_output(lua_State *L)
{
	lua_pushcfunction(L, l_print);
	lua_setglobal(L, "print");
	lua_getglobal(L, "io");
	lua_getfield(L, -1, "write");
	lua_getfield(L, -2, "output");
	lua_pushcclosure(L, l_io_write, 2);
	lua_setfield(L, -2, "write");
	lua_pop(L, 1);
	luaL_getmetatable(L, LUA_FILEHANDLE);
	lua_getfield(L, -1, "__index");
	lua_getfield(L, -1, "write");
	lua_pushcclosure(L, l_file_write, 1);
	lua_setfield(L, -2, "write");
	lua_pop(L, 2);
}
