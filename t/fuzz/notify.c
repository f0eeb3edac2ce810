/* A child's NOTIFY_SOCKET: the input is up to four messages, some with descriptors. READY is heard when one of them has a line of it, the
 * status is what the last STATUS= said, and no descriptor that came along is left open. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/poll.h"
#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/timers.h"
#include "host/host.h"
#include "host/internal.h"
#include "host/notify.h"

enum { MESSAGES = 4, MOST_BYTES = 5000, TAKEN = 4096, STATUS = 255 };

static struct curfew_loop loop;
static struct cfw_timers timers;
static const struct cfw_log silent;
static struct cfw_env env;
static struct cfw_host *host;
static unsigned heard;

static uint64_t now(void *ud)
{
	(void)ud;
	return cfw_time_now();
}

static void on_ready(void *ud)
{
	(void)ud;
	heard++;
}

static size_t descriptors(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int sender = -1, given = -1;
static size_t open_first;

static void send_to(const char *address, const char *text, size_t n, unsigned fds)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = {.space = ""};
	memcpy(un.sun_path + 1, address + 1, strlen(address) - 1);
	struct iovec io = {(void *)(uintptr_t)text, n};
	struct msghdr m = {.msg_name = &un,
			   .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address)),
			   .msg_iov = &io,
			   .msg_iovlen = 1};
	if (fds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (unsigned i = 0; i < fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof given, &given, sizeof given);
	}
	must(sendmsg(sender, &m, 0) == (ssize_t)n, "not sent");
}

/* What sd_notify(3) says of such a message: true where it says READY. */
static bool read_message(const char *text, char status[STATUS + 1])
{
	bool ready = false;
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n");
		if (n == 7 && !memcmp(at, "READY=1", 7))
			ready = true;
		if (n >= 7 && !memcmp(at, "STATUS=", 7))
			snprintf(status, STATUS + 1, "%.*s", (int)(n - 7), at + 7);
		at += n + (at[n] == '\n');
	}
	return ready;
}

static void begin(void)
{
	struct curfew_err err = {0};
	must(!curfew_poll_new(&loop, &err), "%s", err.msg);
	cfw_timers_init(&timers);
	env = (struct cfw_env){.loop = &loop, .timers = &timers, .log = &silent, .now_ns = now};
	host = cfw_host_new(&env, CFW_REAP_PIDFD, &err);
	must(host, "%s", err.msg);
	sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	given = open("/dev/null", O_RDONLY | O_CLOEXEC);
	open_first = descriptors();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct curfew_err err = {0};
	struct cfw_child child = {.phase = CFW_CHILD_ALIVE, .pid = getpid()}; /* we are it */
	char status[STATUS + 1] = "";
	bool ready = false;
	if (!host)
		begin();
	child.host = host;
	heard = 0;
	struct cfw_notify *n = cfw_notify_new(host, &child, "db", on_ready, NULL, &err);
	must(n, "%s", err.msg);
	const char *address = cfw_notify_address(n);
	for (int i = 0; i < MESSAGES && f.left; i++) {
		size_t len;
		unsigned fds = fuzz_below(&f, 4);
		char *text = fuzz_bytes(&f, MOST_BYTES, &len);
		send_to(address, text, len, fds);
		if (len > TAKEN)
			text[TAKEN] = '\0';
		ready |= read_message(text, status);
		free(text);
	}
	curfew_poll_turn(&loop, 0);
	must((heard > 0) == ready, "READY was heard %u times, and %ssaid", heard, ready ? "" : "not ");
	must(!strcmp(cfw_notify_status(n), status), "the status is \"%s\", \"%s\" was said", cfw_notify_status(n), status);
	cfw_notify_free(n);
	must(descriptors() == open_first, "%zu descriptors are open, there were %zu", descriptors(), open_first);
	return 0;
}
