/* cmd_run.c: curfew run: the main job. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/value.h"
#include "bin/bin.h"
#include "bin/sandbox.h"
#include "shell/guardian.h"
#include "shell/run.h"

enum {
	OPT_LOG_FORMAT = 256,
	OPT_LOG_LEVEL,
	OPT_EXIT_TIMEOUT,
	OPT_START_TIMEOUT,
	OPT_STOP_MARGIN,
	OPT_CONTROL,
	OPT_BLACK_BOX,
	OPT_TIMELINE,
	OPT_WATCH,
	OPT_NO_DISPLAY,
	OPT_NO_GUARDIAN,
	OPT_SANDBOX,
	OPT_LIMIT,
	OPT_ALLOW /* and so many as cfw_sandbox_options has: in its order */
};

static const struct option options[] = {
	{"policy", required_argument, NULL, 'p'},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{"log-format", required_argument, NULL, OPT_LOG_FORMAT},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"exit-timeout", required_argument, NULL, OPT_EXIT_TIMEOUT},
	{"start-timeout", required_argument, NULL, OPT_START_TIMEOUT},
	{"stop-margin", required_argument, NULL, OPT_STOP_MARGIN},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"black-box", required_argument, NULL, OPT_BLACK_BOX},
	{"timeline", required_argument, NULL, OPT_TIMELINE},
	{"watch", no_argument, NULL, OPT_WATCH},
	{"no-display", no_argument, NULL, OPT_NO_DISPLAY},
	{"no-guardian", no_argument, NULL, OPT_NO_GUARDIAN},
	{"sandbox", no_argument, NULL, OPT_SANDBOX},
	{"allow-exec", required_argument, NULL, OPT_ALLOW},
	{"allow-listen", required_argument, NULL, OPT_ALLOW + 1},
	{"allow-fetch", required_argument, NULL, OPT_ALLOW + 2},
	{"allow-read", required_argument, NULL, OPT_ALLOW + 3},
	{"allow-write", required_argument, NULL, OPT_ALLOW + 4},
	{"allow-ignore", required_argument, NULL, OPT_ALLOW + 5},
	{"allow-configure", required_argument, NULL, OPT_ALLOW + 6},
	{"allow-env", required_argument, NULL, OPT_ALLOW + 7},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{NULL, 0, NULL, 0},
};

static const char help[] = "  -p, --policy FILE       load this policy too; any number, in this order\n"
			   "      --exit-timeout DUR  from the first stopping trigger to the forced end (5s)\n"
			   "      --start-timeout DUR for all servers to be ready (30s)\n"
			   "      --stop-margin DUR   before the exit timeout, kept for hooks not begun (500ms)\n"
			   "      --log-format FORMAT text, logfmt or json\n"
			   "      --log-level LEVEL   debug, info, warn or error\n"
			   "  -q, --quiet             the same as --log-level warn\n"
			   "      --control PATH      answer \"curfew status\" and others on this socket\n"
			   "      --black-box FILE    keep what happens there, readable by \"curfew timeline --file\" also\n"
			   "                          when this process was killed\n"
			   "      --timeline WHEN     after the stop: auto (on a terminal), always or never\n"
			   "      --watch             reload when a file of the policy changes\n"
			   "      --no-display        no live display during a stop\n"
			   "      --no-guardian       no second process that sees to the stop should this one die\n"
			   "      --sandbox           policies are not trusted: what follows is all they may do\n"
			   "      --allow-exec PROGRAM[,...]      run these, named by their whole paths\n"
			   "      --allow-listen ADDR[:PORT][,..] listen there; without a port, on any\n"
			   "      --allow-fetch HOST[:PORT][,...] ask these by http or https\n"
			   "      --allow-read FOLDER[,...]       read beneath these\n"
			   "      --allow-write FOLDER[,...]      write, rename and remove beneath these\n"
			   "      --allow-env NAME[,...]          read these variables, and set them for programs\n"
			   "      --allow-ignore SIGNAL[,...]     answer these otherwise than by a stop\n"
			   "      --allow-configure KEY[,...]     configure these too: health, log, control, watch, ...\n"
			   "      --limit SETTING=VALUE           configure this up to VALUE, not only to its default\n"
			   "\n"
			   "A duration is \"250ms\", \"5s\", \"1m30s\" or a number of seconds. What is given here is\n"
			   "stronger than curfew.configure in a policy.\n"
			   "\n"
			   "Exit codes: what policy asked for; at least 1 when a hook or a start failed; 255 when the\n"
			   "exit timeout cut something; 2 for bad usage or a policy that does not load. With\n"
			   "-- COMMAND, the command's own: its exit code, or 128 and the signal that ended it.\n";

