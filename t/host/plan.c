/* What is made of texts before anything is done: addresses, URLs, commands, environments, users. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/value.h"
#include "host/addr.h"
#include "host/child.h"
#include "host/httpget.h"
#include "host/launch.h"
#include "tap.h"

static void addresses(void)
{
	static char far[200], wide[120];
	snprintf(far, sizeof far, "unix:/%0150d", 0);
	snprintf(wide, sizeof wide, "%080d:80", 0);
	const struct {
		const char *text;
		unsigned port;
		const char *error; /* NULL: it is one */
	} rows[] = {
		{"127.0.0.1:80", 0, NULL},
		{"[::1]:80", 0, NULL},
		{"[::1]", 80, NULL},
		{"[::1]", 0, "the port is missing"},
		{"localhost:1", 0, NULL},
		{"*:65535", 0, NULL},
		{":80", 0, NULL},
		{"80", 0, NULL},
		{"127.0.0.1", 80, NULL},
		{"unix:/s", 0, NULL},
		{"unix:", 0, "a unix socket's path has 1 to 107 bytes, this one 0"},
		{far, 0, "a unix socket's path has 1 to 107 bytes, this one 151"},
		{"[::1", 0, "is no address: host:port"},
		{"[::1]80", 0, "is no address: host:port"},
		{wide, 0, "is no address: host:port"},
		{"127.0.0.1:0", 0, "the port is a number from 1 to 65535"},
		{"127.0.0.1:65536", 0, "the port is a number from 1 to 65535"},
		{"127.0.0.1:8o", 0, "the port is a number from 1 to 65535"},
		{"127.0.0.1:-1", 0, "the port is a number from 1 to 65535"},
		{"127.0.0.1:x", 0, "the port is a number from 1 to 65535"},
		{"example.net:80", 0, "the host must be a number or localhost"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_addr a;
		struct curfew_err err = {0};
		int rc = cfw_addr_parse(&a, rows[i].text, rows[i].port, &err);
		if (!rows[i].error)
			ok(!rc && a.len > 0, "%s is an address", rows[i].text);
		else if (!ok(rc == CURFEW_EINVAL && strstr(err.msg, rows[i].error), "%s is none", rows[i].text))
			tap_diag("%s", err.msg);
	}
}

/* Is a socket connected, and to whom? */
static void connections(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof in;
	int file = open("/dev/null", O_RDONLY), fd = socket(AF_INET, SOCK_STREAM, 0);
	is_int(cfw_addr_connected(file), ENOTSOCK, "a file is no connection");
	is_int(cfw_addr_connected(fd), ENOTCONN, "nor is a socket that nobody has connected");
	if (bind(fd, (struct sockaddr *)&in, n) || getsockname(fd, (struct sockaddr *)&in, &n))
		tap_bail("a port");
	is_int(connect(fd, (struct sockaddr *)&in, n), 0, "one that is connected to its own port");
	is_int(cfw_addr_connected(fd), ECONNREFUSED, "has found nobody");
	close(fd);
	close(file);
}

static void urls(void)
{
	static const struct {
		const char *url, *error;
	} rows[] = {
		{"http://127.0.0.1:80/x", NULL},
		{"http://127.0.0.1", NULL},
		{"unix:/s:/health", NULL},
		{"unix:/s", NULL},
		{"unix:/s:", NULL},
		{"https://127.0.0.1/", "is no URL of the form"},
		{"http://127.0.0.1:80/a b", "is no URL of the form"},
		{"http://127.0.0.1:80/\x7f", "is no URL of the form"},
		{"http://example.net/", "the host must be a number or localhost"},
	};
	static const struct {
		const char *reply;
		int status;
	} replies[] = {{"HTTP/1.1 200 OK", 200}, {"HTTP/1.0 503", 503}, {"HTTP/1.", 0},        {"HT", 0},
		       {"HTTP/2 200 OK!", -1},   {"HTTP/1.1 2x0 ", -1}, {"HTTP/1.1 2 0 ", -1}, {"HTTP/1.1-200 ", -1},
		       {"HTTP/1.1 099 ", -1}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_httpget g;
		struct curfew_err err = {0};
		int rc = cfw_httpget_parse(&g, rows[i].url, &err);
		if (!rows[i].error)
			ok(!rc && g.request && strstr(g.request, " HTTP/1.1\r\nHost: "), "%s can be asked for", rows[i].url);
		else if (!ok(rc == CURFEW_EINVAL && strstr(err.msg, rows[i].error), "a URL that cannot"))
			tap_diag("%s", err.msg);
		cfw_httpget_clear(&g);
	}
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
		is_int(cfw_httpget_status(replies[i].reply, strlen(replies[i].reply)), replies[i].status,
		       "the status of \"%s\"", replies[i].reply);
}

static struct cfw_value *list(const char *first, const char *second)
{
	struct cfw_value *v = cfw_value_list();
	cfw_value_push(v, cfw_value_str(first));
	if (second)
		cfw_value_push(v, cfw_value_str(second));
	return v;
}

