/* match.c: a pattern is read into items, then walked with backtracking. Each step is counted, and the budget looked at now and
 * then: Lua's own matcher could run for hours in one call, with no instruction in between at which it could be left. */
#include "policy/match.h"

#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "policy/guard.h"

enum kind { END, ONE, OPEN, CLOSE, HERE, BACK, BALANCE, FRONTIER, LAST, BAD };
enum { STEPS = 2000, DEPTH = 200 };

struct reader {
	struct cfw_match *m;
	const char *p, *end;
	struct cfw_item *item;
	int level;
	bool open[CFW_CAPTURES];
};

static void bad(struct reader *r, const char *message)
{
	*r->item++ = (struct cfw_item){.kind = BAD, .at = message};
	r->p = r->end;
}

/* Past the end of what matches one character, from p; NULL where it has none, after a BAD item. */
static const char *class_end(struct reader *r, const char *p)
{
	char c = *p++;
	if (c == '%') {
		if (p < r->end)
			return p + 1;
		bad(r, "malformed pattern (ends with '%')");
		return NULL;
	}
	if (c != '[')
		return p;
	if (p < r->end && *p == '^')
		p++;
	for (bool first = true;; first = false) {
		if (p >= r->end) {
			bad(r, "malformed pattern (missing ']')");
			return NULL;
		}
		if (*p == ']' && !first)
			return p + 1;
		p += *p == '%' && p + 1 < r->end ? 2 : 1;
	}
}

static void read_one(struct reader *r)
{
	const char *to = class_end(r, r->p);
	if (!to)
		return;
	struct cfw_item item = {.kind = ONE, .at = r->p, .to = to};
	if (to < r->end && strchr("*+-?", *to) && *to)
		item.repeat = (unsigned char)*to++;
	*r->item++ = item;
	r->p = to;
}

static void read_open(struct reader *r)
{
	bool here = r->p + 1 < r->end && r->p[1] == ')';
	if (r->level >= CFW_CAPTURES) {
		bad(r, "too many captures");
		return;
	}
	r->open[r->level] = !here;
	*r->item++ = (struct cfw_item){.kind = here ? HERE : OPEN, .number = (short)r->level++};
	r->p += here ? 2 : 1;
}

static void read_close(struct reader *r)
{
	int i = r->level - 1;
	while (i >= 0 && !r->open[i])
		i--;
	if (i < 0) {
		bad(r, "invalid pattern capture");
		return;
	}
	r->open[i] = false;
	*r->item++ = (struct cfw_item){.kind = CLOSE, .number = (short)i};
	r->p++;
}

static void read_escape(struct reader *r)
{
	char c = r->p + 1 < r->end ? r->p[1] : 0;
	if (c == 'b') {
		if (r->end - r->p < 4) {
			bad(r, "malformed pattern (missing arguments to '%b')");
			return;
		}
		*r->item++ = (struct cfw_item){.kind = BALANCE, .at = r->p + 2};
		r->p += 4;
	} else if (c == 'f') {
		if (r->p + 2 >= r->end || r->p[2] != '[') {
			bad(r, "missing '[' after '%f' in pattern");
			return;
		}
		const char *to = class_end(r, r->p + 2);
		if (!to)
			return;
		*r->item++ = (struct cfw_item){.kind = FRONTIER, .at = r->p + 2, .to = to};
		r->p = to;
	} else if (c >= '0' && c <= '9') {
		int i = c - '1';
		bool known = i >= 0 && i < r->level && !r->open[i];
		*r->item++ = (struct cfw_item){.kind = known ? BACK : BAD, .number = (short)i};
		r->p += 2;
	} else {
		read_one(r);
	}
}

void cfw_match_open(struct cfw_match *m, lua_State *L, const char *src, size_t n, const char *pattern, size_t len)
{
	/* cppcheck-suppress ctuuninitvar */
	struct cfw_item *items = m->few; /* filled here */
	if (len >= sizeof m->few / sizeof *m->few)
		items = lua_newuserdatauv(L, (len + 2) * sizeof *items, 0);
	m->L = L;
	m->src = src;
	m->end = src + n;
	m->items = items;
	m->steps = (unsigned)(len / 16);
	struct reader r = {.m = m, .p = pattern, .end = pattern + len, .item = items};
	while (r.p < r.end) {
		if (*r.p == '(')
			read_open(&r);
		else if (*r.p == ')')
			read_close(&r);
		else if (*r.p == '%')
			read_escape(&r);
		else if (*r.p == '$' && r.p + 1 == r.end)
			*r.item++ = (struct cfw_item){.kind = LAST}, r.p++;
		else
			read_one(&r);
	}
	*r.item = (struct cfw_item){.kind = END};
}

static bool in_class(int c, int class)
{
	bool in;
	switch (tolower(class)) {
	case 'a':
		in = isalpha(c);
		break;
	case 'c':
		in = iscntrl(c);
		break;
	case 'd':
		in = isdigit(c);
		break;
	case 'g':
		in = isgraph(c);
		break;
	case 'l':
		in = islower(c);
		break;
	case 'p':
		in = ispunct(c);
		break;
	case 's':
		in = isspace(c);
		break;
	case 'u':
		in = isupper(c);
		break;
	case 'w':
		in = isalnum(c);
		break;
	case 'x':
		in = isxdigit(c);
		break;
	case 'z':
		in = c == 0;
		break;
	default:
		return class == c;
	}
	return isupper(class) ? !in : in;
}

