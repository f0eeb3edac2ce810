/* templates.h: the first policies that `curfew init` writes, from lua/init/, each with its test. */
#ifndef CFW_BIN_TEMPLATES_H
#define CFW_BIN_TEMPLATES_H

struct cfw_template {
	const char *name;
	const char *policy,
		*test; /* @POLICY@, @TEST@ and @NAME@ stand for the names of the files, and of the first without its end */
};
extern const struct cfw_template cfw_templates[]; /* ends with a NULL name */

#endif
