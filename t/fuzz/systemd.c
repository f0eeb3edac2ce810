/* What systemd hands over: LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES beside two listeners and a datagram socket, NOTIFY_SOCKET and the
 * WATCHDOG_ variables; the input is their texts. Afterwards none of them is in the environment; what was taken has a name, is found by
 * it and by its address, and is never more than was passed. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <event2/event.h>

#include "shell/passed.c" /* NOLINT(bugprone-suspicious-include): the list is the process's own: it is emptied here between two inputs */
#include "shell/sd.h"

enum { LISTENERS = 2, LENGTH = 200 };
static const char *const variables[] = {"LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES",
					"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"};

static struct event_base *base;
static const struct cfw_log silent;
static struct cfw_listen_addr first;

static void put(int fd, int want)
{
	must(fd >= 0 && dup2(fd, want) == want, "no descriptor %d", want);
	if (fd != want)
		close(fd);
}

/* At 3, 4 and 5, where they belong. */
static void begin(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	base = event_base_new();
	for (int i = 0; i < LISTENERS; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		must(!bind(fd, (struct sockaddr *)&un, sizeof un.sun_family) && !listen(fd, 1), "no listener");
		put(fcntl(fd, F_DUPFD, 100), FIRST + i);
		if (fd != FIRST + i)
			close(fd);
	}
	put(fcntl(socket(AF_UNIX, SOCK_DGRAM, 0), F_DUPFD, 100), FIRST + LISTENERS);
	must(look_up(FIRST, &first), "no address");
}

/* Now and then what is right. */
static void set(struct fuzz *f, const char *name)
{
	char right[20];
	size_t n;
	unsigned how = fuzz_byte(f);
	if (how % 4 == 0)
		return;
	snprintf(right, sizeof right, "%d", strstr(name, "PID") ? (int)getpid() : LISTENERS + (int)(how >> 7));
	char *s = fuzz_bytes(f, LENGTH, &n);
	setenv(name, how % 4 == 1 ? right : s, 1);
	free(s);
}

static void taken(void)
{
	struct curfew_err err = {0};
	int named = 0;
	must(n_list >= 0 && n_list <= MOST, "%d were passed", n_list);
	for (int i = 0; i < n_list; i++) {
		struct cfw_listen_addr addr;
		const char *name = list[i].addr.text;
		must(!list[i].usable || (i < LISTENERS && name), "descriptor %d is no listener", FIRST + i);
		must(fcntl(FIRST + i, F_GETFD) < 0 || fcntl(FIRST + i, F_GETFD) & FD_CLOEXEC, "a child would inherit %d",
		     FIRST + i);
		named += list[i].usable;
		if (!list[i].usable)
			continue;
		must(cfw_passed_count(name) >= 1 && !cfw_passed_named(name, 0, &addr, &err), "%s is not found", name);
	}
	int fd = cfw_passed_find(&first);
	must((fd >= 0) == (named > 0), "found by its address: %d", fd);
	if (fd >= 0)
		close(fd);
	must(cfw_passed_named("no:such" /* a colon ends a name */, 0, &first, &err) == CURFEW_EINVAL && *err.msg,
	     "a name that nobody has");
	cfw_passed_warn(&silent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct curfew *none;
	struct fuzz f = {data, size};
	if (!base)
		begin();
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		set(&f, variables[i]);
	bool wanted = getenv("NOTIFY_SOCKET") && *getenv("NOTIFY_SOCKET");
	cfw_passed_take(&silent);
	taken();
	struct cfw_sd *sd = cfw_sd_new(base, NULL, &none);
	must((sd != NULL) == wanted, "systemd is %stold", sd ? "" : "not ");
	cfw_sd_free(sd);
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		must(!getenv(variables[i]), "S10.2: %s is still there", variables[i]);
	for (int i = 0; i < n_list; i++)
		free(list[i].addr.text);
	free(list);
	list = NULL;
	n_list = 0;
	return 0;
}
