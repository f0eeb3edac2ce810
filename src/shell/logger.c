#define _GNU_SOURCE
#include "shell/logger.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "shell/out.h"
#include "view/json.h"

/* A reader that is merely behind gets this long to catch up; once a line was dropped, nobody waits until it reads again. */
enum { PATIENCE_MS = 20 };

struct cfw_logger {
	struct cfw_log log;
	struct cfw_out out;
	enum cfw_log_format format;
	bool color;
	void (*before)(void *ud);
	void (*after)(void *ud);
	void *around_ud;
	struct cfw_buf line; /* or several that are held, to be written together */
	unsigned long lines; /* in it */
	bool held;
	time_t second; /* the clock reads so for the whole of it */
	char clock[16];
	struct cfw_buf rest; /* of a line that was written in part: nothing else may come before it */
	size_t rest_done;
	unsigned long dropped; /* lines, since the last report */
};

/* ---- formats ---- */

static const char *const level_words[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
static const char *const level_colors[] = {"\033[2m", "\033[32m", "\033[33m", "\033[1;31m"};
static const char dim[] = "\033[2m", plain[] = "\033[0m";

static enum cfw_log_level known_level(enum cfw_log_level level)
{
	return (unsigned)level <= CFW_ERROR ? level : CFW_ERROR;
}

/* A value that no reader of key=value can take for anything else. */
static void put_value(struct cfw_buf *b, const char *s)
{
	size_t n = strlen(s), from = b->len;
	cfw_buf_put_safe(b, s, n);
	bool same = !b->failed && b->len - from == n && (n == 0 || memcmp(b->data + from, s, n) == 0);
	if (same && n > 0 && !strpbrk(s, " \"\\="))
		return;
	if (!b->failed && b->data)
		b->data[b->len = from] = '\0';
	cfw_buf_putc(b, '"');
	while (*s) {
		size_t run = strcspn(s, "\"\\");
		cfw_buf_put_safe(b, s, run);
		s += run;
		if (*s) {
			cfw_buf_putc(b, '\\');
			cfw_buf_putc(b, *s++);
		}
	}
	cfw_buf_putc(b, '"');
}

/* A key is one word. */
static void put_key(struct cfw_buf *b, const char *key)
{
	for (; *key; key++)
		cfw_buf_putc(b, *key > ' ' && *key < 0x7f && !strchr("=\"\\", *key) ? *key : '_');
}

static void put_timestamp(struct cfw_buf *b, const struct timespec *now)
{
	struct tm tm;
	char text[32];
	gmtime_r(&now->tv_sec, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	cfw_buf_printf(b, "%s.%03ldZ", text, now->tv_nsec / 1000000);
}

struct record {
	struct timespec at;
	enum cfw_log_level level;
	const char *msg;
	const struct cfw_log_field *fields;
	size_t n;
};

static const char *clock_of(struct cfw_logger *l, time_t second)
{
	struct tm tm;
	if (second != l->second || !l->clock[0]) {
		localtime_r(&second, &tm);
		strftime(l->clock, sizeof l->clock, "%H:%M:%S", &tm);
		l->second = second;
	}
	return l->clock;
}

static void put_text(struct cfw_buf *b, const struct record *r, const char *clock, bool color)
{
	int ms = (int)(r->at.tv_nsec / 1000000);
	const char thousandths[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 0};
	const char *const words[] = {color ? dim : "",
				     clock,
				     thousandths,
				     color ? plain : "",
				     " ",
				     color ? level_colors[r->level] : "",
				     level_words[r->level],
				     color ? plain : "",
				     " "};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		cfw_buf_puts(b, words[i]);
	cfw_buf_put_safe(b, r->msg, strlen(r->msg));
	for (size_t i = 0; i < r->n; i++) {
		cfw_buf_puts(b, color ? " \033[2m" : " ");
		put_key(b, r->fields[i].key);
		cfw_buf_puts(b, color ? "=\033[0m" : "=");
		put_value(b, r->fields[i].value);
	}
}

static void put_logfmt(struct cfw_buf *b, const struct record *r)
{
	cfw_buf_puts(b, "ts=");
	put_timestamp(b, &r->at);
	cfw_buf_printf(b, " level=%s msg=", cfw_log_level_name(r->level));
	put_value(b, r->msg);
	for (size_t i = 0; i < r->n; i++) {
		cfw_buf_putc(b, ' ');
		put_key(b, r->fields[i].key);
		cfw_buf_putc(b, '=');
		put_value(b, r->fields[i].value);
	}
}

static json_t *to_json(const char *s)
{
	json_t *j = json_string(s);
	if (j)
		return j;
	struct cfw_buf safe; /* no UTF-8 */
	cfw_buf_init(&safe);
	cfw_buf_put_safe(&safe, s, strlen(s));
	j = json_string(safe.data ? safe.data : "");
	cfw_buf_clear(&safe);
	return j;
}

static void put_json(struct cfw_buf *b, const struct record *r)
{
	struct cfw_buf ts, key;
	cfw_buf_init(&ts);
	cfw_buf_init(&key);
	put_timestamp(&ts, &r->at);
	json_t *o = json_object();
	json_object_set_new(o, "ts", to_json(ts.data ? ts.data : ""));
	json_object_set_new(o, "level", json_string(cfw_log_level_name(r->level)));
	json_object_set_new(o, "msg", to_json(r->msg));
	for (size_t i = 0; i < r->n; i++) {
		cfw_buf_reset(&key);
		put_key(&key, r->fields[i].key);
		if (key.data && !key.failed)
			json_object_set_new(o, key.data, to_json(r->fields[i].value));
	}
	/* ASCII only: no direction override and no C1 control reaches a terminal. */
	if (!o || json_dump_callback(o, cfw_view_append_json, b, JSON_COMPACT | JSON_ENSURE_ASCII) < 0)
		b->failed = 1;
	json_decref(o);
	cfw_buf_clear(&ts);
	cfw_buf_clear(&key);
}

static void compose(struct cfw_logger *l, struct cfw_buf *to, enum cfw_log_level level, const char *msg,
		    const struct cfw_log_field *fields, size_t n)
{
	struct record r = {.level = known_level(level), .msg = msg, .fields = fields, .n = n};
	clock_gettime(CLOCK_REALTIME, &r.at);
	switch (l->format) {
	case CFW_LOG_LOGFMT:
		put_logfmt(to, &r);
		break;
	case CFW_LOG_JSON:
		put_json(to, &r);
		break;
	case CFW_LOG_TEXT:
	default:
		put_text(to, &r, clock_of(l, r.at.tv_sec), l->color);
	}
	cfw_buf_putc(to, '\n');
}

/* ---- writing ---- */

/* True when no part of an earlier line is left. */
static bool flush_rest(struct cfw_logger *l)
{
	if (l->rest_done < l->rest.len) {
		ssize_t put = cfw_out_put(&l->out, l->rest.data + l->rest_done, l->rest.len - l->rest_done, 0);
		l->rest_done += put > 0 ? (size_t)put : 0;
	}
	return l->rest_done >= l->rest.len;
}

/* Written, kept in part, or false when nothing of it was taken. */
static bool write_bytes(struct cfw_logger *l, const char *data, size_t n)
{
	if (!flush_rest(l))
		return false;
	ssize_t put = cfw_out_put(&l->out, data, n, l->dropped ? 0 : PATIENCE_MS);
	if (put <= 0)
		return false;
	cfw_buf_reset(&l->rest);
	l->rest_done = 0;
	cfw_buf_put(&l->rest, data + put, n - (size_t)put);
	return true;
}

static bool report_dropped(struct cfw_logger *l)
{
	char msg[80];
	struct cfw_buf line;
	cfw_buf_init(&line);
	snprintf(msg, sizeof msg, "%lu log line%s dropped: the log was not read in time", l->dropped,
		 l->dropped == 1 ? "" : "s");
	compose(l, &line, CFW_WARN, msg, NULL, 0);
	bool done = !line.failed && write_bytes(l, line.data, line.len);
	cfw_buf_clear(&line);
	if (done)
		l->dropped = 0;
	return done;
}

/* The first n bytes of what is there, which are all its lines so far; the rest moves up. */
static void write_lines(struct cfw_logger *l, size_t n)
{
	if (!l->lines)
		return;
	if (l->before)
		l->before(l->around_ud);
	if ((l->dropped && !report_dropped(l)) || !write_bytes(l, l->line.data, n))
		l->dropped += l->lines;
	if (l->after)
		l->after(l->around_ud);
	l->lines = 0;
	l->line.len -= n;
	memmove(l->line.data, l->line.data + n, l->line.len);
}

static void emit(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct cfw_logger *l = ud;
	size_t before = l->line.len;
	compose(l, &l->line, level, msg, fields, n);
	if (l->line.failed || l->line.len > PIPE_BUF)
		write_lines(l, before);
	if (l->line.failed) {
		l->dropped++;
		cfw_buf_reset(&l->line);
		return;
	}
	l->lines++;
	if (!l->held)
		write_lines(l, l->line.len);
}

/* ---- life ---- */

struct cfw_logger *cfw_logger_new(int fd, enum cfw_log_format format, enum cfw_log_level level, bool color)
{
	struct cfw_logger *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	cfw_out_init(&l->out, fd);
	cfw_buf_init(&l->line);
	cfw_buf_init(&l->rest);
	l->color = color;
	l->log = (struct cfw_log){.level = level, .emit = emit, .ud = l};
	l->format = format;
	return l;
}

void cfw_logger_flush(struct cfw_logger *l)
{
	write_lines(l, l->line.len);
	if (flush_rest(l) && l->dropped)
		report_dropped(l);
}

void cfw_logger_free(struct cfw_logger *l)
{
	if (!l)
		return;
	cfw_logger_flush(l);
	cfw_out_clear(&l->out);
	cfw_buf_clear(&l->line);
	cfw_buf_clear(&l->rest);
	free(l);
}

const struct cfw_log *cfw_logger_log(struct cfw_logger *l)
{
	return &l->log;
}

void cfw_logger_set(struct cfw_logger *l, enum cfw_log_format format, enum cfw_log_level level)
{
	l->format = format;
	l->log.level = level;
}

void cfw_logger_no_sigpipe(struct cfw_logger *l, bool ignored)
{
	l->out.no_sigpipe = ignored;
}

void cfw_logger_hold(struct cfw_logger *l, bool on)
{
	l->held = on;
	if (!on)
		write_lines(l, l->line.len);
}

void cfw_logger_around(struct cfw_logger *l, void (*before)(void *ud), void (*after)(void *ud), void *ud)
{
	l->before = before;
	l->after = after;
	l->around_ud = ud;
}

static int find_name(const char *name, const char *const *names, int n)
{
	for (int i = 0; name && i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

int cfw_log_format_parse(const char *name)
{
	static const char *const names[] = {"text", "logfmt", "json"};
	return find_name(name, names, 3);
}

int cfw_log_level_parse(const char *name)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	return find_name(name, names, 4);
}
