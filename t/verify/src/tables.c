/* tables: print the life tables of the core as Promela: constants, what the core itself answers for each cell, and its defaults.
 *
 *   tables [--cell STATE,EVENT=DO | --life STATE,EVENT=STATE]…    with cells that are mistaken, to see whether the model finds out */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/machine.h"

#define NAME(prefix, word) [CFW_##prefix##_##word] = #word
static const char *const events[CFW_SERVER_EVENTS] = {
	NAME(SE, WANT), NAME(SE, GO),   NAME(SE, HOOKS),   NAME(SE, BAD),   NAME(SE, READY), NAME(SE, FAIL), NAME(SE, CLOSED),
	NAME(SE, GONE), NAME(SE, STOP), NAME(SE, RELEASE), NAME(SE, ABORT), NAME(SE, CUT),   NAME(SE, TIME),
};
static const char *const dos[CFW_SERVER_DOS] = {
	NAME(DO, BUG),        NAME(DO, NOTHING), NAME(DO, LATE),        NAME(DO, WAIT),          NAME(DO, GO),
	NAME(DO, LAUNCH),     NAME(DO, READY),   NAME(DO, UP),          NAME(DO, FAIL),          NAME(DO, FAIL_GONE),
	NAME(DO, FAIL_LATE),  NAME(DO, CLOSED),  NAME(DO, RETRY),       NAME(DO, AGAIN),         NAME(DO, GIVE_UP),
	NAME(DO, STOP_LATER), NAME(DO, HOLD),    NAME(DO, OVERRIDE),    NAME(DO, RELEASE),       NAME(DO, PRE_STOPPED),
	NAME(DO, GONE),       NAME(DO, DIED),    NAME(DO, FAILED_GONE), NAME(DO, DIED_STOPPING), NAME(DO, OWN_CUT),
	NAME(DO, ABORT),      NAME(DO, CUT),     NAME(DO, FINISH),
};
static const char *const life_events[CFW_LIFE_EVENTS] = {
	NAME(LE, START), NAME(LE, READY),      NAME(LE, STOP),    NAME(LE, SETTLED), NAME(LE, PRESTOPPED),
	NAME(LE, END),   NAME(LE, END_FLAWED), NAME(LE, END_CUT), NAME(LE, KILL),    NAME(LE, CANCEL),
};
static const char *const stages[] = {
	NAME(G, NONE), NAME(G, START), NAME(G, PRE), NAME(G, SERVERS), NAME(G, POST), NAME(G, HOOKS), NAME(G, CUT),
};
static const char *const afters[] = {
	NAME(AFTER, DOWN), NAME(AFTER, START), NAME(AFTER, BACKOFF), NAME(AFTER, CLOSED), NAME(AFTER, FAILED),
};
static const char *const retires[] = {NAME(RETIRE, NOW), NAME(RETIRE, FIRST), NAME(RETIRE, AFTER)};

#define LENGTH(a) (int)(sizeof(a) / sizeof *(a))

static char state_words[CFW_SERVER_STATES][16], life_words[CFW_LIVES][16];
static const char *states[CFW_SERVER_STATES], *lives[CFW_LIVES];
static int cells[CFW_SERVER_STATES][CFW_SERVER_EVENTS], life[CFW_LIVES][CFW_LIFE_EVENTS];

static const char *upper(char *to, const char *from)
{
	size_t i = 0;
	for (; i < 15 && from[i]; i++)
		to[i] = (char)toupper((unsigned char)from[i]);
	to[i] = 0;
	return to;
}

static void ask_the_core(void)
{
	for (int s = 0; s < CFW_SERVER_STATES; s++) {
		states[s] = upper(state_words[s], cfw_server_state_name((enum cfw_server_state)s));
		for (int e = 0; e < CFW_SERVER_EVENTS; e++)
			cells[s][e] = (int)cfw_server_cell((enum cfw_server_state)s, (enum cfw_server_event)e);
	}
	for (int s = 0; s < CFW_LIVES; s++) {
		lives[s] = upper(life_words[s], cfw_life_name((enum cfw_life)s));
		for (int e = 0; e < CFW_LIFE_EVENTS; e++)
			life[s][e] = (int)cfw_life_after((enum cfw_life)s, (enum cfw_life_event)e);
	}
}

