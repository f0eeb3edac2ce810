#include "view/words.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "core/core.h"

const char *cfw_view_server_name(const struct cfw_core *core, cfw_id server)
{
	struct cfw_server_view v;
	return cfw_core_server_view(core, server, &v) == 0 && v.name ? v.name : "?";
}

const char *cfw_view_phase_name(int phase)
{
	static const char *const names[CFW_PHASES] = {"pre_start", "post_start", "pre_stop", "post_stop"};
	return (unsigned)phase < CFW_PHASES ? names[phase] : "?";
}

void cfw_view_put_hook(const struct cfw_core *core, cfw_id hook, struct cfw_buf *out)
{
	struct cfw_hook_view v;
	if (cfw_core_hook_view(core, hook, &v) != 0) {
		cfw_buf_puts(out, "hook");
		return;
	}
	cfw_buf_puts(out, cfw_view_phase_name((int)v.phase));
	if (v.name)
		cfw_buf_printf(out, " \"%s\"", v.name);
	if (v.where)
		cfw_buf_printf(out, " (%s)", v.where);
}

void cfw_view_put_ordinal(struct cfw_buf *out, unsigned n)
{
	unsigned tens = n % 100 / 10, ones = n % 10;
	const char *suffix = tens == 1 ? "th" : ones == 1 ? "st" : ones == 2 ? "nd" : ones == 3 ? "rd" : "th";
	cfw_buf_printf(out, "%u%s", n, suffix);
}

const char *cfw_view_duration(char text[32], uint64_t ns)
{
	return ns ? cfw_format_duration(text, 32, ns) : "0s";
}

static void put_cause_words(const struct cfw_core *core, const struct cfw_trigger *t, struct cfw_buf *out)
{
	switch (t->kind) {
	case CFW_T_SIGNAL:
		cfw_buf_printf(out, "because of %s", cfw_trigger_name(t->kind, t->signo));
		break;
	case CFW_T_EXIT:
		cfw_buf_printf(out, "because exit(%d) was called", t->code);
		break;
	case CFW_T_ERROR:
		cfw_buf_puts(out, "because of an uncaught error");
		break;
	case CFW_T_REJECTION:
		cfw_buf_puts(out, "because a task failed and nobody awaited it");
		break;
	case CFW_T_CLOSED:
		cfw_buf_printf(out, "because %s ended by itself", cfw_view_server_name(core, t->server));
		break;
	case CFW_T_IDLE:
		cfw_buf_puts(out, "because nothing was left to do");
		break;
	case CFW_T_STOP:
		cfw_buf_puts(out, "because a stop was asked for");
		break;
	case CFW_T_ABORT:
		cfw_buf_puts(out, "because an abort was asked for");
		break;
	case CFW_T_RELOAD:
		cfw_buf_puts(out, "because a reload was asked for");
		break;
	case CFW_T_CRASH:
		cfw_buf_puts(out, "because the orchestrator crashed");
		break;
	case CFW_T_START_FAILED:
		cfw_buf_printf(out, "because %s failed to start", cfw_view_server_name(core, t->server));
		break;
	case CFW_T_STALL:
		cfw_buf_puts(out, "because the loop stalled");
		break;
	case CFW_T_HURRY: /* these stop nothing */
	case CFW_T_EXTEND:
	case CFW_T_SKIP:
	case CFW_T_CANCEL:
	case CFW_T_SERVER_START:
	case CFW_T_SERVER_STOP:
	case CFW_T_SERVER_RESTART:
	case CFW_T_CUSTOM:
	case CFW_T_KINDS:
	default:
		cfw_buf_puts(out, "because of a trigger of the policy's own");
	}
}

void cfw_view_put_cause(const struct cfw_core *core, const struct cfw_trigger *t, struct cfw_buf *out)
{
	put_cause_words(core, t, out);
	if (t->count && t->kind != CFW_T_EXIT && (t->kind == CFW_T_SIGNAL || t->count > 1)) {
		cfw_buf_puts(out, " (");
		cfw_view_put_ordinal(out, t->count);
		cfw_buf_putc(out, ')');
	}
}

const char *cfw_view_trigger_word(const struct cfw_journal_entry *e)
{
	return cfw_trigger_name(e->trigger_kind, e->signo);
}

const char *cfw_view_refusal(const struct cfw_journal_entry *e)
{
	bool steered = e->what == CFW_J_REFUSED && e->a == CFW_D_ACCEPT && cfw_trigger_steers(e->trigger_kind);
	return steered ? cfw_refusal_text((enum cfw_refusal)e->b) : NULL;
}

static bool stops(uint32_t decision)
{
	return decision == CFW_D_GRACEFUL || decision == CFW_D_ABORT || decision == CFW_D_KILL;
}

