/* embedded.h: the Lua modules that are part of the binary, made by tools/embed.lua. */
#ifndef CFW_POLICY_EMBEDDED_H
#define CFW_POLICY_EMBEDDED_H

#include <stddef.h>

struct cfw_embedded {
	const char *module; /* "curfew.rules"; NULL ends the table */
	const unsigned char *code;
	size_t size;
};

extern const struct cfw_embedded cfw_embedded[];

#endif
