/* launch.h: from a definition to the arguments of cfw_spawn: environment, PATH, user. All that may block or allocate is done here,
 * before there is a child. */
#ifndef CFW_HOST_LAUNCH_H
#define CFW_HOST_LAUNCH_H

#include <sys/types.h>

#include "host/spawn.h"

struct cfw_launch;
struct curfew_err;

/* A NULL-terminated vector of strings, some of them its own. */
struct cfw_strv {
	char **v;
	size_t n, cap;
	char **own;
	size_t n_own, cap_own;
	int failed; /* out of memory somewhere */
};

struct cfw_plan {
	struct cfw_strv argv, envp;
	char *paths, *user;
	gid_t *groups;
	struct cfw_spawn spawn; /* points into the above */
};

/* mark is the value of CFW_CHILD_MARK. 0 or a negative error; clear it in both cases. */
int cfw_plan_make(struct cfw_plan *p, const struct cfw_launch *l, const char *mark, struct curfew_err *err);
void cfw_plan_clear(struct cfw_plan *p);
/* Would there be something to run? 0, or an error as cfw_spawn's; what only the child can see is not looked at. */
int cfw_plan_check(const struct cfw_plan *p, struct curfew_err *err);

/* user.c: fill in uid, gid and groups of p->spawn from "redis", "1000"; group may be NULL (the user's), user NULL (ours). home gets
 * the home folder, or "". 0 or a negative error: "there is no user …". */
int cfw_plan_user(struct cfw_plan *p, const char *user, const char *group, char *home, size_t n, struct curfew_err *err);

#endif
