/* The services fs.*. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "rig.h"

static uint64_t tokens = 1;
static struct curfew_err refused;

static const struct cfw_service *service(struct rig *r, const char *name)
{
	size_t n;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s[i].name, name))
			return &s[i];
	tap_bail("no service %s", name);
}

static uint64_t begin(struct rig *r, const char *name, struct cfw_value *args)
{
	const struct cfw_service *s = service(r, name);
	memset(&refused, 0, sizeof refused);
	int e = s->begin(s->ud, &r->env, ++tokens, args, &refused);
	cfw_value_free(args);
	return e ? 0 : tokens;
}

static const struct rig_answer *call(struct rig *r, const char *name, struct cfw_value *args)
{
	static const struct rig_answer none;
	size_t before = r->n_answers;
	uint64_t token = begin(r, name, args);
	if (!token)
		return &none;
	rig_until(r, r->n_answers > before, 5000);
	const struct rig_answer *a = &r->answers[(r->n_answers - 1) % RIG_ANSWERS];
	if (r->n_answers != before + 1 || a->token != token)
		tap_bail("no answer");
	return a;
}

/* { path = DIR/name } */
static struct cfw_value *at(const struct rig *r, const char *name)
{
	char path[256];
	struct cfw_value *v = cfw_value_map();
	snprintf(path, sizeof path, "%s/%s", r->dir, name);
	cfw_value_set(v, "path", cfw_value_str(path));
	return v;
}

static struct cfw_value *with(struct cfw_value *v, const char *key, struct cfw_value *to)
{
	cfw_value_set(v, key, to);
	return v;
}

static void test_files(struct rig *r)
{
	const struct rig_answer *a = call(r, "fs.exists", at(r, "a"));
	ok(!a->err.code && cfw_value_type(a->value) == CFW_V_BOOL && !cfw_value_to_bool(a->value), "exists: no is an answer");
	a = call(r, "fs.read", at(r, "a"));
	is_str(cfw_err_name(&a->err), "ENOENT", "read: no such file");
	char want[256];
	snprintf(want, sizeof want, "%s/a: No such file or directory", r->dir);
	is_str(a->err.msg, want, "with its path");
	a = call(r, "fs.write", with(with(at(r, "a"), "data", cfw_value_strn("x\0y", 3)), "mode", cfw_value_int(0600)));
	ok(!a->err.code && cfw_value_to_bool(a->value), "write");
	a = call(r, "fs.exists", at(r, "a/b"));
	ok(!a->err.code && !cfw_value_to_bool(a->value), "exists: below what is no folder there is nothing");
	a = call(r, "fs.read", at(r, "a"));
	size_t n = 0;
	const char *s = cfw_value_bytes(a->value, &n);
	ok(n == 3 && s && !memcmp(s, "x\0y", 3), "read: the bytes that were written");
	call(r, "fs.write", with(with(at(r, "a"), "data", cfw_value_str("z")), "append", cfw_value_bool(true)));
	a = call(r, "fs.stat", at(r, "a"));
	is_int(cfw_value_get_int(a->value, "size", -1), 4, "append, stat: size");
	is_str(cfw_value_get_str(a->value, "type", NULL), "file", "stat: type");
	is_int(cfw_value_get_int(a->value, "mode", -1), 0600, "stat: mode");
	ok(cfw_value_to_num(cfw_value_get(a->value, "mtime"), 0) > 1.6e9, "stat: mtime");
	call(r, "fs.write", with(with(at(r, "a"), "data", cfw_value_str("new")), "sync", cfw_value_bool(true)));
	is_str(rig_file(r, "a"), "new", "write: replaces, and syncs");
	a = call(r, "fs.exists", at(r, "a"));
	ok(cfw_value_to_bool(a->value), "exists: yes");
	a = call(r, "fs.stat", at(r, "."));
	is_str(cfw_value_get_str(a->value, "type", NULL), "directory", "stat: a folder");
	char special[256];
	snprintf(special, sizeof special, "%s/fifo", r->dir);
	mkfifo(special, 0600);
	a = call(r, "fs.stat", at(r, "fifo"));
	is_str(cfw_value_get_str(a->value, "type", NULL), "fifo", "stat: a fifo");
	unlink(special);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%.80s/sock", r->dir);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ok(!bind(fd, (struct sockaddr *)&un, sizeof un), "a socket");
	a = call(r, "fs.stat", at(r, "sock"));
	is_str(cfw_value_get_str(a->value, "type", NULL), "socket", "stat: is one");
	close(fd);
	unlink(un.sun_path);
	a = call(r, "fs.stat", with(cfw_value_map(), "path", cfw_value_str("/dev/null")));
	is_str(cfw_value_get_str(a->value, "type", NULL), "char", "stat: a device");
	fd = eventfd(0, EFD_CLOEXEC);
	snprintf(special, sizeof special, "/proc/self/fd/%d", fd);
	a = call(r, "fs.stat", with(cfw_value_map(), "path", cfw_value_str(special)));
	is_str(cfw_value_get_str(a->value, "type", NULL), "other", "stat: what has no kind");
	close(fd);
	struct cfw_value *args = at(r, "a");
	struct cfw_value *move = cfw_value_map();
	char to[256];
	snprintf(to, sizeof to, "%s/b", r->dir);
	cfw_value_set(move, "from", cfw_value_str(cfw_value_get_str(args, "path", "")));
	cfw_value_set(move, "to", cfw_value_str(to));
	cfw_value_free(args);
	a = call(r, "fs.rename", move);
	ok(!a->err.code && !strcmp(rig_file(r, "b"), "new") && !*rig_file(r, "a"), "rename");
	a = call(r, "fs.remove", at(r, "b"));
	ok(!a->err.code && !*rig_file(r, "b"), "remove");
	a = call(r, "fs.remove", at(r, "b"));
	is_str(cfw_err_name(&a->err), "ENOENT", "remove: what is not there");
}

