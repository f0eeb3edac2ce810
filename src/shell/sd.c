#define _GNU_SOURCE
#include "shell/sd.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "instance.h"
#include "shell/link.h"
#include "view/waits.h"
#include "view/words.h"

/* A STATUS says what holds until the next one: as often as somebody may read it. */
enum { STATUS_MAX = 400, STATUS_MS = 250, SLACK_S = 1 };

struct cfw_sd {
	const struct cfw_link *link;
	struct curfew *const *curfew;
	char *address;       /* NULL: only the watchdog is wanted, which needs one, so: nothing is */
	struct event *alive; /* WATCHDOG=1 */
	struct event *later; /* a STATUS that is due */
	char status[STATUS_MAX];
	uint64_t told_ns, start_until_ns;
	bool ready, stopping;
};

int cfw_sd_send(const char *address, const char *text, size_t n)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(address);
	if (!len || len >= sizeof un.sun_path || (address[0] != '/' && address[0] != '@'))
		return EINVAL;
	memcpy(un.sun_path, address, len);
	if (address[0] == '@')
		un.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int rc = sendto(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&un,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0
			 ? errno
			 : 0;
	close(fd);
	return rc;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct cfw_sd *sd, const char *format, ...)
{
	char text[STATUS_MAX + 128];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text)
		return;
	if (!cfw_link_notify(sd->link, text, (size_t)n))
		cfw_sd_send(sd->address, text, (size_t)n);
}

/* ---- STATUS ---- */

struct first {
	struct cfw_view_wait wait;
	size_t n;
};

static void count_wait(void *ud, const struct cfw_view_wait *w)
{
	struct first *f = ud;
	if (!f->n++)
		f->wait = *w;
}

static const char *life_words(const struct cfw_core *core)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(core, &stop);
	if (stop.running)
		return stop.mode == CFW_ABORT ? "aborting" : "stopping";
	return cfw_life_name(cfw_core_life(core));
}

/* "stopping: waits for web, pre_stop "drain" (policy.lua:12), and 2 more" */
static void say_status(const struct cfw_core *core, struct cfw_buf *b)
{
	struct first f = {.n = 0};
	cfw_view_waits(core, count_wait, &f);
	cfw_buf_puts(b, life_words(core));
	if (!f.n)
		return;
	cfw_buf_printf(b, ": waits for %s, %s", f.wait.server ? cfw_view_server_name(core, f.wait.server) : "a global hook",
		       f.wait.phase);
	if (f.wait.name)
		cfw_buf_printf(b, " \"%s\"", f.wait.name);
	if (f.wait.where)
		cfw_buf_printf(b, " (%s)", f.wait.where);
	if (f.n > 1)
		cfw_buf_printf(b, ", and %zu more", f.n - 1);
}

static void tell_status(struct cfw_sd *sd)
{
	struct cfw_buf raw, b;
	char text[STATUS_MAX];
	struct cfw_stop_view stop;
	cfw_core_stop_view(curfew_core(*sd->curfew), &stop);
	if (cfw_core_life(curfew_core(*sd->curfew)) == CFW_L_NEW && !stop.running)
		return; /* nothing has happened; after a crash the guardian has said what has */
	cfw_buf_init(&raw);
	cfw_buf_init(&b);
	say_status(curfew_core(*sd->curfew), &raw);
	if (!raw.failed)
		cfw_buf_put_safe(&b, raw.data, raw.len); /* S10.3: names are a script's: no line ends in them */
	snprintf(text, sizeof text, "%s", b.len && !b.failed ? b.data : "");
	cfw_buf_clear(&raw);
	cfw_buf_clear(&b);
	sd->told_ns = cfw_time_now();
	if (!*text || !strcmp(text, sd->status))
		return;
	strcpy(sd->status, text);
	tell(sd, "STATUS=%s", text);
}

static void on_later(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	tell_status(ud);
}

static void status_changed(struct cfw_sd *sd)
{
	static const struct timeval wait = {0, STATUS_MS * 1000};
	if (event_pending(sd->later, EV_TIMEOUT, NULL))
		return;
	if (cfw_time_now() - sd->told_ns >= STATUS_MS * CFW_MS)
		tell_status(sd);
	else
		event_add(sd->later, &wait);
}

