/* curfew_embed.h: what an instance has besides when a program of its own has made it by curfew_new: the host's log, its servers, hooks
 * and rules in C. */
#ifndef CFW_EMBED_H
#define CFW_EMBED_H

#include "base/alloc.h"
#include "curfew_impl.h"

#define CFW_REF_HOST (INT64_C(1) << 62) /* in a hook's ref: an index into hooks, none of a policy's */

struct cfw_host_hook {
	curfew_hook_fn *fn;
	void (*cut)(void *ud, curfew_id run);
	void *ud;
	cfw_id id;
	uint32_t run;              /* the call that is not answered; 0 */
	char *name;                /* NULL: none */
	struct cfw_hook_opts opts; /* a reload makes it anew */
};

struct cfw_host_rule {
	bool any;
	enum cfw_trigger_kind kind;
	int signo;
	char *custom; /* "custom:NAME" */
	curfew_rule_fn *fn;
	void *ud;
};

struct cfw_embed {
	struct curfew *c;
	struct curfew_options opt;
	struct cfw_alloc alloc;
	struct cfw_log log;
	struct curfew_loop own_loop; /* where the program has none */
	struct cfw_watch *watch;     /* the policy's files */
	uint64_t logged;             /* entries of the journal */
	struct cfw_host_hook *hooks;
	size_t nhooks, hooks_cap;
	uint32_t calling; /* the run of the hook that is inside its function; 0 */
	struct cfw_host_rule *rules;
	size_t nrules, rules_cap;
	struct cfw_slots requests;
	const struct curfew_server_options *opening; /* of the server that is being made */
};

/* curfew_served.c */
extern const struct cfw_kind cfw_host_kind;

/* curfew_hooks.c */
void cfw_host_hook_call(struct curfew *c, const struct cfw_hook_call *call);
void cfw_host_hook_exits(struct curfew *c); /* S4.9: exit(3) within a hook completes it */
void cfw_host_hook_cut(struct curfew *c, cfw_id hook, uint32_t run);
/* Before a swap, which drops all hooks: those of servers that stay, and the global ones, are staged in front of the new policy's. */
int cfw_host_hooks_stage(struct cfw_gen *g, struct curfew_err *err);
void cfw_host_hooks_swapped(struct curfew *c, const struct cfw_stage *st); /* they have new ids */

/* curfew_rules.c */
bool cfw_host_rule_names(const struct curfew *c, int signo);
struct cfw_decision cfw_host_ask(struct curfew *c, const struct cfw_trigger *t, const char *text);

void cfw_embed_free(struct cfw_embed *e); /* NULL is fine */

#endif