static struct cfw_value *kept[2]; /* a plan points into what it was made of */

/* A plan of that command and definition, which are taken; with its error. */
static int plan(struct cfw_plan *p, struct cfw_value *command, struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_launch l = {.command = command, .def = def};
	*err = (struct curfew_err){0};
	cfw_value_free(kept[0]);
	cfw_value_free(kept[1]);
	kept[0] = command;
	kept[1] = def;
	return cfw_plan_make(p, &l, "mark", err);
}

static struct cfw_value *def(const char *key, struct cfw_value *v)
{
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, key, v);
	return map;
}

static void refused(struct cfw_value *command, struct cfw_value *definition, int rc, const char *error)
{
	struct cfw_plan p;
	struct curfew_err err;
	if (!ok(plan(&p, command, definition, &err) == rc && strstr(err.msg, error), "refused: %s", error))
		tap_diag("%s", err.msg);
	cfw_plan_clear(&p);
}

static struct cfw_value *with_item(struct cfw_value *item)
{
	struct cfw_value *v = list("true", NULL);
	cfw_value_push(v, item);
	return v;
}

static bool among(char *const *v, const char *entry)
{
	for (; *v; v++)
		if (!strcmp(*v, entry))
			return true;
	return false;
}

static bool begins(char *const *v, const char *name)
{
	for (; *v; v++)
		if (!strncmp(*v, name, strlen(name)))
			return true;
	return false;
}

static void commands(void)
{
	refused(cfw_value_str("true"), cfw_value_map(), CURFEW_EINVAL, "command must be a list of strings, the program first");
	refused(cfw_value_list(), cfw_value_map(), CURFEW_EINVAL, "command must be a list of strings");
	refused(with_item(cfw_value_bool(true)), cfw_value_map(), CURFEW_EINVAL,
		"command: argument 2 is not a string without NUL");
	refused(with_item(cfw_value_strn("a\0b", 3)), cfw_value_map(), CURFEW_EINVAL, "command: argument 2 is not a string");
	refused(list("", NULL), cfw_value_map(), CURFEW_EINVAL, "the name of the program is empty");
	refused(list("true", NULL), def("env", def("", cfw_value_str("x"))), CURFEW_EINVAL,
		"env: \"\" is no name of a variable");
	refused(list("true", NULL), def("env", def("A=B", cfw_value_str("x"))), CURFEW_EINVAL, "env: \"A=B\" is no name");
	refused(list("true", NULL), def("env", def("A", cfw_value_bool(true))), CURFEW_EINVAL,
		"env: A is not a string without NUL");
	refused(list("true", NULL), def("env", def("A", cfw_value_strn("a\0b", 3))), CURFEW_EINVAL, "env: A is not a string");

	refused(list("true", NULL), def("env", list("A", NULL)), CURFEW_EINVAL, "env: \"\" is no name of a variable");

	struct cfw_plan p;
	struct curfew_err err;
	setenv("CURFEW_PLAN_TEST", "here", 1);
	setenv("LISTEN_FDS", "1", 1);
	struct cfw_value *env = cfw_value_map(), *d = cfw_value_map();
	cfw_value_set(env, "N", cfw_value_int(-7));
	cfw_value_set(env, "S", cfw_value_str("x y"));
	cfw_value_set(env, "CURFEW_PLAN_TEST", cfw_value_bool(false));
	cfw_value_set(env, "PATH", cfw_value_str(":/bin:"));
	cfw_value_set(d, "env", env);
	is_int(plan(&p, list("true", "x"), d, &err), 0, "a plan");
	ok(among(p.spawn.envp, "N=-7") && among(p.spawn.envp, "S=x y"), "numbers and texts are its environment");
	ok(!begins(p.spawn.envp, "CURFEW_PLAN_TEST="), "what is false is not, though it is inherited");
	ok(!begins(p.spawn.envp, "LISTEN_FDS="), "S10.2: nor is what is ours alone");
	const char *at = p.spawn.paths;
	is_str(at, "./true", "an empty place in PATH is the folder itself");
	is_str(at + strlen(at) + 1, "/bin/true", "then the next");
	cfw_plan_clear(&p);
	unsetenv("CURFEW_PLAN_TEST");
	unsetenv("LISTEN_FDS");

	d = def("user", cfw_value_str("0"));
	cfw_value_set(d, "env", def("HOME", cfw_value_str("/elsewhere")));
	is_int(plan(&p, list("true", NULL), d, &err), 0, "a plan for a user");
	ok(among(p.spawn.envp, "HOME=/elsewhere"), "whose home is given");
	size_t homes = 0;
	for (char *const *e = p.spawn.envp; *e; e++)
		homes += !strncmp(*e, "HOME=", 5);
	is_int((long long)homes, 1, "once");
	cfw_plan_clear(&p);

	char **was = environ;
	environ = NULL;
	is_int(plan(&p, list("true", NULL), cfw_value_map(), &err), 0, "a plan where there is no environment at all");
	ok(begins(p.spawn.envp, "CURFEW_SERVER=") && !p.spawn.envp[1], "has the marker alone");
	cfw_plan_clear(&p);
	environ = was;
}

