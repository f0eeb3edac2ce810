/* The live display on a pseudo-terminal, seen through a small terminal of our own: what counts is what is on the screen. */
#define _GNU_SOURCE
#include "shell/display.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../view/world.h"
#include "base/buf.h"
#include "base/kind.h"
#include "base/time.h"
#include "base/timers.h"
#include "shell/logger.h"

/* ---- a terminal of 80 columns: just what is needed ---- */

enum { ROWS = 40, COLUMNS = 80 };

static struct {
	char cell[ROWS][COLUMNS + 1];
	int row, column, most_up, clears;
} screen;

static int master, slave;

static void clear_screen(void)
{
	memset(&screen, 0, sizeof screen);
	for (int i = 0; i < ROWS; i++)
		memset(screen.cell[i], ' ', COLUMNS);
}

static void obey(char what, int n)
{
	if (what == 'A') {
		screen.row = screen.row > n ? screen.row - n : 0;
		screen.most_up = n > screen.most_up ? n : screen.most_up;
	} else if (what == 'K' || what == 'J') {
		memset(screen.cell[screen.row] + screen.column, ' ', (size_t)(COLUMNS - screen.column));
		for (int i = screen.row + 1; what == 'J' && i < ROWS; i++)
			memset(screen.cell[i], ' ', COLUMNS);
		screen.clears += what == 'J';
	} else if (what != 'm') {
		tap_bail("unknown escape sequence %c", what);
	}
}

static void show(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '\r') {
			screen.column = 0;
		} else if (c == '\n') {
			if (++screen.row == ROWS)
				tap_bail("the screen is full");
		} else if (c == '\033' && i + 1 < n) {
			int count = 0;
			for (i += 2; i < n && (s[i] == ';' || (s[i] >= '0' && s[i] <= '9')); i++)
				count = s[i] == ';' ? 0 : count * 10 + s[i] - '0';
			obey(i < n ? s[i] : '?', count);
		} else if ((c & 0xc0) != 0x80) {
			if (screen.column < COLUMNS)
				screen.cell[screen.row][screen.column] = c < 0x80 ? (char)c : '?';
			screen.column++;
		}
	}
}

static size_t take(void)
{
	static char buf[1 << 16];
	size_t all = 0;
	ssize_t n;
	fcntl(master, F_SETFL, O_NONBLOCK);
	while ((n = read(master, buf, sizeof buf)) > 0) {
		show(buf, (size_t)n);
		all += (size_t)n;
	}
	return all;
}

/* What is on the screen, without what is blank at the end of lines and of the whole. */
static const char *look(void)
{
	static char text[ROWS * (COLUMNS + 2)];
	char *p = text, *end = text;
	take();
	for (int i = 0; i < ROWS; i++) {
		size_t n = COLUMNS;
		while (n > 0 && screen.cell[i][n - 1] == ' ')
			n--;
		memcpy(p, screen.cell[i], n);
		p += n;
		*p++ = '\n';
		if (n)
			end = p;
	}
	*end = '\0';
	return text;
}

/* ---- the scene ---- */

static struct cfw_timers timers;
static struct cfw_env env;
static struct cfw_logger *logger;
static struct cfw_display *display;

static uint64_t world_time(void *ud)
{
	(void)ud;
	return world.now;
}

static void set_size(unsigned short columns, unsigned short rows)
{
	struct winsize size = {.ws_col = columns, .ws_row = rows};
	ioctl(slave, TIOCSWINSZ, &size);
}

static void open_scene(void)
{
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		tap_bail("no pty: %s", strerror(errno));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		tap_bail("no pty: %s", strerror(errno));
	set_size(80, 24);
	clear_screen();
	setenv("TERM", "xterm", 1);
	cfw_timers_init(&timers);
	env = (struct cfw_env){.timers = &timers, .now_ns = world_time};
	logger = cfw_logger_new(slave, CFW_LOG_TEXT, CFW_INFO, false);
	world_open(NULL);
	cfw_id web = world_server("web", 2 * CFW_SEC)->id;
	world_hook(web, CFW_PRE_STOP, "notice", "p.lua:1", 1 * CFW_SEC);
	world_start();
	display = cfw_display_new(slave, &env, world.core, logger, false);
	if (!display || !logger)
		tap_bail("no display");
}

