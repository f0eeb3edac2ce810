/* host.c: a program with a SIGTERM handler of its own and curfew inside (23-handlers.pl). */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <curfew-libevent.h>
#include <event2/event.h>

static struct event_base *base;
static int code;

static void on_term(int signo)
{
	static const char text[] = "> host\n";
	(void)signo;
	(void)!write(2, text, sizeof text - 1);
}

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	(void)ud;
	(void)kill;
	code = exit_code;
	event_base_loopbreak(base);
}

int main(void)
{
	static const char policy[] = "local curfew = require 'curfew'\n"
				     "local s = curfew.server { name = 's', start = function() end, stop = function() end }\n"
				     "s:pre_stop(function() io.stderr:write('> hook\\n') end)\n"
				     "s:post_start(function() io.stderr:write('> up\\n') end)\n";
	struct curfew_err err = {0};
	struct curfew_libevent here;
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct sigaction own = {.sa_handler = on_term};
	sigaction(SIGTERM, &own, NULL);
	base = event_base_new();
	struct curfew *c = curfew_new(&o, &err);
	if (!base || !c || curfew_own_signals(c, (int[]){SIGTERM}, 1, &err) ||
	    curfew_load(c, "policy", policy, sizeof policy - 1, &err) || curfew_start(c) ||
	    curfew_libevent_attach(&here, base, c)) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	event_base_dispatch(base);
	curfew_libevent_detach(&here);
	curfew_free(c);
	event_base_free(base);
	return code;
}
