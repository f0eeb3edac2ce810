#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "host/launch.h"

/* A whole number below 2^32 - 1 (which means "leave it"). */
static bool number(const char *s, unsigned long *n)
{
	char *end;
	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*n = strtoul(s, &end, 10);
	return !*end && !errno && *n < 0xffffffffUL;
}

static int find_group(const char *group, gid_t *gid, struct curfew_err *err)
{
	char space[16384];
	struct group gr, *found = NULL;
	unsigned long n;
	int e = getgrnam_r(group, &gr, space, sizeof space, &found);
	if (found)
		*gid = gr.gr_gid;
	else if (number(group, &n))
		*gid = (gid_t)n;
	else if (e && e != ENOENT && e != ESRCH) {
		errno = e;
		return cfw_err_sys(err, "cannot look up the group %s", group);
	} else
		return cfw_err_set(err, CURFEW_ENOENT, "there is no group %s", group);
	return 0;
}

static int find_user(struct cfw_plan *p, const char *user, char *home, size_t size, struct curfew_err *err)
{
	char space[16384];
	struct passwd pw, *found = NULL;
	unsigned long n = 0;
	int e = getpwnam_r(user, &pw, space, sizeof space, &found);
	if (!found && number(user, &n))
		getpwuid_r((uid_t)n, &pw, space, sizeof space, &found);
	else if (!found && e && e != ENOENT && e != ESRCH) {
		errno = e;
		return cfw_err_sys(err, "cannot look up the user %s", user);
	} else if (!found)
		return cfw_err_set(err, CURFEW_ENOENT, "there is no user %s", user);
	p->spawn.uid = found ? pw.pw_uid : (uid_t)n;
	p->spawn.gid = found ? pw.pw_gid : (gid_t)n;
	snprintf(home, size, "%s", found ? pw.pw_dir : "");
	p->user = strdup(found ? pw.pw_name : user);
	return p->user ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
}

/* What initgroups would set, found out before there is a child. */
static int find_groups(struct cfw_plan *p, struct curfew_err *err)
{
	int n = 16;
	for (;;) {
		int had = n;
		gid_t *groups = realloc(p->groups, (size_t)n * sizeof *groups);
		if (!groups)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		p->groups = groups;
		if (getgrouplist(p->user, p->spawn.gid, groups, &n) >= 0)
			break;
		if (n <= had)
			n = had * 2;
		if (n > 65536)
			return cfw_err_set(err, CURFEW_ELIMIT, "the user %s is in too many groups", p->user);
	}
	p->spawn.groups = p->groups;
	p->spawn.n_groups = (size_t)n;
	return 0;
}

int cfw_plan_user(struct cfw_plan *p, const char *user, const char *group, char *home, size_t n, struct curfew_err *err)
{
	int e = 0;
	p->spawn.set_user = true;
	p->spawn.uid = geteuid();
	p->spawn.gid = getegid();
	if (user)
		e = find_user(p, user, home, n, err);
	if (!e && group)
		e = find_group(group, &p->spawn.gid, err);
	if (!e && user)
		e = find_groups(p, err);
	return e;
}
