/* The logger: three formats, S10.3, and a reader that does not read. */
#define _GNU_SOURCE
#include "shell/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "base/time.h"
#include "tap.h"

static int fds[2]; /* read, write */
static char got[1 << 17];

static void open_pipe(void)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		tap_bail("pipe: %s", strerror(errno));
}

static void close_pipe(void)
{
	close(fds[0]);
	close(fds[1]);
}

/* All that is there now. */
static const char *take(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	size_t n = 0;
	ssize_t r;
	while (n < sizeof got - 1 && (r = read(fd, got + n, sizeof got - 1 - n)) > 0)
		n += (size_t)r;
	got[n] = '\0';
	fcntl(fd, F_SETFL, flags);
	return got;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t re;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		tap_bail("bad pattern %s", pattern);
	bool held = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	if (!held)
		tap_diag("got %s", text);
	return held;
}

static struct cfw_logger *open_logger(enum cfw_log_format format, enum cfw_log_level level, bool color)
{
	open_pipe();
	struct cfw_logger *l = cfw_logger_new(fds[1], format, level, color);
	if (!l)
		tap_bail("no logger");
	return l;
}

static void close_logger(struct cfw_logger *l)
{
	cfw_logger_free(l);
	close_pipe();
}

#define CLOCK "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}"
#define STAMP "20[0-9]{2}-[0-9]{2}-[0-9]{2}T" CLOCK "Z"
#define NASTY "a\033[2Jb\nc\x01\xff\xc2\x9b\xe2\x80\xae"
#define TAMED "a\\x1b[2Jb\\nc\\x01\\xff\\xc2\\x9b\\xe2\\x80\\xae"

static void test_text(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	const struct cfw_log *log = cfw_logger_log(l);
	cfw_log_with(log, CFW_INFO, "web started", "address", "127.0.0.1:8080", "gone", NULL, "pid", "12", NULL);
	ok(matches(take(fds[0]), "^" CLOCK " INFO  web started address=127\\.0\\.0\\.1:8080 pid=12\n$"),
	   "text: time, level, words, fields");
	cfw_log_at(log, CFW_WARN, "%d apples", 3);
	cfw_log_at(log, CFW_ERROR, "bad");
	ok(matches(take(fds[0]), "^" CLOCK " WARN  3 apples\n" CLOCK " ERROR bad\n$"),
	   "text: one line an event, levels of one width");
	cfw_log_at(log, CFW_DEBUG, "noise");
	is_str(take(fds[0]), "", "what is below the level is not written");
	cfw_logger_set(l, CFW_LOG_TEXT, CFW_DEBUG);
	cfw_log_at(log, CFW_DEBUG, "noise");
	ok(matches(take(fds[0]), " DEBUG noise\n$"), "the level can be changed");

	cfw_log_with(log, CFW_INFO, "m", "a", "two words", "b", "", "c", "q\"u\\o", "d", "k=v", "e f=", "x", NULL);
	ok(strstr(take(fds[0]), " m a=\"two words\" b=\"\" c=\"q\\\"u\\\\o\" d=\"k=v\" e_f_=x\n") != NULL,
	   "text: values that could be misread are quoted");
	cfw_log_with(log, CFW_INFO, NASTY, "v", NASTY, "\033[1mk", "v\n", NULL);
	ok(strstr(take(fds[0]), " INFO  " TAMED " v=\"a\\x1b[2Jb\\nc\\x01\\xff\\xc2\\x9b\\xe2\\x80\\xae\" _[1mk=\"v\\n\"\n") !=
		   NULL,
	   "S10.3: text: control characters, invalid UTF-8, C1 and direction overrides are escaped");
	cfw_log_at(log, CFW_INFO, "größe → ok");
	ok(strstr(take(fds[0]), " INFO  größe → ok\n") != NULL, "text: honest UTF-8 stays as it is");
	close_logger(l);

	l = open_logger(CFW_LOG_TEXT, CFW_INFO, true);
	cfw_log_with(cfw_logger_log(l), CFW_ERROR, "bad", "k", "v", NULL);
	ok(matches(take(fds[0]), "^\033\\[2m" CLOCK "\033\\[0m \033\\[1;31mERROR\033\\[0m bad \033\\[2mk=\033\\[0mv\n$"),
	   "text: with colour");
	close_logger(l);
}

