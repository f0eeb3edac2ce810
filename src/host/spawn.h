/* spawn.h: one child process, fast and safely. */
#ifndef CFW_HOST_SPAWN_H
#define CFW_HOST_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

struct curfew_err;

enum { CFW_SPAWN_STACK = 128 * 1024 };

/* A limit that could not be read: more than it may ever be. */
#define CFW_LIMIT_UNKNOWN ((struct rlimit){RLIM_INFINITY, 0})

enum cfw_spawn_group {
	CFW_GROUP_OWN,     /* it leads a process group of its own */
	CFW_GROUP_SESSION, /* it leads a session of its own */
	CFW_GROUP_KEEP,    /* it stays in ours: it may use our terminal */
};

struct cfw_spawn {
	char *const *argv;
	char *const *envp;
	const char *paths; /* to try one after another as execvp does; each ends with a NUL, the last with two */
	const char *cwd;   /* NULL: ours */
	int fd[3];         /* ours that become its 0, 1, 2; -1: as ours is */
	enum cfw_spawn_group group;
	bool set_user;
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* supplementary */
	size_t n_groups;
	const char *user;            /* for texts */
	const struct rlimit *limits; /* RLIM_NLIMITS of them, set where ours differ; CFW_LIMIT_UNKNOWN: ours */
	char *stack;                 /* CFW_SPAWN_STACK bytes for the child until it runs its program; one a thread */
};

/* Start it: with every signal at its default, an empty mask and no descriptor of ours but 0, 1, 2 (S2.19, S10.2). Returns when
 * the program runs, with its pid; or -1 with err: "cannot run /no/such: No such file or directory". */
pid_t cfw_spawn(const struct cfw_spawn *s, struct curfew_err *err);

#endif
