/* cmd_init.c: curfew init: a first policy and its test, for the stack that is named. Both are written or none is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "bin/bin.h"
#include "bin/templates.h"

enum { OPT_FOR = 256, OPT_FORCE };
static const struct option options[] = {
	{"for", required_argument, NULL, OPT_FOR},
	{"force", no_argument, NULL, OPT_FORCE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct parsed {
	const struct cfw_template *template;
	const char *path;
	bool force;
};

static int take_stack(struct parsed *p, const char *name)
{
	enum { MOST = 16 };
	const char *names[MOST] = {NULL}, *near;
	char list[200] = "";
	for (size_t i = 0; cfw_templates[i].name && i + 1 < MOST; i++) {
		size_t at = strlen(list);
		names[i] = cfw_templates[i].name;
		snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
		if (strcmp(names[i], name) == 0) {
			p->template = &cfw_templates[i];
			return 0;
		}
	}
	near = cfw_nearest(name, names);
	return near ? cfw_usage_error(&cfw_command_init,
				      "--for: there is no stack \"%.40s\"; did you mean \"%s\"? There are %s", name, near, list)
		    : cfw_usage_error(&cfw_command_init, "--for: there is no stack \"%.40s\"; there are %s", name, list);
}

/* 0; -1 when all is done; or the exit code. */
static int parse(struct parsed *p, int argc, char **argv)
{
	int opt, rc = 0;
	const char *stack = "plain";
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		switch (opt) {
		case OPT_FOR:
			stack = optarg;
			break;
		case OPT_FORCE:
			p->force = true;
			break;
		case 'h':
			cfw_print_help(&cfw_command_init);
			return -1;
		case ':':
			return cfw_usage_error(&cfw_command_init, "%s needs a value", argv[optind - 1]);
		default:
			return optopt ? cfw_usage_error(&cfw_command_init, "unknown option -%c", optopt)
				      : cfw_usage_error(&cfw_command_init, "unknown option %s", argv[optind - 1]);
		}
	rc = take_stack(p, stack);
	if (!rc && optind + 1 < argc)
		rc = cfw_usage_error(&cfw_command_init, "one policy at a time, please");
	if (optind < argc)
		p->path = argv[optind];
	size_t n = strlen(p->path);
	if (!rc && (n < 5 || strcmp(p->path + n - 4, ".lua") != 0 || p->path[n - 5] == '/'))
		rc = cfw_usage_error(&cfw_command_init, "\"%.80s\": a policy is named as in shutdown.lua", p->path);
	if (!rc && n >= 9 && strcmp(p->path + n - 9, "_test.lua") == 0)
		rc = cfw_usage_error(&cfw_command_init, "\"%.80s\": that is how tests are named", p->path);
	return rc;
}

/* ---- the files ---- */