static void checks(void)
{
	struct cfw_plan p;
	struct curfew_err err;
	char dir[] = "/tmp/curfew-plan-XXXXXX", path[64];
	if (!mkdtemp(dir))
		tap_bail("mkdtemp");
	snprintf(path, sizeof path, "%s/not-to-run", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	is_int(plan(&p, list("true", NULL), def("cwd", cfw_value_str(dir)), &err), 0, "a command in a folder");
	is_int(cfw_plan_check(&p, &err), 0, "would run");
	cfw_plan_clear(&p);
	plan(&p, list("./not-to-run", NULL), def("cwd", cfw_value_str(dir)), &err);
	ok(cfw_plan_check(&p, &err) == CURFEW_ESYS && err.sys_errno == EACCES,
	   "one that is no program would not, and says why: %s", err.msg);
	cfw_plan_clear(&p);
	plan(&p, list("./no-such", NULL), def("cwd", cfw_value_str(dir)), &err);
	ok(cfw_plan_check(&p, &err) == CURFEW_ESYS && err.sys_errno == ENOENT, "nor would one that is not there: %s", err.msg);
	cfw_plan_clear(&p);
	unlink(path);
	rmdir(dir);
	plan(&p, list("true", NULL), def("cwd", cfw_value_str(dir)), &err);
	ok(cfw_plan_check(&p, &err) == CURFEW_ESYS && strstr(err.msg, dir), "nor one in a folder that is not there: %s",
	   err.msg);
	cfw_plan_clear(&p);
}

/* Who it is to be: by name or by number, with a group of its own or not. Nothing of it needs a right. */
static void users(void)
{
	const struct passwd *me = getpwuid(0);
	const struct group *g = getgrgid(1);
	if (!me || !g)
		tap_bail("no user 0, or no group 1");
	char root[64], group[64];
	snprintf(root, sizeof root, "%s", me->pw_name);
	snprintf(group, sizeof group, "%s", g->gr_name);
	const struct {
		const char *user, *group;
		uid_t uid;
		gid_t gid;
		const char *error;
	} rows[] = {
		{root, NULL, 0, me->pw_gid, NULL},
		{"0", NULL, 0, me->pw_gid, NULL},
		{root, group, 0, 1, NULL},
		{root, "54321", 0, 54321, NULL},
		{"54321", NULL, 54321, 54321, NULL}, /* who has no entry has a group of the same number */
		{"54321", group, 54321, 1, NULL},
		{NULL, "54321", (uid_t)-1, 54321, NULL},
		{NULL, group, (uid_t)-1, 1, NULL},
		{"no-such-user", NULL, 0, 0, "there is no user no-such-user"},
		{"4294967295", NULL, 0, 0, "there is no user 4294967295"},
		{"12x", NULL, 0, 0, "there is no user 12x"},
		{"-1", NULL, 0, 0, "there is no user -1"},
		{NULL, "99999999999999999999999", 0, 0, "there is no group 99999999999999999999999"},
		{root, "no-such-group", 0, 0, "there is no group no-such-group"},
		{NULL, "99999999999", 0, 0, "there is no group 99999999999"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_plan p;
		struct curfew_err err;
		struct cfw_value *d = cfw_value_map();
		if (rows[i].user)
			cfw_value_set(d, "user", cfw_value_str(rows[i].user));
		if (rows[i].group)
			cfw_value_set(d, "group", cfw_value_str(rows[i].group));
		int rc = plan(&p, list("true", NULL), d, &err);
		const char *u = rows[i].user ? rows[i].user : "-", *of = rows[i].group ? rows[i].group : "-";
		if (rows[i].error) {
			if (!ok(rc == CURFEW_ENOENT && strstr(err.msg, rows[i].error), "user %s, group %s: refused", u, of))
				tap_diag("%s", err.msg);
		} else {
			uid_t uid = rows[i].uid == (uid_t)-1 ? geteuid() : rows[i].uid;
			ok(!rc && p.spawn.set_user && p.spawn.uid == uid && p.spawn.gid == rows[i].gid,
			   "user %s, group %s: %u, %u", u, of, (unsigned)p.spawn.uid, (unsigned)p.spawn.gid);
			ok(!rows[i].user || (p.spawn.n_groups >= 1 && begins(p.spawn.envp, "USER=")),
			   "with its groups and its name");
		}
		cfw_plan_clear(&p);
	}
}

int main(void)
{
	addresses();
	connections();
	urls();
	commands();
	checks();
	users();
	cfw_value_free(kept[0]);
	cfw_value_free(kept[1]);
	return tap_done();
}
