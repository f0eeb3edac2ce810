/* From policy back to evhttp: the operations of an exchange. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/value.h"
#include "shell/http_server.h"

/* A flush is answered once no more than this is queued. */
enum { LOW_WATER = 16 << 10 };

static struct cfw_http_request *request_of(struct cfw_exchange *x)
{
	return (struct cfw_http_request *)x;
}

/* evhttp's own table misses many and has 307 wrong. */
static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} known[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{203, "Non-Authoritative Information"},
		{204, "No Content"},
		{205, "Reset Content"},
		{206, "Partial Content"},
		{207, "Multi-Status"},
		{300, "Multiple Choices"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{407, "Proxy Authentication Required"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{417, "Expectation Failed"},
		{418, "I'm a teapot"},
		{421, "Misdirected Request"},
		{422, "Unprocessable Content"},
		{423, "Locked"},
		{424, "Failed Dependency"},
		{425, "Too Early"},
		{426, "Upgrade Required"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{451, "Unavailable For Legal Reasons"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
		{511, "Network Authentication Required"},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].status == status)
			return known[i].reason;
	return "Unknown";
}

/* ---- headers ---- */

static bool is_name(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
			return false;
	return true;
}

/* A value that ends a line, or a NUL in it, would let policy's data write headers of its own. */
static bool is_value(const struct cfw_value *v)
{
	size_t n;
	const char *s = cfw_value_bytes(v, &n);
	return s && !memchr(s, '\r', n) && !memchr(s, '\n', n) && !memchr(s, 0, n);
}

static int add_field(struct cfw_http_request *r, const char *name, const struct cfw_value *v, bool streamed)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(r->ev);
	char number[32];
	const char *value = cfw_value_to_str(v, NULL);
	if (cfw_value_type(v) == CFW_V_INT) {
		snprintf(number, sizeof number, "%lld", (long long)cfw_value_to_int(v, 0));
		value = number;
	} else if (!is_value(v)) {
		return CURFEW_EINVAL;
	}
	/* How a message ends, and whether the connection goes on, is ours to say. */
	if (!strcasecmp(name, "connection")) {
		r->close = r->close || !strcasecmp(value, "close");
		return 0;
	}
	if (!strcasecmp(name, "transfer-encoding") || !strcasecmp(name, "keep-alive"))
		return 0;
	if (!strcasecmp(name, "content-length")) {
		char *end;
		if (!streamed && !r->bodyless)
			return 0;
		r->promised = strtoll(value, &end, 10);
		if (r->promised < 0 || *end || end == value)
			return CURFEW_EINVAL;
	}
	return evhttp_add_header(out, name, value) ? CURFEW_ENOMEM : 0;
}

static int add_headers(struct cfw_http_request *r, const struct cfw_value *headers, bool streamed)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < cfw_value_len(headers); i++) {
		const char *name = cfw_value_key(headers, i);
		const struct cfw_value *v = cfw_value_at(headers, i);
		if (!is_name(name))
			rc = CURFEW_EINVAL;
		else if (cfw_value_type(v) != CFW_V_LIST)
			rc = add_field(r, name, v, streamed);
		else
			for (size_t j = 0; !rc && j < cfw_value_len(v); j++)
				rc = add_field(r, name, cfw_value_at(v, j), streamed);
	}
	if (rc) {
		evhttp_clear_headers(evhttp_request_get_output_headers(r->ev));
		r->promised = -1;
	}
	return rc;
}

/* Say so when the connection will close, in both of the ways that evhttp listens to. */
static void settle_connection(struct cfw_http_request *r)
{
	r->close = r->close || r->srv->lame;
	if (!r->close)
		return;
	while (evhttp_remove_header(evhttp_request_get_input_headers(r->ev), "Connection") ==
	       0) /* the first of them, each time */
		;
	evhttp_add_header(evhttp_request_get_output_headers(r->ev), "Connection", "close");
}

/* evhttp reads while it writes, and takes an end of input for the end of the client. One that sent its last request may have
 * closed its sending half and still wait. */
static void after_write(struct cfw_http_request *r)
{
	if (r->close)
		bufferevent_disable(r->conn->bev, EV_READ);
}

static void count(struct cfw_http_request *r, int status, size_t n)
{
	r->srv->stats.replies[status / 100]++;
	r->srv->stats.errors_500 += status == 500;
	r->srv->stats.bytes_out += n;
}

static bool is_bodyless(const struct cfw_http_request *r, int status)
{
	return r->bodyless || status == 204 || status == 304;
}

/* ---- operations ---- */

static int reply(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n)
{
	struct cfw_http_request *r = request_of(x);
	char length[32];
	if (!r->ev || r->begun)
		return CURFEW_ESTATE;
	if (status < 200 || status > 599)
		return CURFEW_EINVAL;
	struct evbuffer *out = evhttp_request_get_output_buffer(r->ev);
	int rc = add_headers(r, headers, false);
	if (rc)
		return rc;
	bool bodyless = is_bodyless(r, status);
	if (!bodyless && n && evbuffer_add(out, body, n)) {
		evhttp_clear_headers(evhttp_request_get_output_headers(r->ev));
		return CURFEW_ENOMEM;
	}
	if (r->promised < 0 && status != 204 && status != 304) {
		snprintf(length, sizeof length, "%zu", n);
		evhttp_add_header(evhttp_request_get_output_headers(r->ev), "Content-Length", length);
	}
	settle_connection(r);
	r->bodyless = bodyless;
	r->begun = r->ended = true;
	count(r, status, bodyless ? 0 : n);
	evhttp_send_reply(r->ev, status, reason_of(status), NULL);
	after_write(r);
	return 0;
}

