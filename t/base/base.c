/* base.c: the vocabulary every room uses. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/page.h"
#include "base/slots.h"
#include "base/text.h"
#include "base/time.h"
#include "base/timers.h"
#include "base/value.h"
#include "tap.h"

static void test_durations(void)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {{"250ms", 250 * CFW_MS},
		    {"5s", 5 * CFW_SEC},
		    {"1m30s", 90 * CFW_SEC},
		    {"0.25", 250 * CFW_MS},
		    {"1.5s", 1500 * CFW_MS},
		    {"1h", 3600 * CFW_SEC},
		    {"0", 0},
		    {"100us", 100000},
		    {"7ns", 7},
		    {".5s", 500 * CFW_MS}};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		uint64_t ns = 1;
		int rc = cfw_parse_duration(good[i].text, &ns, NULL);
		ok(rc == 0 && ns == good[i].ns, "a duration: %s", good[i].text);
	}
	static const char *const bad[] = {"",      "s", "5 s", "-1s", "5parsecs",     "1e3", "5s3",
					  "1m 3s", ".", "nan", "inf", "99999999999h", "5S"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint64_t ns = 42;
		struct curfew_err err = {0};
		int rc = cfw_parse_duration(bad[i], &ns, &err);
		ok(rc == CURFEW_EINVAL && ns == 42 && strstr(err.msg, "1m30s"), "no duration: \"%s\"", bad[i]);
	}
	char buf[32];
	is_str(cfw_format_duration(buf, sizeof buf, 250 * CFW_MS), "250ms", "250ms for people");
	is_str(cfw_format_duration(buf, sizeof buf, 1250 * CFW_MS), "1.25s", "1.25s for people");
	is_str(cfw_format_duration(buf, sizeof buf, 90 * CFW_SEC), "1m30s", "1m30s for people");
	is_str(cfw_format_duration(buf, sizeof buf, 999999 * 1000), "1s", "just under a second is 1s, not 1e+03ms");
	is_str(cfw_format_duration(buf, sizeof buf, CFW_NEVER), "never", "never for people");
}

static void test_sizes_and_names(void)
{
	uint64_t n = 0;
	ok(cfw_parse_size("64MB", &n, NULL) == 0 && n == 64u << 20, "64MB");
	ok(cfw_parse_size("1GiB", &n, NULL) == 0 && n == 1u << 30, "1GiB");
	ok(cfw_parse_size("512", &n, NULL) == 0 && n == 512, "512");
	ok(cfw_parse_size("1X", &n, NULL) == CURFEW_EINVAL, "1X is no size");
	ok(cfw_parse_size("", &n, NULL) == CURFEW_EINVAL, "nothing is no size");
	is_int(cfw_signal_number("SIGTERM"), SIGTERM, "SIGTERM");
	is_int(cfw_signal_number("term"), SIGTERM, "term");
	is_int(cfw_signal_number("RTMIN+3"), SIGRTMIN + 3, "RTMIN+3");
	is_int(cfw_signal_number("SIGTREM"), -1, "SIGTREM is none");
	is_int(cfw_signal_number(NULL), -1, "NULL is none");
	is_str(cfw_signal_name(SIGHUP), "SIGHUP", "name of SIGHUP");
	is_str(cfw_signal_name(-1), "SIG?", "name of an unknown signal");
	for (int i = 1; i < 32; i++)
		if (cfw_signal_number(cfw_signal_name(i)) != i)
			ok(false, "signal %d has a name that reads back", i);
	static const char *const names[] = {"listen", "name", "routes", NULL};
	is_str(cfw_nearest("lisen", names), "listen", "the nearest name of a slip");
	is_str(cfw_nearest("nmae", names), "name", "swapped letters are one slip");
	ok(cfw_nearest("quux", names) == NULL, "no nearest name of something else");
}

static void test_slots(void)
{
	struct cfw_slots s;
	cfw_slots_init(&s, &cfw_alloc_std, sizeof(int));
	int *item;
	cfw_id ids[100];
	for (int i = 0; i < 100; i++) {
		ids[i] = cfw_slots_new(&s, (void **)&item);
		*item = i;
	}
	cfw_slots_del(&s, ids[7]);
	ok(cfw_slots_get(&s, ids[7]) == NULL, "a freed id is stale");
	cfw_id again = cfw_slots_new(&s, (void **)&item);
	ok(again != ids[7] && *item == 0, "its slot is reused under another id, zeroed");
	ok(cfw_slots_get(&s, ids[7]) == NULL, "and the old id stays stale");
	cfw_slots_del(&s, ids[7]);
	ok(cfw_slots_get(&s, again) != NULL, "deleting a stale id touches nobody");
	size_t n = 0;
	for (cfw_id id = 0; (id = cfw_slots_next(&s, id));)
		n++;
	is_int(n, 100, "iteration meets each live one once");
	ok(!cfw_slots_get(&s, 0) && !cfw_slots_get(&s, 0xffffffff), "0 and nonsense are no ids");
	cfw_slots_clear(&s);
}

static uint64_t ran[8];
static size_t nran;
static struct cfw_timers timers;

static void note(struct cfw_timer *t, uint64_t now, void *ud)
{
	(void)now;
	ran[nran++ % 8] = (uint64_t)(uintptr_t)ud;
	if (ud == (void *)4)
		cfw_timer_set(&timers, t, 0); /* set anew in the past */
}

