/* http_server.h: what the files of the kind "http" share. http.c is the kind; http_conn.c knows the connections one by one;
 * http_request.c takes a request from evhttp to policy, http_reply.c its answer back; http_drain.c ends it all.
 *
 * Everything runs on the loop's thread. evhttp frees connections in the middle of its own work, so nothing here frees the server
 * or its struct evhttp from within a callback of evhttp: that waits for the turn event. */
#ifndef CFW_SHELL_HTTP_SERVER_H
#define CFW_SHELL_HTTP_SERVER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/exchange.h"
#include "base/kind.h"
#include "shell/accept.h"
#include "shell/http_route.h"
#include "shell/listen.h"

struct bufferevent;
struct evbuffer;
struct evbuffer_cb_entry;
struct evhttp;
struct evhttp_connection;
struct evhttp_request;

/* A connection is in one of these lists, each in order of since_ns, the oldest first. */
enum cfw_http_state {
	CFW_HTTP_NEW,     /* never used: nothing came yet; since accepted */
	CFW_HTTP_READING, /* part of a request is here; since its first byte */
	CFW_HTTP_IDLE,    /* between requests; since the last reply was written */
	CFW_HTTP_REFUSED, /* evhttp has answered by itself what it could not read; since then */
	CFW_HTTP_BUSY,    /* a request is under way, until its reply is written; since its last byte */
	CFW_HTTP_WATCHED, /* the same, for so long that we look whether the client is still there */
	CFW_HTTP_STATES
};

struct cfw_http_conn {
	TAILQ_ENTRY(cfw_http_conn) link;
	struct cfw_http *srv;
	struct bufferevent *bev;       /* evhttp's; a reference is ours until adopted */
	struct evhttp_connection *con; /* NULL until adopted */
	struct evbuffer_cb_entry *in;  /* ours on the input buffer */
	struct evbuffer_cb_entry *out; /* ours on the output buffer */
	struct cfw_http_request *req;  /* under way, else NULL */
	uint64_t since_ns;
	uint64_t last_ns; /* READING: when the last bytes came */
	uint64_t late_ns; /* READING: its time is up, but bytes lie unread: it is closed then; 0 else */
	enum cfw_http_state state;
	bool refused; /* it is, or was, REFUSED; it is closed behind that */
	bool last;    /* the reply behind which it is closed is written */
};
TAILQ_HEAD(cfw_http_conns, cfw_http_conn);

struct cfw_http_request {
	struct cfw_exchange x;             /* first */
	LIST_ENTRY(cfw_http_request) link; /* of all that live, held ones included */
	struct cfw_http *srv;              /* NULL once the server is down: only release is left then */
	struct cfw_http_conn *conn;        /* NULL once the connection is gone or has gone on */
	struct evhttp_request *ev;         /* evhttp's; NULL once it is done with it */
	struct cfw_value *value;           /* x.request */
	struct evbuffer_cb_entry *out;     /* on the output buffer, while a flush waits */
	uint64_t flush_token;              /* 0: none */
	int64_t promised;                  /* a Content-Length given to begin, or -1 */
	int64_t written;
	bool held;     /* policy has it: it will be released, or told that it is gone */
	bool begun;    /* a status line is out */
	bool ended;    /* the reply is complete, though perhaps not yet written */
	bool bodyless; /* HEAD, 204, 304 */
	bool close;    /* the connection closes behind this reply */
	bool cut;      /* by policy: its end is no news */
};
LIST_HEAD(cfw_http_requests, cfw_http_request);
LIST_HEAD(cfw_http_lingers, cfw_http_linger); /* http_linger.c */

enum cfw_http_phase {
	CFW_HTTP_DOWN,
	CFW_HTTP_SERVING,
	CFW_HTTP_DRAIN_QUEUE, /* listeners are barred, what the kernel had queued is taken in */
	CFW_HTTP_DRAIN_CONNS, /* nobody is waiting to come in; connections end */
	CFW_HTTP_FLUSHING,    /* cut: what is complete is written, nothing else */
};

struct cfw_http_stats {
	uint64_t accepted, requests, replies[6], errors_500, gone, cut, bytes_out;
};

struct cfw_http {
	const struct cfw_env *env;
	struct event_base *base;
	cfw_id id;
	const char *name; /* the definition's */
	struct cfw_routes *routes;
	int64_t handler; /* fallback */
	bool has_handler;
	uint64_t keep_alive_ns, drain_ns, grace_ns, spread_ns, request_ns, write_stall_ns;
	int64_t max_body, max_headers;
	size_t high_water; /* most that is held of what a connection sent and evhttp has not taken; 0: no bound */
	struct cfw_listen_addr *addrs;
	int n_addrs;
	struct cfw_listener *ready; /* n_addrs, in hand before the start; NULL: none */

