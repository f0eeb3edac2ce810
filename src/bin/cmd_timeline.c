/* cmd_timeline.c: curfew timeline: the last stop of a running curfew, or of one whose black box is left. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "bin/bin.h"
#include "bin/client.h"
#include "core/core.h"
#include "shell/recorder.h"
#include "view/black_box.h"
#include "view/view.h"
#include "view/words.h"

enum { WIDTH = 100, LINES = 10000 };

/* The wall clock as it was set when the black box was begun. */
static void print_moment(const struct cfw_black_box_info *info, uint64_t at_ns, FILE *out)
{
	uint64_t wall = info->began_wall_ns + cfw_time_left(info->began_ns, at_ns);
	time_t seconds = (time_t)(wall / CFW_SEC);
	struct tm tm;
	char text[40] = "?";
	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%03" PRIu64 "Z", text, wall % CFW_SEC / CFW_MS);
}

/* Who wrote it, and did that come to its end? */
static void print_head(const struct cfw_black_box_info *info, FILE *out)
{
	fprintf(out, "black box of process %d, begun ", (int)info->pid);
	print_moment(info, info->began_ns, out);
	if (info->last_ns) {
		fprintf(out, "; last entry ");
		print_moment(info, info->last_ns, out);
	}
	if (!info->stopped)
		fprintf(out, ": no stop has begun, or it was overwritten");
	else if (!info->exited)
		fprintf(out, ": it did not come to the end of its stop, or is not there yet");
	if (info->damaged)
		fprintf(out, "; %zu record%s could not be read", info->damaged, info->damaged == 1 ? "" : "s");
	fputc('\n', out);
}

static void put_form(const struct cfw_client *c, const struct cfw_core *core, struct cfw_buf *b)
{
	bool tty = isatty(STDOUT_FILENO) == 1;
	if (c->json)
		cfw_view_timeline_json(core, b);
	else if (c->form && c->form[0] == 's')
		cfw_view_timeline_svg(core, b);
	else if (c->form)
		cfw_view_timeline_trace(core, b);
	else
		cfw_view_timeline(core, WIDTH, LINES, tty, !tty, b);
}

static bool has_end(const struct cfw_core *core, const struct cfw_journal_entry *begin)
{
	uint64_t seq = begin->seq;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(core, seq + 1)); seq = e->seq)
		if (e->run == begin->run && (e->what == CFW_J_HOOK_END || e->what == CFW_J_CUT))
			return true;
	return false;
}

/* Of a stop without an end: the hooks that had none either: one of them it may have waited for. */
static void put_open(const struct cfw_core *core, struct cfw_buf *b)
{
	uint64_t seq = 0;
	bool any = false;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(core, seq + 1)); seq = e->seq) {
		if (e->what != CFW_J_HOOK_BEGIN || has_end(core, e))
			continue;
		cfw_buf_puts(b, any ? ", " : "running when it ended: ");
		if (e->server)
			cfw_buf_printf(b, "%s ", cfw_view_server_name(core, e->server));
		cfw_view_put_hook(core, e->hook, b);
		any = true;
	}
	if (any)
		cfw_buf_putc(b, '\n');
}

/* One stop of it, counted from the last. -1: it cannot be read. */
static int put_stop(const struct cfw_client *c, const void *data, size_t size, size_t back, struct cfw_black_box_info *info,
		    struct cfw_buf *b)
{
	struct curfew_err err = {0};
	struct cfw_core *core = cfw_black_box_read(data, size, back, info, &err);
	if (!core) {
		fprintf(stderr, "curfew timeline: %s: %s\n", c->file, err.msg);
		return -1;
	}
	put_form(c, core, b);
	if (!c->json && !c->form && info->stopped && !info->exited)
		put_open(core, b);
	cfw_core_free(core);
	return 0;
}

/* As text all stops, the newest last; else the last that was no crash run's: what went on when the process died. */
static int from_file(const struct cfw_client *c, struct cfw_buf *b)
{
	enum { SHOWN = 4 };
	struct curfew_err err = {0};
	struct cfw_black_box_info info, last;
	size_t size;
	bool text = !c->json && !c->form;
	void *data = cfw_recorder_read(c->file, &size, &err);
	if (!data) {
		fprintf(stderr, "curfew timeline: %s\n", err.msg);
		return CFW_CLIENT_REFUSED;
	}
	int rc = put_stop(c, data, size, 0, &last, b);
	if (!rc)
		print_head(&last, text ? stdout : stderr);
	if (!rc && (text || last.crash) && last.stops > 1) {
		cfw_buf_reset(b);
		size_t first = text ? (last.stops < SHOWN ? last.stops : SHOWN) - 1 : 1, until = text ? 0 : 1;
		for (size_t back = first + 1; !rc && back-- > until;)
			rc = put_stop(c, data, size, back, &info, b);
	}
	free(data);
	return rc || !last.stopped ? CFW_CLIENT_REFUSED : 0;
}

static int run(int argc, char **argv)
{
	struct cfw_client c;
	struct cfw_buf b;
	char path[64];
	int rc = cfw_client_parse(&c, &cfw_command_timeline, argc, argv, 0);
	if (rc)
		return rc < 0 ? 0 : rc;
	cfw_buf_init(&b);
	snprintf(path, sizeof path, "/v1/timeline?format=%s", c.json ? "json" : c.form ? c.form : "text");
	rc = c.file ? from_file(&c, &b) : cfw_client_get(&c, path, &b);
	if (b.len && !b.failed)
		fwrite(b.data, 1, b.len, stdout);
	cfw_buf_clear(&b);
	return rc;
}

const struct cfw_command cfw_command_timeline = {
	.name = "timeline",
	.usage = "timeline [-s SOCKET | --file BLACK-BOX] [--json | --svg | --trace]",
	.summary = "Show the last stop: who ran when, and what the end waited for",
	.help = "      --file FILE         of a black box (`curfew run --black-box FILE`), also of a process that is gone\n"
		"      --svg               a picture\n"
		"      --trace             a trace that chrome://tracing and Perfetto open\n" CFW_CLIENT_HELP,
	.run = run};