static void test_timers(void)
{
	cfw_timers_init(&timers);
	struct cfw_timer t[4] = {{.fn = note, .ud = (void *)1},
				 {.fn = note, .ud = (void *)2},
				 {.fn = note, .ud = (void *)3},
				 {.fn = note, .ud = (void *)4}};
	is_int(cfw_timers_deadline(&timers) == CFW_NEVER, 1, "no timer, no deadline");
	cfw_timer_set(&timers, &t[0], 30);
	cfw_timer_set(&timers, &t[1], 10);
	cfw_timer_set(&timers, &t[2], 10);
	is_int(cfw_timers_deadline(&timers), 10, "the earliest is the deadline");
	is_int(cfw_timers_run(&timers, 9), 0, "nothing runs early");
	is_int(cfw_timers_run(&timers, 10), 2, "both that are due run");
	ok(ran[0] == 2 && ran[1] == 3, "ties run in the order they were set");
	cfw_timer_set(&timers, &t[0], 50);
	is_int(cfw_timers_deadline(&timers), 50, "a timer moves");
	cfw_timer_cancel(&timers, &t[0]);
	cfw_timer_cancel(&timers, &t[0]);
	is_int(cfw_timers_run(&timers, 100), 0, "a cancelled one does not run");
	cfw_timer_set(&timers, &t[3], 1);
	is_int(cfw_timers_run(&timers, 100), 1, "one set anew by its callback waits for the next run");
	cfw_timers_clear(&timers);
	is_int(t[3].pos, 0, "cleared: unset");

	/* many, in an order that no heap likes */
	enum { N = 2000 };
	static struct cfw_timer many[N];
	for (size_t i = 0; i < N; i++) {
		many[i] = (struct cfw_timer){.fn = note, .ud = (void *)1};
		cfw_timer_set(&timers, &many[i], (i * 7919) % N);
	}
	for (size_t i = 0; i < N; i += 3)
		cfw_timer_cancel(&timers, &many[i]);
	size_t bad = 0, got = 0;
	for (uint64_t last = 0; cfw_timers_deadline(&timers) != CFW_NEVER;) {
		uint64_t at = cfw_timers_deadline(&timers);
		bad += at < last;
		last = at;
		got += cfw_timers_run(&timers, at);
	}
	ok(bad == 0 && got == N - (N + 2) / 3, "2,000 timers, a third cancelled, run in order");
	cfw_timers_clear(&timers);
}

