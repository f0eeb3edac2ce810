/* oracle.h: the rules that hold in every run, checked on the journal alone: S3.1, S4.1, S4.3, S4.6, S4.8, S4.11, S4.12, S4.13, and that no
 * hook is begun twice. It knows nothing of how the core works, and asks it only who depends on whom and which hooks there are. */
#ifndef CFW_SIM_ORACLE_H
#define CFW_SIM_ORACLE_H

#include <stddef.h>

struct cfw_core;
struct cfw_journal_entry;
struct cfw_oracle;

struct cfw_oracle *cfw_oracle_new(void); /* NULL when out of memory */
void cfw_oracle_free(struct cfw_oracle *o);
void cfw_oracle_reset(struct cfw_oracle *o); /* for another run; keeps its memory */
/* Every entry, in order. core: the one that wrote it, at that moment or later. */
void cfw_oracle_see(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e);
/* What was broken, "S4.12: …"; NULL past the last. At most eight are kept. */
const char *cfw_oracle_broken(const struct cfw_oracle *o, size_t i);
/* The code that the end of a run has at most, as far as the journal says what asks for one: but for what hooks ask for (S4.9). */
int cfw_oracle_most(const struct cfw_oracle *o);

#endif
