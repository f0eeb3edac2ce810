/* output.h: where the standard streams of a child go: "inherit", "null", "log", "file:/path". */
#ifndef CFW_HOST_OUTPUT_H
#define CFW_HOST_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_host;
struct cfw_output;
struct curfew_err;

/* May spec stand for stream 0 to 2? 0, or CURFEW_EINVAL with a text that names what may. */
int cfw_output_check(int stream, const char *spec, struct curfew_err *err);
/* Open what the child gets as that stream: *child_fd, to be closed after the launch; -1 is ours. "log" gives *out too: the lines
 * go to the log with the name of the server; name must outlive it. */
int cfw_output_open(struct cfw_host *h, int stream, const char *spec, const char *name, int *child_fd, struct cfw_output **out,
		    struct curfew_err *err);
/* Read what is there now. NULL is fine. */
void cfw_output_drain(struct cfw_output *o);
/* The last line that was not empty, cut to what fits a message; "" when there was none. */
const char *cfw_output_last(const struct cfw_output *o);
/* Drain, log the unfinished line, close. NULL is fine. */
void cfw_output_free(struct cfw_output *o);

#endif