bool cfw_view_find_cause(const struct cfw_core *core, const struct cfw_journal_entry *e, struct cfw_trigger *t)
{
	enum { LOOK_BACK = 256 };
	struct cfw_journal_entry decision = {0};
	if (e->what == CFW_J_DECISION || e->what == CFW_J_REFUSED)
		decision = *e;
	uint64_t last = e->seq > LOOK_BACK ? e->seq - LOOK_BACK : 1;
	/* The journal is read forwards only: an entry that has gone gives a later one. */
	for (uint64_t seq = e->seq - 1; seq >= last && seq > 0; seq--) {
		const struct cfw_journal_entry *j = cfw_core_journal(core, seq);
		if (!j || j->seq != seq)
			continue;
		if (!decision.seq && j->what == CFW_J_DECISION && stops(j->a))
			decision = *j;
		if (decision.seq && j->what == CFW_J_TRIGGER && j->trigger_kind == decision.trigger_kind &&
		    j->signo == decision.signo && j->server == decision.server && (!decision.run || j->a == decision.run) &&
		    (j->trigger_kind != CFW_T_CUSTOM || j->text == decision.text)) {
			*t = (struct cfw_trigger){.kind = j->trigger_kind,
						  .signo = j->signo,
						  .code = j->code,
						  .server = j->server,
						  .text = j->text,
						  .count = j->a,
						  .at_ns = j->at_ns};
			return true;
		}
	}
	if (decision.seq) {
		*t = (struct cfw_trigger){.kind = decision.trigger_kind,
					  .signo = decision.signo,
					  .code = decision.code,
					  .server = decision.server,
					  .text = decision.text,
					  .count = decision.run,
					  .at_ns = decision.at_ns};
		return true;
	}
	struct cfw_stop_view stop; /* the journal is full: the core still knows the first cause */
	cfw_core_stop_view(core, &stop);
	*t = stop.first;
	return t->kind != CFW_T_SIGNAL || t->signo != 0;
}

/* ---- columns ---- */

/* One code point of UTF-8 that is known to be valid; its length. */
static size_t decode(const char *s, size_t n, uint32_t *c)
{
	unsigned char b = (unsigned char)*s;
	size_t len = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
	if (len > n)
		len = n;
	*c = len == 1 ? b : b & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | ((unsigned char)s[i] & 0x3f);
	return len;
}

/* As wcwidth, without its need of a locale: coarse, but right for what names are made of. */
static unsigned code_point_columns(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		unsigned columns;
	} odd[] = {
		{0x300, 0x36f, 0},   {0x200b, 0x200f, 0}, {0xfe00, 0xfe0f, 0},   {0x1100, 0x115f, 2},
		{0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2},   {0xfe30, 0xfe6f, 2},
		{0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
	};
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		if (c >= odd[i].from && c <= odd[i].to)
			return odd[i].columns;
	return 1;
}

size_t cfw_view_columns(const char *s, size_t n)
{
	size_t columns = 0;
	uint32_t c;
	for (size_t i = 0; i < n;) {
		i += decode(s + i, n - i, &c);
		columns += code_point_columns(c);
	}
	return columns;
}

size_t cfw_view_safe_columns(const char *s)
{
	struct cfw_buf safe;
	cfw_buf_init(&safe);
	cfw_buf_put_safe(&safe, s, strlen(s));
	size_t columns = safe.data ? cfw_view_columns(safe.data, safe.len) : 0;
	cfw_buf_clear(&safe);
	return columns;
}

/* s without what is no ASCII. */
static void put_ascii(struct cfw_buf *out, const char *s, size_t n)
{
	uint32_t c;
	for (size_t i = 0; i < n;) {
		i += decode(s + i, n - i, &c);
		cfw_buf_putc(out, c < 0x80 ? (char)c : '?');
	}
}

/* How many bytes of s fit into columns; *used the columns they take. */
static size_t fit(const char *s, size_t n, size_t columns, size_t *used)
{
	size_t i = 0;
	uint32_t c;
	*used = 0;
	while (i < n) {
		size_t len = decode(s + i, n - i, &c);
		if (*used + code_point_columns(c) > columns)
			break;
		*used += code_point_columns(c);
		i += len;
	}
	return i;
}

size_t cfw_view_put_fit(struct cfw_buf *out, const char *s, size_t columns, bool pad, bool ascii)
{
	struct cfw_buf safe, plain;
	cfw_buf_init(&safe);
	cfw_buf_init(&plain);
	cfw_buf_put_safe(&safe, s, strlen(s));
	if (ascii && safe.data)
		put_ascii(&plain, safe.data, safe.len);
	const struct cfw_buf *text = ascii ? &plain : &safe;
	size_t used = 0;
	if (text->data && !text->failed) {
		size_t n = fit(text->data, text->len, columns, &used);
		if (n < text->len && columns > 0) {
			const char *ellipsis = ascii ? ".." : "…";
			size_t room = ascii ? 2 : 1;
			n = fit(text->data, text->len, columns > room ? columns - room : 0, &used);
			cfw_buf_put(out, text->data, n);
			if (columns >= room) {
				cfw_buf_puts(out, ellipsis);
				used += room;
			}
		} else {
			cfw_buf_put(out, text->data, n);
		}
	}
	cfw_buf_clear(&safe);
	cfw_buf_clear(&plain);
	for (; pad && used < columns; used++)
		cfw_buf_putc(out, ' ');
	return used;
}
