/* lib.h: libcurfew as the module has it: opened at run time, in a name space of its own. Linked in the usual way, its Lua 5.4 and
 * the LuaJIT of lua-nginx-module would share their names, lua_pcall and all, and whichever came first would serve both. */
#ifndef NGX_CURFEW_LIB_H
#define NGX_CURFEW_LIB_H

#include "curfew.h"

#include <ngx_config.h>
#include <ngx_core.h>

#define NGX_CURFEW_FUNCTIONS(X)                                                                                                \
	X(version)                                                                                                             \
	X(new)                                                                                                                 \
	X(free)                                                                                                                \
	X(load)                                                                                                                \
	X(load_file)                                                                                                           \
	X(start)                                                                                                               \
	X(try)                                                                                                                 \
	X(server_new)                                                                                                          \
	X(server_failed)                                                                                                       \
	X(server_started)                                                                                                      \
	X(server_stopped)                                                                                                      \
	X(signal)                                                                                                              \
	X(on)                                                                                                                  \
	X(step)                                                                                                                \
	X(fd)                                                                                                                  \
	X(wake)                                                                                                                \
	X(state)                                                                                                               \
	X(status)

struct ngx_curfew_lib {
#define NGX_CURFEW_FIELD(name) __typeof__(curfew_##name) *name; /* NOLINT(bugprone-macro-parentheses): a declaration */
	NGX_CURFEW_FUNCTIONS(NGX_CURFEW_FIELD)
#undef NGX_CURFEW_FIELD
};

/* All of it is there once ngx_curfew_lib_open has returned NULL. */
extern struct ngx_curfew_lib ngx_curfew_lib;

/* Open the library: a path, or a soname that the linker finds. NULL, or why not. Once open it stays, whatever path comes later: a
 * process that forks workers does not change its library. */
const char *ngx_curfew_lib_open(const char *path);
const char *ngx_curfew_lib_path(void); /* of the one that is open; NULL */

#endif