static void test_logfmt(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_LOGFMT, CFW_DEBUG, true);
	const struct cfw_log *log = cfw_logger_log(l);
	cfw_log_with(log, CFW_WARN, "web started", "address", "[::1]:80", "who", "a b", NULL);
	ok(matches(take(fds[0]), "^ts=" STAMP " level=warn msg=\"web started\" address=\\[::1\\]:80 who=\"a b\"\n$"),
	   "logfmt: no colour, UTC with milliseconds");
	cfw_log_with(log, CFW_INFO, "x", "v", NASTY, NULL);
	ok(strstr(take(fds[0]), " msg=x v=\"" TAMED "\"\n") != NULL, "S10.3: logfmt: escaped");
	close_logger(l);
}

static void test_json(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_JSON, CFW_DEBUG, true);
	const struct cfw_log *log = cfw_logger_log(l);
	cfw_log_with(log, CFW_ERROR, "web \"x\"", "a", "größe", "b", "one\ntwo\033[2J\x7f", "c", "bad \xff", NULL);
	const char *text = take(fds[0]);
	size_t n = strlen(text);
	ok(n > 1 && strchr(text, '\n') == text + n - 1, "json: one line");
	bool ascii = true;
	for (size_t i = 0; i + 1 < n; i++)
		ascii &= text[i] >= ' ' && text[i] < 0x7f;
	ok(ascii, "S10.3: json: nothing that a terminal obeys");
	json_t *o = json_loads(text, 0, NULL);
	is_str(json_string_value(json_object_get(o, "level")), "error", "json: level");
	is_str(json_string_value(json_object_get(o, "msg")), "web \"x\"", "json: msg");
	is_str(json_string_value(json_object_get(o, "a")), "größe", "json: fields");
	is_str(json_string_value(json_object_get(o, "b")), "one\ntwo\033[2J\x7f",
	       "json: control characters arrive as they were");
	is_str(json_string_value(json_object_get(o, "c")), "bad \\xff", "json: what is no UTF-8 is escaped");
	const char *ts = json_string_value(json_object_get(o, "ts"));
	ok(ts && matches(ts, "^" STAMP "$"), "json: ts in UTC with milliseconds");
	json_decref(o);
	close_logger(l);
}

/* ---- readers that do not read ---- */

static uint64_t timed_log(const struct cfw_log *log, const char *msg)
{
	uint64_t began = cfw_time_now();
	cfw_log_at(log, CFW_INFO, "%s", msg);
	return cfw_time_now() - began;
}

static bool writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	return poll(&p, 1, 0) == 1;
}