/* "[^a-z%s]" from at to to. */
static bool in_set(int c, const char *at, const char *to)
{
	const unsigned char *p = (const unsigned char *)at + 1, *end = (const unsigned char *)to - 1;
	bool found = *p != '^';
	if (!found)
		p++;
	for (; p < end; p++) {
		if (*p == '%') {
			if (in_class(c, *++p))
				return found;
		} else if (p + 2 < end && p[1] == '-') {
			if (p[0] <= c && c <= p[2])
				return found;
			p += 2;
		} else if (*p == c) {
			return found;
		}
	}
	return !found;
}

static void count(struct cfw_match *m, unsigned steps)
{
	m->steps += steps;
	if (m->steps < STEPS)
		return;
	m->steps = 0;
	cfw_guard_check(m->L);
}

static bool is_one(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	count(m, 1 + (unsigned)((item->to - item->at) / 16));
	if (s >= m->end)
		return false;
	int c = (unsigned char)*s;
	switch (*item->at) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)item->at[1]);
	case '[':
		return in_set(c, item->at, item->to);
	default:
		return c == (unsigned char)*item->at;
	}
}

static const char *walk(struct cfw_match *m, const struct cfw_item *item, const char *s);

static const char *most(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	ptrdiff_t n = 0;
	while (is_one(m, item, s + n))
		n++;
	for (; n >= 0; n--) {
		const char *e = walk(m, item + 1, s + n);
		if (e)
			return e;
	}
	return NULL;
}

static const char *fewest(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	for (;; s++) {
		const char *e = walk(m, item + 1, s);
		if (e || !is_one(m, item, s))
			return e;
	}
}

static const char *balance(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	int open = 1;
	if (s >= m->end || *s != item->at[0])
		return NULL;
	while (++s < m->end) {
		count(m, 1);
		if (*s == item->at[1]) {
			if (--open == 0)
				return s + 1;
		} else if (*s == item->at[0]) {
			open++;
		}
	}
	return NULL;
}

static bool frontier(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	count(m, 1 + (unsigned)((item->to - item->at) / 16));
	int before = s == m->src ? 0 : (unsigned char)s[-1], now = s == m->end ? 0 : (unsigned char)*s;
	return !in_set(before, item->at, item->to) && in_set(now, item->at, item->to);
}

static const char *again(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	ptrdiff_t n = m->capture[item->number].len;
	size_t len = n < 0 ? SIZE_MAX : (size_t)n; /* a position is never found again */
	count(m, 1 + (unsigned)(len == SIZE_MAX ? 0 : len / 64));
	return len <= (size_t)(m->end - s) && !memcmp(m->capture[item->number].at, s, len) ? s + len : NULL;
}

static const char *capture(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	int i = item->number;
	if (item->kind == CLOSE) {
		m->capture[i].len = s - m->capture[i].at;
	} else {
		m->capture[i].at = s;
		m->capture[i].len = item->kind == HERE ? CFW_POSITION : CFW_UNCLOSED;
		m->level = i + 1;
	}
	const char *e = walk(m, item + 1, s);
	if (e)
		return e;
	if (item->kind == CLOSE)
		m->capture[i].len = CFW_UNCLOSED;
	else
		m->level--;
	return NULL;
}

static void __attribute__((noreturn)) complain(struct cfw_match *m, const struct cfw_item *item)
{
	luaL_where(m->L, 1);
	if (item->at)
		lua_pushstring(m->L, item->at);
	else
		lua_pushfstring(m->L, "invalid capture index %%%d", item->number + 1);
	lua_concat(m->L, 2);
	for (;;) /* the compiler is to see that it never returns */
		lua_error(m->L);
}

static const char *repeated(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	if (item->repeat == '-')
		return fewest(m, item, s);
	if (item->repeat == '+' && !is_one(m, item, s))
		return NULL;
	return most(m, item, item->repeat == '+' ? s + 1 : s);
}

static const char *step(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	for (;; item++) {
		switch ((enum kind)item->kind) {
		case END:
			return s;
		case LAST:
			return s == m->end ? s : NULL;
		case OPEN:
		case CLOSE:
		case HERE:
			return capture(m, item, s);
		case BALANCE:
			s = balance(m, item, s);
			break;
		case FRONTIER:
			if (!frontier(m, item, s))
				return NULL;
			break;
		case BACK:
			s = again(m, item, s);
			break;
		case BAD:
			complain(m, item);
		case ONE:
			if (item->repeat == '?') {
				const char *e = is_one(m, item, s) ? walk(m, item + 1, s + 1) : NULL;
				if (e)
					return e;
			} else if (item->repeat) {
				return repeated(m, item, s);
			} else {
				s = is_one(m, item, s) ? s + 1 : NULL;
			}
		}
		if (!s)
			return NULL;
	}
}

static const char *walk(struct cfw_match *m, const struct cfw_item *item, const char *s)
{
	if (m->depth-- == 0)
		luaL_error(m->L, "pattern too complex");
	const char *e = step(m, item, s);
	m->depth++;
	return e;
}

const char *cfw_match_at(struct cfw_match *m, const char *s)
{
	m->level = 0;
	m->depth = DEPTH;
	count(m, 1);
	return walk(m, m->items, s);
}

void cfw_match_push(struct cfw_match *m, int i, const char *s, const char *e)
{
	if (i >= m->level) {
		if (i)
			luaL_error(m->L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(m->L, s, (size_t)(e - s));
	} else if (m->capture[i].len == CFW_POSITION) {
		lua_pushinteger(m->L, m->capture[i].at - m->src + 1);
	} else if (m->capture[i].len == CFW_UNCLOSED) {
		luaL_error(m->L, "unfinished capture");
	} else {
		lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
	}
}

int cfw_match_push_all(struct cfw_match *m, const char *s, const char *e)
{
	int n = m->level == 0 && s ? 1 : m->level;
	luaL_checkstack(m->L, n, "too many captures");
	for (int i = 0; i < n; i++)
		cfw_match_push(m, i, s, e);
	return n;
}
