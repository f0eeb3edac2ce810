/* sandbox.h: the options of `curfew run --sandbox` become the map of cfw_options.sandbox. */
#ifndef CFW_BIN_SANDBOX_H
#define CFW_BIN_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_value;
struct curfew_err;

/* A list of the map that an option adds to: "exec" for --allow-exec. */
struct cfw_sandbox_option {
	const char *option, *list;
};
extern const struct cfw_sandbox_option cfw_sandbox_options[];
extern const size_t cfw_sandbox_options_n;

/* Add the words of text, between commas, to a list of map. 0 or err. */
int cfw_sandbox_allow(struct cfw_value *map, const struct cfw_sandbox_option *option, const char *text, struct curfew_err *err);
/* --limit KEY=VALUE. */
int cfw_sandbox_limit(struct cfw_value *map, const char *text, struct curfew_err *err);
/* The folders of the policies are where their modules are. */
int cfw_sandbox_modules(struct cfw_value *map, const char *const *policies, size_t n, struct curfew_err *err);

#endif