static void test_full(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	const struct cfw_log *log = cfw_logger_log(l);
	fcntl(fds[1], F_SETPIPE_SZ, 8192);
	char filler[1025] = "";
	memset(filler, 'x', 1024);
	uint64_t longest = 0;
	for (int i = 0; i < 50; i++)
		longest = cfw_time_max(longest, timed_log(log, filler));
	ok(longest < CFW_SEC, "a full pipe does not hold the caller (longest %d ms)", (int)(longest / CFW_MS));
	uint64_t began = cfw_time_now();
	for (int i = 0; i < 1000; i++)
		cfw_log_at(log, CFW_INFO, "lost");
	ok(cfw_time_now() - began < CFW_SEC, "once a line was dropped nobody waits again");
	ok(!(fcntl(fds[1], F_GETFL) & O_NONBLOCK), "O_NONBLOCK is not set: others share the file");
	int lines = 0;
	for (const char *p = take(fds[0]); (p = strchr(p, '\n')); p++)
		lines++;
	cfw_log_at(log, CFW_INFO, "back");
	char pattern[160];
	snprintf(pattern, sizeof pattern,
		 "^" CLOCK " WARN  %d log lines dropped: the log was not read in time\n" CLOCK " INFO  back\n$", 1050 - lines);
	ok(matches(take(fds[0]), pattern), "what was dropped is counted and reported as soon as the pipe is read");

	fcntl(fds[1], F_SETPIPE_SZ, 8192);
	char *big = malloc(10001);
	memset(big, 'y', 10000);
	big[10000] = '\0';
	timed_log(log, big);
	cfw_log_at(log, CFW_INFO, "dropped");
	char all[30000] = "";
	for (int i = 0; i < 3; i++) {
		strcat(all, take(fds[0]));
		cfw_log_at(log, CFW_INFO, "n%d", i);
	}
	strcat(all, take(fds[0]));
	char *ys = strchr(all, 'y');
	ok(ys && strspn(ys, "y") == 10000 && ys[10000] == '\n',
	   "a line that was taken in part is brought to its end before any other");
	ok(strstr(all, "dropped: the log") && strstr(all, " n2\n") && !strstr(all, "INFO  dropped"),
	   "and what came meanwhile is counted");
	free(big);

	fcntl(fds[1], F_SETPIPE_SZ, 8192);
	while (writable(fds[1]))
		cfw_log_at(log, CFW_INFO, "%s", filler);
	cfw_log_at(log, CFW_INFO, "dropped");
	take(fds[0]);
	cfw_logger_free(l);
	ok(matches(take(fds[0]), "1 log line dropped"), "and reported at the end, where nothing came after it");
	close_pipe();
}

static void test_gone(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	signal(SIGPIPE, SIG_DFL);
	close(fds[0]);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "into the void");
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "again");
	sigset_t pending, mask;
	sigpending(&pending);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	ok(!sigismember(&pending, SIGPIPE) && !sigismember(&mask, SIGPIPE),
	   "a reader that is gone raises no SIGPIPE, and leaves none pending");
	cfw_logger_free(l);
	close(fds[1]);

	l = cfw_logger_new(-1, CFW_LOG_TEXT, CFW_INFO, false);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "nowhere");
	cfw_logger_free(l);
	ok(true, "a descriptor that is closed is no harm");
}

/* How many bytes came with each write. Of a packet pipe a read takes what one write put. */
static void test_held(void)
{
	enum { LINES = 200 };
	if (pipe2(fds, O_CLOEXEC | O_DIRECT) < 0)
		tap_bail("pipe: %s", strerror(errno));
	struct cfw_logger *l = cfw_logger_new(fds[1], CFW_LOG_TEXT, CFW_INFO, false);
	const struct cfw_log *log = cfw_logger_log(l);
	char packet[8192], long_line[5001] = "";
	memset(long_line, 'l', sizeof long_line - 1);
	cfw_logger_hold(l, true);
	for (int i = 0; i < LINES; i++)
		cfw_log_at(log, CFW_INFO, "line %d", i);
	cfw_logger_hold(l, false);
	cfw_log_at(log, CFW_INFO, "line %d", LINES);
	int next = 0, packets = 0;
	bool whole = true;
	fcntl(fds[0], F_SETFL, O_NONBLOCK | O_DIRECT);
	for (ssize_t n; (n = read(fds[0], packet, sizeof packet - 1)) > 0; packets++) {
		packet[n] = '\0';
		whole = whole && packet[n - 1] == '\n';
		int i, used;
		for (const char *at = packet; sscanf(at, "%*s INFO line %d%n", &i, &used) == 1 && i == next; next++)
			at += used + 1;
	}
	is_int(next, LINES + 1, "lines that are held arrive all, in their order");
	ok(whole && packets > 2 && packets < 10, "many at once, and never a part of one: %d writes", packets);

	cfw_logger_hold(l, true);
	cfw_log_at(log, CFW_INFO, "before");
	cfw_log_at(log, CFW_INFO, "%s", long_line);
	cfw_log_at(log, CFW_INFO, "after");
	cfw_logger_free(l);
	char all[8192];
	size_t len = 0;
	for (ssize_t n; (n = read(fds[0], all + len, sizeof all - 1 - len)) > 0;)
		len += (size_t)n;
	all[len] = '\0';
	const char *ls = strchr(all, 'l');
	ok(ls && strspn(ls, "l") == 5000 && strstr(all, "before\n") && strstr(all, "after\n"),
	   "so do a long one, and those still held at the end");
	close_pipe();
}

