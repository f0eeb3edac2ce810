/* registry.h: what other prims share of c.request and ids. */
#ifndef CFW_POLICY_REGISTRY_H
#define CFW_POLICY_REGISTRY_H

#include <stdbool.h>

#include <lua.h>

#include "policy/policy.h"

/* Ask for it and wait; return what it returns. Raises where nothing can wait. */
int cfw_request_wait(lua_State *L, enum cfw_request what, cfw_id server, bool flag);

#endif