static void close_scene(void)
{
	cfw_display_free(display);
	cfw_logger_free(logger);
	cfw_timers_clear(&timers);
	world_close();
	close(master);
	close(slave);
}

/* Let time pass for core and display in steps of a millisecond. */
static void pass(uint64_t ns)
{
	for (uint64_t until = world.now + ns; world.now < until;) {
		world_run(world.now + CFW_MS);
		cfw_timers_run(&timers, world.now);
		if (world.exit_code >= 0)
			return;
	}
}

static void begin_stop(void)
{
	world_signal(SIGTERM);
	world_run(world.now);
	cfw_display_begin(display);
	cfw_display_begin(display);
}

static void test_frames(void)
{
	open_scene();
	pass(CFW_SEC);
	is_str(look(), "", "nothing is shown while nothing stops");
	begin_stop();
	pass(140 * CFW_MS);
	is_str(look(), "", "a stop that is quick shows nothing");
	pass(110 * CFW_MS);
	is_str(look(),
	       "stopping, code 0, because of SIGTERM (1st): 4.7s of 5s left [#################]\n"
	       "  web  pre_stop \"notice\" (p.lua:1)                     for 0.2s, cut in 4.7s\n",
	       "what the stop waits for");
	screen.clears = 0;
	pass(700 * CFW_MS);
	take();
	ok(screen.clears >= 6 && screen.clears <= 7, "ten frames a second at most (%d in 700 ms)", screen.clears);
	pass(200 * CFW_MS);
	const char *got = look();
	ok(strstr(got, "  web  stops  ") && strchr(strchr(got, '\n') + 1, '\n')[1] == '\0',
	   "a new frame takes the place of the old one");
	cfw_display_end(display);
	cfw_display_end(display);
	is_str(look(), "", "at the end it is wiped");
	ok(screen.row == 0 && screen.column == 0, "and the cursor is where it was");
	pass(500 * CFW_MS);
	is_str(look(), "", "for good");
	close_scene();
}

static void test_log_lines(void)
{
	open_scene();
	begin_stop();
	pass(260 * CFW_MS);
	cfw_log_at(cfw_logger_log(logger), CFW_INFO, "one");
	const char *got = look();
	ok(strstr(got, " INFO  one\n") && !strstr(got, "stopping"), "it steps aside for a log line");
	pass(100 * CFW_MS);
	cfw_log_at(cfw_logger_log(logger), CFW_INFO, "two");
	pass(100 * CFW_MS);
	got = look();
	const char *one = strstr(got, " INFO  one\n"), *two = strstr(got, " INFO  two\nstopping, code 0");
	ok(one && two && one < two && strstr(two, "  web  pre_stop"), "and comes back below it");
	pass(60 * CFW_SEC);
	is_int(world.exit_code, 0, "the stop ends");
	cfw_display_free(display);
	display = NULL;
	got = look();
	ok(strstr(got, " INFO  two\n") && !strstr(got, "stopping") && !strstr(got, "web"), "freed: only the log is left");
	cfw_log_at(cfw_logger_log(logger), CFW_INFO, "three");
	ok(strstr(look(), " INFO  three\n") != NULL, "and goes on without it");
	close_scene();
}

static void test_sizes(void)
{
	open_scene();
	begin_stop();
	pass(160 * CFW_MS);
	take();
	screen.most_up = 0;
	set_size(40, 24);
	pass(100 * CFW_MS);
	take();
	is_int(screen.most_up, 4, "a terminal made narrower shows two lines as four: all four are taken back");
	for (unsigned short columns = 1; columns < 30; columns += 3) {
		set_size(columns, 1);
		pass(100 * CFW_MS);
		take();
	}
	set_size(0, 0);
	pass(100 * CFW_MS);
	ok(strstr(look(), "stopping, code 0, because of SIGTERM (1st)") != NULL,
	   "a terminal without a size is taken for 80 by 24");
	close_scene();
}