/* Nobody reads: what was held is counted, each line of it. */
static void test_held_dropped(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	const struct cfw_log *log = cfw_logger_log(l);
	char filler[101] = "";
	memset(filler, 'f', 100);
	fcntl(fds[1], F_SETPIPE_SZ, 8192);
	while (writable(fds[1]))
		cfw_log_at(log, CFW_INFO, "%s", filler);
	cfw_logger_hold(l, true);
	for (int i = 0; i < 5; i++)
		cfw_log_at(log, CFW_INFO, "held");
	cfw_logger_hold(l, false);
	take(fds[0]);
	cfw_logger_hold(l, true);
	cfw_log_at(log, CFW_INFO, "more");
	cfw_logger_hold(l, false);
	ok(matches(take(fds[0]), "5 log lines dropped.*\n.*INFO  more\n"),
	   "held lines that nobody takes are counted one by one");
	close_logger(l);
}

/* The caller ignores SIGPIPE: nothing is asked of the kernel but room and the write. */
static void test_no_sigpipe(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	cfw_logger_no_sigpipe(l, true);
	signal(SIGPIPE, SIG_IGN);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "hello");
	ok(strstr(take(fds[0]), "hello\n"), "where SIGPIPE is ignored a line is written as ever");
	close(fds[0]);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "into the void");
	cfw_logger_no_sigpipe(l, false);
	signal(SIGPIPE, SIG_DFL);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "again");
	ok(true, "and when it is so no longer the logger sees to itself again");
	cfw_logger_free(l);
	close(fds[1]);
}

static void tick(int signo)
{
	(void)signo;
}

static char *everything;
static size_t everything_len;

static void *read_all(void *ud)
{
	FILE *f = open_memstream(&everything, &everything_len);
	char buf[700];
	ssize_t n;
	while ((n = read(fds[0], buf, sizeof buf)) > 0)
		fwrite(buf, 1, (size_t)n, f);
	fclose(f);
	return ud;
}

static void wait_until_read(void)
{
	int unread = 1;
	uint64_t limit = cfw_time_now() + 10 * CFW_SEC;
	while (unread > 0 && cfw_time_now() < limit) {
		ioctl(fds[0], FIONREAD, &unread);
		poll(NULL, 0, 1);
	}
}

/* Lines of 3000 z, and how many lines the logger says were dropped; all others are foreign. */
static void count_lines(int *whole, int *dropped, int *foreign)
{
	*whole = *dropped = *foreign = 0;
	for (char *line = everything, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		const char *msg = strstr(line, "msg=");
		int n;
		if (msg && strspn(msg + 4, "z") == 3000 && msg[3004] == '\0')
			++*whole;
		else if (msg && sscanf(msg, "msg=\"%d log line", &n) == 1)
			*dropped += n;
		else
			++*foreign;
	}
}

/* A timer that interrupts every 200 us, a pipe of one page, a reader that takes 700 bytes at a time. */
static void test_interrupted(void)
{
	enum { WRITTEN = 400 };
	struct cfw_logger *l = open_logger(CFW_LOG_LOGFMT, CFW_INFO, false);
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
	struct sigaction act = {.sa_handler = tick};
	sigset_t alarms;
	pthread_t reader;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL); /* the reader is not interrupted, the writer is */
	if (pthread_create(&reader, NULL, read_all, NULL) != 0)
		tap_bail("no thread");
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	sigaction(SIGALRM, &act, NULL);
	struct itimerval often = {{0, 200}, {0, 200}}, off = {0};
	setitimer(ITIMER_REAL, &often, NULL);
	char filler[3001] = "";
	memset(filler, 'z', 3000);
	for (int i = 0; i < WRITTEN; i++)
		cfw_log_at(cfw_logger_log(l), CFW_INFO, "%s", filler);
	setitimer(ITIMER_REAL, &off, NULL);
	wait_until_read();
	cfw_logger_free(l);
	close(fds[1]);
	pthread_join(reader, NULL);
	close(fds[0]);
	signal(SIGALRM, SIG_DFL);
	int whole, dropped, foreign;
	count_lines(&whole, &dropped, &foreign);
	is_int(whole + dropped, WRITTEN,
	       "EINTR and a slow reader: every line arrives whole or is counted as dropped (%d and %d)", whole, dropped);
	is_int(foreign, 0, "and no line is torn");
	free(everything);
}

