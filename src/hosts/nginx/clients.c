/* clients.c: the connections of clients as a worker leaves: who is in the kernel's queue, who is idle, who is served. */
#include "module.h"

#include <ngx_event.h>
#include <poll.h>

enum { QUEUED = 4096 }; /* connections taken in from the kernel's queue as a listener closes: a bound against floods */

/* A connection that a client has opened. */
static bool is_client(const ngx_connection_t *c)
{
	return c->fd != (ngx_socket_t)-1 && c->listening && c->read && !c->read->accept;
}

/* S9.1: who is in the kernel's queue is served; closing the listener would reset them. */
void ngx_curfew_clients_take(ngx_cycle_t *cycle)
{
	ngx_listening_t *ls = cycle->listening.elts;
	ngx_connection_t *c;
	struct pollfd p;
	ngx_uint_t i, n;
	for (i = 0; i < cycle->listening.nelts; i++) {
		c = ls[i].connection;
		if (ls[i].type != SOCK_STREAM || !c || c->fd != ls[i].fd || !c->read->accept)
			continue;
		p = (struct pollfd){.fd = c->fd, .events = POLLIN};
		for (n = 0; n < QUEUED && cycle->free_connection_n > 1 && poll(&p, 1, 0) > 0; n++)
			c->read->handler(c->read);
	}
}

/* nginx closes idle connections the moment that it quits, which loses a request that is on its way. They have the grace first. */
void ngx_curfew_clients_spare(ngx_cycle_t *cycle)
{
	ngx_connection_t *c = cycle->connections;
	ngx_uint_t i;
	for (i = 0; i < cycle->connection_n; i++)
		if (is_client(&c[i]) && c[i].reusable)
			c[i].idle = 0;
}

/* Those that are idle still, and those that never sent anything, unless something has come just now. */
void ngx_curfew_clients_close(ngx_cycle_t *cycle)
{
	ngx_connection_t *c = cycle->connections;
	ngx_uint_t i;
	int n;
	for (i = 0; i < cycle->connection_n; i++) {
		if (!is_client(&c[i]) || !c[i].reusable || (ioctl(c[i].fd, FIONREAD, &n) == 0 && n > 0))
			continue;
		c[i].close = 1;
		c[i].read->handler(c[i].read);
	}
}

size_t ngx_curfew_clients_busy(const ngx_cycle_t *cycle)
{
	const ngx_connection_t *c = cycle->connections;
	ngx_uint_t i;
	size_t n = 0;
	for (i = 0; i < cycle->connection_n; i++)
		n += is_client(&c[i]) && !c[i].idle && !c[i].reusable;
	return n;
}
