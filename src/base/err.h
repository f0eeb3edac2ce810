/* err.h: error codes, and where the text of an error goes.
 *
 * Functions return 0 or a negative CURFEW_E…; constructors return NULL. Whoever first sees a failure writes the text into the
 * caller's struct curfew_err; nobody above it rewrites the text, they may only put words in front. */
#ifndef CFW_BASE_ERR_H
#define CFW_BASE_ERR_H

#include "include/curfew.h"

/* Set err (which may be NULL) and return code. fmt as printf. */
int cfw_err_set(struct curfew_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As cfw_err_set with CURFEW_ESYS and errno; appends ": " and the words for errno. */
int cfw_err_sys(struct curfew_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Put words in front of the message that err has: "policy.lua:3: " and so on. */
void cfw_err_prefix(struct curfew_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The symbolic name that Lua shows as the third value of a failed operation ("ESRCH", "ETIMEDOUT", …): from sys_errno
 * where it is set, else from code. Never NULL. */
const char *cfw_err_name(const struct curfew_err *err);

#endif
