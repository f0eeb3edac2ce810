/* control_impl.h: shared by the files of the control API: control.c (socket, trust), control_conn.c (connections and HTTP),
 * control_routes.c (what can be read), control_act.c (what can be asked for), control_events.c (streams). */
#ifndef CFW_SHELL_CONTROL_IMPL_H
#define CFW_SHELL_CONTROL_IMPL_H

#include <event2/bufferevent.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/buf.h"
#include "instance.h"
#include "shell/accept.h"
#include "shell/control.h"
#include "shell/listen.h"

#define CFW_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
enum {
	CFW_CONTROL_CONNS = 64,
	CFW_CONTROL_STREAMS = 16,
	CFW_CONTROL_HEAD = 8 << 10,
	CFW_CONTROL_BODY = 4 << 10,
	CFW_CONTROL_SECONDS = 10,      /* to send a request; to take some of an answer */
	CFW_CONTROL_STREAM = 64 << 10, /* of a stream, not taken yet: then the rest stays in the journal */
};

struct cfw_control_conn {
	TAILQ_ENTRY(cfw_control_conn) link;
	struct cfw_control *ctl;
	struct bufferevent *bev;
	struct event timer;
	enum { CFW_CONN_READING, CFW_CONN_WAITING, CFW_CONN_STREAM, CFW_CONN_CLOSING } state;
	bool http11, keep, head; /* of the request that is answered: its version, is there a next, HEAD */
	bool forbidden;          /* its peer is nobody that we know (S10.1) */
	struct cfw_control_asked *asked;
	bool sse; /* of a stream: server-sent events; else a line of JSON each */
	uint64_t next_seq;
};
TAILQ_HEAD(cfw_control_conns, cfw_control_conn);

/* Something that was asked of the instance, and not answered yet. */
struct cfw_control_asked {
	TAILQ_ENTRY(cfw_control_asked) link;
	struct cfw_control *ctl;
	struct cfw_control_conn *conn; /* NULL when it is gone */
	bool must_stop;                /* a decision that does not stop is a refusal */
	bool wait;                     /* until the stop is over */
	struct cfw_value *decision;    /* that is waited out */
};
TAILQ_HEAD(cfw_control_askeds, cfw_control_asked);

struct cfw_control_socket {
	struct cfw_listener listener; /* fd -1: none; evconnlistener owns it while ev is set */
	struct evconnlistener *ev;
	struct cfw_accept accept;
	struct cfw_value *conf;
	bool grouped;
	gid_t gid;
};

struct cfw_control_request;
struct cfw_control {
	struct event_base *base;
	const struct cfw_log *log;
	struct curfew *const *curfew;
	void (*route)(struct cfw_control_conn *c,
		      struct cfw_control_request *r); /* cfw_control_route; another's paths (health.c) */
	void *route_ud;
	void (*metrics)(void *ud, struct cfw_buf *out); /* NULL: there are none */
	void *metrics_ud;
	struct cfw_control_socket *socket, *next; /* next: prepared */
	bool prepared;
	struct cfw_control_conns conns; /* the oldest first */
	unsigned nconns, nstreams;
	struct cfw_control_askeds asked;
	struct event later; /* what waits for the end of a stop that ends no process */
	uint64_t seen;      /* of the journal */
};

struct cfw_control_request {
	const char *method;
	char *path;
	char *arg; /* what stands for * in the route, decoded; NULL */
	struct evkeyvalq query;
	struct cfw_value *body;       /* NULL: none */
	enum curfew_steer_what steer; /* of a path that steers */
	bool sse;
};

/* control_conn.c */
/* Takes fd. Who is not welcome is told so, whatever the request. */
void cfw_control_conn_new(struct cfw_control *ctl, int fd, bool welcome);
void cfw_control_conn_free(struct cfw_control_conn *c);
/* Answer: status, and v as JSON; takes v (NULL: out of memory). */
void cfw_control_reply(struct cfw_control_conn *c, int status, struct cfw_value *v);
void cfw_control_reply_text(struct cfw_control_conn *c, int status, const char *type, const char *text, size_t n);
void cfw_control_reply_error(struct cfw_control_conn *c, int status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* extra: further header lines, each with its end, or "". */
void cfw_control_put_head(struct cfw_control_conn *c, int status, const char *type, const char *extra);
void cfw_control_flush(struct cfw_control_conn *c); /* what the kernel takes at once */

/* control_routes.c */
void cfw_control_route(struct cfw_control_conn *c, struct cfw_control_request *r);

/* control_params.c */
/* Each parameter is one of words ("wait code") and fits; false: the request was answered with 400. */
bool cfw_control_check_params(struct cfw_control_conn *c, const struct cfw_control_request *r, const char *words);
/* Of the body, or else of the query; NULL, false, otherwise. */
const char *cfw_control_param(const struct cfw_control_request *r, const char *key);
bool cfw_control_flag(const struct cfw_control_request *r, const char *key);
int64_t cfw_control_number(const struct cfw_control_request *r, const char *key, int64_t otherwise);

typedef void cfw_control_fn(struct cfw_control_conn *c, struct cfw_control_request *r);
cfw_control_fn cfw_control_get_metrics;

/* control_act.c */
cfw_control_fn cfw_control_stop, cfw_control_abort, cfw_control_reload, cfw_control_trigger, cfw_control_steer,
	cfw_control_extend;
void cfw_control_reply_err(struct cfw_control_conn *c, const struct curfew_err *err);
void cfw_control_asked_free(struct cfw_control_asked *a);
void cfw_control_stop_over(struct cfw_control *ctl, bool ended, int code);

/* control_events.c */
cfw_control_fn cfw_control_events;
void cfw_control_stream_pump(struct cfw_control_conn *c);
void cfw_control_stream_end(struct cfw_control_conn *c);

#endif
