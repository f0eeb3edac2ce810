/* rules.h: the table that a rule sees, decisions. */
#ifndef CFW_POLICY_RULES_H
#define CFW_POLICY_RULES_H

#include <lua.h>

struct cfw_trigger;

/* { name, count, code, server = id, error, traceback, at, signal }; text and traceback may be NULL; text is the name of a custom
 * trigger, "custom:deploy". Raises out of memory. */
void cfw_push_trigger(lua_State *L, const struct cfw_trigger *t, const char *text, const char *traceback);

#endif
