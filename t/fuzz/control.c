/* The control API, from the socket on: the input is what somebody sends, in pieces, before ending its half, or leaving for good. Nothing is
 * left hanging: all that was asked is answered, or the connection is closed; what comes back is replies, and JSON where it says so. The
 * instance behind it is a real one under a virtual clock, which stops, reloads and starts servers as it is told. Whatever happened,
 * the next request on a new connection is answered. */
#define _GNU_SOURCE
#include "fuzz_http.h"

#include <event2/event.h>
#include <jansson.h>
#include <signal.h>

#include "adapters/virtual.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "core/core.h"
#include "shell/control.h"
#include "shell/control_impl.h"

static const char policy[] = "local curfew = require 'curfew' "
			     "local function short() curfew.sleep '5ms' end "
			     "local db = curfew.server { name = 'db', start = short, stop = short } "
			     "local web = curfew.server { name = 'w\\xff', start = short, stop = short } "
			     "web:after(db) web:pre_stop(short, { name = 'drain' }) curfew.post_stop(short) "
			     "curfew.on('custom:no', curfew.ignore) curfew.on('custom:error', function() error 'x' end)";

static struct event_base *base;
static struct curfew_loop loop;
static struct curfew *c;
static struct cfw_control *ctl;
static const struct cfw_log silent;
static bool ended;
static int end_code;

static void on_end(void *ud, int code, bool kill)
{
	(void)ud, (void)kill;
	ended = true;
	end_code = code;
}

static void on_journal(void *ud)
{
	(void)ud;
	if (c && ctl)
		cfw_control_journal(ctl);
}

static void metrics(void *ud, struct cfw_buf *out)
{
	(void)ud;
	cfw_buf_puts(out, "curfew 1\n");
}

static void close_instance(void)
{
	cfw_control_free(ctl);
	curfew_free(c);
	curfew_virtual_free(&loop);
	ctl = NULL;
	c = NULL;
}

/* A moment: each loop does what is due; the clock goes on to what is due within 20 ms. */
static void turn(void)
{
	uint64_t due = curfew_virtual_due(&loop), now = curfew_virtual_now(&loop);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (due <= now + 20 * CFW_MS)
		curfew_virtual_turn(&loop, due);
	if (ended && ctl) {
		cfw_control_end(ctl, end_code);
		cfw_control_free(ctl);
		ctl = NULL;
	}
}

static void open_instance(void)
{
	struct curfew_err err = {0};
	if (c && !ended && !strcmp(curfew_state(c), "started"))
		return;
	if (c)
		close_instance();
	if (!base) {
		signal(SIGPIPE, SIG_IGN); /* as the shell has it: S2.19 */
		base = event_base_new();
	}
	ended = false;
	must(!curfew_virtual_new(&loop, CFW_SEC, &err), "%s", err.msg);
	c = cfw_new(
		&(struct cfw_options){
			.size = sizeof(struct cfw_options), .loop = &loop, .on_exit = on_end, .on_journal = on_journal},
		&err);
	must(c && !curfew_load(c, "policy.lua", policy, sizeof policy - 1, &err) && !curfew_start(c), "%s", err.msg);
	ctl = cfw_control_new(base, &silent, &c);
	cfw_control_metrics(ctl, metrics, NULL);
	for (int i = 0; i < 1000 && strcmp(curfew_state(c), "started") != 0; i++)
		turn();
	must(!strcmp(curfew_state(c), "started"), "it is %s", curfew_state(c));
}

static void leave(void)
{
	close(fuzz_client.fd);
	for (int i = 0; i < 40; i++)
		turn();
}

static void talk(struct fuzz *f, bool welcome, size_t piece, bool leaves)
{
	int fds[2];
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), "no socket pair");
	fuzz_connected(fds[1]);
	cfw_control_conn_new(ctl, fds[0], welcome);
	for (unsigned n = 0; f->left && !fuzz_receive() && fuzz_send(f, piece); n++) {
		must(n < 100000, "it takes no more, and answers nothing");
		turn();
	}
	if (leaves) {
		leave();
		return;
	}
	shutdown(fuzz_client.fd, SHUT_WR);
	for (unsigned n = 0; !fuzz_receive(); n++) {
		must(n < 20000, "it is neither answered nor closed; what came: %.200s", fuzz_client.got);
		turn();
	}
	close(fuzz_client.fd);
	for (int i = 0; ctl && ctl->nconns && i < 3; i++)
		turn();
	while (ctl && ctl->nconns) /* it lingers for a second */
		cfw_control_conn_free(TAILQ_FIRST(&ctl->conns));
}

static void on_body(const char *head, const char *body, size_t n)
{
	const char *type = fuzz_header(head, body, "Content-Type");
	json_error_t e;
	must(type, "no Content-Type");
	if (!n || strncmp(type, "application/json", 16) != 0)
		return;
	json_t *j = json_loadb(body, n, 0, &e);
	must(j, "it is no JSON: %s: %.*s", e.text, (int)n, body);
	for (size_t i = 0; i < n; i++)
		must((body[i] >= ' ' && body[i] < 127) || body[i] == '\n', "S10.3: byte %zu is %d", i, body[i]);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";
	static const size_t pieces[] = {1 << 16, 1, 7, 100};
	struct fuzz f = {data, size}, next = {(const uint8_t *)good, sizeof good - 1};
	unsigned how = fuzz_byte(&f);
	bool asked = f.left > 0, leaves = how >> 5 & 1;
	open_instance();
	talk(&f, how % 8 != 7, pieces[how >> 3 & 3], leaves);
	size_t replies = fuzz_replies(on_body);
	must(how % 8 != 7 || !asked || leaves || (replies == 1 && !strncmp(fuzz_client.got + 9, "403", 3)),
	     "S10.1: a stranger is told %s", fuzz_client.got);
	if (!ctl)
		return 0;
	talk(&next, true, sizeof good, false);
	must(fuzz_replies(on_body) == 1 && !strncmp(fuzz_client.got, "HTTP/1.1 200 OK\r\n", 17), "the next one hears %s",
	     fuzz_client.got);
	return 0;
}