struct parsed {
	struct cfw_run_options run;
	const char **policies;
	struct cfw_value *overrides;
	bool alone; /* without a guardian */
	struct cfw_value *allowed;
	const char *needs_sandbox; /* the first option given that means nothing without --sandbox */
};

static int take_duration(struct parsed *p, const char *key, const char *option, const char *text)
{
	uint64_t ns;
	struct curfew_err err = {0};
	if (cfw_parse_duration(text, &ns, &err))
		return cfw_usage_error(&cfw_command_run, "%s: %s", option, err.msg);
	if (ns == 0)
		return cfw_usage_error(&cfw_command_run, "%s: it must be longer than 0", option);
	return cfw_value_set(p->overrides, key, cfw_value_int((int64_t)ns)) ? cfw_usage_error(&cfw_command_run, "out of memory")
									    : 0;
}

static int take_word(int *to, int value, const char *option, const char *text, const char *valid)
{
	if (value < 0)
		return cfw_usage_error(&cfw_command_run, "%s: \"%.60s\" is none of %s", option, text, valid);
	*to = value;
	return 0;
}

static int parse_when(const char *text)
{
	static const char *const names[] = {"auto", "always", "never"};
	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static int take_sandbox(struct parsed *p, int opt, const char *arg)
{
	struct curfew_err err = {0};
	bool limit = opt == OPT_LIMIT;
	const struct cfw_sandbox_option *o = limit ? NULL : &cfw_sandbox_options[opt - OPT_ALLOW];
	if (!p->needs_sandbox)
		p->needs_sandbox = limit ? "--limit" : o->option;
	if (limit ? cfw_sandbox_limit(p->allowed, arg, &err) : cfw_sandbox_allow(p->allowed, o, arg, &err))
		return cfw_usage_error(&cfw_command_run, "%s", err.msg);
	return 0;
}

/* One option; 0, or the exit code. */
static int take(struct parsed *p, int opt, const char *arg)
{
	int when = CFW_WHEN_AUTO, rc = 0;
	switch (opt) {
	case 'p':
		p->policies[p->run.npolicies++] = arg;
		return 0;
	case 'q':
		p->run.log_level = CFW_WARN;
		return 0;
	case OPT_LOG_FORMAT:
		return take_word(&p->run.log_format, cfw_log_format_parse(arg), "--log-format", arg, "text, logfmt, json");
	case OPT_LOG_LEVEL:
		return take_word(&p->run.log_level, cfw_log_level_parse(arg), "--log-level", arg, "debug, info, warn, error");
	case OPT_EXIT_TIMEOUT:
		return take_duration(p, "exit_timeout", "--exit-timeout", arg);
	case OPT_START_TIMEOUT:
		return take_duration(p, "start_timeout", "--start-timeout", arg);
	case OPT_STOP_MARGIN:
		return take_duration(p, "stop_margin", "--stop-margin", arg);
	case OPT_CONTROL:
		if (!*arg)
			return cfw_usage_error(&cfw_command_run, "--control: it needs a path");
		return cfw_value_set(p->overrides, "control", cfw_value_str(arg))
			       ? cfw_usage_error(&cfw_command_run, "out of memory")
			       : 0;
	case OPT_BLACK_BOX:
		p->run.black_box = arg;
		return *arg ? 0 : cfw_usage_error(&cfw_command_run, "--black-box: it needs a file");
	case OPT_TIMELINE:
		rc = take_word(&when, parse_when(arg), "--timeline", arg, "auto, always, never");
		p->run.timeline = (enum cfw_when)when;
		return rc;
	case OPT_WATCH:
		return cfw_value_set(p->overrides, "watch", cfw_value_bool(true))
			       ? cfw_usage_error(&cfw_command_run, "out of memory")
			       : 0;
	case OPT_NO_DISPLAY:
		p->run.display = false;
		return 0;
	case OPT_NO_GUARDIAN:
		p->alone = true;
		return 0;
	case OPT_SANDBOX:
		p->run.sandbox = p->allowed;
		return 0;
	default:
		return opt == OPT_LIMIT || (opt >= OPT_ALLOW && opt < OPT_ALLOW + (int)cfw_sandbox_options_n)
			       ? take_sandbox(p, opt, arg)
			       : 2;
	}
}

static int parse(struct parsed *p, int argc, char **argv)
{
	int opt;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:p:qh", options, NULL)) != -1) {
		if (opt == ':')
			return cfw_usage_error(&cfw_command_run, "%s needs a value", argv[optind - 1]);
		if (opt == '?')
			return optopt ? cfw_usage_error(&cfw_command_run, "unknown option -%c", optopt)
				      : cfw_usage_error(&cfw_command_run, "unknown option %s", argv[optind - 1]);
		if (opt == 'h') {
			cfw_print_help(&cfw_command_run);
			return -1;
		}
		int rc = take(p, opt, optarg);
		if (rc)
			return rc;
	}
	bool dashes = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
	if (!dashes && optind < argc) {
		p->policies[p->run.npolicies++] = argv[optind++];
		dashes = optind < argc && strcmp(argv[optind], "--") == 0;
		if (!dashes && optind < argc)
			return cfw_usage_error(&cfw_command_run,
					       "one policy is named \"%.60s\", what is \"%.60s\"? More policies go with -p",
					       argv[optind - 1], argv[optind]);
		optind += dashes;
	}
	if (dashes) {
		if (optind >= argc)
			return cfw_usage_error(&cfw_command_run, "a command must follow --");
		p->run.command = argv + optind;
	}
	if (p->needs_sandbox && !p->run.sandbox)
		return cfw_usage_error(&cfw_command_run, "%s is for the sandbox: it needs --sandbox, too", p->needs_sandbox);
	if (!p->run.command && !p->run.npolicies)
		return cfw_usage_error(&cfw_command_run, "a policy or a command, please");
	return 0;
}