static int begin(struct cfw_exchange *x, int status, const struct cfw_value *headers)
{
	struct cfw_http_request *r = request_of(x);
	if (!r->ev || r->begun)
		return CURFEW_ESTATE;
	if (status < 200 || status > 599)
		return CURFEW_EINVAL;
	r->bodyless = is_bodyless(r, status);
	int rc = add_headers(r, headers, true);
	if (rc)
		return rc;
	/* HTTP/1.0 has no chunks: without a length the reply ends with the connection. */
	if (r->ev->minor < 1 && r->promised < 0 && !r->bodyless)
		r->close = true;
	settle_connection(r);
	r->begun = true;
	count(r, status, 0);
	evhttp_send_reply_start(r->ev, status, reason_of(status));
	after_write(r);
	return 0;
}

static int write_some(struct cfw_exchange *x, const void *data, size_t n)
{
	struct cfw_http_request *r = request_of(x);
	if (!r->ev || !r->begun || r->ended)
		return CURFEW_ESTATE;
	if (r->promised >= 0 && n > (uint64_t)(r->promised - r->written) && !r->bodyless)
		return CURFEW_EINVAL;
	if (!n || r->bodyless)
		return 0;
	if (evbuffer_add(r->srv->scratch, data, n))
		return CURFEW_ENOMEM;
	r->written += (int64_t)n;
	r->srv->stats.bytes_out += n;
	evhttp_send_reply_chunk(r->ev, r->srv->scratch);
	after_write(r);
	return 0;
}

static void cut_off(struct cfw_http_request *r)
{
	r->cut = true;
	if (r->conn)
		cfw_http_conn_close(r->conn);
}

static int end(struct cfw_exchange *x)
{
	struct cfw_http_request *r = request_of(x);
	if (!r->ev || !r->begun || r->ended)
		return CURFEW_ESTATE;
	if (r->promised >= 0 && r->written != r->promised && !r->bodyless) {
		cut_off(r); /* the client must not take half a reply for a whole one */
		return CURFEW_EINVAL;
	}
	r->ended = true;
	evhttp_send_reply_end(r->ev); /* may complete it at once, and close the connection */
	if (r->ev)
		after_write(r);
	return 0;
}

void cfw_http_flushed(struct cfw_http_request *r, const struct curfew_err *err)
{
	uint64_t token = r->flush_token;
	if (!token)
		return;
	r->flush_token = 0;
	r->srv->env->answer(r->srv->env->ud, token, err ? NULL : cfw_value_bool(true), err);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *req)
{
	if (info->n_deleted && evbuffer_get_length(out) <= LOW_WATER)
		cfw_http_flushed(req, NULL);
}

static int flush(struct cfw_exchange *x, uint64_t token)
{
	struct cfw_http_request *r = request_of(x);
	if (!r->srv || r->flush_token)
		return CURFEW_ESTATE;
	if (!r->ev || !r->begun)
		return CURFEW_ESTATE;
	struct evbuffer *out = bufferevent_get_output(r->conn->bev);
	r->flush_token = token;
	if (evbuffer_get_length(out) <= LOW_WATER) {
		cfw_http_flushed(r, NULL);
	} else if (!r->out && !(r->out = evbuffer_add_cb(out, on_output, r))) {
		r->flush_token = 0;
		return CURFEW_ENOMEM;
	}
	return 0;
}

static int read_none(struct cfw_exchange *x, size_t max, uint64_t token)
{
	(void)x, (void)max, (void)token; /* the body came with the request */
	return CURFEW_ESTATE;
}

static void close_now(struct cfw_exchange *x)
{
	cut_off(request_of(x));
}

static void release(struct cfw_exchange *x)
{
	struct cfw_http_request *r = request_of(x);
	r->x.policy_ud = NULL;
	r->flush_token = 0; /* nobody is left to hear it */
	r->held = false;
	if (!r->ev)
		cfw_http_request_free(r);
	else if (!r->begun)
		cfw_http_reply_plain(r, 500, NULL); /* S6.2, S6.3 */
	else if (!r->ended)
		cut_off(r);
}

const struct cfw_exchange_ops cfw_http_ops = {
	.reply = reply,
	.begin = begin,
	.end = end,
	.write = write_some,
	.flush = flush,
	.read = read_none,
	.close = close_now,
	.release = release,
};

void cfw_http_reply_plain(struct cfw_http_request *r, int status, const char *allow)
{
	char text[80];
	struct cfw_value *headers = NULL;
	int n = snprintf(text, sizeof text, "%d %s\n", status, reason_of(status));
	if (allow && (headers = cfw_value_map()))
		cfw_value_set(headers, "Allow", cfw_value_str(allow));
	if (reply(&r->x, status, headers, text, (size_t)n))
		cut_off(r);
	cfw_value_free(headers);
}
