/* watch.h: the files that a policy was read from: told when they have changed and stand still again. Editors that write a new file
 * and rename it, and links that are turned to somewhere else, are seen: what is watched are the directories, what is compared is
 * what stands behind the names. */
#ifndef CFW_HOST_WATCH_H
#define CFW_HOST_WATCH_H

#include <stdbool.h>

struct cfw_watch;
struct curfew_loop;

/* NULL when memory is gone. loop: copied; what is behind it lasts until _free. changed: called on the loop, once for all that changed
 * within a moment; name: one of the files. */
struct cfw_watch *cfw_watch_new(const struct curfew_loop *loop, void (*changed)(void *ud, const char *name), void *ud);
void cfw_watch_free(struct cfw_watch *w); /* NULL is fine */
/* One of the files, which is being read now; any number of times. */
void cfw_watch_file(struct cfw_watch *w, const char *path);
/* Begin or end watching. 0, or a negative error. */
int cfw_watch_enable(struct cfw_watch *w, bool on);
/* Look now, as if something had happened: what changed while a change was being answered. */
void cfw_watch_look(struct cfw_watch *w);

#endif
