/* conform.h: what the model and the core are compared by. */
#ifndef T_VERIFY_CONFORM_H
#define T_VERIFY_CONFORM_H

#include "config.h"

enum { CONFORM_STEPS = 200, CONFORM_HOOKS = 5 * SERVERS + 2 };

/* The events that led to a state. */
struct conform_path {
	unsigned char n, ev[CONFORM_STEPS], es[CONFORM_STEPS], ex[CONFORM_STEPS];
};

struct conform_server {
	int state, due, after, tries; /* due: in ticks, + 1; 0: no limit */
	int alive, owed, wanted, retry, unwind, released, staged, retired, leaving;
};

struct conform_picture {
	struct conform_server server[SERVERS];
	int hook_due[5 * SERVERS];
	int begun, running;
	int life, code, starts, stops, aborts, margin, cut, errored, waited, give_up, ended, killed, stage, age, cut_left,
		questions;
};

void conform_record(struct conform_path *path, int ev, int es, int ex);
void conform_saw_cell(int state, int event); /* for the list of cells that were used, which is printed at the end */
void conform_saw_life(int life, int event);
/* Feed a new core what led there; 1 when it stands where the model stands. Tells where not, and prints the path. */
int conform(const struct conform_path *path, const struct conform_picture *model);

#endif
