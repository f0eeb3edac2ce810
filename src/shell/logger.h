/* logger.h: log records to a descriptor, one line an event: text, logfmt or json; control characters are escaped (S10.3). */
#ifndef CFW_SHELL_LOGGER_H
#define CFW_SHELL_LOGGER_H

#include <stdbool.h>

#include "base/log.h"

enum cfw_log_format { CFW_LOG_TEXT, CFW_LOG_LOGFMT, CFW_LOG_JSON };

struct cfw_logger;

/* fd stays the caller's. color: as the terminal allows. Writes never block the loop for long and never raise SIGPIPE: a line that
 * cannot be written is dropped and counted. */
struct cfw_logger *cfw_logger_new(int fd, enum cfw_log_format format, enum cfw_log_level level, bool color);
void cfw_logger_free(struct cfw_logger *l);
void cfw_logger_flush(struct cfw_logger *l); /* as _free does first: what is left goes out, as far as it is taken at once */
const struct cfw_log *cfw_logger_log(struct cfw_logger *l);
void cfw_logger_set(struct cfw_logger *l, enum cfw_log_format format, enum cfw_log_level level);
/* From now on the caller sees to it that SIGPIPE is ignored, or does so no longer. */
void cfw_logger_no_sigpipe(struct cfw_logger *l, bool ignored);
/* Lines that come while on are written together, at most PIPE_BUF bytes at once, so that each stays whole in a pipe that others
 * write to; the rest of them when it is set to off. Not to be held across anything that may take time or end the process. */
void cfw_logger_hold(struct cfw_logger *l, bool on);
/* Called before and after what is written, whole lines: so that a live display on the same terminal can step aside. May be NULL. */
void cfw_logger_around(struct cfw_logger *l, void (*before)(void *ud), void (*after)(void *ud), void *ud);

/* "text", "logfmt", "json"; -1 for another name. */
int cfw_log_format_parse(const char *name);
int cfw_log_level_parse(const char *name);

#endif
