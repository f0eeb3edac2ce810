/* Room that is made when servers and hooks come: for a limit of each of them at once, and all of a hook or nothing. */
#include "drive.h"

/* Servers and hooks, each with its limit, and questions that nobody answers: all limits run at once, and each is known. */
static void limits_at_once(void)
{
	enum { SERVERS = 20, QUESTIONS = 10 };
	int worlds = 0, good = 0;
	for (int servers = 1; servers <= SERVERS; servers++)
		for (int hooks = 0; hooks <= servers; hooks++)
			for (int questions = 0; questions <= QUESTIONS; questions += 2) {
				struct drive *d = drive_new(NULL);
				d->ask_ns = CFW_NEVER;
				for (int i = 0; i < questions; i++)
					drive_fire(d, CFW_T_CUSTOM, 0, 0);
				for (int i = 0; i < servers; i++) {
					char name[8];
					snprintf(name, sizeof name, "s%d", i);
					drive_add(d, name)->start_ns = CFW_NEVER;
				}
				for (int i = 0; i < hooks; i++)
					drive_hook(d, d->server[i].name, CFW_PRE_START, NULL, MS(100 + i))->take_ns = CFW_NEVER;
				drive_start(d);
				int on_their_way = 0, cut = 0;
				for (int i = 0; i < servers; i++) {
					enum cfw_server_state s = drive_state(d, d->server[i].name);
					on_their_way += s == (i < hooks ? CFW_S_PRE_START : CFW_S_STARTING);
				}
				bool first = cfw_core_deadline(d->core) == d->now_ns + (hooks       ? MS(100)
											: questions ? MS(1000)
												    : MS(30000));
				drive_run(d, d->now_ns + MS(900));
				for (int i = 0; i < hooks; i++) {
					struct cfw_hook_view v;
					cfw_core_hook_view(d->core, d->hook[i].id, &v);
					cut += !v.running && v.until_ns == MS(1100 + i);
				}
				worlds++;
				good += first && on_their_way == servers && cut == hooks;
				drive_free(d);
			}
	is_int(good, worlds, "in %d worlds each limit passes in its time", worlds);
}

static unsigned long calls, fail_at;

static void *failing(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	if (new_size && ++calls == fail_at)
		return NULL;
	return cfw_alloc_std.fn(ud, ptr, old_size, new_size);
}

/* Whichever allocation fails: there is no hook, or one with all that it was given. */
static void a_hook_or_none(void)
{
	const struct cfw_alloc alloc = {failing, cfw_alloc_std.ud};
	static const char *const texts[][2] = {{"name", "policy.lua:7"}, {"name", NULL}, {NULL, "policy.lua:7"}};
	int refused = 0, wrong = 0;
	for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
		cfw_id id = 0;
		for (unsigned long i = 1; !id; i++) {
			struct drive *d = drive_new(&alloc);
			struct curfew_err err = {0};
			struct cfw_hook_opts o = {.phase = CFW_PRE_STOP, .name = texts[t][0], .where = texts[t][1]}, got;
			calls = 0;
			fail_at = i;
			id = cfw_core_hook_add(d->core, &o, &err);
			fail_at = 0;
			refused += !id;
			wrong += !id && (err.code != CURFEW_ENOMEM || cfw_core_hook_next(d->core, 0));
			wrong +=
				id && (cfw_core_hook_opts(d->core, id, &got) || !got.name != !o.name || !got.where != !o.where);
			drive_free(d);
		}
	}
	ok(refused > 6, "a hook is refused for want of memory %d times", refused);
	is_int(wrong, 0, "and each time nothing of it is there; what is there is whole");
}

int main(void)
{
	limits_at_once();
	a_hook_or_none();
	return tap_done();
}
