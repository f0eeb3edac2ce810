/* display.h: the live display on a terminal: redraws what a stop waits for, steps aside for log lines, leaves no trace. */
#ifndef CFW_SHELL_DISPLAY_H
#define CFW_SHELL_DISPLAY_H

#include <stdbool.h>

struct cfw_core;
struct cfw_env;
struct cfw_logger;
struct cfw_display;

/* ascii: no Unicode. NULL when fd is no terminal (or TERM is dumb), which is no error. env, logger and core must outlive it. */
struct cfw_display *cfw_display_new(int fd, const struct cfw_env *env, const struct cfw_core *core, struct cfw_logger *logger,
				    bool ascii);
/* A group that has the terminal for us: when it is in the foreground, we are. */
void cfw_display_group(struct cfw_display *d, int group);
void cfw_display_begin(struct cfw_display *d); /* a stop began; redraws from now on, ten times a second at most. NULL is fine */
void cfw_display_end(struct cfw_display *d);   /* wiped from the terminal; idempotent; NULL is fine */
void cfw_display_free(struct cfw_display *d);

#endif
