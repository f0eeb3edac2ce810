/* The service exec. */
#define _GNU_SOURCE
#include "rig.h"

static const struct cfw_service *service(struct rig *r, const char *name)
{
	size_t n;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s[i].name, name))
			return &s[i];
	tap_bail("no service %s", name);
}

static uint64_t tokens = 1000;
static struct curfew_err refused;

/* Begin; the token, or 0 when it was refused. args is taken. */
static uint64_t begin(struct rig *r, struct cfw_value *args)
{
	const struct cfw_service *s = service(r, "exec");
	memset(&refused, 0, sizeof refused);
	int e = s->begin(s->ud, &r->env, ++tokens, args, &refused);
	cfw_value_free(args);
	return e ? 0 : tokens;
}

/* The answer to args; NULL when it was refused or none came. */
static const struct rig_answer *call(struct rig *r, struct cfw_value *args)
{
	size_t before = r->n_answers;
	uint64_t token = begin(r, args);
	if (!token)
		return NULL;
	rig_until(r, r->n_answers > before, 10000);
	const struct rig_answer *a = &r->answers[(r->n_answers - 1) % RIG_ANSWERS];
	if (r->n_answers != before + 1 || a->token != token)
		tap_bail("no answer");
	return a;
}

static struct cfw_value *sh(const char *script)
{
	struct cfw_value *v = cfw_value_map();
	cfw_value_set(v, "command", rig_list("/bin/sh", "-c", script, NULL));
	return v;
}

static struct cfw_value *with(struct cfw_value *v, const char *key, struct cfw_value *to)
{
	cfw_value_set(v, key, to);
	return v;
}

static void test_answers(struct rig *r)
{
	const struct rig_answer *a = call(r, sh("echo out; echo err >&2; exit 5"));
	ok(a && !a->err.code, "a command that fails is an answer, no error");
	is_int(cfw_value_get_int(a->value, "code", -1), 5, "code");
	ok(!cfw_value_get(a->value, "signal"), "no signal");
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "out\n", "stdout");
	is_str(cfw_value_get_str(a->value, "stderr", NULL), "err\n", "stderr");
	a = call(r, sh("kill -9 $$"));
	is_int(cfw_value_get_int(a->value, "signal", -1), 9, "signal");
	ok(!cfw_value_get(a->value, "code"), "then no code");
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "", "nothing printed is an empty string");
	struct cfw_value *env = cfw_value_map();
	cfw_value_set(env, "WHO", cfw_value_str("me"));
	a = call(r, with(with(sh("echo $WHO; pwd"), "env", env), "cwd", cfw_value_str("/usr")));
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "me\n/usr\n", "env and cwd");
	a = call(r, with(sh("cat; echo end"), "stdin", cfw_value_str("")));
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "end\n", "without stdin it reads the end of file");
	a = call(r, sh("printf 'a\\000b'"));
	size_t n = 0;
	cfw_value_bytes(cfw_value_get(a->value, "stdout"), &n);
	is_int((long long)n, 3, "output is bytes");
}

static void test_megabyte(struct rig *r)
{
	size_t n = 1 << 20, got = 0;
	char *data = malloc(n);
	if (!data)
		tap_bail("no memory");
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 31 + i / 977);
	struct cfw_value *args = cfw_value_map();
	cfw_value_set(args, "command", rig_list("cat", NULL));
	cfw_value_set(args, "stdin", cfw_value_strn(data, n));
	const struct rig_answer *a = call(r, args);
	const char *back = cfw_value_bytes(cfw_value_get(a->value, "stdout"), &got);
	ok(got == n && back && !memcmp(back, data, n), "a megabyte in, the same megabyte out");

	args = sh("exec true");
	cfw_value_set(args, "stdin", cfw_value_strn(data, n));
	a = call(r, args);
	is_int(cfw_value_get_int(a->value, "code", -1), 0, "one that does not read its input: no SIGPIPE, no error");
	free(data);
}

/* Whoever has us may have blocked SIGPIPE, and one may wait: that one is his. */
static void test_sigpipe(struct rig *r)
{
	sigset_t pipe_only, old, waiting;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, &old);
	raise(SIGPIPE);
	struct cfw_value *args = sh("exec <&-; echo up > $D/closed; while [ ! -e $D/go ]; do sleep 0.01; done");
	size_t before = r->n_answers;
	begin(r, with(args, "stdin", cfw_value_str("data")));
	for (uint64_t end = cfw_time_now() + 20 * CFW_SEC; !*rig_file(r, "closed") && cfw_time_now() < end;)
		usleep(1000);
	rig_turn(r); /* the first that is written has no reader any more */
	char go[128];
	snprintf(go, sizeof go, "%s/go", r->dir);
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	rig_until(r, r->n_answers > before, 2000);
	is_int(cfw_value_get_int(r->answers[before % RIG_ANSWERS].value, "code", -1), 0, "one that does not read its input");
	sigpending(&waiting);
	ok(sigismember(&waiting, SIGPIPE), "leaves the SIGPIPE alone that waited before");
	sigtimedwait(&pipe_only, NULL, &(struct timespec){0, 0});
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_refusals(struct rig *r)
{
	struct cfw_value *args = cfw_value_map();
	cfw_value_set(args, "command", rig_list("/no/such", NULL));
	is_int((long long)begin(r, args), 0, "what cannot be run is refused at once");
	is_str(refused.msg, "cannot run /no/such: No such file or directory", "and said");
	is_str(cfw_err_name(&refused), "ENOENT", "with its name");
	args = cfw_value_map();
	cfw_value_set(args, "command", rig_list("/etc/passwd", NULL));
	begin(r, args);
	is_str(cfw_err_name(&refused), "EACCES", "no permission");
	is_int((long long)begin(r, with(sh("exit"), "cwd", cfw_value_str("/no/such"))), 0, "a missing folder");
	is_str(cfw_err_name(&refused), "ENOENT", "is ENOENT too");
	is_int((long long)begin(r, with(sh("exit"), "user", cfw_value_str("nobody-at-all"))), 0, "an unknown user");
	is_int((long long)begin(r, cfw_value_map()), 0, "no command");
	is_int(refused.code, CURFEW_EINVAL, "is a wrong argument");
	is_int((long long)begin(r, with(cfw_value_map(), "command", cfw_value_list())), 0, "an empty command");
}