struct file {
	char *path;
	char *temporary; /* what is written, until it is in its place */
	char *kept;      /* a second name of the file that --force replaces, until both are written */
	struct cfw_buf text;
	bool there; /* ours is in its place */
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The template's text with the names in it. */
static void fill_in(struct cfw_buf *out, const char *text, const char *policy, const char *test)
{
	const struct {
		const char *mark, *name;
		int n;
	} names[] = {{"@POLICY@", policy, (int)strlen(policy)},
		     {"@TEST@", test, (int)strlen(test)},
		     {"@NAME@", policy, (int)strlen(policy) - 4}};
	while (*text) {
		size_t i = 0;
		while (i < 3 && strncmp(text, names[i].mark, strlen(names[i].mark)) != 0)
			i++;
		if (i < 3) {
			cfw_buf_printf(out, "%.*s", names[i].n, names[i].name);
			text += strlen(names[i].mark);
		} else {
			cfw_buf_putc(out, *text++);
		}
	}
}

static int complain(const char *path, const char *why)
{
	fprintf(stderr, "curfew init: %s: %s\n", path, why);
	return 1;
}

/* Whole, under another name beside it. */
static int write_temporary(struct file *f)
{
	if (f->text.failed || asprintf(&f->temporary, "%s.XXXXXX", f->path) < 0) {
		f->temporary = NULL;
		return complain(f->path, "out of memory");
	}
	int fd = mkostemp(f->temporary, O_CLOEXEC);
	if (fd < 0) {
		int e = errno;
		free(f->temporary);
		f->temporary = NULL;
		return complain(f->path, strerror(e));
	}
	mode_t mask = umask(0);
	umask(mask);
	bool ok = write(fd, f->text.data, f->text.len) == (ssize_t)f->text.len && fchmod(fd, 0666 & ~mask) == 0;
	ok = close(fd) == 0 && ok;
	return ok ? 0 : complain(f->path, strerror(errno));
}

/* The file that is in the way gets a second name, so that it can come back. None is in the way: nothing to do. */
static int keep(struct file *f)
{
	struct stat st;
	if (lstat(f->path, &st))
		return errno == ENOENT ? 0 : complain(f->path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return complain(f->path, strerror(EISDIR));
	char *kept = NULL;
	if (asprintf(&kept, "%s.old", f->temporary) < 0)
		return complain(f->path, "out of memory");
	if (link(f->path, kept)) {
		int e = errno;
		free(kept);
		return complain(f->path, strerror(e));
	}
	f->kept = kept;
	return 0;
}

/* Into its place: where nobody's file is, or where the one that is kept was. */
static int put_in_place(struct file *f)
{
	int rc = f->kept ? rename(f->temporary, f->path) : link(f->temporary, f->path);
	if (rc && errno == EEXIST)
		return complain(f->path, "there is a file of this name: another name, or --force to replace it");
	if (rc)
		return complain(f->path, strerror(errno));
	f->there = true;
	return 0;
}

/* As it was. What cannot be put back keeps its second name, and the user is told it. */
static void take_back(struct file *f)
{
	if (!f->there)
		return;
	if (!f->kept) {
		unlink(f->path);
	} else if (rename(f->kept, f->path)) {
		fprintf(stderr, "curfew init: %s: %s; it is kept as %s\n", f->path, strerror(errno), f->kept);
		free(f->kept);
		f->kept = NULL;
	}
}

static int write_both(struct file f[2], bool force)
{
	int rc = 0;
	for (int i = 0; i < 2 && !rc; i++)
		rc = write_temporary(&f[i]);
	for (int i = 0; i < 2 && !rc && force; i++)
		rc = keep(&f[i]);
	for (int i = 0; i < 2 && !rc; i++)
		rc = put_in_place(&f[i]);
	for (int i = 0; i < 2; i++) {
		if (rc)
			take_back(&f[i]);
		/* Names that were moved away are not there any more. */
		if (f[i].temporary)
			unlink(f[i].temporary);
		if (f[i].kept)
			unlink(f[i].kept);
	}
	return rc;
}

static void tell_next(const struct file f[2])
{
	printf("%s and %s are written. Next:\n\n"
	       "  curfew check %s     what is wrong with it, without running it\n"
	       "  curfew test %s      what it promises, in virtual time\n"
	       "  curfew plan %s      what a stop would do, and how long it may take\n"
	       "  curfew run %s\n",
	       f[0].path, f[1].path, f[0].path, f[1].path, f[0].path, f[0].path);
}

static int run(int argc, char **argv)
{
	struct parsed p = {.template = cfw_templates, .path = "shutdown.lua"};
	struct file f[2] = {{.path = NULL}, {.path = NULL}};
	int rc = parse(&p, argc, argv);
	if (rc)
		return rc < 0 ? 0 : rc;
	cfw_buf_init(&f[0].text);
	cfw_buf_init(&f[1].text);
	if (asprintf(&f[0].path, "%s", p.path) < 0 ||
	    asprintf(&f[1].path, "%.*s_test.lua", (int)strlen(p.path) - 4, p.path) < 0)
		return complain(p.path, "out of memory");
	fill_in(&f[0].text, p.template->policy, base_of(f[0].path), base_of(f[1].path));
	fill_in(&f[1].text, p.template->test, base_of(f[0].path), base_of(f[1].path));
	rc = write_both(f, p.force);
	if (!rc)
		tell_next(f);
	for (int i = 0; i < 2; i++) {
		cfw_buf_clear(&f[i].text);
		free(f[i].temporary);
		free(f[i].kept);
		free(f[i].path);
	}
	return rc;
}

const struct cfw_command cfw_command_init = {
	.name = "init",
	.usage = "init [--for STACK] [--force] [POLICY.lua]",
	.summary = "Write a first policy and its test",
	.help = "      --for STACK   plain (a server inside of curfew), container, nginx, node or redis\n"
		"      --force       replace files that are there\n"
		"\n"
		"The policy is shutdown.lua where nothing else is said; its test stands beside it.\n"
		"\n"
		"Exit codes: 0; 1 when they could not be written; 2 for bad usage.\n",
	.run = run};
