/* What people and programs write and curfew reads as text: durations, sizes, signals, addresses, URLs of readiness; and text that it
 * shows. What is taken is the same when it was shown and is read again; what is not has a reason. */
#include "fuzz.h"

#include <jansson.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "host/httpget.h"
#include "shell/listen.h"
#include "view/words.h"

/* What is rounded up from there is more than is taken. */
#define NEAR_MOST UINT64_C(999999900000000000)

/* A refusal says why. */
static bool taken(int rc, const struct curfew_err *err)
{
	must(rc <= 0, "it returns %d", rc);
	must(!rc || (err->code == rc && *err->msg), "%d without a reason", rc);
	return !rc;
}

static void duration(const char *s)
{
	struct curfew_err err = {0};
	uint64_t ns = 0, again = 0;
	char text[32];
	if (!taken(cfw_parse_duration(s, &ns, &err), &err))
		return;
	must(cfw_format_duration(text, sizeof text, ns) == text && strlen(text) < sizeof text, "%s: not shown", s);
	must(!cfw_parse_duration(text, &again, &err) || ns > NEAR_MOST, "%s: %s is no duration", s, text);
	uint64_t off = again > ns ? again - ns : ns - again;
	must(ns > NEAR_MOST || off <= ns / 100, "%s: %llu ns, shown as %s", s, (unsigned long long)ns, text);
}

static void size_and_signal(const char *s)
{
	struct curfew_err err = {0};
	uint64_t bytes, again;
	char text[32];
	if (taken(cfw_parse_size(s, &bytes, &err), &err)) {
		snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
		must(!cfw_parse_size(text, &again, &err) && again == bytes, "%s: %s", s, text);
	}
	int signo = cfw_signal_number(s);
	must(signo == -1 || (signo > 0 && signo < 65), "%s: signal %d", s, signo);
	must(signo == -1 || cfw_signal_number(cfw_signal_name(signo)) == signo, "%s: %s", s, cfw_signal_name(signo));
}

static void address(const char *s)
{
	struct curfew_err err = {0};
	struct cfw_addr a, b;
	if (taken(cfw_addr_parse(&a, s, 0, &err), &err)) {
		must(a.len >= sizeof(sa_family_t) && a.len <= sizeof(struct sockaddr_un), "%s: an address of %u bytes", s,
		     a.len);
		must(!cfw_addr_parse(&b, s, 0, &err) && a.len == b.len && !memcmp(&a.sa, &b.sa, a.len), "%s: twice", s);
	}
	struct cfw_listen_addr l = {.text = NULL};
	if (taken(cfw_listen_parse_one("web", s, 0, &l, &err), &err)) {
		char peer[CFW_PEER_TEXT];
		must(l.len <= sizeof(struct sockaddr_un), "%s: an address of %u bytes", s, l.len);
		must(*cfw_listen_peer((const struct sockaddr *)&l.sa, peer, sizeof peer), "%s: no peer", s);
	}
	free(l.text);
}

/* No URL puts a line of its own into the request. */
static void url(const char *s)
{
	struct curfew_err err = {0};
	struct cfw_httpget get = {.request = NULL};
	size_t lines = 0;
	if (taken(cfw_httpget_parse(&get, s, &err), &err)) {
		for (const char *at = get.request; (at = strpbrk(at, "\r\n")); at += 2, lines++)
			must(at[0] == '\r' && at[1] == '\n', "%s: a line ends in its midst", s);
		must(lines == 5 && !strncmp(get.request, "GET ", 4), "%s: %zu lines", s, lines);
	}
	cfw_httpget_clear(&get);
}

static void reply(const char *s, size_t n)
{
	int whole = cfw_httpget_status(s, n);
	must(whole >= -1 && whole < 1000 && (whole <= 0 || whole >= 100), "status %d", whole);
	for (size_t i = 0, said = 0; i <= n && i < 20; i++) {
		int part = cfw_httpget_status(s, i);
		must(!said || part == whole, "it was decided at %zu bytes, and is not any more", i);
		said |= part != 0;
		must(!part || part == whole, "%d, and %d with more of it", part, whole);
	}
}

/* S10.3 */
static void shown(const char *s, size_t n)
{
	struct cfw_buf b, again, fit;
	cfw_buf_init(&b);
	cfw_buf_init(&again);
	cfw_buf_init(&fit);
	cfw_buf_put_safe(&b, s, n);
	for (size_t i = 0; i < b.len; i++)
		must((unsigned char)b.data[i] >= ' ' && b.data[i] != 127, "byte %zu is a control character", i);
	json_t *j = json_stringn(b.data ? b.data : "", b.len);
	must(j, "it is no UTF-8");
	json_decref(j);
	cfw_buf_put_safe(&again, b.data ? b.data : "", b.len);
	must(again.len == b.len && (!b.len || !memcmp(again.data, b.data, b.len)), "shown twice it is another");
	size_t columns = cfw_view_put_fit(&fit, s, 20, true, n & 1);
	must(columns == 20 && cfw_view_columns(fit.data, fit.len) == 20, "%zu columns", columns);
	cfw_buf_clear(&b);
	cfw_buf_clear(&again);
	cfw_buf_clear(&fit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"SIGTERM", "exit", "closed", "start_failed", NULL};
	struct fuzz f = {data, size};
	size_t n;
	char *s = fuzz_rest(&f, &n);
	duration(s);
	size_and_signal(s);
	address(s);
	url(s);
	reply(s, n);
	shown(s, strlen(s));
	shown(s, n);
	const char *near = cfw_nearest(s, names);
	must(!near || near == names[0] || near == names[1] || near == names[2] || near == names[3], "%s: none of the names",
	     near);
	free(s);
	return 0;
}
