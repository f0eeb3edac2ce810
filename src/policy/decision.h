/* decision.h: curfew.graceful, .abort, .kill, .reload, .restart, .ignore as Lua values: immutable userdata; three of them are
 * called for another code. */
#ifndef CFW_POLICY_DECISION_H
#define CFW_POLICY_DECISION_H

#include <stdbool.h>

#include <lua.h>

struct cfw_decision;

bool cfw_decision_read(lua_State *L, int idx, struct cfw_decision *out);
/* An exit code argument: an integer 0-255, or otherwise when there is none. Raises (S2.18). */
int cfw_check_code(lua_State *L, int idx, int otherwise);
void cfw_open_decisions(lua_State *L);

#endif
