/* The service fetch: one HTTP request to its end. */
#define _GNU_SOURCE
#include "host/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "host/internal.h"
#include "version.h"

enum { MAX_BODY = 16 * 1024 * 1024, MAX_HEADERS = 256 * 1024 };
#define DEFAULT_TIMEOUT (30 * CFW_SEC)

void cfw_fetch_clear(struct cfw_fetch *f)
{
	if (f->easy)
		f->curl->easy_cleanup(f->easy);
	if (f->headers_out)
		f->curl->slist_free_all(f->headers_out);
	cfw_value_free(f->headers);
	cfw_buf_clear(&f->body);
	free(f->url);
	free(f);
}

/* ---- the reply ---- */

static size_t on_body(char *data, size_t size, size_t n, void *ud)
{
	struct cfw_fetch *f = ud;
	n *= size;
	if (f->body.len + n > f->max_body) {
		f->too_big = true;
		return 0;
	}
	cfw_buf_put(&f->body, data, n);
	return f->body.failed ? 0 : n;
}

/* "Name: value": into the map, in lower case; several of one name joined by ", ". */
static int add_header(struct cfw_fetch *f, const char *data, size_t n)
{
	const char *colon = memchr(data, ':', n);
	char name[256];
	if (!colon || colon == data || (size_t)(colon - data) >= sizeof name)
		return 0;
	size_t len = (size_t)(colon - data);
	for (size_t i = 0; i < len; i++)
		name[i] = (char)tolower((unsigned char)data[i]);
	name[len] = '\0';
	const char *v = colon + 1, *end = data + n;
	while (v < end && (*v == ' ' || *v == '\t'))
		v++;
	while (end > v && isspace((unsigned char)end[-1]))
		end--;
	const char *old = cfw_value_get_str(f->headers, name, NULL);
	if (!old)
		return cfw_value_set(f->headers, name, cfw_value_strn(v, (size_t)(end - v)));
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "%s, ", old);
	cfw_buf_put(&b, v, (size_t)(end - v));
	int e = b.failed ? CURFEW_ENOMEM : cfw_value_set(f->headers, name, cfw_value_strn(b.data, b.len));
	cfw_buf_clear(&b);
	return e;
}

static size_t on_header(char *data, size_t size, size_t n, void *ud)
{
	struct cfw_fetch *f = ud;
	n *= size;
	f->header_bytes += n;
	if (f->header_bytes > MAX_HEADERS) {
		f->too_big = true;
		return 0;
	}
	if (n >= 5 && !memcmp(data, "HTTP/", 5)) { /* a new reply begins: of a redirect, after a 100 */
		cfw_value_free(f->headers);
		f->headers = cfw_value_map();
		return f->headers ? n : 0;
	}
	return add_header(f, data, n) ? 0 : n;
}

static void explain(struct cfw_fetch *f, CURLcode result, struct curfew_err *err)
{
	long os = 0;
	char limit[32];
	const char *text = *f->text ? f->text : f->curl->easy_strerror(result);
	if (f->too_big) {
		cfw_err_set(err, CURFEW_ELIMIT, "%s: the reply is larger than %zu bytes", f->url, f->max_body);
		return;
	}
	switch (result) {
	case CURLE_OPERATION_TIMEDOUT:
		cfw_err_set(err, CURFEW_ETIMEOUT, "%s: no reply within %s", f->url,
			    cfw_format_duration(limit, sizeof limit, f->timeout_ns));
		return;
	case CURLE_OUT_OF_MEMORY:
		cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", f->url);
		return;
	case CURLE_COULDNT_RESOLVE_HOST:
		cfw_err_set(err, CURFEW_ENOENT, "%s: %s", f->url, text);
		return;
	default:
		break;
	}
	cfw_err_set(err, CURFEW_ESYS, "%s: %s", f->url, text);
	f->curl->easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os);
	if (result == CURLE_COULDNT_CONNECT)
		err->sys_errno = os ? (int)os : ECONNREFUSED;
	else if (result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR || result == CURLE_GOT_NOTHING ||
		 result == CURLE_PARTIAL_FILE)
		err->sys_errno = ECONNRESET;
	else
		err->sys_errno = EPROTO;
}

void cfw_fetch_done(struct cfw_fetch *f, CURLcode result)
{
	const struct cfw_env *env = f->host->env;
	struct curfew_err err = {0};
	struct cfw_value *v = NULL;
	long status = 0;
	if (result)
		explain(f, result, &err);
	else {
		f->curl->easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
		v = cfw_value_map();
		int e = v ? cfw_value_set(v, "status", cfw_value_int(status)) : CURFEW_ENOMEM;
		if (!e) {
			e = cfw_value_set(v, "headers", f->headers ? f->headers : cfw_value_map());
			f->headers = NULL;
		}
		if (!e)
			e = cfw_value_set(v, "body", cfw_value_strn(f->body.data ? f->body.data : "", f->body.len));
		if (e)
			cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	}
	if (err.code) {
		cfw_value_free(v);
		v = NULL;
	}
	env->answer(env->ud, f->token, v, err.code ? &err : NULL);
	cfw_fetch_clear(f);
}

/* ---- the request ---- */

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static int push_header(struct cfw_fetch *f, const char *name, const struct cfw_value *v, struct curfew_err *err)
{
	size_t n = 0;
	const char *s = cfw_value_bytes(v, &n);
	if (!is_token(name) || !s || strlen(s) != n || s[strcspn(s, "\r\n")])
		return cfw_err_set(err, CURFEW_EINVAL, "headers: %s must be a string without line breaks", name);
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (*s)
		cfw_buf_printf(&b, "%s: %s", name, s);
	else
		cfw_buf_printf(&b, "%s;", name); /* libcurl's way to say "empty" */
	struct curl_slist *more = b.failed ? NULL : f->curl->slist_append(f->headers_out, b.data);
	cfw_buf_clear(&b);
	if (!more)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	f->headers_out = more;
	return 0;
}

