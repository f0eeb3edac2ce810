/* A black box as a file of anybody's (view/black_box_read.c). By the input's first byte it is those bytes as they are, or a box of
 * records whose sums are right and whose contents the input chooses. Whatever it is: a reason, or a core that every view can show,
 * in lines without control characters and in JSON that is some; and a resumed box takes another entry, which is read. */
#include "fuzz.h"

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/value.h"
#include "view/black_box.h"
#include "view/black_box_impl.h"
#include "view/json.h"
#include "view/metrics.h"
#include "view/status.h"
#include "view/view.h"

enum { SIZE = CFW_BLACK_BOX_LEAST };
static _Alignas(8) char box[SIZE];

/* Small numbers are the likely ones. */
static uint32_t number(struct fuzz *f)
{
	unsigned b = fuzz_byte(f);
	return b < 224 ? b % 32 : b < 240 ? b : (uint32_t)fuzz_u64(f);
}

static uint64_t moment(struct fuzz *f, uint64_t *at)
{
	unsigned b = fuzz_byte(f);
	if (b > 250)
		*at = b == 255 ? CFW_NEVER : fuzz_u64(f);
	else
		*at = cfw_time_add(*at, b * CFW_MS * 10);
	return *at;
}

static size_t record(struct fuzz *f, char *to, size_t room, uint64_t seq, uint64_t *at)
{
	struct body b = {.at_ns = moment(f, at), .ns = fuzz_byte(f) * CFW_SEC};
	uint32_t *const numbers[] = {&b.what,       &b.trigger_kind, &b.signo, &b.code,        &b.server,
				     &b.hook,       &b.run,          &b.a,     &b.b,           &b.stop_kind,
				     &b.stop_signo, &b.stop_code,    &b.phase, &b.stop_server, &b.stop_count};
	char data[MOST];
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		*numbers[i] = number(f);
	char *end = data + sizeof b;
	for (size_t i = 0; i < NAMES; i++) {
		size_t n;
		char *s = fuzz_bytes(f, NAME_MAX_, &n);
		memcpy(end, s, n);
		free(s);
		b.names[i] = (uint16_t)n;
		end += n;
	}
	memcpy(data, &b, sizeof b);
	size_t n = (size_t)(end - data);
	struct record r = {.magic = RECORD, .len = (uint32_t)n, .seq = seq, .sum = sum_of(seq, data, n)};
	if (aligned(sizeof r + n) > room)
		return 0;
	memcpy(to, &r, sizeof r);
	memcpy(to + sizeof r, data, n);
	return aligned(sizeof r + n);
}

static void fill(struct fuzz *f)
{
	struct cfw_black_box b;
	uint64_t seq = 1, at = CFW_SEC;
	cfw_black_box_format(&b, box, SIZE, 42, CFW_SEC, CFW_SEC);
	for (size_t pos = HEAD, n; f->left; pos += n, seq += fuzz_byte(f) > 250 ? 2 : 1) {
		n = record(f, box + pos, SIZE - pos, seq, &at);
		if (!n)
			break;
	}
}

static void lines(const char *view, const struct cfw_buf *b, bool color)
{
	must(!b->failed, "%s: failed", view);
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->data[i];
		must((c >= ' ' && c != 127) || c == '\n' || (color && c == '\033'), "%s: byte %zu is %u", view, i, c);
	}
}

static void json(const char *view, struct cfw_buf *b)
{
	json_error_t e;
	lines(view, b, false);
	json_t *j = b->len ? json_loadb(b->data, b->len, 0, &e) : NULL;
	must(j || !b->len, "%s: %s: %s", view, e.text, b->data);
	json_decref(j);
	cfw_buf_clear(b);
}

static const char *no_text(void *ud, uint32_t text)
{
	(void)ud;
	return text ? "some \033 text" : NULL;
}

static struct cfw_value *no_info(void *ud, cfw_id server)
{
	(void)ud, (void)server;
	return cfw_value_map();
}

static void heard(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	size_t *chars = ud;
	*chars += (size_t)level + strlen(msg);
	for (size_t i = 0; i < n; i++)
		*chars += strlen(fields[i].key) + strlen(fields[i].value);
}

static void put_value(struct cfw_buf *b, struct cfw_value *v)
{
	must(v, "no value");
	cfw_view_put_json(b, v);
	cfw_value_free(v);
}

static void each_entry(const struct cfw_core *core, struct cfw_metrics *metrics)
{
	struct cfw_buf b;
	size_t chars = 0;
	const struct cfw_log log = {CFW_DEBUG, heard, &chars};
	const struct cfw_journal_entry *e;
	cfw_buf_init(&b);
	for (uint64_t seq = 1; (e = cfw_core_journal(core, seq)); seq = e->seq + 1) {
		cfw_view_log(core, e, &log, no_text, NULL);
		cfw_metrics_entry(metrics, core, e);
		put_value(&b, cfw_view_event(core, e, no_text, NULL));
		json("event", &b);
	}
}

static void show(const struct cfw_core *core, const struct cfw_black_box_info *info)
{
	struct cfw_buf b;
	struct cfw_metrics metrics = {.began_ns = info->began_ns};
	cfw_buf_init(&b);
	each_entry(core, &metrics);
	cfw_view_timeline(core, 80, 50, true, false, &b);
	lines("timeline", &b, true);
	cfw_buf_reset(&b);
	cfw_view_timeline(core, 40, 10, false, true, &b);
	lines("timeline", &b, false);
	for (size_t i = 0; i < b.len; i++)
		must((unsigned char)b.data[i] < 128, "timeline: no ASCII");
	cfw_buf_reset(&b);
	cfw_view_waiting(core, info->last_ns, 80, 24, false, false, &b);
	lines("waiting", &b, false);
	cfw_buf_reset(&b);
	cfw_view_timeline_svg(core, &b);
	lines("svg", &b, false);
	cfw_buf_reset(&b);
	cfw_metrics_put(&metrics, core, "1", info->last_ns, no_info, NULL, &b);
	lines("metrics", &b, false);
	cfw_buf_reset(&b);
	cfw_view_timeline_json(core, &b);
	json("timeline JSON", &b);
	cfw_view_timeline_trace(core, &b);
	json("trace", &b);
	put_value(&b, cfw_view_status(core, info->last_ns, no_info, NULL));
	json("status", &b);
}

static void go_on(void)
{
	struct cfw_black_box b;
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	struct cfw_core_config config;
	if (cfw_black_box_resume(&b, box, SIZE, &err)) {
		must(*err.msg, "no reason");
		return;
	}
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config), *again;
	cfw_black_box_put(&b, core, &(struct cfw_journal_entry){.at_ns = 12345, .what = CFW_J_EXIT, .code = 7});
	again = cfw_black_box_read(box, SIZE, 0, &info, &err);
	must(again && info.entries, "what was written behind it is not there: %s", err.msg);
	cfw_core_free(again);
	cfw_core_free(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct cfw_black_box_info info;
	struct curfew_err err = {0};
	unsigned how = fuzz_byte(&f);
	memset(box, 0, sizeof box);
	if (how & 1)
		fill(&f);
	else
		memcpy(box, f.at, f.left < SIZE ? f.left : SIZE);
	struct cfw_core *core = cfw_black_box_read(box, SIZE, how >> 6, &info, &err);
	must(core || *err.msg, "no core and no reason");
	if (core)
		show(core, &info);
	cfw_core_free(core);
	go_on();
	return 0;
}
