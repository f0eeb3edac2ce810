/* command.h: `run -- COMMAND`: one managed process whose end decides (S2.15). */
#ifndef CFW_SHELL_COMMAND_H
#define CFW_SHELL_COMMAND_H

#include <stdbool.h>

struct curfew;
struct curfew_err;

/* Signals that mean nothing to curfew and are passed on to the command; 0 ends the list. */
extern const int cfw_command_signals[];

/* Load the built-in policy for argv (NULL-terminated). 0 or a negative error. */
int cfw_command_load(struct curfew *c, char *const *argv, struct curfew_err *err);
/* Pass signo on to the command where it is one of the above and no rule names it; false: it is curfew's to decide. */
bool cfw_command_forwards(struct curfew *c, int signo);

#endif