static int run(int argc, char **argv)
{
	struct parsed p = {.run = {.log_format = -1, .log_level = -1, .display = true}};
	p.policies = calloc((size_t)argc + 1, sizeof *p.policies);
	p.overrides = cfw_value_map();
	p.allowed = cfw_value_map();
	struct curfew_err err = {0};
	int rc = 2;
	if (p.policies && p.overrides && p.allowed)
		rc = parse(&p, argc, argv);
	else
		fputs("curfew: out of memory\n", stderr);
	if (rc == 0 && p.run.sandbox && cfw_sandbox_modules(p.allowed, p.policies, p.run.npolicies, &err))
		rc = cfw_usage_error(&cfw_command_run, "%s", err.msg);
	if (rc == 0) {
		p.run.policies = p.policies;
		p.run.overrides = p.overrides;
		rc = p.alone ? cfw_run(&p.run, NULL) : cfw_guardian_run(&p.run);
	}
	cfw_value_free(p.overrides);
	cfw_value_free(p.allowed);
	free(p.policies);
	return rc < 0 ? 0 : rc;
}

const struct cfw_command cfw_command_run = {.name = "run",
					    .usage = "run [-p POLICY]... [OPTION]... [POLICY.lua] [-- COMMAND ARG...]",
					    .summary = "Start servers under a policy and end them properly",
					    .help = help,
					    .run = run};
