#define _GNU_SOURCE
#include "host/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"
#include "host/child.h"

static void push(struct cfw_strv *s, char *item)
{
	if (s->failed || cfw_grow(&cfw_alloc_std, &s->v, &s->cap, s->n + 2, sizeof *s->v)) {
		s->failed = 1;
		return;
	}
	s->v[s->n++] = item;
	s->v[s->n] = NULL;
}

/* As push; item is malloc'ed and now the vector's. */
static void push_own(struct cfw_strv *s, char *item)
{
	if (!item || s->failed || cfw_grow(&cfw_alloc_std, &s->own, &s->cap_own, s->n_own + 1, sizeof *s->own)) {
		free(item);
		s->failed = 1;
		return;
	}
	s->own[s->n_own++] = item;
	push(s, item);
}

static void push_pair(struct cfw_strv *s, const char *key, const char *value)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "%s=%s", key, value);
	push_own(s, cfw_buf_take(&b));
}

static void clear(struct cfw_strv *s)
{
	for (size_t i = 0; i < s->n_own; i++)
		free(s->own[i]);
	free(s->own);
	free(s->v);
	memset(s, 0, sizeof *s);
}

static int make_argv(struct cfw_plan *p, const struct cfw_value *command, struct curfew_err *err)
{
	size_t n = cfw_value_type(command) == CFW_V_LIST ? cfw_value_len(command) : 0;
	if (!n)
		return cfw_err_set(err, CURFEW_EINVAL, "command must be a list of strings, the program first");
	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *arg = cfw_value_bytes(cfw_value_at(command, i), &len);
		if (!arg || strlen(arg) != len)
			return cfw_err_set(err, CURFEW_EINVAL, "command: argument %zu is not a string without NUL", i + 1);
		push_own(&p->argv, strdup(arg));
	}
	if (!p->argv.failed && !*p->argv.v[0])
		return cfw_err_set(err, CURFEW_EINVAL, "command: the name of the program is empty");
	if (p->argv.failed)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return 0;
}

/* What is ours alone (S10.2): "NAME=value" begins with a name of it. */
static bool ours_alone(const char *entry)
{
	return !strncmp(entry, "LISTEN_", 7) || !strncmp(entry, "WATCHDOG_", 9) || !strncmp(entry, "NOTIFY_SOCKET=", 14) ||
	       !strncmp(entry, CFW_CHILD_MARK "=", sizeof CFW_CHILD_MARK);
}

/* Does the map set the variable that "NAME=value" names? */
static bool overridden(const struct cfw_value *env, const char *entry)
{
	size_t n = strcspn(entry, "=");
	for (size_t i = 0; i < cfw_value_len(env); i++) {
		const char *key = cfw_value_key(env, i);
		if (key && strlen(key) == n && !memcmp(key, entry, n))
			return true;
	}
	return false;
}

static int add_given(struct cfw_strv *s, const struct cfw_value *env, struct curfew_err *err)
{
	for (size_t i = 0; i < cfw_value_len(env); i++) {
		const char *key = cfw_value_key(env, i);
		const struct cfw_value *v = cfw_value_at(env, i);
		char number[32];
		size_t len = 0;
		const char *value = cfw_value_bytes(v, &len);
		if (cfw_value_type(v) == CFW_V_INT) {
			snprintf(number, sizeof number, "%lld", (long long)cfw_value_to_int(v, 0));
			value = number;
			len = strlen(number);
		}
		if (!key || !*key || strchr(key, '='))
			return cfw_err_set(err, CURFEW_EINVAL, "env: \"%s\" is no name of a variable", key ? key : "");
		if (cfw_value_type(v) == CFW_V_BOOL && !cfw_value_to_bool(v))
			continue; /* K = false: not even the inherited one */
		if (!value || strlen(value) != len)
			return cfw_err_set(err, CURFEW_EINVAL, "env: %s is not a string without NUL", key);
		push_pair(s, key, value);
	}
	return 0;
}

