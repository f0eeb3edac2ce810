/* source.h: files of Lua that scripts load (source.c). */
#ifndef CFW_POLICY_SOURCE_H
#define CFW_POLICY_SOURCE_H

#include <lua.h>

/* As luaL_loadfilex with mode "t": pushes the chunk, or a message, and returns Lua's status. kind and name say what it was loaded as:
 * "module" and a module's name, "file" and its path. */
int cfw_source_load(lua_State *L, const char *kind, const char *name, const char *path);
/* Where a module was read from before the crash; NULL when it was not, or none happened. */
const char *cfw_source_module(lua_State *L, const char *name);

#endif
