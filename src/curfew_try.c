/* curfew_try.c: would this policy load? It is built as a reload builds one, in a stage, and thrown away before the swap. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "curfew_stage.h"

struct cfw_trial {
	char *chunk, *src;
	size_t n;
	curfew_done_fn *fn;
	void *ud;
};

static void free_trial(struct cfw_trial *t)
{
	free(t->chunk);
	free(t->src);
	free(t);
}

int curfew_try(struct curfew *c, const char *chunk, const char *src, size_t n, curfew_done_fn *fn, void *ud,
	       struct curfew_err *err)
{
	struct cfw_stop_view stop;
	if (!chunk || !src)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_try: a chunk's name and its source are needed");
	cfw_core_stop_view(c->core, &stop);
	if (c->ended || stop.running)
		return cfw_err_set(err, CURFEW_ESTATE, "a stop has begun");
	if (c->trial)
		return cfw_err_set(err, CURFEW_ESTATE, "a policy is being tried already");
	struct cfw_trial *t = calloc(1, sizeof *t);
	if (t)
		*t = (struct cfw_trial){.chunk = strdup(chunk), .src = malloc(n + 1), .n = n, .fn = fn, .ud = ud};
	if (!t || !t->chunk || !t->src) {
		if (t)
			free_trial(t);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	memcpy(t->src, src, n);
	c->trial = t;
	cfw_wake(c);
	return 0;
}

int cfw_trial_load(struct cfw_gen *g, struct curfew_err *err)
{
	const struct cfw_trial *t = g->c->trial;
	g->stage->trial = true;
	g->stage->loading++;
	return cfw_policy_load(g->policy, t->chunk, t->src, t->n, err);
}

void cfw_trial_end(struct curfew *c, const struct curfew_err *err)
{
	struct cfw_trial *t = c->trial;
	if (!t)
		return;
	c->trial = NULL;
	if (t->fn)
		t->fn(t->ud, err);
	free_trial(t);
}
