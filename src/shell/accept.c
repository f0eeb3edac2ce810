#include "shell/accept.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"

enum { PAUSE = 50 }; /* ms */
#define LOG_AGAIN (10 * CFW_SEC)

/* evhttp keeps the argument of a listener for itself, so from a listener alone the server cannot be told. The resume event is
 * always pending, mostly for a day that never comes: it is how on_error finds its server. */
static void set_resume(struct cfw_accept *a, bool soon)
{
	static const struct timeval pause = {0, PAUSE * 1000}, never = {1 << 28, 0};
	event_add(&a->resume, soon ? &pause : &never);
}

static void on_resume(evutil_socket_t fd, short what, void *accept)
{
	struct cfw_accept *a = accept;
	(void)fd, (void)what;
	set_resume(a, false);
	a->failed = false;
	if (a->resumed)
		a->resumed(a->ud);
	else
		cfw_accept_enable(a, true);
}

struct search {
	const struct evconnlistener *listener;
	struct cfw_accept *found;
};

static int find(const struct event_base *base, const struct event *e, void *arg)
{
	struct search *search = arg;
	(void)base;
	struct cfw_accept *a = event_get_callback(e) == on_resume ? event_get_callback_arg(e) : NULL;
	for (int i = 0; a && i < a->n; i++)
		if (a->on[i] == search->listener)
			search->found = a;
	return !!search->found;
}

/* They fail as long as descriptors are out, 20 times a second. */
static void log_error(struct cfw_accept *a, int e)
{
	uint64_t now = cfw_time_now(), more = a->errors - a->logged_errors - 1;
	if (a->logged_ns && now < cfw_time_add(a->logged_ns, a->again_ns ? a->again_ns : LOG_AGAIN))
		return;
	if (more)
		cfw_log_at(a->log, CFW_WARN, "%s: cannot accept a connection: %s (and %llu more times since the last message)",
			   a->name, strerror(e), (unsigned long long)more);
	else
		cfw_log_at(a->log, CFW_WARN, "%s: cannot accept a connection: %s", a->name, strerror(e));
	a->logged_ns = now;
	a->logged_errors = a->errors;
}

static void on_error(struct evconnlistener *listener, void *arg)
{
	int e = EVUTIL_SOCKET_ERROR();
	struct search search = {.listener = listener};
	(void)arg;
	event_base_foreach_event(evconnlistener_get_base(listener), find, &search);
	struct cfw_accept *a = search.found;
	if (!a)
		return;
	a->errors++;
	cfw_accept_enable(a, false);
	if (a->failed)
		return;
	a->failed = true;
	set_resume(a, true);
	log_error(a, e);
}

int cfw_accept_init(struct cfw_accept *a, struct event_base *base, int n)
{
	a->n = 0;
	a->failed = false;
	a->on = calloc((size_t)n, sizeof *a->on);
	if (!a->on)
		return CURFEW_ENOMEM;
	a->n = n;
	event_assign(&a->resume, base, -1, 0, on_resume, a);
	set_resume(a, false);
	return 0;
}

void cfw_accept_clear(struct cfw_accept *a)
{
	if (!a->on)
		return;
	event_del(&a->resume);
	free(a->on);
	a->on = NULL;
	a->n = 0;
}

void cfw_accept_watch(struct cfw_accept *a, int i, struct evconnlistener *l)
{
	a->on[i] = l;
	if (l)
		evconnlistener_set_error_cb(l, on_error);
}

void cfw_accept_enable(struct cfw_accept *a, bool on)
{
	for (int i = 0; i < a->n; i++)
		if (a->on[i] && on)
			evconnlistener_enable(a->on[i]);
		else if (a->on[i])
			evconnlistener_disable(a->on[i]);
}
