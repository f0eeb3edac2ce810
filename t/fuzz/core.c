/* The events fed to the core: the input chooses servers, hooks, limits, what each does and when, what the policy answers, and what
 * happens, late, doubled and stray answers included. Whatever that is, schedule.h's invariants hold in every step (S4.1, S4.3, S4.8,
 * S4.12, S7.4), it ends in time, the same events do the same in a second core, and the oracle finds nothing in
 * the journal (it knows of no loop that is blocked). */
#include "fuzz.h"

#include "base/log.h"
#include "sim/oracle.h"
#include "view/view.h"

#ifdef FUZZ_SEEDED_FAULT /* a core that loses a hook, if rarely: does the fuzzer find that? */
#include "core/core.h"
static bool lossy_next(struct cfw_core *core, struct cfw_action *a)
{
	bool any = cfw_core_next(core, a);
	return any && a->type == CFW_ACT_CALL && a->phase == CFW_PRE_STOP && a->mode == CFW_ABORT && a->run > 6
		       ? cfw_core_next(core, a)
		       : any;
}
#define cfw_core_next lossy_next
#endif

#include "../core/schedule.h"

static const uint8_t *input;
static size_t input_size;
static struct fuzz choices;
static struct cfw_oracle *oracle;
static uint64_t seen;

static void begin_choices(void)
{
	choices = (struct fuzz){input, input_size};
}

static uint64_t rnd(void)
{
	return fuzz_u64(&choices);
}

static unsigned below(unsigned n)
{
	return fuzz_below(&choices, n);
}

static const char *no_text(void *ud, uint32_t text)
{
	(void)ud, (void)text;
	return NULL;
}

static void say(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f, size_t n)
{
	const struct drive *d = ud;
	fprintf(stderr, "%6ld %d %s", (long)(d->now_ns / CFW_MS) - 1000, (int)level, msg);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s=%s", f[i].key, f[i].value);
	fputc('\n', stderr);
}

static void see(const struct drive *d)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(d->core, seen + 1))) {
		seen = e->seq;
		if (getenv("TRACE")) {
			struct cfw_log log = {CFW_DEBUG, say, (void *)(uintptr_t)d};
			cfw_view_log(d->core, e, &log, no_text, NULL);
		}
		cfw_oracle_see(oracle, d->core, e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int faults = 0;
	bool exited = false;
	input = data + (size > 0);
	input_size = size - (size > 0);
	if (!oracle)
		oracle = cfw_oracle_new();
	cfw_oracle_reset(oracle);
	seen = 0;
	on_replay = see;
	bool same = schedule(size && data[0] & 1, &faults, &exited);
	must(!faults, "%d invariants of the core", faults);
	must(exited, "S4.8: it does not end");
	must(same, "the same events do something else");
	must(blocked || !cfw_oracle_broken(oracle, 0), "%s", cfw_oracle_broken(oracle, 0));
	return 0;
}