static void test_values(void)
{
	struct cfw_value *v = cfw_value_map();
	cfw_value_set(v, "name", cfw_value_str("web"));
	cfw_value_set(v, "port", cfw_value_int(80));
	struct cfw_value *list = cfw_value_list();
	cfw_value_push(list, cfw_value_strn("a\0b", 3));
	cfw_value_push(list, cfw_value_num(0.5));
	cfw_value_push(list, cfw_value_ref(9));
	cfw_value_set(v, "list", list);
	struct cfw_value *c = cfw_value_copy(v);
	ok(cfw_value_equal(v, c), "a copy is equal");
	cfw_value_set(c, "port", cfw_value_int(81));
	ok(!cfw_value_equal(v, c), "and no longer after a change");
	is_int(cfw_value_len(c), 3, "setting a key again replaces it");
	size_t n = 0;
	cfw_value_bytes(cfw_value_at(cfw_value_get(c, "list"), 0), &n);
	is_int(n, 3, "strings carry zero bytes");
	is_str(cfw_value_get_str(v, "nope", "x"), "x", "an absent key reads as the default");
	is_int(cfw_value_get_int(NULL, "k", 5), 5, "NULL reads as nil");
	ok(cfw_value_set(v, "x", NULL) == CURFEW_ENOMEM, "setting nothing is a failure, not a crash");
	ok(cfw_value_push(v, cfw_value_int(1)) < 0, "a map is no list");
	cfw_value_free(v);
	cfw_value_free(c);
	cfw_value_free(NULL);
}

static void test_buf_and_err(void)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_put_safe(&b, "a\x1b[2J\n\xc3\xa9\xff\x80\xc2\x85", 12);
	is_str(b.data, "a\\x1b[2J\\n\xc3\xa9\\xff\\x80\\xc2\\x85", "S10.3: control characters and broken UTF-8 are escaped");
	cfw_buf_reset(&b);
	cfw_buf_put_safe(&b, "\xe2\x80\xae", 3);
	is_str(b.data, "\\xe2\\x80\\xae", "S10.3: so is a direction override");
	cfw_buf_reset(&b);
	for (int i = 0; i < 1000; i++)
		cfw_buf_printf(&b, "%d,", i);
	is_int(b.len, 3890, "a buffer grows");
	char *s = cfw_buf_take(&b);
	ok(s && b.data == NULL, "taking empties it");
	free(s);
	s = cfw_buf_take(&b);
	is_str(s, "", "an empty buffer is an empty string");
	free(s);

	struct curfew_err err = {0};
	errno = ENOENT;
	is_int(cfw_err_sys(&err, "open %s", "x"), CURFEW_ESYS, "cfw_err_sys answers CURFEW_ESYS");
	is_str(err.msg, "open x: No such file or directory", "with the words for errno");
	is_str(cfw_err_name(&err), "ENOENT", "and its name");
	cfw_err_prefix(&err, "policy.lua:%d: ", 3);
	is_str(err.msg, "policy.lua:3: open x: No such file or directory", "words go in front");
	cfw_err_set(&err, CURFEW_ETIMEOUT, "late");
	is_str(cfw_err_name(&err), "ETIMEDOUT", "a code has a name");
	is_int(cfw_err_set(NULL, CURFEW_EINVAL, "x"), CURFEW_EINVAL, "no err to write to is fine");
	char big[3000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	cfw_err_set(&err, CURFEW_EINVAL, "%s", big);
	cfw_err_prefix(&err, "%s", big);
	is_int(strlen(err.msg), sizeof err.msg - 1, "what is too long is cut");
}

static void *fail_all(void *ud, void *p, size_t o, size_t n)
{
	(void)ud, (void)p, (void)o, (void)n;
	return NULL;
}

static void test_alloc(void)
{
	const struct cfw_alloc none = {fail_all, NULL};
	int *p = NULL;
	size_t cap = 0;
	is_int(cfw_grow(&none, &p, &cap, 1, sizeof *p), CURFEW_ENOMEM, "growing without memory is an error");
	ok(p == NULL && cap == 0, "and harms nothing");
	is_int(cfw_grow(&cfw_alloc_std, &p, &cap, 100, sizeof *p), 0, "growing with it is none");
	ok(cap >= 100, "and gives what was asked for");
	is_int(cfw_grow(&cfw_alloc_std, &p, &cap, SIZE_MAX / 2, sizeof *p), CURFEW_ENOMEM, "an absurd need is refused");
	cfw_free(&cfw_alloc_std, p, cap * sizeof *p);
	struct cfw_slots s;
	cfw_slots_init(&s, &none, 8);
	void *item;
	is_int(cfw_slots_new(&s, &item), 0, "no slot without memory");
	cfw_slots_clear(&s);
}

