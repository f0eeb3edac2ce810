/* convert.h: struct cfw_value from Lua values and back. */
#ifndef CFW_POLICY_CONVERT_H
#define CFW_POLICY_CONVERT_H

#include <lua.h>

struct cfw_policy;
struct cfw_value;

/* Push a userdata that owns the value made of index idx, so that an error raised later leaks nothing; cfw_convert_value reads
 * it. what: for messages ("server definition"). Functions become references where refs says so. Raises on cycles, depth,
 * values that have no plain form. A table with no items is an empty map. */
void cfw_convert_take(lua_State *L, int idx, const char *what, int refs);
const struct cfw_value *cfw_convert_value(lua_State *L, int idx);
/* The value at idx has served: it is freed, its userdata is for the next one. Never raises; nobody may use it after that. */
void cfw_convert_give_back(lua_State *L, int idx);
/* The value is copied somewhere for good: its references stay when the userdata is collected. */
void cfw_convert_keep_refs(lua_State *L, int idx);

/* The other way round: push an empty one, then put in a value to be owned. */
void cfw_convert_hold(lua_State *L);
void cfw_convert_put(lua_State *L, int idx, struct cfw_value *v);

/* Push v (NULL: nil). May raise out of memory. */
void cfw_convert_push(lua_State *L, const struct cfw_value *v);

void cfw_open_convert(lua_State *L);

#endif
