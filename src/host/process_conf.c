#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "host/child.h"
#include "host/output.h"
#include "host/process.h"
#include "host/ready.h"

#define DEFAULT_WAIT (10 * CFW_SEC)

static int read_command(const struct cfw_value *def, struct curfew_err *err)
{
	const struct cfw_value *command = cfw_value_get(def, "command");
	if (cfw_value_type(command) != CFW_V_LIST || !cfw_value_len(command))
		return cfw_err_set(err, CURFEW_EINVAL, "command is a list of strings, the program first");
	for (size_t i = 0; i < cfw_value_len(command); i++)
		if (cfw_value_type(cfw_value_at(command, i)) != CFW_V_STR)
			return cfw_err_set(err, CURFEW_EINVAL, "command: argument %zu is not a string", i + 1);
	return 0;
}

static int read_streams(struct cfw_process_conf *c, const struct cfw_value *def, struct curfew_err *err)
{
	static const char *const keys[] = {"stdin", "stdout", "stderr"};
	for (int i = 0; i < 3; i++) {
		c->stream[i] = cfw_value_get_str(def, keys[i], i ? "inherit" : "null");
		int e = cfw_output_check(i, c->stream[i], err);
		if (e)
			return e;
	}
	return 0;
}

static int read_steps(struct cfw_process_conf *c, const struct cfw_value *def, struct curfew_err *err)
{
	const struct cfw_value *stop = cfw_value_get(def, "stop");
	size_t n = cfw_value_len(stop);
	if (stop && (cfw_value_type(stop) != CFW_V_LIST || !n))
		return cfw_err_set(err, CURFEW_EINVAL, "stop is a list of steps: { { signal = \"TERM\", wait = \"10s\" }, … }");
	c->n_steps = stop ? n : 1;
	c->steps = calloc(c->n_steps, sizeof *c->steps);
	if (!c->steps)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	c->steps[0] = (struct cfw_step){SIGTERM, DEFAULT_WAIT};
	c->forward = !stop && cfw_value_get_bool(def, "forward", false);
	for (size_t i = 0; i < n; i++) {
		const struct cfw_value *step = cfw_value_at(stop, i);
		const char *name = cfw_value_get_str(step, "signal", NULL);
		int signo = name ? cfw_signal_number(name) : (int)cfw_value_get_int(step, "signal", -1);
		if (signo <= 0 || signo > CFW_CHILD_SIGNALS)
			return cfw_err_set(err, CURFEW_EINVAL, "stop: step %zu: there is no signal \"%s\"", i + 1,
					   name ? name : "");
		c->steps[i] = (struct cfw_step){signo, cfw_value_get_ns(step, "wait", DEFAULT_WAIT)};
	}
	return 0;
}

static int read_group(struct cfw_process_conf *c, const struct cfw_value *def, struct curfew_err *err)
{
	const char *to = cfw_value_get_str(def, "stop_to", "group");
	if (strcmp(to, "group") != 0 && strcmp(to, "main") != 0)
		return cfw_err_set(err, CURFEW_EINVAL, "stop_to is \"group\" or \"main\", not \"%s\"", to);
	c->to_main = !strcmp(to, "main");
	bool session = cfw_value_get_bool(def, "new_session", false), keep = cfw_value_get_bool(def, "foreground", false);
	if (session && keep)
		return cfw_err_set(err, CURFEW_EINVAL, "new_session and foreground exclude each other");
	c->group = session ? CFW_GROUP_SESSION : keep ? CFW_GROUP_KEEP : CFW_GROUP_OWN;
	return 0;
}

int cfw_process_conf_read(struct cfw_process_conf *c, const struct cfw_value *def, struct curfew_err *err)
{
	memset(c, 0, sizeof *c);
	int e = read_command(def, err);
	if (!e)
		e = read_streams(c, def, err);
	if (!e)
		e = read_steps(c, def, err);
	if (!e)
		e = read_group(c, def, err);
	if (!e)
		e = cfw_ready_check(cfw_value_get(def, "ready"), err);
	return e;
}

void cfw_process_conf_clear(struct cfw_process_conf *c)
{
	free(c->steps);
	c->steps = NULL;
}
