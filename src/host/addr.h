/* addr.h: "127.0.0.1:80", "[::1]:80", "localhost:80", ":80", "80", "unix:/path" without asking a name server. */
#ifndef CFW_HOST_ADDR_H
#define CFW_HOST_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct curfew_err;

struct cfw_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* port where the text has none; 0: it must have one. 0, or CURFEW_EINVAL. */
int cfw_addr_parse(struct cfw_addr *a, const char *text, unsigned port, struct curfew_err *err);
/* A socket that is being connected, close-on-exec, not blocking; -1 and errno. *done: it is connected already. */
int cfw_addr_connect(const struct cfw_addr *a, bool *done);
/* Has a connect that was begun come to its end well? 0 or the errno. A socket connected to itself (the kernel gave it the very
 * port that nobody listens at) is ECONNREFUSED. */
int cfw_addr_connected(int fd);

#endif
