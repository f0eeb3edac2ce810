/* Readiness by HTTP, on a real socket and a virtual clock: the input is what the server says, in pieces, before it hangs up. The child
 * is ready when that begins with a status from 200 to 399; else it is asked again until the limit, which says what came last. And the
 * input as the definition of ready, which is refused with a reason or can be begun. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/poll.h"
#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/timers.h"
#include "base/value.h"
#include "host/host.h"
#include "host/ready.h"

#define LIMIT (2 * CFW_SEC)

static struct curfew_loop loop;
static struct cfw_timers timers;
static const struct cfw_log silent;
static struct cfw_env env;
static struct cfw_host *host;
static uint64_t clock_ns = CFW_SEC;
static int listener = -1;
static char path[64];

static bool answered;
static char failure[400];

static uint64_t now(void *ud)
{
	(void)ud;
	return clock_ns;
}

static void on_answer(void *ud, const char *why)
{
	(void)ud;
	must(!answered, "a second answer");
	answered = true;
	snprintf(failure, sizeof failure, "%s", why ? why : "");
}

static void leave(void)
{
	unlink(path);
}

static void begin(void)
{
	struct curfew_err err = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(path, sizeof path, "%.40s/fuzz-ready-%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	atexit(leave);
	unlink(path);
	strcpy(un.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(!bind(listener, (struct sockaddr *)&un, sizeof un) && !listen(listener, 16), "no listener at %s", path);
	must(!curfew_poll_new(&loop, &err), "%s", err.msg);
	cfw_timers_init(&timers);
	env = (struct cfw_env){.loop = &loop, .timers = &timers, .log = &silent, .now_ns = now};
	host = cfw_host_new(&env, CFW_REAP_PIDFD, &err);
	must(host, "%s", err.msg);
}

static struct cfw_value *wrap(struct cfw_value *ready)
{
	struct cfw_value *server = cfw_value_map();
	cfw_value_set(ready, "timeout", cfw_value_int((int64_t)LIMIT));
	cfw_value_set(server, "ready", ready);
	return server;
}

/* One try of the probe is served. */
static void serve(const uint8_t *data, size_t size, size_t piece)
{
	int fd = accept(listener, NULL, NULL);
	if (fd < 0)
		return;
	curfew_poll_turn(&loop, 0);
	for (size_t at = 0; at < size && at < 64; at += piece) {
		if (send(fd, data + at, piece < size - at ? piece : size - at, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		curfew_poll_turn(&loop, 0);
	}
	close(fd);
	curfew_poll_turn(&loop, 0);
}

static bool is_good(const uint8_t *data, size_t size)
{
	char head[13] = "";
	int status = 0, n = 0;
	memcpy(head, data, size < 12 ? size : 12);
	return size >= 12 && !strncmp(head, "HTTP/1.", 7) && head[8] == ' ' && head[9] >= '2' && head[9] <= '3' &&
	       sscanf(head + 9, "%3d%n", &status, &n) == 1 && n == 3 && strspn(head + 9, "0123456789") == 3;
}

static void probe(const uint8_t *data, size_t size, size_t piece)
{
	struct curfew_err err = {0};
	struct cfw_value *def = cfw_value_map();
	char url[100];
	snprintf(url, sizeof url, "http://unix:%s:/up", path);
	cfw_value_set(def, "http", cfw_value_str(url));
	struct cfw_value *server = wrap(def);
	answered = false;
	struct cfw_ready *r = cfw_ready_new(host, server, "db", on_answer, NULL, &err);
	must(r, "%s", err.msg);
	uint64_t end = clock_ns + LIMIT;
	for (int tries = 0; !answered && clock_ns <= end; tries++) {
		must(tries < 1000, "it asks without end");
		cfw_timers_run(&timers, clock_ns);
		curfew_poll_turn(&loop, 0);
		serve(data, size, piece);
		if (answered)
			break;
		must(cfw_timers_deadline(&timers) != CFW_NEVER, "it waits for nothing");
		clock_ns = cfw_time_max(clock_ns, cfw_timers_deadline(&timers));
	}
	must(answered, "there is no answer at the limit");
	must(!*failure == is_good(data, size), "%s", *failure ? failure : "it is ready");
	must(!*failure || strstr(failure, "was not ready within 2s: http://unix:"), "%s", failure);
	cfw_ready_free(r);
	cfw_value_free(server);
}

static void define(struct fuzz *f)
{
	static const char *const keys[] = {"tcp", "http", "exec", "notify", "delay", "other"};
	struct curfew_err err = {0};
	struct cfw_value *def = cfw_value_map();
	size_t n;
	for (unsigned k = fuzz_below(f, 3); k-- > 0;) {
		const char *key = keys[fuzz_below(f, 6)];
		char *s = fuzz_bytes(f, 100, &n);
		cfw_value_set(def, key, *key == 'd' ? cfw_value_int((int64_t)n) : cfw_value_str(s));
		free(s);
	}
	int rc = cfw_ready_check(def, &err);
	must(!rc || (rc == CURFEW_EINVAL && !strncmp(err.msg, "ready", 5)), "%d: %s", rc, err.msg);
	struct cfw_value *server = wrap(def);
	if (!rc) {
		struct cfw_ready *r = cfw_ready_new(host, server, "db", on_answer, NULL, &err);
		must(r, "what was fine cannot be begun: %s", err.msg);
		cfw_ready_free(r);
	}
	cfw_value_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	if (!host)
		begin();
	unsigned how = fuzz_byte(&f);
	if (how & 1)
		define(&f);
	else
		probe(f.at, f.left, how >> 1 & 1 ? 64 : 1 + (how >> 2) % 8);
	must(cfw_timers_deadline(&timers) == CFW_NEVER, "a timer is left");
	return 0;
}
