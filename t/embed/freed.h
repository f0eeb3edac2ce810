/* freed.h: curfew_free at odd moments: while a policy is being tried, a server's abort asking how things are, and while a command of the
 * policy runs. Part of suite.h. */
#ifndef T_EMBED_FREED_H
#define T_EMBED_FREED_H

static void ask_status(void *ud, curfew_id id)
{
	const struct host *h = ud;
	char text[4096];
	(void)id;
	if (!curfew_status(h->c, text, sizeof text) || !strstr(text, "\"name\":\"a\""))
		_exit(80);
	tell("asked");
}

/* In a child: that of what was freed nothing is read is for a sanitizer to see. */
static int freed(const char *policy, const char *tried, int turns)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct host h;
		alarm(60);
		loop_open();
		open_host(&h);
		struct curfew_server_ops asking = {.size = sizeof asking, .abort = ask_status};
		struct curfew_server_options o = {.size = sizeof o, .name = "a", .ops = &asking, .ud = &h};
		if (!curfew_server_new(h.c, &o, NULL) || curfew_load(h.c, "=freed", policy, strlen(policy), NULL))
			_exit(90);
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		if (tried && curfew_try(h.c, "=tried", tried, strlen(tried), on_tried, &h, NULL))
			_exit(91);
		turn_until(&h, !tried || strstr(h.log, "it is tried"));
		while (turns-- > 0)
			turn(&h);
		close_host(&h);
		_exit(strstr(told, "asked") ? 3 : 92);
	}
	return reap(pid);
}

static void test_freed(void)
{
	is_int(freed("", "local c = require 'curfew' c.log.info 'it is tried' c.sleep '20s'", 0), 3,
	       "freed while a policy is tried: a server's abort may still ask for the status");
	int code = 3;
	for (int turns = 0; turns < 20 && code == 3; turns++)
		code = freed("local c = require 'curfew' c.spawn(function() while true do c.exec { 'true' } end end)", NULL,
			     turns);
	is_int(code, 3, "freed while a command runs, or has just ended");
}

#endif
