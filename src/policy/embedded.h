/* embedded.h: the Lua modules that are part of the binary, made by tools/embed.lua. */
#ifndef CFW_POLICY_EMBEDDED_H
#define CFW_POLICY_EMBEDDED_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_embedded {
	const char *module; /* "curfew.rules"; NULL ends the table */
	const unsigned char *code;
	size_t size;
	bool open; /* a policy can require it; the others are for our own modules */
};

extern const struct cfw_embedded cfw_embedded[];

struct lua_State;

/* The table on the top of L's stack, package.preload, gets all modules, for a state that runs none but ours. The bytecode of each
 * is read when it is first required. */
void cfw_preload_embedded(struct lua_State *L);

#endif
