/* procfs.h: what /proc tells about processes. All answers may be out of date when they are read, save for children of ours that have
 * not been reaped: their numbers are not given to anybody else. */
#ifndef CFW_HOST_PROCFS_H
#define CFW_HOST_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cfw_pids {
	pid_t *v;
	size_t n, cap;
	bool partial; /* there may be more: something failed that may not fail the next time, as for want of descriptors */
};

struct cfw_proc {
	char state; /* 'Z': ended, not reaped */
	pid_t parent, group, session;
	uint64_t started; /* in ticks since boot: with the pid it names a process for good */
};

void cfw_pids_clear(struct cfw_pids *p);
/* Our own children, zombies and adopted orphans included. False when /proc does not tell. */
bool cfw_proc_ours(struct cfw_pids *out);
/* Every process below pid, nearest first; at most max. */
void cfw_proc_below(pid_t pid, struct cfw_pids *out, size_t max);
/* Every process there is. */
void cfw_proc_all(struct cfw_pids *out);
bool cfw_proc_read(pid_t pid, struct cfw_proc *out);
enum cfw_mark {
	CFW_MARK_NONE,
	CFW_MARK_OURS, /* it carries the marker of this instance */
	CFW_MARK_BLANK, /* no environment, as one that is just becoming another program looks for a moment; or it could not be read now */
	CFW_MARK_GONE, /* it is ending, or has ended, or belongs to the kernel */
};
/* CFW_MARK_OURS: *serial is whose it is. */
enum cfw_mark cfw_proc_mark(pid_t pid, uint64_t instance, uint64_t *serial);

#endif
