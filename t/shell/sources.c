/* Texts of scripts, sealed and handed over (S8.2). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/page.h"
#include "shell/sources.h"
#include "tap.h"

/* What came, taken as the guardian does. The descriptor, for a look at it, or -1. */
static int receive(int channel, struct cfw_sources *s)
{
	char message[CFW_CHANNEL_MESSAGE];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {message, sizeof message};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	ssize_t n = recvmsg(channel, &m, MSG_DONTWAIT);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd = -1;
	if (!c)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return cfw_sources_take(s, message, (size_t)n, fd) ? fd : -1;
}

static void handed_over(void)
{
	struct cfw_sources s = {0};
	const char *path = NULL, *text;
	size_t n = 0;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		tap_bail("socketpair");
	ok(cfw_sources_send(ends[0], "module:m", "./m.lua", "return\0 1", 9), "a text is sent");
	ok(cfw_sources_send(ends[0], "policy:p", "p", "", 0), "an empty one too");
	int fd = receive(ends[1], &s);
	ok(fd >= 0 && receive(ends[1], &s) >= 0, "both are taken");
	text = cfw_sources_find(&s, "module:m", &path, &n);
	ok(text && n == 9 && memcmp(text, "return\0 1", 9) == 0, "it is found, byte for byte");
	is_str(path, "./m.lua", "with where it came from");
	ok(cfw_sources_find(&s, "policy:p", &path, &n) && n == 0, "the empty one is found, and is empty");
	ok(!cfw_sources_find(&s, "module:n", &path, &n), "what was not kept is not found");
	ok(write(fd, "x", 1) < 0 && errno == EPERM && ftruncate(fd, 0) < 0 && errno == EPERM, "S8.2: it is sealed");
	ok(cfw_sources_send(ends[0], "module:m", "./m.lua", "new", 3) && receive(ends[1], &s) >= 0, "a key comes again");
	text = cfw_sources_find(&s, "module:m", &path, &n);
	ok(n == 3 && text && memcmp(text, "new", 3) == 0, "the last one counts");
	char *longest = malloc(CFW_CHANNEL_MESSAGE);
	if (!longest)
		tap_bail("out of memory");
	memset(longest, 'x', CFW_CHANNEL_MESSAGE);
	longest[CFW_CHANNEL_MESSAGE - 1] = '\0';
	ok(!cfw_sources_send(ends[0], longest, "p", "x", 1), "a name beyond measure is refused");
	free(longest);
	close(ends[1]);
	ok(!cfw_sources_send(ends[0], "a", "b", "c", 1), "S8.1: with nobody there it fails, and raises no SIGPIPE");
	close(ends[0]);
	cfw_sources_clear(&s);
}

static void nonsense(void)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {{"S", 1}, {"Sab", 3}, {"Sa\0b", 4}, {"Sa\0", 3}, {"Xa\0b\0", 5}, {"\0\0\0", 3}};
	struct cfw_sources s = {0};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int fd = memfd_create("t", 0);
		bool taken = cfw_sources_take(&s, bad[i].bytes, bad[i].n, fd);
		ok(!taken && fcntl(fd, F_GETFD) < 0, "S8.4: nonsense %u is refused, its descriptor closed", (unsigned)i);
	}
	ok(s.n == 0, "and nothing is kept of it");
	cfw_sources_clear(&s);
}

static void the_page(void)
{
	struct cfw_page *p = cfw_page_new();
	char address[CFW_PAGE_ADDRESS], longer[CFW_PAGE_ADDRESS + 1];
	bool owed = false;
	int pid = 0;
	if (!p)
		tap_bail("no page");
	uint32_t name = cfw_page_hash(cfw_page_hash(0, "web"), "http");
	ok(name != cfw_page_hash(cfw_page_hash(0, "we"), "bhttp"), "where a part ends counts");
	ok(cfw_page_hash(0, NULL) && cfw_page_hash(0, NULL) != cfw_page_hash(0, ""), "none is not empty, and neither is 0");
	cfw_page_server_set(p, 7, name, true, 42, "127.0.0.1:80");
	ok(cfw_page_server_get(p, 7, name, &owed, &pid, address) && owed && pid == 42, "S8.4: a server is in the page");
	is_str(address, "127.0.0.1:80", "with its address");
	ok(!cfw_page_server_get(p, 7, name + 1, &owed, &pid, address), "S8.4: another one is not there");
	ok(!cfw_page_server_get(p, CFW_PAGE_SERVERS, 0, &owed, &pid, address), "S8.4: nor beyond the end");
	cfw_page_server_set(p, CFW_PAGE_SERVERS, name, true, 1, NULL);
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	cfw_page_server_set(p, 7, name, false, 0, longer);
	ok(cfw_page_server_get(p, 7, name, &owed, &pid, address) && !*address && !owed, "half an address is none");
	memset(p->servers[7].address, 'x', CFW_PAGE_ADDRESS);
	cfw_page_server_get(p, 7, name, &owed, &pid, address);
	is_int(strlen(address), CFW_PAGE_ADDRESS - 1, "S8.4: one without an end has one for the reader");
	cfw_page_mark(p, 3);
	cfw_page_mark(p, 64);
	is_int(cfw_page_count_marks(p), 2, "marks are counted");
	cfw_page_free(p);
}

int main(void)
{
	handed_over();
	nonsense();
	the_page();
	return tap_done();
}