static void test_errors(struct rig *r)
{
	const struct rig_answer *a = call(r, "fs.read", at(r, "."));
	is_str(cfw_err_name(&a->err), "EISDIR", "read: a folder");
	a = call(r, "fs.write", with(at(r, "no/such/file"), "data", cfw_value_str("x")));
	is_str(cfw_err_name(&a->err), "ENOENT", "write: below what is not there");
	a = call(r, "fs.write", with(with(cfw_value_map(), "path", cfw_value_str("/dev/full")), "data", cfw_value_str("x")));
	is_str(cfw_err_name(&a->err), "ENOSPC", "write: a full disk");
	a = call(r, "fs.stat", at(r, "nothing"));
	is_str(cfw_err_name(&a->err), "ENOENT", "stat: what is not there");
	call(r, "fs.write", with(at(r, "big"), "data", cfw_value_str("0123456789")));
	a = call(r, "fs.read", with(at(r, "big"), "max", cfw_value_int(9)));
	is_str(cfw_err_name(&a->err), "EFBIG", "read: bounded");
	a = call(r, "fs.read", with(at(r, "big"), "max", cfw_value_int(10)));
	is_str(cfw_value_to_str(a->value, NULL), "0123456789", "read: what just fits");
	a = call(r, "fs.read", with(with(cfw_value_map(), "path", cfw_value_str("/dev/zero")), "max", cfw_value_int(1000000)));
	is_str(cfw_err_name(&a->err), "EFBIG", "read: a file without end");
	a = call(r, "fs.read", with(cfw_value_map(), "path", cfw_value_str("/proc/self/stat")));
	ok(!a->err.code && cfw_value_len(a->value) > 10, "read: a file whose size is said to be 0");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", r->dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (void *)&un, sizeof un))
		tap_bail("no socket");
	a = call(r, "fs.read", at(r, "sock"));
	is_str(cfw_err_name(&a->err), "ENXIO", "read: a socket");
	close(fd);

	is_int((long long)begin(r, "fs.read", cfw_value_map()), 0, "no path is refused at once");
	is_str(refused.msg, "path must be a path: a string without NUL", "and said");
	is_int((long long)begin(r, "fs.read", with(cfw_value_map(), "path", cfw_value_strn("a\0b", 3))), 0,
	       "so is a NUL in it");
	is_int((long long)begin(r, "fs.read", with(cfw_value_map(), "path", cfw_value_str(""))), 0, "and an empty one");
	is_int((long long)begin(r, "fs.write", at(r, "x")), 0, "and no data");
	is_str(refused.msg, "data must be a string", "which is said");
	is_int((long long)begin(r, "fs.rename", with(cfw_value_map(), "from", cfw_value_str("a"))), 0, "and no target");
}

