/* fuzz_http.h: a client of the harnesses whose input is what somebody sends to a server of HTTP, and who looks at what comes back. */
#ifndef T_FUZZ_HTTP_H
#define T_FUZZ_HTTP_H

#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

enum { FUZZ_REPLIES = 1 << 20 };

struct fuzz_client {
	int fd;
	bool eof;
	size_t n;
	char got[FUZZ_REPLIES + 1];
};

static struct fuzz_client fuzz_client;

__attribute__((unused)) static void fuzz_connected(int fd)
{
	fuzz_client.fd = fd;
	fuzz_client.eof = false;
	fuzz_client.n = 0;
}

/* What the server takes of it at this moment; false: it does not listen any more. */
__attribute__((unused)) static bool fuzz_send(struct fuzz *f, size_t n)
{
	ssize_t k = send(fuzz_client.fd, f->at, n < f->left ? n : f->left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (k < 0)
		return errno == EAGAIN;
	f->at += k;
	f->left -= (size_t)k;
	return true;
}

/* Take what has come; true at the end of it. */
__attribute__((unused)) static bool fuzz_receive(void)
{
	struct fuzz_client *c = &fuzz_client;
	char over[4096] = "";
	while (!c->eof) {
		bool room = c->n < FUZZ_REPLIES;
		ssize_t k = recv(c->fd, room ? c->got + c->n : over, room ? FUZZ_REPLIES - c->n : sizeof over, MSG_DONTWAIT);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		c->eof = k <= 0;
		c->n += k > 0 && room ? (size_t)k : 0;
	}
	c->got[c->n] = '\0';
	return c->eof;
}

/* Where the value of a header begins, in a head that ends at end; NULL. */
__attribute__((unused)) static const char *fuzz_header(const char *head, const char *end, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = head; (at = strstr(at, "\r\n")) && at < end; at += 2)
		if (!strncasecmp(at + 2, name, n) && at[2 + n] == ':')
			return at + 2 + n + 1 + strspn(at + 2 + n + 1, " ");
	return NULL;
}

/* The version that a refusal of evhttp's names is the client's. */
static bool fuzz_is_reply(const char *at)
{
	int major = 0, minor = 0;
	unsigned status = 0;
	return sscanf(at, "HTTP/%11d.%11d %3u", &major, &minor, &status) == 3 && status >= 100 && status < 600 &&
	       ((major == 1 && minor >= 0 && minor < 2) || status >= 400);
}

/* All that came is replies one after another, each whole but for the last: how many. on_body is called for those with a length. */
__attribute__((unused)) static size_t fuzz_replies(void (*on_body)(const char *head, const char *body, size_t n))
{
	const char *at = fuzz_client.got, *stop = at + fuzz_client.n;
	size_t replies = 0;
	while (at < stop) {
		const char *end = strstr(at, "\r\n\r\n");
		must(!strncmp(at, "HTTP/", stop - at < 5 ? (size_t)(stop - at) : 5), "no reply at byte %zu of: %.400s",
		     (size_t)(at - fuzz_client.got), fuzz_client.got);
		if (!end)
			return replies;
		must(fuzz_is_reply(at), "no status, or a version that is none of ours: %.40s", at);
		unsigned status = (unsigned)strtoul(strchr(at, ' '), NULL, 10);
		const char *length = fuzz_header(at, end, "Content-Length"), *body = end + 4;
		if (status < 200 || status == 204 || status == 304) {
			at = body;
			continue;
		}
		replies++;
		if (!length || fuzz_header(at, end, "Transfer-Encoding"))
			return replies; /* to the end of the connection, or in chunks: a reply with them is not followed further */
		size_t n = strtoul(length, NULL, 10), have = (size_t)(stop - body);
		if (n && (!have || !strncmp(body, "HTTP/1.", have < 7 ? have : 7) || fuzz_is_reply(body)))
			n = 0; /* to a HEAD */
		if (on_body && n <= have)
			on_body(at, body, n);
		at = n <= have ? body + n : stop;
	}
	return replies;
}

#endif
