/* trial.h: what a policy that is tried leaves as it is (S7.1), besides files: whom it would send something, the process's locale, the
 * files that are watched, who counts how often there was nothing to do. Part of suite.h. */
#ifndef T_EMBED_TRIAL_H
#define T_EMBED_TRIAL_H

#include <locale.h>

/* Does it connect to a server, which it would tell something? */
static void try_fetch(struct host *h, const char *options, bool connects)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	char src[256];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), came = -1;
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) || listen(fd, 8) || getsockname(fd, (struct sockaddr *)&at, &n))
		tap_bail("no listener");
	snprintf(src, sizeof src, "require 'curfew'.fetch('http://127.0.0.1:%d/', %s)", ntohs(at.sin_port), options);
	told[0] = '\0';
	is_int(curfew_try(h->c, "policy.lua", src, strlen(src), on_tried, h, &h->err), 0, "tried: fetch with %s", options);
	turn_until(h, strstr(told, "tried:") || (came = accept(fd, NULL, NULL)) >= 0);
	if (came < 0)
		came = accept(fd, NULL, NULL);
	is_int(came >= 0, connects, connects ? "it asks the server" : "S7.1: the server hears nothing");
	if (came >= 0)
		close(came);
	close(fd);
	turn_until(h, strstr(told, "tried:"));
	is_str(told, "tried:yes", "it would load");
}

static void test_try_fetch(void)
{
	struct host h;
	struct server a;
	open_host(&h);
	add(&h, &a, "a", NULL);
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	try_fetch(&h, "{ timeout = '20s' }", true);
	try_fetch(&h, "{ method = 'HEAD', timeout = '20s' }", true);
	try_fetch(&h, "{ method = 'POST' }", false);
	try_fetch(&h, "{ method = 'DELETE' }", false);
	try_fetch(&h, "{ body = 'x' }", false);
	close_host(&h);
}

static void test_try_locale(void)
{
	struct host h;
	struct server a;
	char before[128];
	snprintf(before, sizeof before, "%s", setlocale(LC_CTYPE, NULL));
	open_host(&h);
	add(&h, &a, "a", NULL);
	try_policy(&h, "assert(os.setlocale()) assert(os.setlocale(nil, 'ctype')) os.setlocale('C.UTF-8')");
	is_str(told, "tried:yes", "a policy that sets the locale would load");
	is_str(setlocale(LC_CTYPE, NULL), before, "S7.1: the program's is what it was");
	setlocale(LC_ALL, before);
	close_host(&h);
}

static void put_file(const char *path, const char *text)
{
	char other[128];
	snprintf(other, sizeof other, "%s.new", path);
	FILE *f = fopen(other, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) || rename(other, path))
		tap_bail("%s: a file", path);
}

/* A module of what was tried changes, then the policy in force: that is seen, and nothing before it. */
static void test_try_watch(void)
{
	char dir[] = "/tmp/curfew-trial-XXXXXX", policy[64], module[64], absent[64], src[256];
	struct host h;
	struct server a;
	if (!mkdtemp(dir))
		tap_bail("mkdtemp");
	snprintf(policy, sizeof policy, "%s/policy.lua", dir);
	snprintf(module, sizeof module, "%s/module.lua", dir);
	snprintf(absent, sizeof absent, "%s/absent.lua", dir);
	put_file(policy, "");
	put_file(module, "return 1");
	open_with(&h, (struct curfew_options){.watch = true});
	add(&h, &a, "a", NULL);
	is_int(curfew_load_file(h.c, policy, &h.err), 0, "a policy that is watched");
	curfew_start(h.c);
	turn_until(&h, is_state(&h, "started"));
	snprintf(src, sizeof src, "package.path = '%s/?.lua' require 'module' dofile '%s' pcall(require, 'absent')", dir,
		 module);
	try_policy(&h, src);
	is_str(told, "tried:yes", "one with modules is tried");
	put_file(module, "return 22");
	put_file(absent, "return 333");
	put_file(policy, "-- another");
	turn_until(&h, strstr(h.log, "is in force"));
	if (!ok(strstr(h.log, "policy.lua has changed"), "the policy's own file is watched") ||
	    !ok(!strstr(h.log, "module.lua has") && !strstr(h.log, "absent.lua has"), "S7.1: those of the tried one are not"))
		tap_diag("%s", h.log);
	close_host(&h);
	unlink(policy);
	unlink(module);
	unlink(absent);
	rmdir(dir);
}

/* S2.8: idle, which was ignored, is raised again only after new activity. */
static void test_try_idle(void)
{
	struct host h;
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	open_host(&h);
	curfew_on(h.c, "idle", rule, &ignore, NULL);
	curfew_start(h.c);
	turn_until(&h, strstr(told, "idle:1"));
	ok(strstr(told, "idle:1"), "S2.8: nothing is left, which is ignored");
	try_policy(&h, "require 'curfew'.sleep '1ms'");
	for (int i = 0; i < 3; i++) {
		curfew_wake(h.c);
		turn(&h);
	}
	is_str(told, "tried:yes", "S7.1: a policy that was tried is no activity");
	close_host(&h);
}

static void test_trial(void)
{
	test_try_fetch();
	test_try_locale();
	test_try_watch();
	test_try_idle();
}

#endif
