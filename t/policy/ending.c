/* The end from within a call (S5.3), and deactivate() (S3.5). */
#define _GNU_SOURCE
#include "fake.h"

#include <sys/wait.h>
#include <unistd.h>

/* In a child, as in life: the stack that was abandoned is never returned to. Its exit code. */
static int in_child(const char *script, void (*then)(struct fake *f))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct fake *f = fake_new(0);
		f->in_configure = then;
		fake_load(f, script);
		for (uint32_t i = 0; i < f->hooks; i++)
			fake_call(f, i, i + 1);
		fake_run(f, f->now + CFW_SEC);
		_exit(99); /* it should not have come so far */
	}
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void abandon_hook(struct fake *f)
{
	cfw_policy_abandon_current(f->p, 7);
	bool first = f->dones == 1 && f->done[0].run == 1 && f->done[0].outcome == CFW_EXIT_CALL && f->done[0].code == 7;
	fake_run(f, f->now + CFW_SEC);
	bool rest = f->dones == 2 && f->done[1].run == 2 && f->done[1].outcome == CFW_OK && !strcmp(said(f), "other;");
	_exit(first ? rest ? 0 : 2 : 1);
}

static void abandon_task(struct fake *f)
{
	cfw_policy_abandon_current(f->p, 3);
	fake_run(f, f->now + CFW_SEC);
	_exit(!strcmp(said(f), "other;") && !strcmp(asked(f), "") ? 0 : 1);
}

static void abandon_rule(struct fake *f)
{
	cfw_policy_abandon_current(f->p, 3);
	fake_call(f, 0, 1);
	fake_run(f, f->now + CFW_SEC);
	/* a hook that calls os.exit now is completed by it: no rule is being asked any more */
	_exit(f->dones == 1 && f->done[0].outcome == CFW_EXIT_CALL && f->done[0].code == 4 && !*asked(f) ? 0 : 1);
}

static int ask_in_child(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct fake *f = fake_new(0);
		f->in_configure = abandon_rule;
		fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function() os.exit(4) end} "
			     "c.rule('SIGTERM', function() c.configure{} end)");
		struct cfw_trigger t = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 1};
		cfw_policy_ask(f->p, &t, NULL, NULL);
		_exit(99);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void abandon(void)
{
#define HOOKS(body)                                                                                                            \
	"c.hook_new{phase = 'pre_stop', fn = function() local x <close> = setmetatable({}, {__close = function() "             \
	"say('closed') end}) " body                                                                                            \
	" say('after') end} c.hook_new{phase = 'pre_stop', fn = function() c.sleep(5) collectgarbage() say('other') end}"
	is_int(in_child(HOOKS("c.configure{}"), abandon_hook), 0, "S5.3: a hook is done as by os.exit, others go on");
	is_int(in_child(HOOKS("pcall(coroutine.wrap(function() pcall(c.configure, {}) end))"), abandon_hook), 0,
	       "S5.3: within a coroutine and pcall too");
	is_int(in_child(HOOKS("table.sort({3, 2, 1}, function() c.configure{} end)"), abandon_hook), 0,
	       "S5.3: and below a function in C");
	is_int(in_child("c.spawn(function() c.sleep(5) collectgarbage() say('other') end) local t = c.spawn(function() "
			"c.configure{} "
			"say('after') end) t:await() say('awaiter')",
			abandon_task),
	       0, "S5.1: who awaits a task that is abandoned leaves with it");
	is_int(ask_in_child(), 0, "S5.3: within a rule: hooks run on as hooks");
	struct fake *f = fake_new(0);
	cfw_policy_abandon_current(f->p, 1);
	ok(!cfw_policy_busy(f->p) && !f->dones, "S5.3: where nothing runs nothing is abandoned");
	fake_free(f);
}

static void deactivate_now(struct fake *f)
{
	cfw_policy_deactivate(f->p);
	cfw_policy_deactivate(f->p);
}

static void deactivation(void)
{
	struct fake *f = fake_new(0);
	f->in_configure = deactivate_now;
	fake_load(f,
		  "local n = 0 local e e = c.timer(1000, function() n = n + 1 if n == 3 then c.timer(0, function() say('due') "
		  "end) c.configure{} say(tostring(e:cancel())) end end, 1000) local a = c.timer(1000000, function() "
		  "say('after') end) "
		  "c.sleep(10000) say('slept', n, tostring(a:cancel())) c.timer(1, function() say('new') end)");
	is_str(said(f), "false;due;slept 3 false;new;",
	       "S3.5: timers of before are cancelled, what is due and what is new is not");
	ok(!cfw_policy_busy(f->p), "S3.5: none is left");
	fake_free(f);
	is_int(in_child("c.configure{} os.exit(300)", deactivate_now), 300 & 255, "S3.5: os.exit is Lua's own again");
	is_int(in_child("c.configure{} os.exit(false)", deactivate_now), 1, "S3.5: os.exit(false)");
	is_int(in_child("c.configure{} pcall(os.exit, true)", deactivate_now), 0, "S3.5: os.exit(true)");
	f = fake_new(0);
	f->in_configure = deactivate_now;
	fake_load(f, "c.configure{} c.exit(5)");
	is_str(asked(f), "exit 5;", "curfew.exit is the trigger still");
	fake_free(f);
}

int main(void)
{
	abandon();
	deactivation();
	return tap_done();
}
