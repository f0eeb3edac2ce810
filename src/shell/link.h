/* link.h: the guarded end of the channel to the guardian: what it is told, what it asks, and its own end. */
#ifndef CFW_SHELL_LINK_H
#define CFW_SHELL_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/loop.h"
#include "shell/guarded.h"

struct cfw_log;
struct curfew_crash;

struct cfw_link {
	const struct cfw_guarded *guarded; /* NULL: there is no guardian, or it is gone */
	const struct curfew_crash *crash;  /* what happened before; NULL: nothing */
	const struct curfew_loop *loop;
	struct curfew_watch *watch;
	unsigned deaf;             /* the channel could not be read, so often in a row */
	unsigned generation;       /* whose sources are told from here on; 0: the first */
	void (*on_ping)(void *ud); /* the guardian asks for a sign of life; called on the loop */
	void (*on_gone)(void *ud); /* the guardian has died; called on the loop */
	void *ud;
};

/* guarded may be NULL: then all of these do nothing. loop must outlive it. 0 or a negative error. */
int cfw_link_open(struct cfw_link *l, const struct curfew_loop *loop);
void cfw_link_close(struct cfw_link *l); /* idempotent */
void cfw_link_tell(const struct cfw_link *l, enum cfw_message what);
/* n bytes of lines for systemd, at most CFW_LINK_NOTIFY. False: there is no guardian to send them. */
enum { CFW_LINK_NOTIFY = 1024 };
bool cfw_link_notify(const struct cfw_link *l, const char *text, size_t n);
/* struct cfw_options' functions, with a link. */
void cfw_link_keep_source(const struct cfw_link *l, const struct cfw_log *log, const char *key, const char *path,
			  const char *src, size_t n);
const char *cfw_link_find_source(const struct cfw_link *l, const char *key, const char **path, size_t *n);

#endif