static void test_stop_without_exit(void)
{
	open_scene();
	world_feed((struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_STOP, .no_exit = true}});
	world_run(world.now);
	cfw_display_begin(display);
	pass(300 * CFW_MS);
	ok(strstr(look(), "stopping") != NULL, "S3.4: a stop without an exit is shown");
	pass(4 * CFW_SEC);
	is_str(look(), "", "S3.4: and wiped when it is over");
	ok(cfw_timers_deadline(&timers) == CFW_NEVER, "after which nothing is drawn and no timer runs");
	begin_stop();
	pass(300 * CFW_MS);
	close_scene();
}

/* ---- terminals that do not take it ---- */

static void test_stopped(void)
{
	open_scene();
	begin_stop();
	pass(160 * CFW_MS);
	take();
	tcflow(slave, TCOOFF);
	uint64_t began = cfw_time_now();
	pass(400 * CFW_MS);
	cfw_log_at(cfw_logger_log(logger), CFW_INFO, "unheard");
	cfw_display_end(display);
	cfw_display_free(display);
	display = NULL;
	cfw_logger_free(logger);
	logger = NULL;
	ok(cfw_time_now() - began < CFW_SEC, "a stopped terminal (Ctrl-S) holds neither the stop nor the end");
	is_int(take(), 0, "it was shown nothing meanwhile");
	tcflow(slave, TCOON);
	close_scene();
}

static void test_unread(void)
{
	open_scene();
	begin_stop();
	uint64_t began = cfw_time_now();
	for (int i = 0; i < 3000; i++) { /* the clock of the display runs, the stop's does not */
		world.now += 110 * CFW_MS;
		cfw_timers_run(&timers, world.now);
	}
	ok(cfw_time_now() - began < 5 * CFW_SEC, "nor does one that nobody reads, after 3000 frames");
	ok(!(fcntl(slave, F_GETFL) & O_NONBLOCK), "whose O_NONBLOCK is left alone");
	close_scene();
}

/* In a child: a session of its own, on whose terminal another process group is in the foreground. */
static void draw_in_background(void)
{
	setsid();
	char path[64];
	snprintf(path, sizeof path, "%s", ptsname(master));
	int fd = open(path, O_RDWR | O_CLOEXEC); /* becomes the controlling terminal */
	if (fd < 0)
		_exit(9);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		begin_stop();
		pass(500 * CFW_MS);
		_exit(tcgetpgrp(slave) == getpgrp() ? 8 : 0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 7);
}

static void test_background(void)
{
	open_scene();
	pid_t pid = fork();
	if (pid == 0)
		draw_in_background();
	int status = 0;
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "in the background of a shell");
	is_str(look(), "", "nothing is drawn");
	close_scene();
}

static void test_none(void)
{
	int fd[2];
	if (pipe(fd) < 0)
		tap_bail("pipe");
	setenv("TERM", "xterm", 1);
	ok(!cfw_display_new(fd[1], &env, NULL, NULL, false), "no terminal, no display");
	close(fd[0]);
	close(fd[1]);
	open_scene();
	setenv("TERM", "dumb", 1);
	ok(!cfw_display_new(slave, &env, world.core, NULL, false), "nor on a dumb one");
	unsetenv("TERM");
	ok(!cfw_display_new(slave, &env, world.core, NULL, false), "nor on an unknown one");
	cfw_display_begin(NULL);
	cfw_display_end(NULL);
	cfw_display_free(NULL);
	close_scene();
}

int main(void)
{
	test_frames();
	test_log_lines();
	test_sizes();
	test_stop_without_exit();
	test_stopped();
	test_unread();
	test_background();
	test_none();
	return tap_done();
}
