/* tcp_server.h: what the files of the kind "tcp" share. tcp.c is the kind; tcp_conn.c a connection as an exchange. */
#ifndef CFW_SHELL_TCP_SERVER_H
#define CFW_SHELL_TCP_SERVER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/exchange.h"
#include "base/kind.h"
#include "shell/accept.h"
#include "shell/listen.h"

struct bufferevent;

struct cfw_tcp_conn {
	struct cfw_exchange x; /* first */
	TAILQ_ENTRY(cfw_tcp_conn) link;
	struct cfw_tcp *srv; /* NULL once cut off from it: only release is left then */
	const struct cfw_env *env;
	struct bufferevent *bev; /* NULL once closed */
	struct cfw_value *value;
	uint64_t since_ns;
	uint64_t read_token, flush_token; /* 0: none */
	size_t read_max;
	int error;      /* errno of the connection's end, when it was no end of input */
	bool eof;       /* the peer sends no more */
	bool held;      /* policy has it */
	bool lingering; /* released, everything written, waits for the peer's end of input */
};
TAILQ_HEAD(cfw_tcp_conns, cfw_tcp_conn);

enum cfw_tcp_phase { CFW_TCP_DOWN, CFW_TCP_SERVING, CFW_TCP_DRAIN_QUEUE, CFW_TCP_DRAIN_CONNS };

struct cfw_tcp {
	const struct cfw_env *env;
	struct event_base *base;
	cfw_id id;
	const char *name; /* the definition's */
	int64_t handler;
	uint64_t drain_ns;
	int64_t max_connections; /* 0: no limit */
	struct cfw_listen_addr *addrs;
	int n_addrs;
	struct cfw_listener *ready; /* n_addrs, in hand before the start; NULL: none */

	enum cfw_tcp_phase phase;
	uint32_t attempt;
	uint64_t last_accept_ns, drain_end_ns;
	struct cfw_listener *listeners; /* n_addrs */
	char *address;
	struct cfw_tcp_conns conns;
	int64_t n_conns;
	struct event turn;
	struct cfw_accept accept;
	uint64_t accepted, cut, bytes_out;
};

/* tcp.c: a connection is gone: accept again, or go on with the drain. */
void cfw_tcp_conn_gone(struct cfw_tcp *s);

/* tcp_conn.c */
void cfw_tcp_conn_new(struct cfw_tcp *s, int fd, const struct sockaddr *peer); /* takes fd; hands it to policy */
void cfw_tcp_conn_cut(struct cfw_tcp_conn *c);                                 /* close it, tell policy that it is gone */

#endif