/* FIFOs: nobody is there, for ever. Four of them hold all threads; cancelled they give them back. */
static void test_cancel(struct rig *r)
{
	char fifo[128];
	snprintf(fifo, sizeof fifo, "%s/fifo", r->dir);
	mkfifo(fifo, 0600);
	int keep = open(fifo, O_RDWR | O_CLOEXEC); /* a writer that never writes */
	uint64_t held[4];
	for (int i = 0; i < 4; i++)
		held[i] = begin(r, "fs.read", at(r, "fifo"));
	size_t before = r->n_answers;
	uint64_t queued = begin(r, "fs.exists", at(r, "."));
	rig_idle(r, 30);
	is_int((long long)r->n_answers, (long long)before, "four that wait hold the threads; a fifth is queued");
	const struct cfw_service *s = service(r, "fs.read");
	s->cancel(s->ud, held[0]);
	s->cancel(s->ud, 424242);
	rig_until(r, r->n_answers > before, 2000);
	is_int((long long)r->answers[(r->n_answers - 1) % RIG_ANSWERS].token, (long long)queued,
	       "cancelled, one lets it through");
	if (write(keep, "go", 2) != 2)
		tap_bail("the fifo is full");
	close(keep); /* the end of the file for the other three */
	rig_until(r, r->n_answers >= before + 4, 2000);
	is_int((long long)(r->n_answers - before), 4, "the others are answered when their file ends");
	size_t bytes = 0;
	for (size_t i = before + 1; i < r->n_answers; i++)
		bytes += cfw_value_len(r->answers[i % RIG_ANSWERS].value);
	is_int((long long)bytes, 2, "with what was written");
	rig_idle(r, 80);
	for (size_t i = before; i < r->n_answers; i++)
		if (r->answers[i % RIG_ANSWERS].token == held[0])
			ok(false, "a cancelled one was answered");
	const struct rig_answer *a = call(r, "fs.exists", at(r, "."));
	ok(cfw_value_to_bool(a->value), "all goes on afterwards");
}

