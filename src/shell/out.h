/* out.h: bytes to a descriptor that others share, without ever blocking for long and without SIGPIPE.
 *
 * O_NONBLOCK belongs to the open file and so to everybody who shares it: it is not set. A pipe is asked first and given no more
 * than it takes at once; a terminal is opened once more for ourselves. */
#ifndef CFW_SHELL_OUT_H
#define CFW_SHELL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cfw_out {
	int fd;          /* the caller's */
	int own;         /* a terminal opened again, non-blocking; else -1 */
	bool no_sigpipe; /* the caller sees to it that SIGPIPE is ignored, as long as this is set: three system calls less */
};

void cfw_out_init(struct cfw_out *o, int fd);
void cfw_out_clear(struct cfw_out *o);
/* Write what can be written, waiting at most wait_ms in all. How many bytes were taken; -1 when none ever will be (errno). */
ssize_t cfw_out_put(const struct cfw_out *o, const void *data, size_t n, int wait_ms);

#endif
