/* recorder.h: the black box of `curfew run --black-box FILE`: a mapped file that keeps the journal readable when the process is gone,
 * whatever ended it. */
#ifndef CFW_SHELL_RECORDER_H
#define CFW_SHELL_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_core;
struct cfw_journal_entry;
struct cfw_log;
struct cfw_recorder;
struct curfew_err;

/* Make the file, 0600, with all of its space on the disk, so that no write to it can fail. A black box that is there is kept as FILE.old;
 * anything else is not touched. crash: go on in the one that the process before has written. NULL and err: "black box /x: …". */
struct cfw_recorder *cfw_recorder_open(const char *path, bool crash, struct curfew_err *err);
/* NULL is fine. A file that somebody has cut off meanwhile is not written to any more, which is logged once. */
void cfw_recorder_put(struct cfw_recorder *r, const struct cfw_core *core, const struct cfw_journal_entry *e,
		      const struct cfw_log *log);
void cfw_recorder_close(struct cfw_recorder *r); /* NULL is fine */

/* What the file holds, for cfw_black_box_read: the caller frees it. NULL and err. */
void *cfw_recorder_read(const char *path, size_t *size, struct curfew_err *err);

#endif