/* ---- what happens ---- */

/* Of the service manager's own timeout, which knows nothing of ours: it ends no sooner than the deadline. */
static void extend(const struct cfw_sd *sd, const char *first, uint64_t until_ns)
{
	uint64_t left = cfw_time_left(cfw_time_now(), until_ns);
	if (left >= 24 * 3600 * CFW_SEC) {
		if (*first)
			tell(sd, "%s", first);
		return;
	}
	uint64_t us = left / 1000 + SLACK_S * 1000000;
	tell(sd, "%s%sEXTEND_TIMEOUT_USEC=%llu", first, *first ? "\n" : "", (unsigned long long)us);
}

static void begin_start(struct cfw_sd *sd)
{
	const struct cfw_core *core = curfew_core(*sd->curfew);
	if (!sd->ready)
		extend(sd, "", cfw_time_add(cfw_time_now(), cfw_core_config_get(core)->start_timeout_ns));
}

void cfw_sd_journal(struct cfw_sd *sd, const struct cfw_journal_entry *e)
{
	if (!sd)
		return;
	if (e->what == CFW_J_LIFE && e->a == CFW_L_STARTING) {
		begin_start(sd);
	} else if (e->what == CFW_J_LIFE && e->a == CFW_L_STARTED && !sd->ready) {
		sd->ready = true;
		tell(sd, "READY=1");
	} else if (e->what == CFW_J_STOP && !e->b && !sd->stopping) {
		struct cfw_stop_view stop;
		cfw_core_stop_view(curfew_core(*sd->curfew), &stop);
		if (!stop.running || !stop.no_exit) { /* S3.4: the service goes on */
			sd->stopping = true;
			extend(sd, "STOPPING=1", e->ns);
		}
	} else if (e->what == CFW_J_CANCEL && e->a == 1 && sd->stopping) {
		sd->stopping = false; /* whoever believes that is told; systemd itself takes STOPPING for the last word */
		tell(sd, "READY=1");
	} else if (e->what == CFW_J_EXTEND) {
		extend(sd, "", e->ns);
	}
	status_changed(sd);
}

void cfw_sd_reload(struct cfw_sd *sd, bool over)
{
	if (!sd || !sd->ready || sd->stopping)
		return;
	if (over)
		tell(sd, "READY=1");
	else
		tell(sd, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(cfw_time_now() / 1000));
}

static void on_alive(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	tell(ud, "WATCHDOG=1");
}

/* ---- made and freed ---- */

/* 0: none is wanted of us. */
static uint64_t watchdog_usec(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}

static int begin_watchdog(struct cfw_sd *sd, struct event_base *base, uint64_t usec)
{
	struct timeval half = {(time_t)(usec / 2 / 1000000), (suseconds_t)(usec / 2 % 1000000)};
	if (usec < 2)
		return 0;
	sd->alive = event_new(base, -1, EV_PERSIST, on_alive, sd);
	return sd->alive ? event_add(sd->alive, &half) : -1;
}

struct cfw_sd *cfw_sd_new(struct event_base *base, const struct cfw_link *link, struct curfew *const *curfew)
{
	const char *address = getenv("NOTIFY_SOCKET");
	uint64_t usec = watchdog_usec();
	struct cfw_sd *sd = address && *address ? calloc(1, sizeof *sd) : NULL;
	if (sd) {
		*sd = (struct cfw_sd){.link = link, .curfew = curfew, .address = strdup(address)};
		sd->later = evtimer_new(base, on_later, sd);
		if (!sd->address || !sd->later || begin_watchdog(sd, base, usec)) {
			cfw_sd_free(sd);
			sd = NULL;
		}
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return sd;
}

void cfw_sd_free(struct cfw_sd *sd)
{
	if (!sd)
		return;
	if (sd->alive)
		event_free(sd->alive);
	if (sd->later)
		event_free(sd->later);
	free(sd->address);
	free(sd);
}