static int find(const char *const *words, int n, const char *word, const char *kind)
{
	for (int i = 0; i < n; i++)
		if (words[i] && strcmp(words[i], word) == 0)
			return i;
	fprintf(stderr, "tables: no %s is called %s\n", kind, word);
	exit(2);
}

/* STATE,EVENT=WHAT. A cell that says so already would be no mistake. */
static void mistake(char *arg, bool of_life)
{
	char *event = strchr(arg, ','), *what = event ? strchr(event, '=') : NULL;
	if (!what) {
		fprintf(stderr, "tables: STATE,EVENT=WHAT is wanted, not %s\n", arg);
		exit(2);
	}
	*event++ = *what++ = 0;
	int *cell = of_life ? &life[find(lives, CFW_LIVES, arg, "life")][find(life_events, CFW_LIFE_EVENTS, event, "event")]
			    : &cells[find(states, CFW_SERVER_STATES, arg, "state")]
				    [find(events, CFW_SERVER_EVENTS, event, "event")];
	int to = of_life ? find(lives, CFW_LIVES, what, "life") : find(dos, CFW_SERVER_DOS, what, "action");
	if (*cell == to) {
		fprintf(stderr, "tables: %s,%s is %s: no mistake\n", arg, event, what);
		exit(2);
	}
	*cell = to;
}

static void constants(const char *prefix, const char *const *words, int n)
{
	for (int i = 0; i < n; i++) {
		if (!words[i]) {
			fprintf(stderr, "tables: %s %d has no name here\n", prefix, i);
			exit(2);
		}
		printf("#define %s_%s %d\n", prefix, words[i], i);
	}
	printf("#define %s_COUNT %d\n\n", prefix, n);
}

static void row(const int *of, int n, bool last)
{
	for (int i = 0; i < n; i++)
		printf("%d%s", of[i], last && i == n - 1 ? " };\n\n" : i == n - 1 ? ",\n\t" : ", ");
}

static void default_of(const char *word, struct cfw_trigger t)
{
	struct cfw_decision d = cfw_decision_default(&t);
	if (d.what != CFW_D_GRACEFUL && d.what != CFW_D_ABORT) {
		fprintf(stderr, "tables: by default %s does not stop\n", word);
		exit(2);
	}
	printf("#define %s_ABORTS %d\n#define %s_CODE %d\n", word, d.what == CFW_D_ABORT, word, d.code);
}

int main(int argc, char **argv)
{
	ask_the_core();
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--cell") != 0 && strcmp(argv[i], "--life") != 0) {
			fprintf(stderr, "tables: no option %s\n", argv[i]);
			return 2;
		}
		mistake(argv[i + 1], strcmp(argv[i], "--life") == 0);
	}
	constants("S", states, CFW_SERVER_STATES);
	constants("SE", events, CFW_SERVER_EVENTS);
	constants("DO", dos, CFW_SERVER_DOS);
	constants("L", lives, CFW_LIVES);
	constants("LE", life_events, CFW_LIFE_EVENTS);
	constants("G", stages, LENGTH(stages));
	constants("AFTER", afters, LENGTH(afters));
	constants("RETIRE", retires, LENGTH(retires));
	default_of("TERM", (struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = cfw_signal_number("TERM")});
	default_of("ERROR", (struct cfw_trigger){.kind = CFW_T_ERROR});
	default_of("EXIT", (struct cfw_trigger){.kind = CFW_T_EXIT, .code = 7});
	default_of("CLOSED", (struct cfw_trigger){.kind = CFW_T_CLOSED, .code = 1});
	default_of("FAILED", (struct cfw_trigger){.kind = CFW_T_START_FAILED});
	printf("\nhidden byte cell[%d] = {\n\t", CFW_SERVER_STATES * CFW_SERVER_EVENTS);
	for (int s = 0; s < CFW_SERVER_STATES; s++)
		row(cells[s], CFW_SERVER_EVENTS, s == CFW_SERVER_STATES - 1);
	printf("hidden byte life_after[%d] = {\n\t", CFW_LIVES * CFW_LIFE_EVENTS);
	for (int s = 0; s < CFW_LIVES; s++)
		row(life[s], CFW_LIFE_EVENTS, s == CFW_LIVES - 1);
	return 0;
}
