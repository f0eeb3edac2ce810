/* impl.h: one simulated run, shared by sim.c (life, loop, log), kinds.c (fakes), ask.c (services as questions), tell.c (what a test
 * says) and events.c (the journal as events). */
#ifndef CFW_SIM_IMPL_H
#define CFW_SIM_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/loop.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/kind.h"
#include "base/log.h"
#include "base/timers.h"
#include "sim/oracle.h"
#include "sim/sim.h"

enum { CFW_SIM_SERVICES = 9 };

/* How a server is to behave. Times are CFW_NEVER where nothing was said, except stops. */
struct cfw_sim_script {
	struct cfw_sim_script *next;
	char *name, *where; /* where the test spoke of it */
	uint64_t starts_ns; /* how long its start takes */
	uint64_t stops_ns;
	uint64_t dies_ns; /* the run's time */
	char *start_error, *stop_error;
	bool says_start, says_stop, known;
	int signo, code; /* of its death */
};

struct cfw_sim_fake;

struct cfw_sim_asked {
	struct cfw_sim_asked *next;
	struct cfw_sim *sim;
	uint64_t token;
	int64_t id;
	char *service;
	struct cfw_value *args, *answer;
	struct curfew_err *error;
	struct cfw_timer timer;
	bool told, answered;
};

struct cfw_sim_at {
	uint64_t ns, order;
	char *trigger, *where, *server; /* server: of one that steers; NULL */
	uint64_t by_ns;
	int code;
	unsigned times;
};

struct cfw_sim {
	struct curfew_loop loop;
	struct curfew *curfew;
	struct cfw_log sink;
	struct cfw_alloc alloc;
	struct cfw_service services[CFW_SIM_SERVICES];
	struct cfw_value *opts;
	struct cfw_sim_script *scripts;
	struct cfw_sim_fake *fakes;
	struct cfw_sim_asked *asked;
	int64_t ids;
	int pids, ports;
	struct cfw_sim_at *at;
	size_t nat, at_cap;
	uint64_t orders;
	struct cfw_value *events, *log;
	struct cfw_buf complaints;
	uint64_t journal;  /* the last entry that was taken */
	uint64_t ended_ns; /* CFW_NEVER while it runs */
	int code;
	unsigned starves; /* 1: the next request for memory fails, and all after it; 0: none does */
	bool ended, killed, muted;
	bool failed; /* no memory for what is to be reported */
	struct cfw_oracle *oracle;
	struct cfw_sim_phase *phases; /* events.c */
	size_t phases_cap;
};

uint64_t cfw_sim_now(const struct cfw_sim *s); /* of the run, from 0 */
/* Its nth request for memory from here on fails, and all after it; 0: as much as there is. */
void cfw_sim_starve(struct cfw_sim *s, unsigned nth);

/* kinds.c */
int cfw_sim_kinds_add(struct cfw_sim *s, struct curfew_err *err);
struct cfw_sim_script *cfw_sim_script_find(const struct cfw_sim *s, const char *name);
void cfw_sim_scripts_free(struct cfw_sim *s);
void cfw_sim_fake_told(struct cfw_sim *s, const struct cfw_sim_script *script); /* its death has a time */
/* How long a server of this definition may take to stop before it is ended by force: its steps before KILL, its drain. */
uint64_t cfw_sim_patience(const struct cfw_value *def);
/* What is known of a server from its definition; address NULL: none. */
void cfw_sim_model_of(const struct cfw_sim *s, cfw_id id, uint64_t *patience_ns, const char **address);

/* ask.c */
int cfw_sim_services_add(struct cfw_sim *s, struct curfew_err *err);
int cfw_sim_answer(struct cfw_sim *s, const struct cfw_value *answer, struct curfew_err *err);
bool cfw_sim_asks(const struct cfw_sim *s);
struct cfw_value *cfw_sim_asks_report(struct cfw_sim *s);
void cfw_sim_asked_free(struct cfw_sim *s);

/* tell.c */
void cfw_sim_at_arm(struct cfw_sim *s);
void cfw_sim_at_free(struct cfw_sim *s);

/* events.c */
void cfw_sim_take_journal(void *ud);
void cfw_sim_event(struct cfw_sim *s, const char *name, const struct cfw_value *more); /* now; more is copied, may be NULL */

#endif
