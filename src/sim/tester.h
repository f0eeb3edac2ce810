/* tester.h: the tests in one file (*_test.lua). The file runs in an instance of its own, whose services are simulations. */
#ifndef CFW_SIM_TESTER_H
#define CFW_SIM_TESTER_H

#include <stdbool.h>

struct curfew_err;

struct cfw_tester {
	/* A test has ended; text says why it failed, NULL when it held. Both only for the call. */
	void (*result)(void *ud, const char *name, bool ok, const char *text);
	void *ud;
};

/* 0 when all tests of the file have ended, well or not. Negative and err: the file does not load, or never ends. */
int cfw_tester_file(const struct cfw_tester *t, const char *path, struct curfew_err *err);

#endif