/* S10.4: what is beneath a folder is for the path to say, what a name leads to for the kernel. */
static void test_confined(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	struct curfew_err err = {0};
	char path[256], inner[128], here[256], *longest = calloc(1, 5000);
	if (!getcwd(here, sizeof here) || chdir(r->dir) || mkdir("inner", 0700) || symlink("loop", "inner/loop"))
		tap_bail("no folder");
	memset(longest, 'x', 4999);
	snprintf(inner, sizeof inner, "%s/inner", r->dir);
	struct cfw_value *allowed = with(cfw_value_map(), "read", rig_list(longest, NULL));
	is_int(cfw_host_confine(r->host, allowed, &err), CURFEW_EINVAL, "a folder whose name is too long");
	ok(strstr(err.msg, "its path is too long"), "is said so");
	cfw_value_free(allowed);
	allowed = with(cfw_value_map(), "read", rig_list("/no/such/folder", NULL));
	ok(cfw_host_confine(r->host, allowed, NULL) < 0, "one that is not there is refused, whoever hears why");
	cfw_value_free(allowed);
	allowed = with(with(cfw_value_map(), "read", rig_list("", inner, "", NULL)), "write", rig_list(inner, NULL));
	is_int(cfw_host_confine(r->host, allowed, &err), 0, "two folders, one in the other: %s", err.msg);
	cfw_value_free(allowed);

	snprintf(path, sizeof path, "%s/f", inner);
	is_int(call(r, "fs.write", with(with(cfw_value_map(), "path", cfw_value_str(path)), "data", cfw_value_str("in")))
		       ->err.code,
	       0, "a file in the inner one");
	const struct rig_answer *a = call(r, "fs.read", with(cfw_value_map(), "path", cfw_value_str("inner/f")));
	is_str(cfw_value_to_str(a->value, ""), "in", "by its name from here");
	static const struct {
		const char *service, *path, *error;
	} rows[] = {
		{"fs.read", "inner/loop", "EPERM"},  {"fs.read", "inner/none", "ENOENT"},
		{"fs.read", "/etc/passwd", "EPERM"}, {"fs.remove", "inner", "EPERM"},
		{"fs.remove", "inner/", "EPERM"},    {"fs.remove", "inner/f/", "EPERM"},
		{"fs.remove", "inner/f/.", "EPERM"}, {"fs.remove", "inner/f/..", "EPERM"},
		{"fs.remove", "f", "EPERM"},         {"fs.remove", "inner/none", "ENOENT"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		a = call(r, rows[i].service, with(cfw_value_map(), "path", cfw_value_str(rows[i].path)));
		is_str(cfw_err_name(&a->err), rows[i].error, "%s of %s: %s", rows[i].service, rows[i].path, a->err.msg);
	}
	a = call(r, "fs.read", with(cfw_value_map(), "path", cfw_value_str(longest)));
	is_str(cfw_err_name(&a->err), "EPERM", "a name that is too long is nowhere");
	a = call(r, "fs.remove", with(cfw_value_map(), "path", cfw_value_str(longest)));
	is_str(cfw_err_name(&a->err), "EPERM", "to remove, too");
	free(longest);
	if (chdir(here))
		tap_bail("no way back");
	rig_free(r);
}

static void test_limit(struct rig *r)
{
	char fifo[128];
	snprintf(fifo, sizeof fifo, "%s/fifo2", r->dir);
	mkfifo(fifo, 0600);
	int keep = open(fifo, O_RDWR | O_CLOEXEC);
	static uint64_t held[2000];
	size_t n = 0;
	while (n < 2000 && (held[n] = begin(r, "fs.read", at(r, "fifo2"))))
		n++;
	is_int((long long)n, 1024, "what may wait is bounded");
	is_int(refused.code, CURFEW_ELIMIT, "then it is refused");
	const struct cfw_service *s = service(r, "fs.read");
	for (size_t i = 0; i < n; i++)
		s->cancel(s->ud, held[i]);
	size_t before = r->n_answers;
	uint64_t token = 0;
	rig_until(r, (token = begin(r, "fs.exists", at(r, "."))) != 0, 2000);
	rig_until(r, r->n_answers > before, 2000);
	is_int((long long)r->answers[(r->n_answers - 1) % RIG_ANSWERS].token, (long long)token, "cancelled, they make room");
	close(keep);
}

static volatile sig_atomic_t in_thread;
static _Thread_local volatile sig_atomic_t loop_thread;

static void on_usr1(int sig)
{
	(void)sig;
	if (!loop_thread)
		in_thread = 1;
}

static void test_signals(struct rig *r)
{
	loop_thread = 1;
	signal(SIGUSR1, on_usr1);
	sigset_t some, old;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	call(r, "fs.exists", at(r, ".")); /* the threads are there */
	sigprocmask(SIG_BLOCK, &some, &old);
	kill(getpid(), SIGUSR1);
	rig_idle(r, 20);
	ok(!in_thread, "no handler runs in the threads of the pool");
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGUSR1, SIG_DFL);
}

static void test_end(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	char fifo[128];
	snprintf(fifo, sizeof fifo, "%s/fifo", r->dir);
	mkfifo(fifo, 0600);
	int keep = open(fifo, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 20; i++)
		begin(r, "fs.read", at(r, "fifo"));
	uint64_t began = cfw_time_now();
	rig_free(r);
	ok(cfw_time_now() - began < 5 * CFW_SEC, "the host's end waits for no file");
	close(keep);
}

int main(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	size_t fds = rig_fds();
	const struct cfw_service *s = service(r, "fs.read");
	s->cancel(s->ud, 1); /* nothing was ever asked for */
	test_files(r);
	test_errors(r);
	test_cancel(r);
	test_limit(r);
	test_signals(r);
	rig_free(r);
	test_end();
	test_confined();
	r = rig_new(CFW_REAP_PIDFD);
	is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
	rig_free(r);
	return tap_done();
}