static void test_timeout(struct rig *r)
{
	uint64_t began = cfw_time_now();
	const struct rig_answer *a = call(r, with(sh("trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $! > $D/pid; wait"),
						  "timeout", cfw_value_int((int64_t)(150 * CFW_MS))));
	is_str(cfw_err_name(&a->err), "ETIMEDOUT", "a timeout is an error");
	is_str(a->err.msg, "/bin/sh did not end within 150ms", "that says so");
	ok(cfw_time_now() - began >= 150 * CFW_MS, "not before its time");
	rig_until(r, rig_children() == 0, 1000);
	is_int((long long)rig_children(), 0, "the whole tree is killed and reaped");
	a = call(r, with(sh("exit 0"), "timeout", cfw_value_int((int64_t)(60 * CFW_SEC))));
	is_int(cfw_value_get_int(a->value, "code", -1), 0, "a timeout that is not reached changes nothing");
	is_int((long long)r->timers.n, 0, "and leaves no timer");
}

/* Too late, and then too much: the answer is the first. */
static void test_late_flood(struct rig *r)
{
	struct cfw_value *args = sh("head -c 1000 /dev/zero; echo up > $D/flooded; exec sleep 1000");
	cfw_value_set(args, "max_output", cfw_value_int(10));
	size_t before = r->n_answers;
	begin(r, with(args, "timeout", cfw_value_int((int64_t)(60 * CFW_SEC))));
	for (uint64_t end = cfw_time_now() + 20 * CFW_SEC; !*rig_file(r, "flooded") && cfw_time_now() < end;)
		usleep(1000);
	cfw_timers_run(&r->timers, cfw_time_now() + 61 * CFW_SEC);
	rig_until(r, r->n_answers > before, 2000);
	is_str(cfw_err_name(&r->answers[before % RIG_ANSWERS].err), "ETIMEDOUT", "output that is found after its time is over");
}

static void test_flood(struct rig *r)
{
	struct cfw_value *args = cfw_value_map();
	cfw_value_set(args, "command", rig_list("yes", NULL));
	cfw_value_set(args, "max_output", cfw_value_int(100000));
	const struct rig_answer *a = call(r, args);
	is_int(a->err.code, CURFEW_ELIMIT, "output is bounded");
	is_str(a->err.msg, "yes printed more than 100000 bytes", "and said");
	a = call(r, with(sh("head -c 100000 /dev/zero"), "max_output", cfw_value_int(100000)));
	size_t n = 0;
	cfw_value_bytes(cfw_value_get(a->value, "stdout"), &n);
	is_int((long long)n, 100000, "what just fits is whole");
}

static void test_cancel(struct rig *r)
{
	size_t before = r->n_answers;
	const struct cfw_service *s = service(r, "exec");
	uint64_t token = begin(r, sh("trap '' TERM; sleep 1000 & wait"));
	rig_idle(r, 20);
	s->cancel(s->ud, token);
	s->cancel(s->ud, token);
	s->cancel(s->ud, 424242);
	rig_until(r, rig_children() == 0, 2000);
	is_int((long long)rig_children(), 0, "cancel kills and reaps");
	rig_idle(r, 20);
	is_int((long long)r->n_answers, (long long)before, "and answers nothing");
}

static void test_background(struct rig *r)
{
	const struct rig_answer *a = call(r, sh("echo before; sleep 1000 & exit 0"));
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "before\n",
	       "sh -c 'daemon &': the answer does not wait for the daemon");
	is_int((long long)rig_children(), 1, "which lives");
	is_int((long long)cfw_host_kill_rest(r->host, cfw_time_now() + 5 * CFW_SEC), 0, "until the very end");
	is_int((long long)rig_children(), 0, "S9.3: no orphan is left");
}

static void test_many(struct rig *r)
{
	size_t before = r->n_answers;
	for (int i = 0; i < 40; i++)
		begin(r, sh("echo $$"));
	rig_until(r, r->n_answers >= before + 40, 10000);
	is_int((long long)(r->n_answers - before), 40, "40 at once");
}

static void test_end(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	begin(r, sh("trap '' TERM; sleep 1000 & wait"));
	begin(r, with(sh("exec sleep 1000"), "stdin", cfw_value_str("data")));
	rig_free(r);
	is_int((long long)rig_children(), 0, "the host's end with commands running: they are killed, nobody is answered");
}

int main(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	setenv("D", r->dir, 1);
	size_t fds = rig_fds();
	test_answers(r);
	test_megabyte(r);
	test_sigpipe(r);
	test_refusals(r);
	test_timeout(r);
	test_late_flood(r);
	test_flood(r);
	test_cancel(r);
	test_background(r);
	test_many(r);
	is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
	rig_free(r);
	r = rig_new(CFW_REAP_PIDFD);
	const struct rig_answer *a = call(r, sh("echo guest"));
	is_str(cfw_value_get_str(a->value, "stdout", NULL), "guest\n", "PIDFD: works without SIGCHLD");
	rig_free(r);
	test_end();
	return tap_done();
}
