/* script.c: cfw_script_run: modules of the binary in a state of their own. */
#include "policy/script.h"

#include <string.h>

#include "base/err.h"
#include "tap.h"

int main(void)
{
	struct curfew_err err = {0};
	char nonsense[] = "--nonsense";
	char *argv[] = {nonsense};
	is_int(cfw_script_run("curfew.check", 1, argv, &err), 2, "what the module returns is the exit code");
	is_int(cfw_script_run("curfew.check", 0, NULL, &err), 2, "no arguments are fine");

	is_int(cfw_script_run("curfew.nowhere", 0, NULL, &err), CURFEW_ELUA, "a module that is not there is an error");
	ok(strstr(err.msg, "curfew.nowhere") != NULL, "… whose text names it");
	is_int(cfw_script_run("curfew.units", 0, NULL, &err), CURFEW_ELUA, "a module that is no function is an error");
	ok(strstr(err.msg, "call a table value") != NULL, "… whose text says so");
	return tap_done();
}
