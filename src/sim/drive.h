/* drive.h: one schedule on its way through the core: made.c makes it, drive.c plays its servants, remake.c does what a reload does. */
#ifndef CFW_SIM_DRIVE_H
#define CFW_SIM_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "sim/model.h"

enum { CFW_DRIVE_PENDING = 512 };

struct cfw_arena {
	unsigned char *at;
	size_t used, size;
	unsigned fails_in; /* 1: the next request is refused; 0: none is */
	bool all;          /* and those after it */
};

/* In the place of its slot; id 0: nobody. */
struct cfw_drive_server {
	cfw_id id;
	size_t model;
	uint32_t attempt;
	bool alive; /* it was told to start, and nobody has heard that it is gone */
	bool cut;   /* told to end at once, since */
	bool retired, stays;
	cfw_id heir; /* of one that is to be there before it stops; 0: it stops at once */
};

struct cfw_drive_hook {
	cfw_id id;
	size_t model;
	uint32_t run; /* that was called last */
};

struct cfw_drive_pending {
	uint64_t at_ns;
	uint64_t late_from_ns; /* after that moment it is an answer to nothing */
	struct cfw_event ev;
	bool again;
};

/* The servers of one policy: which they are in the core, and what they are made of. */
struct cfw_drive_set {
	size_t n, nhooks;
	struct cfw_drive_member {
		cfw_id id;
		size_t model;
		unsigned copy; /* of a build: one that was added; 0: it was there from the beginning */
		bool fresh;    /* staged */
		bool updated;
		enum cfw_server_state before; /* the swap */
	} * of;
};

struct cfw_drive {
	struct cfw_model *m;
	const struct cfw_schedule *s;
	struct cfw_tried *out;
	struct cfw_core *core;
	struct cfw_arena arena;
	uint64_t now_ns;
	struct cfw_drive_pending pending[CFW_DRIVE_PENDING];
	size_t npending;
	uint64_t seen;          /* of the journal */
	unsigned answers, asks; /* so far */
	unsigned moves;         /* what the last event led to: actions, and entries but for late answers */
	unsigned replied;       /* bits: requests */
	int most;               /* code that hooks have asked for */
	uint64_t begun, called; /* pre_stop hooks: as the journal has it, and handed out */
	bool exited, killed;
	/* a reload */
	struct cfw_drive_set now, next;
	const struct cfw_schedule_build *build; /* under way */
	uint64_t built_ns;                      /* when it is ready */
	unsigned builds;
	size_t nretired;
	bool once_more;
};

/* made.c */
int cfw_drive_room(struct cfw_model *m);  /* for any schedule of it. 0 or CURFEW_ENOMEM */
bool cfw_drive_make(struct cfw_drive *d); /* the core, with all that the model has; false: there is no room for it */
struct cfw_drive_server *cfw_drive_server(const struct cfw_drive *d, cfw_id id); /* NULL: unknown */
struct cfw_drive_hook *cfw_drive_hook(const struct cfw_drive *d, cfw_id id);
/* A server and a hook as the model has them; 0 when memory is gone, or places are (then it is a finding). */
cfw_id cfw_drive_add_server(struct cfw_drive *d, const struct cfw_drive_member *who, bool staged);
cfw_id cfw_drive_add_hook(struct cfw_drive *d, size_t model, cfw_id server, bool staged);

/* drive.c */
void cfw_drive_find(struct cfw_drive *d, enum cfw_finding what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int cfw_drive_feed(struct cfw_drive *d, const struct cfw_event *e);

/* digest.c */
/* All that can be read of the core but its journal, as one number. */
uint64_t cfw_drive_digest(const struct cfw_core *core);

/* remake.c */
void cfw_drive_reload(struct cfw_drive *d);              /* CFW_ACT_RELOAD */
void cfw_drive_remake(struct cfw_drive *d);              /* time has passed, or something happened */
uint64_t cfw_drive_remade_at(const struct cfw_drive *d); /* when it wants to be called */
void cfw_drive_sweep(struct cfw_drive *d);               /* what has retired and is at rest is forgotten */

#endif
