/* Where a child's output goes. */
#define _GNU_SOURCE
#include "rig.h"

static const char *lines(const struct rig *r)
{
	return r->lines.data ? r->lines.data : "";
}

static struct rig_proc run(struct rig *r, const char *script, const char *out, const char *err)
{
	struct cfw_value *def = rig_sh(script);
	cfw_value_set(def, "stdout", cfw_value_str(out));
	cfw_value_set(def, "stderr", cfw_value_str(err));
	cfw_buf_reset(&r->lines);
	r->n_lines = 0;
	struct rig_proc p = rig_start(r, def);
	return p;
}

static void until_closed(struct rig *r)
{
	rig_until(r, rig_last(r)->what == CFW_REPORT_CLOSED, 5000);
	is_str(rig_what(rig_last(r)->what), "CLOSED", "it ends");
}

static void test_log(struct rig *r)
{
	struct rig_proc p =
		run(r, "printf 'one\\ntwo\\r\\n\\nthr'; printf 'ee\\nlast'; sleep 0.02; echo oops >&2", "log", "log");
	until_closed(r);
	ok(strstr(lines(r), "it|stdout|one\nit|stdout|two\n"), "log: each line with the server's name");
	ok(strstr(lines(r), "it|stdout|three\n"), "log: a line written in two pieces is one line");
	ok(strstr(lines(r), "it|stdout|last\n"), "log: the last line counts without a newline");
	ok(strstr(lines(r), "it|stderr|oops\n"), "log: and the stream");
	is_int((long long)r->n_lines, 5, "log: nothing else");
	rig_close(&p);

	p = run(r, "head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'a\\000b\\n'", "log", "inherit");
	until_closed(r);
	size_t longest = 0;
	for (const char *s = lines(r), *nl; (nl = strchr(s, '\n')); s = nl + 1)
		longest = (size_t)(nl - s) > longest ? (size_t)(nl - s) : longest;
	is_int((long long)r->n_lines, 4, "log: a line without end is logged in pieces");
	is_int((long long)longest, 8192 + 10, "log: of bounded length");
	ok(strstr(lines(r), "|a b\n"), "log: a NUL does not hide what follows");
	rig_close(&p);
}

/* One child floods; the loop must go on turning, and another child's stop must not wait for it. */
static void test_flood(struct rig *r)
{
	struct rig_proc flood = run(r, "exec yes", "log", "log");
	struct cfw_value *def = rig_sh("exec sleep 1000");
	struct rig_proc other = rig_start(r, def);
	rig_until(r, r->n_lines > 10000, 5000);
	uint64_t began = cfw_time_now();
	rig_stop(&other, 0);
	ok(cfw_time_now() - began < 2 * CFW_SEC, "a flood does not hold up the others");
	is_int(rig_last(r)->server, other.id, "whose stop ends");
	rig_stop(&flood, 0);
	is_str(rig_what(rig_last(r)->what), "STOPPED", "nor its own stop");
	rig_close(&flood);
	rig_close(&other);
}

static void test_files(struct rig *r)
{
	char spec[160];
	snprintf(spec, sizeof spec, "file:%s/out", r->dir);
	for (int i = 0; i < 2; i++) {
		struct rig_proc p = run(r, "echo out; echo err >&2", spec, spec);
		until_closed(r);
		rig_close(&p);
	}
	is_str(rig_file(r, "out"), "out\nerr\nout\nerr\n", "file: appended to");
	struct rig_proc p = run(r, "echo gone; echo gone >&2", "null", "null");
	until_closed(r);
	is_int((long long)r->n_lines, 0, "null: nowhere");
	rig_close(&p);
	char fifo[128];
	snprintf(fifo, sizeof fifo, "%s/fifo", r->dir);
	mkfifo(fifo, 0600);
	snprintf(spec, sizeof spec, "file:%s", fifo);
	p = run(r, "echo x", spec, "null");
	is_str(rig_what(rig_last(r)->what), "START_FAILED", "file: a FIFO that nobody reads does not hang the loop");
	rig_close(&p);
}

/* A grandchild that keeps the pipe open must not keep the end waiting; what the child wrote is there all the same. */
static void test_held_pipe(struct rig *r)
{
	struct rig_proc p = run(r, "echo words; setsid sleep 1000 & exit 0", "log", "log");
	until_closed(r);
	ok(strstr(lines(r), "it|stdout|words\n"), "what was written before the end is logged");
	is_int((long long)rig_children(), 0, "though somebody held the pipe");
	rig_close(&p);
}

int main(void)
{
	struct rig *r = rig_new(CFW_REAP_ALL);
	size_t fds = rig_fds();
	test_log(r);
	test_flood(r);
	test_files(r);
	test_held_pipe(r);
	is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
	rig_free(r);
	return tap_done();
}
