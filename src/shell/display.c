/* The live display. A frame is drawn over the one before it; the cursor rests in the line below it. Nothing here waits for the
 * terminal: a frame that it does not take now is left out. */
#define _GNU_SOURCE
#include "shell/display.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/kind.h"
#include "base/time.h"
#include "base/timers.h"
#include "core/core.h"
#include "shell/logger.h"
#include "shell/out.h"
#include "view/view.h"
#include "view/words.h"

enum { LINES_MAX = 12 };
/* A stop that is over sooner shows nothing; then ten frames a second. */
static const uint64_t first_after_ns = 150 * CFW_MS, frame_ns = 100 * CFW_MS;

struct cfw_display {
	int fd;
	struct cfw_out out;
	const struct cfw_env *env;
	const struct cfw_core *core;
	struct cfw_logger *logger;
	struct cfw_timer timer;
	bool active, color, ascii;
	pid_t group; /* 0: none */
	uint64_t drawn_ns;
	size_t lines, columns[LINES_MAX]; /* on the terminal now */
	struct cfw_buf frame;
	size_t sent; /* of frame */
};

static void get_size(const struct cfw_display *d, size_t *width, size_t *height)
{
	struct winsize size = {0};
	bool known = ioctl(d->fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
	*width = known ? size.ws_col : 80;
	*height = known ? size.ws_row : 24;
}

void cfw_display_group(struct cfw_display *d, int group)
{
	d->group = group;
}

/* In the background a shell's terminal is somebody else's. */
static bool in_background(const struct cfw_display *d)
{
	pid_t group = tcgetpgrp(d->fd);
	return group > 0 && group != getpgrp() && group != d->group;
}

/* The rest of what the terminal has not taken. True when nothing is left: escape sequences must not be cut in two. */
static bool flush(struct cfw_display *d)
{
	if (d->frame.failed)
		cfw_buf_reset(&d->frame);
	if (d->sent < d->frame.len) {
		ssize_t n = cfw_out_put(&d->out, d->frame.data + d->sent, d->frame.len - d->sent, 0);
		d->sent += n > 0 ? (size_t)n : 0;
	}
	return d->sent >= d->frame.len;
}

/* To the first cell of the old frame. What was drawn when the terminal was wider may take more lines now. */
static void put_home(struct cfw_display *d, size_t width)
{
	size_t up = 0;
	for (size_t i = 0; i < d->lines; i++)
		up += d->columns[i] > width ? (d->columns[i] + width - 1) / width : 1;
	if (up)
		cfw_buf_printf(&d->frame, "\033[%zuA", up);
	cfw_buf_puts(&d->frame, "\r");
}

/* Columns of a line with its colours. */
static size_t line_columns(const char *s, size_t n)
{
	size_t columns = 0;
	for (size_t i = 0; i < n;) {
		const char *escape = memchr(s + i, '\033', n - i);
		size_t run = escape ? (size_t)(escape - (s + i)) : n - i;
		columns += cfw_view_columns(s + i, run);
		i += run;
		while (i < n && s[i] != 'm')
			i++;
		i += i < n;
	}
	return columns;
}

static void put_frame(struct cfw_display *d, const char *text, size_t width)
{
	put_home(d, width);
	d->lines = 0;
	while (*text && d->lines < LINES_MAX) {
		size_t n = strcspn(text, "\n");
		cfw_buf_put(&d->frame, text, n);
		cfw_buf_puts(&d->frame, "\033[K\r\n");
		d->columns[d->lines++] = line_columns(text, n);
		text += n + (text[n] != '\0');
	}
	cfw_buf_puts(&d->frame, "\033[J");
}

static void erase(struct cfw_display *d)
{
	if (!d->lines || !flush(d))
		return;
	size_t width, height;
	get_size(d, &width, &height);
	cfw_buf_reset(&d->frame);
	d->sent = 0;
	put_home(d, width);
	cfw_buf_puts(&d->frame, "\033[J");
	d->lines = 0;
	flush(d);
}

static void draw(struct cfw_display *d)
{
	if (!flush(d) || in_background(d))
		return;
	size_t width, height;
	get_size(d, &width, &height);
	size_t room = height > 2 ? height - 1 : 1;
	struct cfw_buf text;
	cfw_buf_init(&text);
	/* One column is left free: a terminal must not wrap. */
	cfw_view_waiting(d->core, d->env->now_ns(d->env->ud), (int)(width > 1 ? width - 1 : 1),
			 (int)(room < LINES_MAX ? room : LINES_MAX), d->color, d->ascii, &text);
	if (!text.failed && (text.len || d->lines)) {
		cfw_buf_reset(&d->frame);
		d->sent = 0;
		put_frame(d, text.data ? text.data : "", width);
		flush(d);
	}
	cfw_buf_clear(&text);
}

static void set_timer(struct cfw_display *d, uint64_t at_ns)
{
	if (cfw_timer_set(d->env->timers, &d->timer, at_ns) < 0)
		cfw_display_end(d); /* no memory: a stop needs no display */
}

static void on_timer(struct cfw_timer *timer, uint64_t now_ns, void *ud)
{
	(void)timer;
	struct cfw_display *d = ud;
	struct cfw_stop_view stop;
	cfw_core_stop_view(d->core, &stop);
	if (!stop.running) { /* S3.4: it is over and the process goes on */
		cfw_display_end(d);
		return;
	}
	draw(d);
	d->drawn_ns = now_ns;
	set_timer(d, now_ns + frame_ns);
}

static void step_aside(void *ud)
{
	erase(ud);
}

/* Back as soon as the pace allows. */
static void come_back(void *ud)
{
	struct cfw_display *d = ud;
	if (d->active && d->drawn_ns)
		set_timer(d, cfw_time_max(d->env->now_ns(d->env->ud), d->drawn_ns + frame_ns));
}

struct cfw_display *cfw_display_new(int fd, const struct cfw_env *env, const struct cfw_core *core, struct cfw_logger *logger,
				    bool ascii)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	if (isatty(fd) != 1 || !term || !*term || strcmp(term, "dumb") == 0)
		return NULL;
	struct cfw_display *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	*d = (struct cfw_display){.fd = fd, .env = env, .core = core, .logger = logger, .ascii = ascii};
	d->color = !no_color || !*no_color;
	d->timer.fn = on_timer;
	d->timer.ud = d;
	cfw_out_init(&d->out, fd);
	cfw_buf_init(&d->frame);
	if (logger)
		cfw_logger_around(logger, step_aside, come_back, d);
	return d;
}

void cfw_display_begin(struct cfw_display *d)
{
	if (!d || d->active)
		return;
	d->active = true;
	d->drawn_ns = 0;
	set_timer(d, d->env->now_ns(d->env->ud) + first_after_ns);
}

void cfw_display_end(struct cfw_display *d)
{
	if (!d || !d->active)
		return;
	d->active = false;
	cfw_timer_cancel(d->env->timers, &d->timer);
	erase(d);
}

void cfw_display_free(struct cfw_display *d)
{
	if (!d)
		return;
	cfw_display_end(d);
	if (d->logger)
		cfw_logger_around(d->logger, NULL, NULL, NULL);
	cfw_out_clear(&d->out);
	cfw_buf_clear(&d->frame);
	free(d);
}
