#include "core/life.h"

#include "core/machine.h"

#define NEW      CFW_L_NEW
#define STARTING CFW_L_STARTING
#define STARTED  CFW_L_STARTED
#define STOPPING CFW_L_STOPPING
#define PRESTOP  CFW_L_PRESTOPPED
#define STOPPED  CFW_L_STOPPED
#define ABORTED  CFW_L_START_ABORTED
#define ERRORED  CFW_L_ERRORED
#define TIMEOUT  CFW_L_TIMEOUT

/* S3. A start is possible before the first and after a stop that did not end the process (S3.4), never during one. A timeout is
 * final: the process ends with it. */
static const unsigned char table[CFW_LIVES][CFW_LIFE_EVENTS] = {
	/* clang-format off */
	/*                       START     READY     STOP      SETTLED   PRESTOP.  END       FLAWED    CUT       KILL     CANCEL */
	[CFW_L_NEW]           = {STARTING, NEW,      STOPPING, NEW,      NEW,      NEW,      NEW,      NEW,      ERRORED, NEW},
	[CFW_L_STARTING]      = {STARTING, STARTED,  ABORTED,  STARTING, STARTING, STARTING, STARTING, STARTING, ERRORED, STARTING},
	[CFW_L_STARTED]       = {STARTING, STARTED,  STOPPING, STARTED,  STARTED,  STARTED,  STARTED,  STARTED,  ERRORED, STARTED},
	[CFW_L_STOPPING]      = {STOPPING, STOPPING, STOPPING, STOPPING, PRESTOP,  STOPPED,  ERRORED,  TIMEOUT,  ERRORED, STARTED},
	[CFW_L_PRESTOPPED]    = {PRESTOP,  PRESTOP,  PRESTOP,  PRESTOP,  PRESTOP,  STOPPED,  ERRORED,  TIMEOUT,  ERRORED, STARTED},
	[CFW_L_STOPPED]       = {STARTING, STOPPED,  STOPPING, STOPPED,  STOPPED,  STOPPED,  STOPPED,  STOPPED,  ERRORED, STOPPED},
	[CFW_L_START_ABORTED] = {ABORTED,  ABORTED,  ABORTED,  STOPPING, ABORTED,  STOPPED,  ERRORED,  TIMEOUT,  ERRORED, ABORTED},
	[CFW_L_ERRORED]       = {STARTING, ERRORED,  STOPPING, ERRORED,  ERRORED,  ERRORED,  ERRORED,  ERRORED,  ERRORED, ERRORED},
	[CFW_L_TIMEOUT]       = {TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT,  TIMEOUT, TIMEOUT},
	/* clang-format on */
};

static const char *const names[CFW_LIVES] = {
	[CFW_L_NEW] = "new",
	[CFW_L_STARTING] = "starting",
	[CFW_L_STARTED] = "started",
	[CFW_L_STOPPING] = "stopping",
	[CFW_L_PRESTOPPED] = "prestopped",
	[CFW_L_STOPPED] = "stopped",
	[CFW_L_START_ABORTED] = "start_aborted",
	[CFW_L_ERRORED] = "errored",
	[CFW_L_TIMEOUT] = "timeout",
};

const char *cfw_life_name(enum cfw_life life)
{
	return (unsigned)life < CFW_LIVES ? names[life] : "?";
}

enum cfw_life cfw_life_after(enum cfw_life life, enum cfw_life_event event)
{
	return (enum cfw_life)table[life][event];
}

void cfw_life_event(struct cfw_core *c, enum cfw_life_event event)
{
	enum cfw_life next = cfw_life_after(c->life, event);
	if (next == c->life)
		return;
	c->life = next;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_LIFE, .a = next});
}

enum cfw_life cfw_core_life(const struct cfw_core *core)
{
	return core->life;
}
