/* cmd_plan.c: curfew plan: what a stop would do. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "bin/bin.h"
#include "sim/plan.h"

static const char help[] = "      --on TRIGGERS    what happens, SIGTERM when nothing is said: \"SIGINT,SIGINT@2s\",\n"
			   "                       \"exit(3)\", \"stop\", \"error\", \"closed:db@1s\", \"custom:deploy\"\n"
			   "      --format FORMAT  text, json or svg\n"
			   "      --grace TIME     what Kubernetes gives, terminationGracePeriodSeconds: exit code 1 when the\n"
			   "                       worst case is longer\n"
			   "\n"
			   "It loads the policy and asks its rules; nothing is started, and no hook is called. In the best\n"
			   "case nothing takes any time, in the worst everything takes all that its limits leave it.\n"
			   "\n"
			   "Exit codes: 0; 1, longer than --grace; 2 for bad usage or a policy that does not load.\n";

enum { OPT_ON = 256, OPT_FORMAT, OPT_GRACE };
enum { TEXT, JSON, SVG };

static const struct option options[] = {
	{"on", required_argument, NULL, OPT_ON},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"grace", required_argument, NULL, OPT_GRACE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct parsed {
	const char *on, *path;
	int format;
	uint64_t grace_ns;
};

static int take_format(struct parsed *p, const char *word)
{
	static const char *const names[] = {[TEXT] = "text", [JSON] = "json", [SVG] = "svg"};
	for (int i = 0; i < 3; i++)
		if (strcmp(word, names[i]) == 0) {
			p->format = i;
			return 0;
		}
	return cfw_usage_error(&cfw_command_plan, "--format: \"%.60s\" is none of text, json, svg", word);
}

/* 0; -1 when all is done; or the exit code. */
static int parse(struct parsed *p, int argc, char **argv)
{
	struct curfew_err err = {0};
	int opt, rc = 0;
	opterr = 0;
	while (!rc && (opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (opt) {
		case OPT_ON:
			p->on = optarg;
			break;
		case OPT_FORMAT:
			rc = take_format(p, optarg);
			break;
		case OPT_GRACE:
			if (cfw_parse_duration(optarg, &p->grace_ns, &err))
				rc = cfw_usage_error(&cfw_command_plan, "--grace: %s", err.msg);
			break;
		case 'h':
			cfw_print_help(&cfw_command_plan);
			return -1;
		case ':':
			return cfw_usage_error(&cfw_command_plan, "%s needs a value", argv[optind - 1]);
		default:
			return optopt ? cfw_usage_error(&cfw_command_plan, "unknown option -%c", optopt)
				      : cfw_usage_error(&cfw_command_plan, "unknown option %s", argv[optind - 1]);
		}
	}
	if (!rc && optind + 1 != argc)
		rc = cfw_usage_error(&cfw_command_plan, optind >= argc ? "a policy, please" : "one policy at a time, please");
	p->path = rc ? NULL : argv[optind];
	return rc;
}

/* Kubernetes ends what is not done by then with SIGKILL. */
static int check_grace(const struct cfw_plan *plan, uint64_t grace_ns)
{
	char worst[32], grace[32];
	uint64_t end = plan->worst.stops ? plan->worst.end_ns : CFW_NEVER;
	if (grace_ns == CFW_NEVER || (end != CFW_NEVER && end <= grace_ns))
		return 0;
	if (end == CFW_NEVER)
		fprintf(stderr, "curfew plan: the process does not end, so no grace is long enough\n");
	else
		fprintf(stderr,
			"curfew plan: the worst case takes %s, the grace is %s: what is not done by then is killed. Make "
			"terminationGracePeriodSeconds at least %llu, or exit_timeout shorter\n",
			cfw_format_duration(worst, sizeof worst, end), cfw_format_duration(grace, sizeof grace, grace_ns),
			(unsigned long long)((end + CFW_SEC - 1) / CFW_SEC));
	return 1;
}

static int print(const struct cfw_plan *plan, int format, FILE *out)
{
	enum { WIDTH = 100 };
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (format == JSON)
		cfw_plan_put_json(plan, &b);
	else if (format == SVG)
		cfw_plan_put_svg(plan, &b);
	else
		cfw_plan_put_text(plan, WIDTH, isatty(fileno(out)) == 1, isatty(fileno(out)) != 1, &b);
	bool well = !b.failed && b.data && fwrite(b.data, 1, b.len, out) == b.len;
	cfw_buf_clear(&b);
	if (!well)
		perror("curfew plan");
	return well ? 0 : 2;
}

static int run(int argc, char **argv)
{
	struct parsed p = {.on = "SIGTERM", .grace_ns = CFW_NEVER};
	struct curfew_err err = {0};
	int rc = parse(&p, argc, argv);
	if (rc)
		return rc < 0 ? 0 : rc;
	FILE *out = cfw_take_stdout();
	struct cfw_plan *plan = out ? cfw_plan_new(p.path, p.on, &err) : NULL;
	if (!plan) {
		fprintf(stderr, "curfew plan: %s\n", err.msg);
		if (out)
			fclose(out);
		return 2;
	}
	rc = print(plan, p.format, out);
	if (fclose(out) && !rc) {
		perror("curfew plan");
		rc = 2;
	}
	if (!rc)
		rc = check_grace(plan, p.grace_ns);
	cfw_plan_free(plan);
	return rc;
}

const struct cfw_command cfw_command_plan = {
	.name = "plan",
	.usage = "plan [--on TRIGGER[,TRIGGER@TIME]...] [--format text|json|svg] [--grace TIME] POLICY.lua",
	.summary = "Show what a stop would do, without doing it",
	.help = help,
	.run = run};