	/* While it runs. */
	enum cfw_http_phase phase;
	bool lame, hurried;             /* hurried: idle_grace of the drain that runs is over */
	uint32_t attempt;               /* of the stop */
	uint64_t last_client_ns;        /* when somebody last sent something; 0: nobody ever did */
	uint64_t stop_ns, drain_end_ns; /* also where FLUSHING ends */
	size_t spread_of, spread_done;  /* idle connections when the first was due to be closed, and of those closed since */
	struct evhttp *http;
	struct cfw_listener *listeners; /* n_addrs */
	struct evhttp_bound_socket **bound;
	char *address;
	struct cfw_http_conns conns[CFW_HTTP_STATES], fresh; /* fresh: made, not yet adopted */
	size_t n_conns, n[CFW_HTTP_STATES];
	struct cfw_http_conn *touched; /* whose input moved last */
	struct cfw_http_requests requests;
	struct cfw_http_lingers lingering;
	size_t n_lingering;
	struct evbuffer *scratch;
	struct event adopt, turn, timer;
	struct cfw_accept accept;
	uint64_t timer_ns; /* when timer is due, CFW_NEVER when it is not set */
	struct cfw_http_stats stats;
};

/* http.c */
void cfw_http_listener_done(struct cfw_http *s, int i); /* close the i-th listener, idempotent */
void cfw_http_down(struct cfw_http *s);                 /* free all that start made; connections are cut. Reports nothing */
void cfw_http_stopped(struct cfw_http *s);              /* the same, and report STOPPED to the last stop or cut */
void cfw_http_turn_soon(struct cfw_http *s);            /* cfw_http_drain_step in the next turn of the loop */

/* http_conn.c */
struct bufferevent *cfw_http_conn_new(struct event_base *base, void *srv); /* for evhttp_set_bevcb */
void cfw_http_adopt(struct cfw_http *s);                                   /* take fresh connections into the lists */
struct cfw_http_conn *cfw_http_conn_of(struct cfw_http *s, struct evhttp_connection *con);
void cfw_http_conn_move(struct cfw_http_conn *c, enum cfw_http_state to);
void cfw_http_conn_close(struct cfw_http_conn *c); /* now; c is gone then */
void cfw_http_conn_rest(struct cfw_http_conn *c);  /* its reply is written: IDLE, or READING when more has come */
/* Close those whose time is up, look after long requests, and set the timer for the next. */
void cfw_http_sweep(struct cfw_http *s);
void cfw_http_sweep_by(struct cfw_http *s, uint64_t at_ns); /* set the timer unless it is due earlier */

/* http_linger.c */
void cfw_http_linger(struct cfw_http_conn *c); /* evhttp is about to close it: swallow first what the client still sends */
void cfw_http_linger_end(struct cfw_http *s);  /* no longer */

/* http_request.c */
void cfw_http_serve(struct evhttp_request *ev, void *srv); /* for evhttp_set_gencb */
void cfw_http_request_lost(struct cfw_http_request *r);    /* its connection is being freed */
void cfw_http_request_free(struct cfw_http_request *r);
const char *cfw_http_method_name(struct evhttp_request *ev);

/* http_reply.c */
extern const struct cfw_exchange_ops cfw_http_ops;
/* A reply of our own making; text may be NULL. allow: value of an Allow header, or NULL. */
void cfw_http_reply_plain(struct cfw_http_request *r, int status, const char *allow);
/* Answer a flush that waits: NULL for true. */
void cfw_http_flushed(struct cfw_http_request *r, const struct curfew_err *err);

/* http_drain.c */
void cfw_http_drain(struct cfw_http *s);      /* begin */
void cfw_http_drain_step(struct cfw_http *s); /* go as far as it goes; nothing unless a drain runs. May report STOPPED */
/* When c, in its state, is to be closed, in the present phase; CFW_NEVER. */
uint64_t cfw_http_limit(const struct cfw_http_conn *c);
/* The same for one that is idle or was never used: in a drain close_spread puts a distance between them. */
uint64_t cfw_http_idle_due(struct cfw_http *s, const struct cfw_http_conn *c);
/* End it: at once what is not complete, in a moment what only has to be written (S4.2). Reports STOPPED. Not when down. */
void cfw_http_cut(struct cfw_http *s);
void cfw_http_last(void *srv);
void cfw_http_hurry(void *srv); /* of a drain: idle_grace is over */

#endif
