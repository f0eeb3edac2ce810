/* page.h: what must outlive a blocked loop, and later the process: one page that a signal handler, a kernel timer's handler and
 * (with a guardian, S8.4) another process can read. Lock-free atomics only; readers trust none of it blindly. */
#ifndef CFW_BASE_PAGE_H
#define CFW_BASE_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CFW_PAGE_SIGNALS = 65,
	CFW_PAGE_GROUPS = 16384,
	CFW_PAGE_MARKS = 65536,
	CFW_PAGE_SERVERS = 16384,
	CFW_PAGE_ADDRESS = 112,
	CFW_PAGE_OLD = 16
};

#define CFW_STALL_LIMIT UINT64_C(10000000000) /* ns: where nobody says otherwise */

/* What hooks in another process need to know of a server, by the slot of its id. */
struct cfw_page_server {
	_Atomic uint32_t name;          /* cfw_page_hash of its name and kind; 0: there is none */
	_Atomic uint32_t owed;          /* it had reached started, its stop is not over: its pre_stop hooks must run */
	_Atomic int32_t pid;            /* 0: none */
	char address[CFW_PAGE_ADDRESS]; /* "": none; a reader takes its end for granted at the last byte */
};

struct cfw_page {
	uint32_t magic, version;
	_Atomic uint64_t deadline_ns;    /* monotonic: the forced end (S4.8), CFW_NEVER while no stop runs */
	_Atomic uint64_t margin_ns;      /* monotonic: running Lua is cut off from here on (S4.7), CFW_NEVER as above */
	_Atomic uint64_t provisional_ns; /* armed by the signal handler until the loop has decided (S2.19), CFW_NEVER else */
	_Atomic uint64_t turned_ns;      /* when the loop last turned */
	_Atomic uint64_t exit_timeout_ns, stop_margin_ns; /* what a provisional deadline is made of */
	_Atomic int32_t code;                             /* highest code asked for so far (S4.3) */
	_Atomic uint32_t stopping;                        /* a stopping trigger was decided */
	_Atomic uint64_t stall_limit_ns;                  /* S2.17 */
	_Atomic uint32_t guarded;  /* a guardian lives: a forced end leaves process groups, and hooks not begun, to it */
	_Atomic uint32_t stalled;  /* the process ended itself because its loop did not turn (S8.3) */
	_Atomic uint32_t caught;   /* signals that are passed on are caught */
	_Atomic uint32_t loaded;   /* a start was asked for: from here on hooks may be due */
	_Atomic uint32_t released; /* deactivate() was called: its end is none of ours any more */
	_Atomic int32_t finished;  /* 1 + the code, when the stop is over and no hook will be called any more; 0 before */
	_Atomic uint32_t life;     /* enum cfw_life */
	_Atomic uint32_t log_format, log_level;      /* as configured, for who logs the end */
	char control[CFW_PAGE_ADDRESS];              /* where the control socket is, as with a server */
	_Atomic uint64_t region;                     /* of the policy that runs: struct cfw_region */
	_Atomic uint64_t old_regions[CFW_PAGE_OLD];  /* of policies before it, some of whose servers still stop; 0: none */
	_Atomic uint64_t pending_since_ns;           /* oldest signal that the loop has not seen; CFW_NEVER when none */
	_Atomic uint32_t raised[CFW_PAGE_SIGNALS];   /* deliveries seen by the handler */
	_Atomic uint32_t seen[CFW_PAGE_SIGNALS];     /* of those, taken over by the loop */
	_Atomic int32_t groups_high;                 /* groups[] slots ever used */
	_Atomic int32_t groups[CFW_PAGE_GROUPS];     /* process groups to kill at a forced end; 0 is a free slot, never <= 1 */
	_Atomic uint32_t begun[CFW_PAGE_MARKS / 32]; /* one bit a hook: it was begun (S4.12) */
	_Atomic uint32_t ended[CFW_PAGE_MARKS / 32]; /* one bit a hook: what was begun is over */
	_Atomic uint32_t hooks[CFW_PAGE_MARKS];      /* cfw_page_hash of what the hook is; 0: there is none */
	struct cfw_page_server servers[CFW_PAGE_SERVERS];
};

/* Where in the tables below the hooks and servers of a policy are, in the order in which its scripts registered them. A reload fills
 * a region that is free and then names it: whoever comes after a crash never finds half of it. */
struct cfw_region {
	uint16_t generation;
	uint16_t servers;
	uint32_t hooks; /* the first of each */
};
struct cfw_region cfw_page_region(const struct cfw_page *p);
void cfw_page_set_region(struct cfw_page *p, struct cfw_region region);
/* The policy before has servers that still stop: their hooks are in its region, owed as ever. -1 when there are too many such. */
int cfw_page_old_add(struct cfw_page *p, struct cfw_region region);
void cfw_page_old_del(struct cfw_page *p, uint16_t generation);
/* The i-th; false: there is none at this place. */
bool cfw_page_old_get(const struct cfw_page *p, size_t i, struct cfw_region *region);

/* An anonymous shared mapping; NULL when there is no memory. _free unmaps; NULL is fine. */
struct cfw_page *cfw_page_new(void);
void cfw_page_free(struct cfw_page *p);

/* A process group that a forced end has to kill; -1 when the table is full. Not async-signal-safe. */
int cfw_page_group_add(struct cfw_page *p, int32_t pgid);
void cfw_page_group_del(struct cfw_page *p, int slot);
/* SIGKILL to every group in the page. Async-signal-safe. */
void cfw_page_kill_groups(const struct cfw_page *p);

/* Marks (S4.12): true when this call set it, false when it was set before or index is out of range. */
bool cfw_page_mark(struct cfw_page *p, uint32_t index);
void cfw_page_unmark(struct cfw_page *p, uint32_t index);
bool cfw_page_marked(const struct cfw_page *p, uint32_t index);
/* What was marked is over; _cut: it is marked and is not over. */
void cfw_page_mark_end(struct cfw_page *p, uint32_t index);
bool cfw_page_cut(const struct cfw_page *p, uint32_t index);
/* Marks that are set, to see whether there is progress. */
uint32_t cfw_page_count_marks(const struct cfw_page *p);

/* Never 0; from is 0 or what an earlier part gave. NULL is not "". */
uint32_t cfw_page_hash(uint32_t from, const char *s);
/* What is out of range is not kept. address NULL: none. */
void cfw_page_server_set(struct cfw_page *p, uint32_t slot, uint32_t name, bool owed, int pid, const char *address);
void cfw_page_control_set(struct cfw_page *p, const char *address); /* NULL: nowhere */
void cfw_page_server_done(struct cfw_page *p, uint32_t slot);       /* nothing is owed to it here any more */
/* address has CFW_PAGE_ADDRESS bytes. False when there is none by that name in that slot. */
bool cfw_page_server_get(const struct cfw_page *p, uint32_t slot, uint32_t name, bool *owed, int *pid, char *address);

#endif
