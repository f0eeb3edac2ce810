/* The words of S2: names, defaults, and what may answer what. */
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "core/machine.h"

static const char *const names[CFW_T_KINDS] = {
	[CFW_T_SIGNAL] = "signal",
	[CFW_T_EXIT] = "exit",
	[CFW_T_ERROR] = "error",
	[CFW_T_REJECTION] = "rejection",
	[CFW_T_CLOSED] = "closed",
	[CFW_T_IDLE] = "idle",
	[CFW_T_STOP] = "stop",
	[CFW_T_ABORT] = "abort",
	[CFW_T_RELOAD] = "reload",
	[CFW_T_CRASH] = "crash",
	[CFW_T_START_FAILED] = "start_failed",
	[CFW_T_STALL] = "stall",
	[CFW_T_HURRY] = "hurry",
	[CFW_T_EXTEND] = "extend",
	[CFW_T_SKIP] = "skip",
	[CFW_T_CANCEL] = "cancel",
	[CFW_T_SERVER_START] = "start_server",
	[CFW_T_SERVER_STOP] = "stop_server",
	[CFW_T_SERVER_RESTART] = "restart_server",
	[CFW_T_CUSTOM] = "custom",
};

const char *cfw_trigger_name(enum cfw_trigger_kind kind, int signo)
{
	if (kind == CFW_T_SIGNAL)
		return cfw_signal_name(signo);
	return (unsigned)kind < CFW_T_KINDS ? names[kind] : "?";
}

/* "signal" is a kind, not a name, and a custom trigger has a name of its own. */
static bool has_name(int kind)
{
	return kind != CFW_T_SIGNAL && kind != CFW_T_CUSTOM;
}

int cfw_trigger_parse(const char *name, enum cfw_trigger_kind *kind, int *signo)
{
	if (!name)
		return CURFEW_ENOENT;
	for (int k = 0; k < CFW_T_KINDS; k++)
		if (has_name(k) && strcmp(names[k], name) == 0) {
			*kind = (enum cfw_trigger_kind)k;
			*signo = 0;
			return 0;
		}
	int n = cfw_signal_number(name);
	if (n <= 0)
		return CURFEW_ENOENT;
	*kind = CFW_T_SIGNAL;
	*signo = n;
	return 0;
}

/* Whoever could raise one of the first from outside would tell of something that has not happened. */
const char *cfw_trigger_closed(enum cfw_trigger_kind kind)
{
	switch (kind) {
	case CFW_T_CRASH:
	case CFW_T_CLOSED:
	case CFW_T_REJECTION:
	case CFW_T_STALL:
		return "only curfew itself raises it";
	case CFW_T_EXTEND:
		return "it says by how much: curfew extend, curfew.extend";
	case CFW_T_SKIP:
		return "it names a server: curfew skip, curfew.skip";
	case CFW_T_SERVER_START:
	case CFW_T_SERVER_STOP:
	case CFW_T_SERVER_RESTART:
		return "it names a server: curfew server, server:start, server:stop, server:restart";
	default:
		return NULL;
	}
}

const char *const *cfw_trigger_names(void)
{
	static const char *const list[] = {"exit",         "error",       "rejection",      "closed", "idle",
					   "stop",         "abort",       "reload",         "crash",  "start_failed",
					   "stall",        "hurry",       "extend",         "skip",   "cancel",
					   "start_server", "stop_server", "restart_server", NULL};
	return list;
}

const char *cfw_decision_name(enum cfw_decision_what what)
{
	static const char *const words[CFW_DECISIONS] = {"none",   "graceful", "abort",  "kill",
							 "reload", "restart",  "ignore", "accept"};
	return (unsigned)what < CFW_DECISIONS ? words[what] : "?";
}

int cfw_code_clamp(int code)
{
	if (code >= 0 && code <= 255)
		return code;
	return (code & 255) ? code & 255 : 1;
}

static struct cfw_decision default_of_signal(int signo)
{
	if (signo == cfw_signal_number("INT") || signo == cfw_signal_number("TERM") || signo == cfw_signal_number("QUIT"))
		return (struct cfw_decision){CFW_D_GRACEFUL, 0};
	if (signo == cfw_signal_number("HUP"))
		return (struct cfw_decision){CFW_D_ABORT, 1};
	return (struct cfw_decision){CFW_D_IGNORE, 0}; /* caught for the sake of a rule, which had no answer */
}