static int make_envp(struct cfw_plan *p, const struct cfw_launch *l, const char *home, const char *mark, struct curfew_err *err)
{
	const struct cfw_value *env = cfw_value_get(l->def, "env");
	struct cfw_value *user = NULL;
	if (p->spawn.set_user && p->user) { /* as login does; what is given counts more */
		user = cfw_value_map();
		if (!user)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		cfw_value_set(user, "USER", cfw_value_str(p->user));
		cfw_value_set(user, "LOGNAME", cfw_value_str(p->user));
		if (*home)
			cfw_value_set(user, "HOME", cfw_value_str(home));
	}
	if (!cfw_value_get_bool(l->def, "clear_env", false))
		for (char **e = environ; e && *e; e++)
			if (!ours_alone(*e) && !overridden(env, *e) && !overridden(user, *e))
				push(&p->envp, *e);
	for (size_t i = 0; i < cfw_value_len(user); i++)
		if (!cfw_value_get(env, cfw_value_key(user, i)))
			push_pair(&p->envp, cfw_value_key(user, i), cfw_value_to_str(cfw_value_at(user, i), ""));
	cfw_value_free(user);
	int e = add_given(&p->envp, env, err);
	if (e)
		return e;
	if (l->notify)
		push_pair(&p->envp, "NOTIFY_SOCKET", l->notify);
	push_pair(&p->envp, CFW_CHILD_MARK, mark);
	if (p->envp.failed)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return 0;
}

/* The candidates for argv[0] by the child's own PATH, as execvp has it. */
static int make_paths(struct cfw_plan *p, struct curfew_err *err)
{
	const char *name = p->argv.v[0], *path = "/usr/local/bin:/usr/bin:/bin";
	for (size_t i = 0; i < p->envp.n; i++)
		if (!strncmp(p->envp.v[i], "PATH=", 5))
			path = p->envp.v[i] + 5;
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (strchr(name, '/'))
		cfw_buf_put(&b, name, strlen(name) + 1);
	else
		for (const char *dir = path;; dir++) {
			size_t n = strcspn(dir, ":");
			if (n)
				cfw_buf_put(&b, dir, n);
			else
				cfw_buf_putc(&b, '.');
			cfw_buf_putc(&b, '/');
			cfw_buf_put(&b, name, strlen(name) + 1);
			dir += n;
			if (!*dir)
				break;
		}
	cfw_buf_putc(&b, '\0');
	p->paths = cfw_buf_take(&b);
	if (!p->paths)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return 0;
}

int cfw_plan_make(struct cfw_plan *p, const struct cfw_launch *l, const char *mark, struct curfew_err *err)
{
	memset(p, 0, sizeof *p);
	char home[PATH_MAX] = "";
	const char *user = cfw_value_get_str(l->def, "user", NULL), *group = cfw_value_get_str(l->def, "group", NULL);
	int e = make_argv(p, l->command, err);
	if (!e && (user || group))
		e = cfw_plan_user(p, user, group, home, sizeof home, err);
	if (!e)
		e = make_envp(p, l, home, mark, err);
	if (!e)
		e = make_paths(p, err);
	if (e)
		return e;
	p->spawn.argv = p->argv.v;
	p->spawn.envp = p->envp.v;
	p->spawn.paths = p->paths;
	p->spawn.cwd = cfw_value_get_str(l->def, "cwd", NULL);
	p->spawn.group = l->group;
	p->spawn.user = p->user;
	memcpy(p->spawn.fd, l->fd, sizeof l->fd);
	return 0;
}

int cfw_plan_check(const struct cfw_plan *p, struct curfew_err *err)
{
	const struct cfw_spawn *s = &p->spawn;
	int dir = s->cwd ? open(s->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD, worst = ENOENT;
	bool found = false;
	if (s->cwd && dir < 0)
		return cfw_err_sys(err, "cannot run %s in %s", s->argv[0], s->cwd);
	for (const char *path = s->paths; *path && !found; path += strlen(path) + 1) {
		found = faccessat(dir, path, s->set_user ? F_OK : X_OK, AT_EACCESS) == 0;
		if (!found && errno == EACCES)
			worst = EACCES;
	}
	if (s->cwd)
		close(dir);
	errno = worst;
	return found ? 0 : cfw_err_sys(err, "cannot run %s", s->argv[0]);
}

void cfw_plan_clear(struct cfw_plan *p)
{
	clear(&p->argv);
	clear(&p->envp);
	free(p->paths);
	free(p->user);
	free(p->groups);
	memset(p, 0, sizeof *p);
}
