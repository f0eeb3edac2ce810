/* listen.h: listening sockets for the kinds "http" and "tcp": TCP over IPv4 and IPv6, unix sockets, and how to close one without
 * losing a connection that the kernel has already let in (S9.1). */
#ifndef CFW_SHELL_LISTEN_H
#define CFW_SHELL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/slots.h"

struct curfew_err;
struct cfw_env;
struct cfw_value;

/* Where to listen, parsed; nothing is open yet. */
struct cfw_listen_addr {
	struct sockaddr_storage sa;
	socklen_t len;
	bool dual;   /* ":80" and "*:80": IPv6 that takes IPv4 too */
	char *text;  /* as the policy wrote it; owned */
	mode_t mode; /* of a unix socket, which it is born with; 0: as the umask has it */
};

struct cfw_listener {
	int fd; /* -1 when closed */
	int family;
	char *text; /* "127.0.0.1:43211", "[::1]:80", "unix:/path": where it really listens; owned */
	char *path; /* of a unix socket in the file system, to unlink; owned; NULL else */
	dev_t dev;
	ino_t ino; /* what we bound, so that another's socket is never unlinked */
	bool barred;
	bool shared; /* a successor has it, too: we may close ours, and nothing else */
	unsigned turned;
};

/* The addresses in def.listen: a string or a list of strings: "127.0.0.1:80", "[::1]:80", "localhost:80", ":80" (everywhere),
 * "unix:/path", "unix:@abstract", "systemd:NAME" (passed.h: as many as were passed by that name). Port 0 lets the kernel choose.
 * Returns how many, *out owned by the caller (see _addrs_free), or a negative error; name is the server's, for the text. */
int cfw_listen_parse(const char *name, const struct cfw_value *listen, struct cfw_listen_addr **out, struct curfew_err *err);
/* One of them. nth, from 0 on: of several that were passed by one name. */
int cfw_listen_parse_one(const char *name, const char *text, int nth, struct cfw_listen_addr *out, struct curfew_err *err);
void cfw_listen_addrs_free(struct cfw_listen_addr *addrs, int n);

/* Bind and listen, or take the passed socket that has this address; non-blocking, close-on-exec. A unix socket that nobody serves any more is replaced; a live one is an address in
 * use. 0, or a negative error: "web: cannot listen on 127.0.0.1:80: Address already in use". */
int cfw_listen_open(const char *name, const struct cfw_listen_addr *addr, struct cfw_listener *out, struct curfew_err *err);

/* The files of unix sockets among these, as cfw_listen_text writes them, that nobody serves: whoever made them is gone. */
void cfw_listen_remove_stale(const char *addresses);

/* Reload: sockets for these n addresses in *ready (made where it is NULL; fd -1 where none is in hand), bound, or handed over by the
 * server that had them (env->socket); those that will be, later, are left out. 0, or a negative error; again, where it failed. */
int cfw_listen_prepare(const struct cfw_env *env, cfw_id id, const char *name, const struct cfw_listen_addr *addrs, int n,
		       struct cfw_listener **ready, struct curfew_err *err);
/* The i-th of ready, when it is in hand, else handed over or opened as by cfw_listen_open. */
int cfw_listen_take(const struct cfw_env *env, cfw_id id, const char *name, const struct cfw_listen_addr *addrs, int i,
		    struct cfw_listener *ready, struct cfw_listener *out, struct curfew_err *err);
void cfw_listen_ready_free(struct cfw_listener *ready, int n); /* NULL is fine */
bool cfw_listen_same(const struct cfw_listen_addr *a, int n_a, const struct cfw_listen_addr *b, int n_b);
void cfw_listen_swap(struct cfw_listen_addr **a, int *n_a, struct cfw_listen_addr **b, int *n_b);
/* From now on the kernel lets nobody new in; what it has queued can still be accepted. TCP: a filter drops SYNs; handshakes that
 * have begun may still end. Unix: connects are refused, and our socket file is removed. Idempotent.
 *
 * A filter costs some 20 us, as much as all else about a stop. Where nobody has come for CFW_LISTEN_QUIET, it can be spared: what
 * it guards against is a connect in the microsecond between a look at the empty queue and the close. */
#define CFW_LISTEN_QUIET UINT64_C(10000000000) /* ns */
void cfw_listen_bar(struct cfw_listener *l);
/* Is somebody waiting in the accept queue? Of a barred unix socket the kernel does not say: true once, so that the loop has turned
 * in between, which accepts until there is nobody left. */
bool cfw_listen_queued(struct cfw_listener *l);
/* The same for all n of a server. */
void cfw_listen_bar_all(struct cfw_listener *l, int n);
/* S7.2: of n listeners at addrs, the one at address for a successor there: a descriptor of its own if take, else 0; -1 when there is
 * none that is open and not given yet. */
int cfw_listen_hand_over(struct cfw_listener *l, const struct cfw_listen_addr *addrs, int n, const char *address, bool take);
/* "127.0.0.1:80, [::1]:80": where n of them really listen; the caller's, NULL when memory is gone. */
char *cfw_listen_text(const struct cfw_listener *l, int n);
/* Free what l owns and remove our socket file. The descriptor is closed unless someone else has taken it (fd set to -1). */
void cfw_listen_close(struct cfw_listener *l);

/* "127.0.0.1:80", "[::1]:80", "unix": the peer of a connection. buf has at least CFW_PEER_TEXT bytes; returns buf. */
enum { CFW_PEER_TEXT = 72 };
const char *cfw_listen_peer(const struct sockaddr *sa, char *buf, size_t n);

#endif
