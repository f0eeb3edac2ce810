/* model.h: a policy that is loaded once and tried many times: the real core under the clock of a schedule, the policy's real rules, and
 * neither hooks nor servers' functions: how long those take is the schedule's to say. So a run takes some microseconds. */
#ifndef CFW_SIM_MODEL_H
#define CFW_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

struct cfw_drive_hook;
struct cfw_drive_member;
struct cfw_drive_server;
struct cfw_oracle;
struct cfw_sim;
struct curfew_err;

enum { CFW_MODEL_AT = 8, CFW_MODEL_ANSWERS = 4, CFW_MODEL_BUILDS = 3 };

struct cfw_model_server {
	struct cfw_server_opts opts; /* its strings are the instance's */
	cfw_id id;                   /* in the instance */
	size_t *on;                  /* indexes of what it starts after */
	size_t non;
	uint64_t patience_ns; /* how long its stop may take before it is ended by force; CFW_NEVER: until it is cut */
	const char *address;  /* NULL: none */
};

struct cfw_model_hook {
	struct cfw_hook_opts opts;
	size_t server; /* index + 1; 0: global */
};

struct cfw_model {
	struct cfw_sim *sim;
	struct cfw_model_server *servers;
	size_t nservers;
	struct cfw_model_hook *hooks;
	size_t nhooks;
	struct cfw_core_config config;
	unsigned char *arena; /* the core's memory */
	size_t arena_size;
	struct cfw_drive_server
		*places; /* of the core's servers and hooks in a run, by their slots: a reload has some of both */
	struct cfw_drive_hook *hook_places;
	size_t nplaces, nhook_places, places_used, hook_places_used;
	struct cfw_drive_member *members; /* of two policies */
	cfw_id *staged_hooks;
	struct cfw_oracle *oracle;
};

/* The policy's main script is run, its servers are not started. What it asks of the system it is told went well: commands that print
 * nothing, empty files. NULL and err: it does not load. */
struct cfw_model *cfw_model_new(const char *path, struct curfew_err *err);
void cfw_model_free(struct cfw_model *m); /* NULL is fine */

/* What a new policy has of a server. */
enum cfw_model_change { CFW_M_UPDATED, CFW_M_REPLACED, CFW_M_OVERLAPPED, CFW_M_REMOVED, CFW_M_ADDED, CFW_M_CHANGES };

/* What happens when. The arrays have a place for every server and hook. Times are from the beginning of the run. */
struct cfw_schedule {
	struct cfw_schedule_at {
		uint64_t at_ns;
		enum cfw_trigger_kind kind;
		int signo, code;
		const char *custom; /* "custom:deploy"; NULL for any other */
		size_t server;      /* index + 1 of the one that is steered; 0: none, or the global hooks */
		uint64_t ns;        /* extend: by how much */
		unsigned times;     /* at once; 0: once */
		bool asks, no_exit; /* somebody waits for its answer; stop{ exit = false } */
	} at[CFW_MODEL_AT];
	size_t nat;
	struct cfw_schedule_server {
		uint64_t start_ns, stop_ns; /* CFW_NEVER: it never answers */
		uint64_t dies_ns;           /* CFW_NEVER: it does not */
		int code, signo;
		uint64_t cut_ns;   /* how long it takes to be gone when it is cut */
		uint64_t lives_ns; /* each life of it ends by itself after so long; 0: it does not */
		bool fails;        /* its start */
	} * servers;
	struct cfw_schedule_hook {
		uint64_t ns; /* CFW_NEVER: it does not end by itself */
		bool full;   /* it takes all the time that its own limit gives it, and ns is not looked at */
		enum cfw_outcome outcome;
		int code;
		uint64_t extend_ns; /* it asks for so much more time as it begins; 0: it does not */
	} * hooks;
	/* What else goes wrong. An answer is numbered in the order in which the schedule gives them. */
	struct cfw_schedule_answer {
		unsigned nth;
		uint64_t ns;
		bool again; /* it comes in time, and ns later once more; else it comes ns later */
	} answers[CFW_MODEL_ANSWERS];
	size_t nanswers;
	struct cfw_schedule_build { /* of a new policy by a reload; after the last one nothing is new */
		uint64_t takes_ns;
		bool broken; /* it comes to nothing */
		enum cfw_model_change what;
		size_t server; /* index + 1: what has changed; 0: nothing */
	} builds[CFW_MODEL_BUILDS];
	size_t nbuilds;       /* 0: who asks for a reload is not heard */
	unsigned memory;      /* which request of the core for memory fails; 0: none */
	bool memory_all;      /* and all after it: counted once everything is registered */
	unsigned ask_starves; /* in which question to the policy its memory ends; 0: in none */
	unsigned ask_memory;  /* with which of its requests */
	uint64_t until_ns;    /* then it is asked to stop by SIGTERM, and twice more; CFW_NEVER: it is not */
};
int cfw_schedule_init(struct cfw_schedule *s,
		      const struct cfw_model *m); /* all zero: everything takes no time. 0 or CURFEW_ENOMEM */
void cfw_schedule_clear(struct cfw_schedule *s);
int cfw_schedule_copy(struct cfw_schedule *to, const struct cfw_schedule *from,
		      const struct cfw_model *m); /* to was initialized */

enum cfw_finding {
	CFW_FINDING_NONE,
	CFW_FINDING_RULE_OF_CURFEW,
	CFW_FINDING_RULE,
	CFW_FINDING_ENDLESS,
	CFW_FINDING_HOST,
	CFW_FINDING_MEMORY
};
struct cfw_tried {
	struct cfw_core *core; /* until the next run of this model */
	bool ended;
	int code;
	uint64_t ended_ns, stop_ns; /* of the run; stop_ns: when the first stop began, CFW_NEVER for none */
	enum cfw_finding finding;
	char text[512];
};
void cfw_model_run(struct cfw_model *m, const struct cfw_schedule *s, struct cfw_tried *out);

#endif
