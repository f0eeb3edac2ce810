/* err.h: error codes, and where the text of an error goes.
 *
 * Functions return 0 or a negative CURFEW_E…; constructors return NULL. Whoever first sees a failure writes the text into the
 * caller's struct curfew_err; nobody above it rewrites the text, they may only put words in front. */
#ifndef CFW_BASE_ERR_H
#define CFW_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum curfew_error {
	CURFEW_OK = 0,
	CURFEW_ENOMEM = -1,    /* an allocation failed */
	CURFEW_EINVAL = -2,    /* a wrong argument, a wrong value in a policy */
	CURFEW_ENOENT = -3,    /* no such server, hook, file, name */
	CURFEW_EEXIST = -4,    /* the name is taken */
	CURFEW_ECYCLE = -5,    /* dependencies form a cycle; the text prints it */
	CURFEW_ESTATE = -6,    /* not now: wrong state of the life */
	CURFEW_EREFUSED = -7,  /* asked for and refused (S4.6) */
	CURFEW_ESYS = -8,      /* a system call failed; sys_errno says why */
	CURFEW_ELUA = -9,      /* a script failed; the text has the traceback */
	CURFEW_ETIMEOUT = -10, /* a limit was passed */
	CURFEW_ECANCELED = -11,
	CURFEW_ELIMIT = -12, /* memory, CPU, count: a ceiling was hit */
};

struct curfew_err {
	int code;       /* negative CURFEW_E…, 0 when unset */
	int sys_errno;  /* errno where a system call failed, else 0 */
	char msg[1024]; /* always NUL-terminated; empty when unset */
};

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
