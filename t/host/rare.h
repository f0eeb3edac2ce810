/* rare.h: what rare.c and rare_tree.c share: a host that is asked, and processes beside it. */
#ifndef T_HOST_RARE_H
#define T_HOST_RARE_H

#include "faulty.h"
#include "faulty_curl.h"
#include "rig.h"

__attribute__((unused)) static struct cfw_value *with(struct cfw_value *v, const char *key, struct cfw_value *to)
{
	cfw_value_set(v, key, to);
	return v;
}

static struct curfew_err refused;
static uint64_t token; /* of the last that was asked for */

__attribute__((unused)) static const struct cfw_service *service(struct rig *r, const char *name)
{
	size_t n;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	while (strcmp(s->name, name) != 0)
		s++;
	return s;
}

/* args is taken. */
__attribute__((unused)) static int begin(struct rig *r, const char *name, struct cfw_value *args)
{
	const struct cfw_service *s = service(r, name);
	refused = (struct curfew_err){0};
	int e = s->begin(s->ud, &r->env, ++token, args, &refused);
	cfw_value_free(args);
	return e;
}

__attribute__((unused)) static const struct rig_answer *call(struct rig *r, const char *name, struct cfw_value *args)
{
	static struct rig_answer none;
	size_t before = r->n_answers;
	none.err = (struct curfew_err){0};
	if (begin(r, name, args)) {
		none.err = refused;
		return &none;
	}
	rig_until(r, r->n_answers > before, 2000);
	if (r->n_answers != before + 1)
		tap_bail("%s: no answer", name);
	return &r->answers[before % RIG_ANSWERS];
}

__attribute__((unused)) static struct cfw_value *sh(const char *script)
{
	return with(cfw_value_map(), "command", rig_list("/bin/sh", "-c", script, NULL));
}

/* The number in that file, once it is there whole; without a turn of the loop. */
__attribute__((unused)) static pid_t pid_in(const struct rig *r, const char *name)
{
	uint64_t end = cfw_time_now() + 20 * CFW_SEC;
	while (!strchr(rig_file(r, name), '\n') && cfw_time_now() < end)
		usleep(1000);
	return (pid_t)strtol(rig_file(r, name), NULL, 10);
}

/* It has ended, and nobody has reaped it. */
__attribute__((unused)) static void until_ended(pid_t pid)
{
	siginfo_t si;
	while (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) && errno == EINTR)
		;
}

__attribute__((unused)) static void put_away(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* A child of ours that no host has made. */
__attribute__((unused)) static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(127);
	}
	return pid;
}

#endif
