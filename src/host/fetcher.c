#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/time.h"
#include "host/fetch.h"
#include "host/internal.h"

/* A socket of libcurl's that the loop watches. */
struct cfw_socket {
	struct cfw_fetcher *m;
	struct cfw_socket *next;
	struct curfew_watch *watch;
	curl_socket_t fd;
};

/* Those that have ended are taken out and answered. Never from within a callback of libcurl's. */
static void collect(struct cfw_fetcher *m)
{
	int left;
	const CURLMsg *msg;
	while ((msg = m->curl->multi_info_read(m->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode result = msg->data.result;
		CURL *easy = msg->easy_handle;
		struct cfw_fetch *f = m->running;
		while (f->easy != easy) /* libcurl tells nothing of a handle that was taken out */
			f = f->next;
		cfw_fetcher_drop(m, f);
		cfw_fetch_done(f, result);
	}
	while (m->deaf && m->running) {
		struct cfw_fetch *f = m->running;
		cfw_fetcher_drop(m, f);
		cfw_fetch_done(f, CURLE_OUT_OF_MEMORY);
	}
	m->deaf = false;
}

static void on_socket(void *ud, int fd, unsigned what)
{
	struct cfw_fetcher *m = ((struct cfw_socket *)ud)->m;
	int ready = (what & CURFEW_READ ? CURL_CSELECT_IN : 0) | (what & CURFEW_WRITE ? CURL_CSELECT_OUT : 0);
	int running;
	m->curl->multi_socket_action(m->multi, fd, ready, &running);
	collect(m);
}

static void on_timer(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_fetcher *m = ud;
	int running;
	m->curl->multi_socket_action(m->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(m);
}

static void forget_socket(struct cfw_socket *s)
{
	const struct curfew_loop *loop = s->m->host->env->loop;
	struct cfw_socket **p = &s->m->sockets;
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	if (s->watch)
		loop->ops->watch(loop->loop, &s->watch, s->fd, 0, NULL, NULL);
	free(s);
}

/* libcurl: what it wants to know of a socket. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ud, void *mark)
{
	(void)easy;
	struct cfw_fetcher *m = ud;
	struct cfw_socket *s = mark;
	const struct curfew_loop *loop = m->host->env->loop;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			forget_socket(s);
		m->curl->multi_assign(m->multi, fd, NULL);
		return 0;
	}
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s) {
			m->deaf = true;
			return -1;
		}
		s->m = m;
		s->fd = fd;
		s->next = m->sockets;
		m->sockets = s;
		m->curl->multi_assign(m->multi, fd, s);
	}
	unsigned io = (what & CURL_POLL_IN ? CURFEW_READ : 0U) | (what & CURL_POLL_OUT ? CURFEW_WRITE : 0U);
	if (loop->ops->watch(loop->loop, &s->watch, fd, io, on_socket, s) == 0)
		return 0;
	m->deaf = true;
	return -1;
}

static int want_timer(CURLM *multi, long ms, void *ud)
{
	(void)multi;
	struct cfw_fetcher *m = ud;
	uint64_t at = ms < 0 ? CFW_NEVER : cfw_time_add(cfw_host_now(m->host), (uint64_t)ms * CFW_MS);
	if (cfw_timer_set(m->host->env->timers, &m->timer, at) == 0)
		return 0;
	m->deaf = true;
	return -1;
}

struct cfw_fetcher *cfw_fetcher_get(struct cfw_host *h, struct curfew_err *err)
{
	if (h->fetcher)
		return h->fetcher;
	const struct cfw_curl *curl = cfw_curl_get(err);
	if (!curl)
		return NULL;
	struct cfw_fetcher *m = calloc(1, sizeof *m);
	if (!m || !(m->multi = curl->multi_init())) {
		free(m);
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	m->host = h;
	m->curl = curl;
	m->timer = (struct cfw_timer){.fn = on_timer, .ud = m};
	curl->multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl->multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
	curl->multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl->multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
	return h->fetcher = m;
}

int cfw_fetcher_add(struct cfw_fetcher *m, struct cfw_fetch *f, struct curfew_err *err)
{
	f->next = m->running;
	m->running = f;
	CURLMcode e = m->curl->multi_add_handle(m->multi, f->easy);
	if (!e && !m->deaf)
		return 0;
	m->deaf = false;
	if (e)
		m->running = f->next;
	else
		cfw_fetcher_drop(m, f);
	return cfw_err_set(err, CURFEW_ENOMEM, "libcurl does not take the request (%d)", (int)e);
}

void cfw_fetcher_drop(struct cfw_fetcher *m, struct cfw_fetch *f)
{
	struct cfw_fetch **p = &m->running;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	m->curl->multi_remove_handle(m->multi, f->easy);
}

void cfw_fetch_free(struct cfw_host *h)
{
	struct cfw_fetcher *m = h->fetcher;
	if (!m)
		return;
	for (struct cfw_fetch *f = m->running, *next; f; f = next) {
		next = f->next;
		cfw_fetcher_drop(m, f);
		cfw_fetch_clear(f);
	}
	m->curl->multi_cleanup(m->multi);
	for (struct cfw_socket *s = m->sockets, *next; s; s = next) {
		next = s->next;
		forget_socket(s);
	}
	cfw_timer_cancel(h->env->timers, &m->timer);
	free(m);
	h->fetcher = NULL;
}
