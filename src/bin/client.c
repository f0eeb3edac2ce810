#define _GNU_SOURCE
#include "bin/client.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/value.h"
#include "bin/bin.h"
#include "view/json.h"

enum { OPT_SVG = 256, OPT_TRACE, OPT_FILE };

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
	{"wait", no_argument, NULL, 'w'},         {"svg", no_argument, NULL, OPT_SVG}, /* of timeline, from here on */
	{"trace", no_argument, NULL, OPT_TRACE},  {"file", required_argument, NULL, OPT_FILE},
	{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

/* What only one of the commands knows. */
static int take_own(struct cfw_client *c, int opt, const char *arg)
{
	if (c->command != &cfw_command_timeline)
		return cfw_usage_error(c->command, "unknown option --%s",
				       opt == OPT_FILE  ? "file"
				       : opt == OPT_SVG ? "svg"
							: "trace");
	if (opt == OPT_FILE)
		c->file = arg;
	else
		c->form = opt == OPT_SVG ? "svg" : "trace";
	return 0;
}

int cfw_client_parse(struct cfw_client *c, const struct cfw_command *command, int argc, char **argv, int takes)
{
	int opt;
	const char *env = getenv("CURFEW_SOCKET");
	*c = (struct cfw_client){.command = command, .socket = env && *env ? env : "/run/curfew.sock"};
	opterr = 0;
	optind = 1;
	while ((opt = getopt_long(argc, argv, ":s:h", options, NULL)) != -1) {
		if (opt == ':')
			return cfw_usage_error(command, "%s needs a value", argv[optind - 1]);
		if (opt == '?')
			return optopt ? cfw_usage_error(command, "unknown option -%c", optopt)
				      : cfw_usage_error(command, "unknown option %s", argv[optind - 1]);
		if (opt == 'h') {
			cfw_print_help(command);
			return -1;
		}
		if (opt == 's')
			c->socket = optarg;
		if (opt >= OPT_SVG && take_own(c, opt, optarg))
			return CFW_CLIENT_USAGE;
		c->json |= opt == 'j';
		c->wait |= opt == 'w';
	}
	c->argc = argc - optind;
	c->argv = argv + optind;
	if (c->argc != takes)
		return cfw_usage_error(command, c->argc < takes ? "something is missing" : "one operand too many: \"%.60s\"",
				       c->argc > takes ? c->argv[takes] : "");
	return 0;
}

void cfw_client_put_encoded(struct cfw_buf *b, const char *s)
{
	for (; *s; s++)
		if (strchr("-._~:", *s) || (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))
			cfw_buf_putc(b, *s);
		else
			cfw_buf_printf(b, "%%%02X", (unsigned char)*s);
}

void cfw_client_print(const char *s)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_put_safe(&b, s, strlen(s));
	fputs(b.data ? b.data : "", stdout);
	cfw_buf_clear(&b);
}

/* ---- one request ---- */

enum { PATIENCE_MS = 30000 };

static int nobody(const struct cfw_client *c, const char *why)
{
	fprintf(stderr,
		"curfew %s: nobody answers at %s: %s\n"
		"-s or $CURFEW_SOCKET names the socket, which `curfew run --control PATH` or a policy's configure{ control = } "
		"opens\n",
		c->command->name, c->socket, why);
	return CFW_CLIENT_NOBODY;
}

static int open_socket(const struct cfw_client *c)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (strlen(c->socket) >= sizeof sa.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, c->socket, strlen(c->socket) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

static int send_request(int fd, const char *method, const char *path)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "%s %s HTTP/1.0\r\nHost: curfew\r\nConnection: close\r\n\r\n", method, path);
	size_t done = 0;
	while (!b.failed && done < b.len) {
		ssize_t n = send(fd, b.data + done, b.len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	bool all = !b.failed && done == b.len;
	cfw_buf_clear(&b);
	return all ? 0 : -1;
}

/* Some more of the answer: bytes, 0 at its end, -1 and errno. */
static ssize_t receive(int fd, char *to, size_t n, bool forever)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (;;) {
		int ready = poll(&p, 1, forever ? -1 : PATIENCE_MS);
		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready == 0)
			return -1;
		ssize_t got = ready < 0 ? -1 : recv(fd, to, n, 0);
		if (got >= 0 || errno != EINTR)
			return got;
	}
}

