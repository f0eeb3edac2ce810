/* Tasks that spawn, await, cancel, sleep, fail, loop and leave at random, in and out of coroutines, under small limits: whatever
 * they do, the policy comes to rest and can be freed. Meant for the sanitizers. */
#define _GNU_SOURCE
#include "fake.h"

static const char script[] =
	"local random, tasks = math.random, {} "
	"local closing = {__close = function() if random(50) == 1 then error('in close') elseif random(200) == 1 then "
	"while true do end elseif random(20) == 1 and #tasks > 0 then tasks[random(#tasks)]:cancel() end end} "
	"local act "
	"local function run(depth) local guard <close> = setmetatable({}, closing) for _ = 1, random(6) do act(depth) end "
	"return 1 end "
	"local acts = { function() c.sleep(random(1000)) end, function() c.sleep(0) end, "
	"function(d) tasks[#tasks + 1] = c.spawn(run, d + 1) end, function(d) tasks[#tasks + 1] = c.spawn(run, d + 1) end, "
	"function() if #tasks > 0 then pcall(tasks[random(#tasks)].await, tasks[random(#tasks)], random(500)) end end, "
	"function() if #tasks > 0 then tasks[random(#tasks)]:cancel() end end, "
	"function() if #tasks > 2 then pcall(c.any, {tasks[1], tasks[random(#tasks)], tasks[#tasks]}, random(300)) end end, "
	"function() local h = c.timer(random(100), function() run(9) end) if random(2) == 1 then h:cancel() end end, "
	"function(d) pcall(coroutine.wrap(run), d + 1) end, "
	"function(d) local co = coroutine.create(run) coroutine.resume(co, d + 1) if random(3) == 1 then "
	"pcall(coroutine.close, co) end "
	"end, "
	"function(d) for _ in coroutine.wrap(function() for i = 1, 3 do c.sleep(random(5)) coroutine.yield(i) end end) do "
	"act(d + 1) end "
	"end, "
	"function() pcall(error, {}) end, function() if random(10) == 1 then error('x') end end, "
	"function() if random(100) == 1 then while true do end end end, "
	"function() if random(100) == 1 then pcall(os.exit, random(255)) end end, "
	"function() pcall(table.sort, {3, 1, 2}, function(a, b) if random(4) == 1 then c.sleep(1) end return a < b end) end, "
	"function() local t = {} for i = 1, random(2000) do t[i] = {i} end end, "
	"function() setmetatable({}, {__gc = function() run(9) end}) end, "
	"function() c.service('s', {a = {random(9)}}, random(2) == 1 and function() run(9) end or nil) end, "
	"function() pcall(c.wait_event, 'e') end, "
	"function() local s = c.subscribe('e', function() run(9) end) if random(2) == 1 then s:cancel() end end, "
	"function() if random(20) == 1 then for i = #tasks, 1, -1 do tasks[i] = nil end collectgarbage() end end } "
	"act = function(depth) if depth < 12 then acts[random(#acts)](depth) end end "
	"math.randomseed(SEED) for _ = 1, 12 do tasks[#tasks + 1] = c.spawn(run, 0) end "
	"for _ = 1, 4 do c.hook_new{phase = 'pre_stop', fn = function() run(0) end} end c.rule('SIGTERM', function() run(0) "
	"end)";

static bool one(unsigned seed)
{
	struct fake *f = fake_new(CFW_MS);
	struct cfw_policy_config config;
	struct cfw_trigger t = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 1};
	char line[64];
	cfw_policy_config_default(&config);
	config.hook_cpu_limit_ns = CFW_MS;
	config.memory_limit = 300000 + 1000 * (seed % 700);
	cfw_policy_configure(f->p, &config);
	snprintf(line, sizeof line, "SEED = %u", seed);
	fake_load(f, line);
	fake_load(f, script);
	size_t answered = 0;
	for (uint32_t i = 0; i < 40 && f->services < FAKE_MAX - 64 && f->dones < FAKE_MAX - 8; i++) {
		if (f->hooks)
			fake_call(f, i % f->hooks, i + 1);
		for (int k = 0; k < 3; k++)
			cfw_policy_step(f->p, f->now += 100);
		if (i % 3 == 0)
			cfw_policy_call_cancel(f->p, i);
		if (i % 5 == 0)
			cfw_policy_emit(f->p, "e", NULL);
		if (i % 7 == 0)
			cfw_policy_ask(f->p, &t, NULL, NULL);
		for (; answered < f->services; answered++)
			if (answered % 4)
				cfw_policy_answer(f->p, f->service[answered].token, cfw_value_int(1), NULL);
	}
	bool rested = false;
	for (int i = 0; i < 2000 && !rested; i++) {
		cfw_policy_step(f->p, f->now += CFW_MS);
		rested = cfw_policy_deadline(f->p) == CFW_NEVER || f->services > FAKE_MAX - 64;
	}
	if (!rested)
		tap_diag("seed %u: deadline %llu", seed, (unsigned long long)cfw_policy_deadline(f->p));
	fake_free(f);
	return rested;
}

int main(void)
{
	const char *from = getenv("STRESS_FROM"), *seconds = getenv("STRESS_SECONDS");
	unsigned first = from ? (unsigned)strtoul(from, NULL, 10) : 1, bad = 0;
	uint64_t until = cfw_time_now() + (seconds ? strtoul(seconds, NULL, 10) : 2) * CFW_SEC;
	unsigned seed = first;
	for (; seed < first + 100000 && cfw_time_now() < until; seed++)
		bad += !one(seed);
	is_int(bad, 0, "S6.5: tasks at random: all come to rest and are freed");
	tap_diag("%u seeds", seed - first);
	return tap_done();
}
