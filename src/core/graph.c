/* Who starts after whom: edges, walks, cycles. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "core/machine.h"

static struct cfw_edge *edge(const struct cfw_core *c, uint32_t e)
{
	return &c->edges[e - 1];
}

/* Append s to a walk's list unless it is in it. */
static void visit(struct cfw_core *c, struct cfw_server *s, cfw_id from, cfw_id *tail)
{
	if (s->mark == c->mark)
		return;
	s->mark = c->mark;
	s->mark_from = from;
	s->mark_next = 0;
	if (*tail)
		cfw_server_get(c, *tail)->mark_next = s->id;
	*tail = s->id;
}

cfw_id cfw_graph_closure(struct cfw_core *c, cfw_id first, enum cfw_walk walk)
{
	cfw_id tail = 0;
	c->mark++;
	visit(c, cfw_server_get(c, first), 0, &tail);
	for (cfw_id id = first; id; id = cfw_server_get(c, id)->mark_next) {
		const struct cfw_server *s = cfw_server_get(c, id);
		if (walk == CFW_WALK_DEPS) {
			for (uint32_t e = s->deps; e; e = edge(c, e)->next_dep)
				visit(c, cfw_server_get(c, edge(c, e)->to), id, &tail);
			continue;
		}
		for (uint32_t e = s->dependants; e; e = edge(c, e)->next_dependant) {
			struct cfw_server *d = cfw_server_get(c, edge(c, e)->from);
			if (walk == CFW_WALK_DEPENDANTS || d->state == CFW_S_WAITING)
				visit(c, d, id, &tail);
		}
	}
	return first;
}

static int cycle_error(struct cfw_core *c, struct cfw_server *from, struct curfew_err *err)
{
	/* mark_from leads from `from` back to where the walk began: turn it round. */
	cfw_id forward = 0;
	for (cfw_id id = from->id; id;) {
		struct cfw_server *s = cfw_server_get(c, id);
		cfw_id next = s->mark_from;
		s->mark_next = forward;
		forward = id;
		id = next;
	}
	static const char dots[] = "...";
	char path[768];
	size_t n = (size_t)snprintf(path, sizeof path, "%s", from->name);
	for (cfw_id id = forward; id && n < sizeof path; id = cfw_server_get(c, id)->mark_next)
		n += (size_t)snprintf(path + n, sizeof path - n, " -> %s", cfw_server_get(c, id)->name);
	if (n >= sizeof path)
		memcpy(path + sizeof path - sizeof dots, dots, sizeof dots);
	return cfw_err_set(err, CURFEW_ECYCLE, "servers that wait for each other: %s", path);
}

int cfw_graph_check(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to, struct curfew_err *err)
{
	if (from == to)
		return cfw_err_set(err, CURFEW_ECYCLE, "servers that wait for each other: %s -> %s", from->name, from->name);
	if (!from->dependants || !to->deps)
		return 0; /* nothing leads into it, or nothing out of the other */
	cfw_graph_closure(c, to->id, CFW_WALK_DEPS);
	return from->mark == c->mark ? cycle_error(c, from, err) : 0;
}

/* An edge stands in two lists: walk both, until the shorter one ends. */
static bool has_edge(const struct cfw_core *c, const struct cfw_server *from, const struct cfw_server *to)
{
	uint32_t a = from->deps, b = to->dependants;
	for (; a && b; a = edge(c, a)->next_dep, b = edge(c, b)->next_dependant)
		if (edge(c, a)->to == to->id || edge(c, b)->from == from->id)
			return true;
	return false;
}

int cfw_graph_add(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to, struct curfew_err *err)
{
	if (has_edge(c, from, to))
		return 0; /* said twice */
	int rc = cfw_graph_check(c, from, to, err);
	if (rc)
		return rc;
	if (cfw_graph_reserve(c, 1))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	cfw_graph_link(c, from, to);
	return 0;
}

int cfw_graph_reserve(struct cfw_core *c, size_t n)
{
	if (n == 1 && c->edges_free)
		return 0;
	return cfw_grow(&c->alloc, &c->edges, &c->edges_cap, c->edges_used + n, sizeof *c->edges);
}

void cfw_graph_link(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to)
{
	uint32_t at = c->edges_free;
	if (at)
		c->edges_free = edge(c, at)->next_dep;
	else
		at = (uint32_t)++c->edges_used;
	*edge(c, at) =
		(struct cfw_edge){.from = from->id, .to = to->id, .next_dep = from->deps, .next_dependant = to->dependants};
	from->deps = at;
	to->dependants = at;
	from->blockers += from->state == CFW_S_WAITING && to->state != CFW_S_STARTED;
	to->blockers += to->state == CFW_S_HELD && from->active;
}

void cfw_graph_drop(struct cfw_core *c, struct cfw_server *s)
{
	while (s->deps) {
		uint32_t at = s->deps;
		struct cfw_edge *gone = edge(c, at);
		struct cfw_server *to = cfw_server_get(c, gone->to);
		uint32_t *link = &to->dependants;
		if (to->state == CFW_S_HELD && s->active && --to->blockers == 0)
			cfw_server_ready(c, to);
		if (s->state == CFW_S_WAITING && to->state != CFW_S_STARTED && --s->blockers == 0)
			cfw_server_ready(c, s);
		while (*link != at)
			link = &edge(c, *link)->next_dependant;
		*link = gone->next_dependant;
		s->deps = gone->next_dep;
		gone->next_dep = c->edges_free;
		c->edges_free = at;
	}
}
