/* match.h: Lua's patterns, matched under the budget of the slice. */
#ifndef CFW_POLICY_MATCH_H
#define CFW_POLICY_MATCH_H

#include <stddef.h>

#include <lua.h>

enum { CFW_CAPTURES = 32, CFW_UNCLOSED = -1, CFW_POSITION = -2 };

struct cfw_item;

struct cfw_match {
	lua_State *L;
	const char *src, *end; /* the subject */
	const struct cfw_item *items;
	unsigned steps; /* since the budget was looked at */
	int depth, level;
	struct {
		const char *at;
		ptrdiff_t len; /* or one of the above */
	} capture[CFW_CAPTURES];
	struct cfw_item {
		unsigned char kind, repeat;
		short number;        /* of a capture */
		const char *at, *to; /* of what one character is matched with; a bad one's message */
	} few[24];
};

/* Read a pattern; what is wrong with it is an error where the match gets to it. May leave a userdata on L's stack. */
void cfw_match_open(struct cfw_match *m, lua_State *L, const char *src, size_t n, const char *pattern, size_t len);
/* The end of a match that begins at s; NULL. Raises, or leaves the slice for good. */
const char *cfw_match_at(struct cfw_match *m, const char *s);
/* Push capture i, or, where there is none at all, all from s to e for i = 0. */
void cfw_match_push(struct cfw_match *m, int i, const char *s, const char *e);
/* Push all captures, or all from s to e where there is none and s is not NULL: how many. */
int cfw_match_push_all(struct cfw_match *m, const char *s, const char *e);

#endif