static void test_page(void)
{
	struct cfw_page *p = cfw_page_new();
	ok(p && p->deadline_ns == CFW_NEVER, "a page starts without a deadline");
	is_int(cfw_page_group_add(p, 1), -1, "S8.4: group 1 is refused");
	is_int(cfw_page_group_add(p, 0), -1, "S8.4: so is group 0");
	is_int(cfw_page_group_add(p, -5), -1, "S8.4: and a negative one");
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	int slot = cfw_page_group_add(p, pid);
	ok(slot >= 0, "a real group is taken");
	cfw_page_kill_groups(p);
	int status = 0;
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "S4.8: groups in the page are killed");
	cfw_page_group_del(p, slot);
	is_int(p->groups_high, 0, "a freed slot is forgotten");
	cfw_page_group_del(p, -1);
	cfw_page_group_del(p, CFW_PAGE_GROUPS);
	ok(cfw_page_mark(p, 77), "S4.12: a hook is marked as begun once");
	ok(!cfw_page_mark(p, 77) && cfw_page_marked(p, 77), "S4.12: and never twice");
	ok(cfw_page_cut(p, 77), "S8.2: begun and not over");
	cfw_page_mark_end(p, 77);
	ok(!cfw_page_cut(p, 77) && cfw_page_marked(p, 77) && !cfw_page_cut(p, 78),
	   "over, and still marked; another is neither");
	cfw_page_mark_end(p, CFW_PAGE_MARKS);
	cfw_page_unmark(p, 77);
	cfw_page_mark(p, 77);
	ok(cfw_page_cut(p, 77), "marked anew it is not over");
	cfw_page_unmark(p, 77);
	ok(!cfw_page_marked(p, 77), "a mark is taken back for a new life");
	ok(!cfw_page_mark(p, CFW_PAGE_MARKS), "a mark out of range is refused");
	struct cfw_region r = {.generation = 7, .servers = 12, .hooks = 60000}, got;
	ok(!cfw_page_old_get(p, 0, &got) && !cfw_page_old_get(p, CFW_PAGE_OLD, &got), "no policy before this one");
	is_int(cfw_page_old_add(p, r), 0, "S7.2: one whose servers still stop");
	ok(cfw_page_old_get(p, 0, &got) && got.generation == 7 && got.servers == 12 && got.hooks == 60000, "with its region");
	int added = 1;
	for (r.generation = 8; !cfw_page_old_add(p, r); r.generation++)
		added++;
	is_int(added, CFW_PAGE_OLD, "there is room for some");
	cfw_page_old_del(p, 7);
	ok(!cfw_page_old_get(p, 0, &got) && cfw_page_old_get(p, 1, &got), "one is over, another is not");
	cfw_page_old_del(p, 99);
	is_int(cfw_page_old_add(p, r), 0, "its place is free again");
	cfw_page_free(p);
	cfw_page_free(NULL);
}

static char logged[256];

static void keep(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f, size_t n)
{
	(void)ud;
	snprintf(logged, sizeof logged, "%s:%s:%zu:%s=%s", cfw_log_level_name(level), msg, n, n ? f[0].key : "",
		 n ? f[0].value : "");
}

static void test_log(void)
{
	struct cfw_log log = {CFW_INFO, keep, NULL};
	cfw_log_with(&log, CFW_WARN, "hello", "gone", NULL, "a", "b", NULL);
	is_str(logged, "warn:hello:1:a=b", "fields without a value are left out");
	cfw_log_at(&log, CFW_DEBUG, "no %d", 1);
	is_str(logged, "warn:hello:1:a=b", "what is below the level is not handed over");
	cfw_log_at(&log, CFW_ERROR, "yes %d", 1);
	is_str(logged, "error:yes 1:0:=", "what is above is");
	cfw_log_at(NULL, CFW_ERROR, "nobody");
	is_int(cfw_time_add(CFW_NEVER, 1) == CFW_NEVER && cfw_time_add(1, 2) == 3, 1, "never plus something is never");
}

int main(void)
{
	test_durations();
	test_sizes_and_names();
	test_slots();
	test_timers();
	test_values();
	test_buf_and_err();
	test_alloc();
	test_page();
	test_log();
	return tap_done();
}
