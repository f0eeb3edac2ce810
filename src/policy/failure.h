/* failure.h: errors of scripts as text, and failed operations as Lua has them: nil, message, name. */
#ifndef CFW_POLICY_FAILURE_H
#define CFW_POLICY_FAILURE_H

#include <lua.h>

struct curfew_err;
struct cfw_policy;

/* Text and traceback of the error object on the top of co, whose stack is as the error left it. S2.14: any object will do.
 * *text and *trace are freed and set (malloc; NULL when out of memory). L: where a __tostring may run. */
void cfw_failure_take(struct cfw_policy *p, lua_State *L, lua_State *co, char **text, char **trace);
/* Misuse: raise fmt (as lua_pushfstring) with the script's file and line in front. Never returns. */
int cfw_raise(lua_State *L, const char *fmt, ...) __attribute__((noreturn));
/* nil, message, name; returns 3. */
int cfw_fail(lua_State *L, const struct curfew_err *err);
int cfw_fail_with(lua_State *L, const char *msg, const char *name);

#endif
