/* Hooks of a stop that is steered: what they sleep for, what they are told, and one that is cut before it has begun. */
#define _GNU_SOURCE
#include "fake.h"

#define HOOK(body) "c.hook_new{phase = 'pre_stop', name = 'h', where = 'policy.lua:1', fn = function(x) " body " end} "
#define TOLD       "local h, k = c.told() say('told', tostring(h), tostring(k)) "

static void call_phase(struct fake *f, size_t i, uint32_t run, enum cfw_phase phase, bool hurried)
{
	struct cfw_hook_call call = {.run = run,
				     .ref = f->refs[i],
				     .phase = phase,
				     .trigger = {.kind = CFW_T_KINDS},
				     .deadline_ns = CFW_NEVER,
				     .hurried = hurried,
				     .what = "a hook"};
	cfw_policy_call(f->p, &call);
}

static void hurried(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "local ns = 50 * 10^9 // 1 | 0 " HOOK(TOLD "say(tostring(c.sleep(ns))) " TOLD "c.sleep(ns) say('again')")
			     HOOK("c.spawn(function() c.sleep(ns) say('beside') end) c.any{c.spawn(function() c.sleep(ns) "
				  "say('below') end)}") HOOK("c.sleep(ns) say('NEVER')"));
	call_phase(f, 0, 1, CFW_PRE_STOP, false);
	call_phase(f, 1, 2, CFW_POST_STOP, false);
	call_phase(f, 2, 3, CFW_POST_START, false);
	uint64_t from = f->now;
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), "told false false;", "hooks sleep");
	cfw_policy_steer(f->p, true, false);
	fake_run(f, f->now);
	ok(has(said(f), "true;told true false;") && has(said(f), "beside;") && has(said(f), "below;"),
	   "hurried: their sleeps are over, as if in time, those of what they have spawned too, and they are told");
	ok(!strstr(said(f), "again"), "a later sleep is not skipped");
	fake_run(f, f->now + 10 * CFW_MS);
	ok(has(said(f), "again;"), "but lasts 10 ms at most");
	ok(!strstr(said(f), "NEVER"), "a hook of a start sleeps on");
	is_int(f->dones, 2, "the others are done");
	ok(f->now < from + 2 * CFW_SEC, "in no time");
	fake_free(f);
}

static void hurried_before(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, HOOK(TOLD "c.sleep(10^12 | 0) say('woke')"));
	call_phase(f, 0, 1, CFW_POST_STOP, true);
	fake_run(f, f->now + 10 * CFW_MS);
	is_str(said(f), "told true false;woke;", "a hook that begins in a hurried stop is told, and sleeps as briefly");
	fake_free(f);
}

static void cancelled(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, HOOK("c.sleep(10^12 | 0) " TOLD "c.sleep(1000) " TOLD "c.sleep(10^12 | 0) say('NEVER')"));
	call_phase(f, 0, 1, CFW_PRE_STOP, false);
	fake_run(f, f->now);
	cfw_policy_steer(f->p, false, true);
	fake_run(f, f->now);
	is_str(said(f), "told false true;", "cancelled: a hook that sleeps wakes, and is told");
	cfw_policy_steer(f->p, false, false);
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), "told false true;told false false;",
	       "and when the stop goes on after all: it sleeps as long as it likes");
	fake_free(f);
}

/* S4.12: marked as begun or not, what is owed to a server is that the hook is called. */
static void cut_before_it_began(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, HOOK("local x <close> = setmetatable({}, {__close = function() say('closed') end}) say('began') "
			  "c.sleep(10^12 | 0) say('NEVER')") HOOK("say('whole')"));
	call_phase(f, 0, 1, CFW_PRE_STOP, false);
	call_phase(f, 1, 2, CFW_PRE_STOP, false);
	call_phase(f, 0, 3, CFW_POST_STOP, false);
	for (uint32_t run = 1; run <= 3; run++)
		cfw_policy_call_cancel(f->p, run);
	fake_run(f, f->now + CFW_SEC);
	ok(has(said(f), "began;closed;") && has(said(f), "whole;"),
	   "S4.12: a pre_stop hook that is cut too soon runs until it waits");
	const char *second = strstr(said(f), "began");
	ok(second && !strstr(second + 1, "began"), "a post_stop hook does not");
	ok(!strstr(said(f), "NEVER") && !cfw_policy_busy(f->p), "and nothing is left of any");
	fake_free(f);
}

/* Without an instance that steers, as with one that refuses. */
static void refused(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "say(select(2, c.steer('hurry'))) say(tostring(pcall(c.steer, 'nonsense')))");
	ok(has(said(f), "not here"), "nobody to ask: nil and a message");
	ok(has(said(f), "false;"), "misuse raises");
	fake_free(f);
}

int main(void)
{
	hurried();
	hurried_before();
	cancelled();
	cut_before_it_began();
	refused();
	return tap_done();
}
