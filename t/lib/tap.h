/* tap.h: TAP from C tests: one ok a check, a plan at the end, diagnostics on stderr. */
#ifndef T_TAP_H
#define T_TAP_H

#include <stdbool.h>

/* Print "ok" or "not ok" with the words; true when it held. Words name the rule they prove: "S4.2: …". */
bool tap_ok(bool held, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool tap_int(long long got, long long want, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
bool tap_str(const char *got, const char *want, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void tap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void tap_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The plan; the exit code for main: 0 when all held and something was checked. */
int tap_done(void);

#define ok(held, ...)          tap_ok((held), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...) tap_int((long long)(got), (long long)(want), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, want, ...) tap_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

#endif
