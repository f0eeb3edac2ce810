/* beneath.h: files for whoever is not trusted (S10.4): only beneath named folders, symbolic links resolved by the kernel. */
#ifndef CFW_HOST_BENEATH_H
#define CFW_HOST_BENEATH_H

#include <sys/types.h>

struct cfw_beneath;
struct cfw_value;
struct curfew_err;

enum cfw_beneath_use { CFW_BENEATH_READ, CFW_BENEATH_WRITE, CFW_BENEATH_MODULE, CFW_BENEATH_USES };

/* Lists of folders by use; NULL: none. The folders are opened here and held: what their names mean later does not matter. NULL and
 * err when one cannot be opened. */
struct cfw_beneath *cfw_beneath_new(const struct cfw_value *const lists[CFW_BENEATH_USES], struct curfew_err *err);
void cfw_beneath_free(struct cfw_beneath *b); /* NULL is fine */

/* As open(2), any thread: the descriptor, or -1 with errno; EPERM where path is beneath no folder for that use, EXDEV or ELOOP where
 * the kernel found a way out of it. O_CLOEXEC, O_NONBLOCK and O_NOCTTY are added. */
int cfw_beneath_open(const struct cfw_beneath *b, enum cfw_beneath_use use, const char *path, int flags, mode_t mode);
/* The folder that path is in, as O_PATH, and in *name the last part of path. For renameat and unlinkat. */
int cfw_beneath_parent(const struct cfw_beneath *b, enum cfw_beneath_use use, const char *path, const char **name);

#endif