struct answer {
	int status;
	bool headed;
	long length; /* of the body; -1: to the end */
	size_t seen; /* of the body */
	struct cfw_buf head, body;
};

/* The head is whole: what is behind it is the body's. */
static void take_head(struct answer *a, size_t end)
{
	a->head.data[end] = '\0';
	const char *length = strcasestr(a->head.data, "\r\nContent-Length:");
	if (sscanf(a->head.data, "HTTP/1.%*1d %3d", &a->status) != 1)
		a->status = -1;
	a->length = length ? atol(length + sizeof "\r\nContent-Length:" - 1) : -1;
	a->headed = true;
}

static void take(struct answer *a, const char *data, size_t n, void (*on_data)(void *, const char *, size_t), void *ud)
{
	if (!n)
		return;
	a->seen += n;
	if (on_data && a->status < 400)
		on_data(ud, data, n);
	else
		cfw_buf_put(&a->body, data, n);
}

static int read_answer(int fd, struct answer *a, bool forever, void (*on_data)(void *, const char *, size_t), void *ud)
{
	enum { HEAD = 16 << 10 };
	char some[16384];
	ssize_t n;
	while ((n = receive(fd, some, sizeof some, forever)) > 0) {
		if (a->headed) {
			take(a, some, (size_t)n, on_data, ud);
			continue;
		}
		cfw_buf_put(&a->head, some, (size_t)n);
		char *end = a->head.failed ? NULL : memmem(a->head.data, a->head.len, "\r\n\r\n", 4);
		if (!end && (a->head.failed || a->head.len > HEAD))
			break;
		if (!end)
			continue;
		size_t at = (size_t)(end - a->head.data);
		take_head(a, at);
		take(a, end + 4, a->head.len - at - 4, on_data, ud);
	}
	if (n < 0)
		return -1;
	errno = EPROTO;
	return a->headed && a->status > 0 && (a->length < 0 || a->seen == (size_t)a->length) ? 0 : -1;
}

/* What the answer says is wrong. */
static int refused(const struct cfw_client *c, const struct answer *a)
{
	char why[100];
	struct cfw_value *v = a->body.data ? cfw_view_parse_json(a->body.data, a->body.len, why, sizeof why) : NULL;
	const char *message = cfw_value_get_str(cfw_value_get(v, "error"), "message", NULL);
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (message)
		cfw_buf_put_safe(&b, message, strlen(message));
	else
		cfw_buf_printf(&b, "the answer has status %d", a->status);
	if (c->json && v) {
		struct cfw_buf whole; /* as it came, for programs */
		cfw_buf_init(&whole);
		cfw_view_put_json(&whole, v);
		printf("%s\n", whole.data ? whole.data : "");
		cfw_buf_clear(&whole);
	}
	fprintf(stderr, "curfew %s: %s\n", c->command->name, b.data ? b.data : "refused");
	cfw_buf_clear(&b);
	cfw_value_free(v);
	return CFW_CLIENT_REFUSED;
}

int cfw_client_call(const struct cfw_client *c, const char *method, const char *path, struct cfw_buf *out,
		    void (*on_data)(void *ud, const char *data, size_t n), void *ud)
{
	struct answer a = {.length = -1};
	int fd = open_socket(c);
	if (fd < 0)
		return nobody(c, strerror(errno));
	int rc = send_request(fd, method, path) ||
		 read_answer(fd, &a, c->wait || on_data || !strcmp(method, "POST"), on_data, ud);
	int e = errno;
	close(fd);
	if (rc)
		rc = nobody(c, e == EPROTO ? "the answer is cut short" : strerror(e));
	else if (a.status >= 400)
		rc = refused(c, &a);
	else if (out && a.body.len)
		cfw_buf_put(out, a.body.data, a.body.len);
	cfw_buf_clear(&a.head);
	cfw_buf_clear(&a.body);
	return rc;
}

int cfw_client_ask(const struct cfw_client *c, const char *method, const char *path, struct cfw_buf *out, struct cfw_value **v)
{
	char why[200];
	*v = NULL;
	int rc = cfw_client_call(c, method, path, out, NULL, NULL);
	if (rc)
		return rc;
	*v = out->data && !out->failed ? cfw_view_parse_json(out->data, out->len, why, sizeof why) : NULL;
	return *v ? 0 : nobody(c, "the answer makes no sense");
}