static int set_headers(struct cfw_fetch *f, const struct cfw_value *given, struct curfew_err *err)
{
	bool typed = false;
	int e = 0;
	for (size_t i = 0; i < cfw_value_len(given) && !e; i++) {
		const char *name = cfw_value_key(given, i);
		const struct cfw_value *v = cfw_value_at(given, i);
		typed |= name && !strcasecmp(name, "content-type");
		if (cfw_value_type(v) == CFW_V_LIST)
			for (size_t k = 0; k < cfw_value_len(v) && !e; k++)
				e = push_header(f, name ? name : "", cfw_value_at(v, k), err);
		else
			e = push_header(f, name ? name : "", v, err);
	}
	/* Not libcurl's own: "100 Continue" costs a second where the server does not know it, and a body is no form. */
	static const char *const off[] = {"Expect:", "Content-Type:"};
	for (size_t i = 0; i < (typed ? 1 : 2) && !e; i++) {
		struct curl_slist *more = f->curl->slist_append(f->headers_out, off[i]);
		if (!more)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		f->headers_out = more;
	}
	return e;
}

static int set_method(struct cfw_fetch *f, const struct cfw_value *args, struct curfew_err *err)
{
	size_t n = 0;
	const char *body = cfw_value_bytes(cfw_value_get(args, "body"), &n);
	const char *method = cfw_value_get_str(args, "method", body ? "POST" : "GET");
	const struct cfw_curl *c = f->curl;
	if (!is_token(method))
		return cfw_err_set(err, CURFEW_EINVAL, "\"%s\" is no HTTP method", method);
	CURLcode e = CURLE_OK;
	if (!strcmp(method, "HEAD"))
		e = c->easy_setopt(f->easy, CURLOPT_NOBODY, 1L);
	if (!e && body)
		e = c->easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	if (!e && body)
		e = c->easy_setopt(f->easy, CURLOPT_COPYPOSTFIELDS, body);
	if (!e)
		e = c->easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, method);
	return e ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
}

static int set_options(struct cfw_fetch *f, const struct cfw_value *args, struct curfew_err *err)
{
	const struct cfw_curl *c = f->curl;
	const char *path = cfw_value_get_str(args, "unix", NULL);
	int64_t redirects = cfw_value_get_int(args, "redirects", 0);
	uint64_t ms = (f->timeout_ns + CFW_MS - 1) / CFW_MS;
	CURLcode e = c->easy_setopt(f->easy, CURLOPT_URL, f->url);
	/* http and https, whatever the URL or a redirect says; a libcurl that does not know how is not used. */
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, redirects > 0 ? 1L : 0L);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_MAXREDIRS, (long)redirects);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_FORBID_REUSE, 1L); /* no idle connection holds up a server's drain */
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, ms > 0x7fffffff ? 0x7fffffffL : (long)(ms ? ms : 1));
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->text);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_USERAGENT, "curfew/" CURFEW_VERSION);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, on_header);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
	e = e ? e : c->easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers_out);
	if (!e && path)
		e = c->easy_setopt(f->easy, CURLOPT_UNIX_SOCKET_PATH, path);
	if (!e && f->host->beneath) /* the sandbox names whom it asks, not through whom */
		e = c->easy_setopt(f->easy, CURLOPT_PROXY, "");
	if (e == CURLE_UNKNOWN_OPTION)
		return cfw_err_set(err, CURFEW_ENOENT, "fetch needs libcurl 7.85 or newer");
	return e ? cfw_err_set(err, CURFEW_EINVAL, "%s: %s", f->url, c->easy_strerror(e)) : 0;
}

static int prepare(struct cfw_fetch *f, const struct cfw_value *args, struct curfew_err *err)
{
	size_t n = 0;
	const char *url = cfw_value_bytes(cfw_value_get(args, "url"), &n);
	if (!url || strlen(url) != n || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
		return cfw_err_set(err, CURFEW_EINVAL, "url must begin with http:// or https://");
	f->url = strdup(url);
	f->easy = f->curl->easy_init();
	if (!f->url || !f->easy)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	f->timeout_ns = cfw_value_get_ns(args, "timeout", DEFAULT_TIMEOUT);
	int64_t max = cfw_value_get_int(args, "max_body", MAX_BODY);
	f->max_body = max > 0 ? (size_t)max : 0;
	int e = set_headers(f, cfw_value_get(args, "headers"), err);
	if (!e)
		e = set_options(f, args, err);
	return e ? e : set_method(f, args, err);
}

int cfw_fetch_begin(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	(void)env;
	struct cfw_host *h = ud;
	struct cfw_fetcher *m = cfw_fetcher_get(h, err);
	if (!m)
		return err ? err->code : CURFEW_ENOENT;
	struct cfw_fetch *f = calloc(1, sizeof *f);
	if (!f)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	f->host = h;
	f->curl = m->curl;
	f->token = token;
	cfw_buf_init(&f->body);
	int e = prepare(f, args, err);
	if (!e)
		e = cfw_fetcher_add(m, f, err);
	if (e)
		cfw_fetch_clear(f);
	return e;
}

void cfw_fetch_cancel(void *ud, uint64_t token)
{
	struct cfw_host *h = ud;
	struct cfw_fetch *f = h->fetcher ? h->fetcher->running : NULL;
	while (f && f->token != token)
		f = f->next;
	if (!f)
		return;
	cfw_fetcher_drop(h->fetcher, f);
	cfw_fetch_clear(f);
}