/* ---- terminals ---- */

static int open_pty(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		tap_bail("no pty: %s", strerror(errno));
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		tap_bail("no pty: %s", strerror(errno));
	return master;
}

static void test_terminal(void)
{
	int slave, master = open_pty(&slave);
	struct cfw_logger *l = cfw_logger_new(slave, CFW_LOG_TEXT, CFW_INFO, false);
	const struct cfw_log *log = cfw_logger_log(l);
	cfw_log_at(log, CFW_INFO, "hello");
	ok(matches(take(master), "INFO  hello\r\n$"), "a terminal is written to");
	tcflow(slave, TCOOFF);
	uint64_t took = timed_log(log, "stopped") + timed_log(log, "stopped");
	ok(took < CFW_SEC, "a stopped terminal (Ctrl-S) does not hold the caller (%d ms)", (int)(took / CFW_MS));
	tcflow(slave, TCOON);
	cfw_log_at(log, CFW_INFO, "on");
	ok(matches(take(master), "WARN  2 log lines dropped.*INFO  on\r\n$"), "and when it goes on it is told what it missed");

	char filler[1025] = "";
	memset(filler, 'x', 1024);
	uint64_t began = cfw_time_now();
	for (int i = 0; i < 500; i++)
		cfw_log_at(log, CFW_INFO, "%s", filler);
	took = cfw_time_now() - began;
	ok(took < 2 * CFW_SEC, "nor does a terminal that nobody reads, after half a megabyte (%d ms)", (int)(took / CFW_MS));
	ok(!(fcntl(slave, F_GETFL) & O_NONBLOCK), "whose O_NONBLOCK is not touched either");
	cfw_logger_free(l);
	close(master);
	close(slave);
}

static char events[64];

static void before(void *ud)
{
	(void)ud;
	strcat(events, *take(fds[0]) ? "late " : "before ");
}

static void after(void *ud)
{
	(void)ud;
	strcat(events, *take(fds[0]) ? "after " : "early ");
}

static void test_around(void)
{
	struct cfw_logger *l = open_logger(CFW_LOG_TEXT, CFW_INFO, false);
	cfw_logger_around(l, before, after, NULL);
	cfw_log_at(cfw_logger_log(l), CFW_INFO, "x");
	cfw_log_at(cfw_logger_log(l), CFW_DEBUG, "x");
	is_str(events, "before after ",
	       "a display is asked to step aside, and may come back, around each line that is written");
	close_logger(l);
}

static void test_names(void)
{
	ok(cfw_log_format_parse("text") == CFW_LOG_TEXT && cfw_log_format_parse("logfmt") == CFW_LOG_LOGFMT &&
		   cfw_log_format_parse("json") == CFW_LOG_JSON && cfw_log_format_parse("xml") == -1 &&
		   cfw_log_format_parse(NULL) == -1,
	   "names of formats");
	ok(cfw_log_level_parse("debug") == CFW_DEBUG && cfw_log_level_parse("info") == CFW_INFO &&
		   cfw_log_level_parse("warn") == CFW_WARN && cfw_log_level_parse("error") == CFW_ERROR &&
		   cfw_log_level_parse("ERROR!") == -1,
	   "names of levels");
}

int main(void)
{
	test_text();
	test_logfmt();
	test_json();
	test_full();
	test_gone();
	test_held();
	test_held_dropped();
	test_no_sigpipe();
	test_interrupted();
	test_terminal();
	test_around();
	test_names();
	return tap_done();
}