struct cfw_decision cfw_decision_default(const struct cfw_trigger *t)
{
	int code = cfw_code_clamp(t->code);
	switch (t->kind) {
	case CFW_T_SIGNAL:
		return default_of_signal(t->signo);
	case CFW_T_EXIT:
		return (struct cfw_decision){code ? CFW_D_ABORT : CFW_D_GRACEFUL, code};
	case CFW_T_ERROR:
	case CFW_T_REJECTION:
	case CFW_T_ABORT:
		return (struct cfw_decision){CFW_D_ABORT, 1};
	case CFW_T_CLOSED:
	case CFW_T_STALL:
		return (struct cfw_decision){CFW_D_ABORT, 255};
	case CFW_T_IDLE:
	case CFW_T_STOP:
		return (struct cfw_decision){CFW_D_GRACEFUL, 0};
	case CFW_T_RELOAD:
		return (struct cfw_decision){CFW_D_RELOAD, 0};
	case CFW_T_CRASH: /* S4.11: 128+signal, or n after a bare _exit(n), at least 1 */
		if (t->died_signo > 0)
			return (struct cfw_decision){CFW_D_ABORT, (128 + t->died_signo) & 255};
		return (struct cfw_decision){CFW_D_ABORT, code ? code : 1};
	case CFW_T_START_FAILED:
		return (struct cfw_decision){CFW_D_GRACEFUL, 1};
	case CFW_T_HURRY:
	case CFW_T_EXTEND:
	case CFW_T_SKIP:
	case CFW_T_CANCEL:
	case CFW_T_SERVER_START:
	case CFW_T_SERVER_STOP:
	case CFW_T_SERVER_RESTART:
		return (struct cfw_decision){CFW_D_ACCEPT, 0};
	case CFW_T_CUSTOM:
	case CFW_T_KINDS:
		break;
	}
	return (struct cfw_decision){CFW_D_IGNORE, 0};
}

#define BIT(what) (1u << CFW_D_##what)
enum { STOPS = BIT(GRACEFUL) | BIT(ABORT) | BIT(KILL), STEERS = BIT(ACCEPT) | BIT(IGNORE) };

/* S2.12. What cannot be undone cannot be ignored: an exit call has left its caller, after a crash or a stall there is no way back.
 * An abort that was asked for by name is not softened. Only what names a server can be answered by restarting it. */
static const unsigned allowed[CFW_T_KINDS] = {
	[CFW_T_SIGNAL] = STOPS | BIT(RELOAD) | BIT(IGNORE),
	[CFW_T_EXIT] = STOPS,
	[CFW_T_ERROR] = STOPS | BIT(IGNORE),
	[CFW_T_REJECTION] = STOPS | BIT(IGNORE),
	[CFW_T_CLOSED] = STOPS | BIT(RESTART) | BIT(IGNORE),
	[CFW_T_IDLE] = STOPS | BIT(IGNORE),
	[CFW_T_STOP] = STOPS | BIT(IGNORE),
	[CFW_T_ABORT] = BIT(ABORT) | BIT(KILL),
	[CFW_T_RELOAD] = STOPS | BIT(RELOAD) | BIT(IGNORE),
	[CFW_T_CRASH] = BIT(ABORT) | BIT(KILL),
	[CFW_T_START_FAILED] = STOPS | BIT(RESTART) | BIT(IGNORE),
	[CFW_T_STALL] = BIT(ABORT) | BIT(KILL),
	[CFW_T_HURRY] = STEERS,
	[CFW_T_EXTEND] = STEERS,
	[CFW_T_SKIP] = STEERS,
	[CFW_T_CANCEL] = STEERS,
	[CFW_T_SERVER_START] = STEERS,
	[CFW_T_SERVER_STOP] = STEERS,
	[CFW_T_SERVER_RESTART] = STEERS,
	[CFW_T_CUSTOM] = STOPS | BIT(RELOAD) | BIT(IGNORE),
};

bool cfw_decision_allowed(enum cfw_trigger_kind kind, enum cfw_decision_what what)
{
	return (unsigned)kind < CFW_T_KINDS && (unsigned)what < CFW_DECISIONS && (allowed[kind] & 1u << what) != 0;
}
