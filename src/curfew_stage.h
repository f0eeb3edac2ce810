/* curfew_stage.h: what a policy that is being built has registered, until the swap makes it so: shared by curfew_stage.c, which
 * collects, and curfew_swap.c. */
#ifndef CFW_CURFEW_STAGE_H
#define CFW_CURFEW_STAGE_H

#include "curfew_impl.h"

enum cfw_change { CFW_ADDED, CFW_REMOVED, CFW_REPLACED, CFW_UPDATED, CFW_UNCHANGED };

struct cfw_staged_server {
	cfw_id id;      /* in the core: a staged server's, or that of the one that runs and stays */
	cfw_id scratch; /* in the stage's own core */
	enum cfw_change change;
	const struct cfw_kind *kind;
	void *srv; /* opened, never started; NULL once it is somebody's */
	struct cfw_value *def, *old_def;
	uint32_t old_mark; /* its place in the page before the swap */
};

/* Asked for at top level: begun after the swap. */
struct cfw_deferred {
	enum { CFW_LATER_REQUEST, CFW_LATER_SERVICE, CFW_LATER_TRIGGER } what;
	cfw_token token;
	enum cfw_request request;
	cfw_id server;
	bool flag;
	struct cfw_trigger trigger;
	char *text; /* a service's name, or the trigger's text */
	struct cfw_value *args;
};

struct cfw_stage {
	struct cfw_core *scratch; /* names, dependencies and cycles of the new policy alone */
	struct cfw_staged_server *servers;
	size_t nservers, servers_cap;
	cfw_id *hooks; /* staged in the core */
	size_t nhooks, hooks_cap;
	struct cfw_staged_edge {
		cfw_id from, to;
	} * edges;
	size_t nedges, edges_cap;
	struct cfw_deferred *later;
	size_t nlater, later_cap;
	struct cfw_staged_source {
		char *key, *path, *src;
		size_t n;
	} * sources;
	size_t nsources, sources_cap;
	struct cfw_value *conf;
	struct cfw_value *kept; /* what curfew.kept had when the build began */
	uint64_t ruled;
	bool trial;          /* it is thrown away in the end */
	unsigned loading;    /* scripts that have not ended */
	unsigned queued;     /* of those, not begun */
	unsigned blocked;    /* that wait for what begins after the swap */
	uint64_t until_ns;   /* when the build is given up */
	uint64_t settled_by; /* when waiting for a quiet moment is given up; 0: it is not waited for yet */
	struct curfew_err failed;
};

int cfw_stage_adopt(struct cfw_gen *g, const struct cfw_entry *host, struct curfew_err *err);
struct cfw_staged_server *cfw_staged_of(const struct cfw_stage *st, cfw_id id); /* NULL */

#endif
