/* black_box.h: the core's journal in a piece of memory that outlives the process, as a file that is mapped does: a head, then a ring of
 * records. A record is whole by itself (it names the server and hook that it is about) and is valid only once it is complete: whoever
 * reads finds what was written until the last moment, and nothing half. It holds names, times, numbers; no text of an error, no
 * environment, no body (S10.3). */
#ifndef CFW_VIEW_BLACK_BOX_H
#define CFW_VIEW_BLACK_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/core.h"

struct curfew_err;

enum { CFW_BLACK_BOX_SIZE = 1 << 20, CFW_BLACK_BOX_LEAST = 8 << 10 };

struct cfw_black_box {
	char *at;
	size_t size, next; /* next: where the next record goes */
	uint64_t seq;
};

/* Make size bytes at at an empty black box, of the process pid that begins at now_ns (monotonic) and wall_ns (since 1970). */
void cfw_black_box_format(struct cfw_black_box *b, void *at, size_t size, pid_t pid, uint64_t now_ns, uint64_t wall_ns);
/* Go on behind what another process has written. 0, or CURFEW_EINVAL: it is none. */
int cfw_black_box_resume(struct cfw_black_box *b, void *at, size_t size, struct curfew_err *err);
/* Is it one, of whatever version? */
bool cfw_black_box_is(const void *at, size_t size);
/* An entry of the journal. Never fails: what is longer than a record may be is shortened. */
void cfw_black_box_put(struct cfw_black_box *b, const struct cfw_core *core, const struct cfw_journal_entry *e);

struct cfw_black_box_info {
	pid_t pid;
	uint64_t began_ns, began_wall_ns; /* of the first process that wrote it */
	uint64_t last_ns;                 /* the last entry; 0: there is none */
	size_t entries, damaged;          /* records that were found; that were not whole, or overwritten in part */
	size_t stops;                     /* that began in it */
	bool crash;                       /* the stop that was asked for is what a crash run did (S8.2) */
	bool stopped, exited;             /* it has a stop; the end of one that ended the process */
};
/* A core that knows what the black box tells of: for the views, for nothing else. The caller frees it. NULL and err: it is none, of another
 * version, or there is no memory. back: 0: it ends with the last stop; 1: with the one before, and so on. at is trusted in nothing. */
struct cfw_core *cfw_black_box_read(const void *at, size_t size, size_t back, struct cfw_black_box_info *info,
				    struct curfew_err *err);

#endif
