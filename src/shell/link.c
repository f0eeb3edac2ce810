#define _GNU_SOURCE
#include "shell/link.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/page.h"
#include "base/time.h"
#include "instance.h"
#include "shell/sources.h"

static void on_channel(void *ud, int fd, unsigned what)
{
	struct cfw_link *l = ud;
	struct cfw_page *page = l->guarded->page;
	char message;
	(void)what;
	ssize_t n = recv(fd, &message, 1, MSG_DONTWAIT);
	if (n > 0) { /* CFW_MSG_PING */
		atomic_store(&page->turned_ns, cfw_time_now());
		l->deaf = 0;
		l->on_ping(l->ud);
	}
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR || ++l->deaf < CFW_CHANNEL_TRIES)))
		return;
	atomic_store(&page->guarded, 0); /* a forced end is our own again */
	cfw_link_close(l);
	l->on_gone(l->ud);
}

int cfw_link_open(struct cfw_link *l, const struct curfew_loop *loop)
{
	l->loop = loop;
	return l->guarded ? loop->ops->watch(loop->loop, &l->watch, l->guarded->channel, CURFEW_READ, on_channel, l) : 0;
}

void cfw_link_close(struct cfw_link *l)
{
	if (!l->guarded)
		return;
	if (l->watch)
		l->loop->ops->watch(l->loop->loop, &l->watch, l->guarded->channel, 0, NULL, NULL);
	close(l->guarded->channel);
	l->guarded = NULL;
}

void cfw_link_tell(const struct cfw_link *l, enum cfw_message what)
{
	char message = (char)what;
	if (l->guarded && send(l->guarded->channel, &message, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* it looks by itself, only less often */
}

/* Waited for, for a moment, if the channel is full: READY=1 must not be lost. */
bool cfw_link_notify(const struct cfw_link *l, const char *text, size_t n)
{
	char message[1 + CFW_LINK_NOTIFY] = {CFW_MSG_NOTIFY};
	if (!l->guarded)
		return false;
	n = n < CFW_LINK_NOTIFY ? n : CFW_LINK_NOTIFY;
	memcpy(message + 1, text, n);
	struct pollfd p = {.fd = l->guarded->channel, .events = POLLOUT};
	for (int tries = 0; tries < 2; tries++) {
		if (send(l->guarded->channel, message, n + 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN)
			break;
		poll(&p, 1, 20);
	}
	return true;
}

void cfw_link_keep_source(const struct cfw_link *l, const struct cfw_log *log, const char *key, const char *path,
			  const char *src, size_t n)
{
	char name[CFW_CHANNEL_MESSAGE];
	if (!l->guarded || l->crash)
		return;
	snprintf(name, sizeof name, "%u %s", l->generation ? l->generation : 1, key);
	if (!cfw_sources_send(l->guarded->channel, name, path, src, n))
		cfw_log_at(log, CFW_WARN, "%s: its text cannot be kept for the guardian: %s", path, strerror(errno));
}

const char *cfw_link_find_source(const struct cfw_link *l, const char *key, const char **path, size_t *n)
{
	char name[CFW_CHANNEL_MESSAGE];
	if (!l->guarded || !l->crash)
		return NULL;
	const struct cfw_region *old = l->crash->old_region;
	snprintf(name, sizeof name, "%u %s", old ? old->generation : cfw_page_region(l->guarded->page).generation, key);
	return cfw_sources_find(l->guarded->kept, name, path, n);
}
