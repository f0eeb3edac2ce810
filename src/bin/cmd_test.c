/* cmd_test.c: curfew test: tests of policies in virtual time, as TAP. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "bin/bin.h"
#include "sim/explore.h"
#include "sim/tester.h"

static const char help[] =
	"PATH is a test, or a folder: all *_test.lua below it. The result is TAP on the standard output, so\n"
	"`prove -e 'curfew test' FOLDER` works. Time is virtual, and nothing real is started, listened\n"
	"on, fetched, written or killed. curfew-test(1) has the language.\n"
	"\n"
	"Exit codes: 0, all tests hold; 1, some do not; 2 for bad usage, or a file that cannot be read.\n";

struct tap {
	FILE *out;
	unsigned long n, failed;
};

struct paths {
	char **v;
	size_t n, cap;
};

/* Text on lines of its own, each with "# " before it; nothing in it can be taken for a result. */
static void put_diagnosis(const struct tap *t, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		struct cfw_buf b;
		cfw_buf_init(&b);
		cfw_buf_put_safe(&b, text, n);
		fprintf(t->out, "# %s\n", b.data ? b.data : "");
		cfw_buf_clear(&b);
		text += n + (text[n] == '\n');
	}
}

static void put_point(struct tap *t, const char *name, bool ok, const char *text)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	for (const char *s = name; *s; s++) {
		if (*s == '#' || *s == '\\')
			cfw_buf_putc(&b, '\\');
		cfw_buf_putc(&b, *s == '\n' || *s == '\r' ? ' ' : *s);
	}
	fprintf(t->out, "%s %lu - %s\n", ok ? "ok" : "not ok", ++t->n, b.data ? b.data : "");
	cfw_buf_clear(&b);
	t->failed += !ok;
	if (text)
		put_diagnosis(t, text);
	fflush(t->out);
}

static void on_result(void *ud, const char *name, bool ok, const char *text)
{
	put_point(ud, name, ok, text);
}

/* ---- which files ---- */

static int add(struct paths *p, char *path)
{
	if (!path || cfw_grow(&cfw_alloc_std, &p->v, &p->cap, p->n + 1, sizeof(char *))) {
		free(path);
		return -1;
	}
	p->v[p->n++] = path;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_test(const char *name)
{
	static const char end[] = "_test.lua";
	size_t n = strlen(name);
	return n > sizeof end - 1 && strcmp(name + n - (sizeof end - 1), end) == 0;
}

/* What is below folder and is a test; -1 with errno. Symbolic links to folders are not followed. */
static int add_folder(struct paths *p, const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *d;
	int rc = dir ? 0 : -1;
	while (rc == 0 && (d = readdir(dir))) {
		struct stat st;
		char *path = NULL;
		if (*d->d_name == '.')
			continue;
		if (asprintf(&path, "%s/%s", folder, d->d_name) < 0 || lstat(path, &st))
			rc = -1;
		else if (S_ISDIR(st.st_mode))
			rc = add_folder(p, path);
		else if (is_test(d->d_name))
			rc = add(p, strdup(path));
		free(path);
	}
	if (dir)
		closedir(dir);
	return rc;
}

static int add_argument(struct paths *p, const char *path)
{
	struct stat st;
	size_t before = p->n;
	if (stat(path, &st) || (S_ISDIR(st.st_mode) ? add_folder(p, path) : add(p, strdup(path)))) {
		perror(path);
		return 2;
	}
	if (p->n == before) {
		fprintf(stderr, "curfew test: %s: no *_test.lua is below it\n", path);
		return 2;
	}
	qsort(p->v + before, p->n - before, sizeof(char *), by_name);
	return 0;
}

static int add_policy(struct paths *p, const char *path)
{
	if (is_test(path))
		return cfw_usage_error(&cfw_command_test, "--explore takes policies, and %.200s is a test", path);
	return add(p, strdup(path)) ? 2 : 0;
}

/* ---- running them ---- */

/* The exit code. */
static int put_plan(const struct tap *t)
{
	fprintf(t->out, "1..%lu\n", t->n);
	if (t->failed)
		fprintf(t->out, "# %lu of %lu failed\n", t->failed, t->n);
	return fclose(t->out) ? 2 : t->failed ? 1 : 0;
}

static int run_files(const struct paths *p)
{
	struct tap t = {.out = cfw_take_stdout()};
	struct cfw_tester tester = {.result = on_result, .ud = &t};
	if (!t.out)
		return 2;
	for (size_t i = 0; i < p->n; i++) {
		struct curfew_err err = {0};
		unsigned long before = t.n;
		if (p->n > 1)
			fprintf(t.out, "# %s\n", p->v[i]);
		if (cfw_tester_file(&tester, p->v[i], &err) < 0)
			put_point(&t, p->v[i], false, err.msg);
		else if (t.n == before)
			put_point(&t, p->v[i], false, "it has no test: sim.test(\"name\", function(t) ... end)");
	}
	return put_plan(&t);
}

/* ---- exploring policies ---- */

static void explore_one(struct tap *t, const char *path, unsigned long n, uint64_t seed, bool faults)
{
	struct cfw_explored found = {0};
	struct curfew_err err = {0};
	struct cfw_buf text, name;
	cfw_buf_init(&text);
	cfw_buf_init(&name);
	uint64_t began = cfw_time_now();
	int rc = cfw_explore(path, n, seed, faults, &found, &text, &err);
	uint64_t took = cfw_time_now() - began + 1;
	if (rc == 0 && found.broken)
		cfw_buf_printf(&text, "again with: curfew test --explore 1 --seed %llu %s%s\n", (unsigned long long)found.seed,
			       faults ? "--faults " : "", path);
	cfw_buf_printf(&name, "%s: %lu schedules from seed %llu", path, found.tried, (unsigned long long)seed);
	put_point(t, name.data ? name.data : path, rc == 0 && !found.broken, rc ? err.msg : text.data);
	if (rc == 0 && !found.broken)
		fprintf(stderr, "# %s: %.0f schedules a second\n", path, (double)found.tried * 1e9 / (double)took);
	cfw_buf_clear(&text);
	cfw_buf_clear(&name);
}

static int explore(const struct paths *p, unsigned long n, uint64_t seed, bool faults)
{
	struct tap t = {.out = cfw_take_stdout()};
	if (!t.out)
		return 2;
	for (size_t i = 0; i < p->n; i++)
		explore_one(&t, p->v[i], n, seed, faults);
	return put_plan(&t);
}

/* ---- the command ---- */

static const struct option options[] = {
	{"explore", required_argument, NULL, 'e'},
	{"seed", required_argument, NULL, 's'},
	{"faults", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool take_number(const char *text, uint64_t least, uint64_t *n)
{
	char *end;
	errno = 0;
	*n = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *n >= least;
}

/* 0; -1 when all is done; or the exit code. */
static int parse(int argc, char **argv, uint64_t *n, uint64_t *seed, bool *faults)
{
	int opt;
	bool seeded = false;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			cfw_print_help(&cfw_command_test);
			return -1;
		case 'e':
			if (!take_number(optarg, 1, n) || *n > ULONG_MAX)
				return cfw_usage_error(&cfw_command_test, "--explore: \"%.60s\" is no number of schedules",
						       optarg);
			break;
		case 's':
			seeded = take_number(optarg, 0, seed);
			if (!seeded)
				return cfw_usage_error(&cfw_command_test, "--seed: \"%.60s\" is no number", optarg);
			break;
		case 'f':
			*faults = true;
			break;
		case ':':
			return cfw_usage_error(&cfw_command_test, "%s needs a value", argv[optind - 1]);
		default:
			return optopt ? cfw_usage_error(&cfw_command_test, "unknown option -%c", optopt)
				      : cfw_usage_error(&cfw_command_test, "unknown option %s", argv[optind - 1]);
		}
	}
	if (optind >= argc)
		return cfw_usage_error(&cfw_command_test, *n ? "a policy, please" : "a test or a folder of tests, please");
	if (*faults && !*n)
		return cfw_usage_error(&cfw_command_test, "--faults goes with --explore");
	if (seeded && !*n)
		return cfw_usage_error(&cfw_command_test, "--seed goes with --explore");
	if (!seeded)
		*seed = cfw_time_now() / CFW_MS % 1000000000;
	return 0;
}

static int run(int argc, char **argv)
{
	struct paths p = {0};
	uint64_t n = 0, seed = 0;
	bool faults = false;
	int rc = parse(argc, argv, &n, &seed, &faults);
	if (rc)
		return rc < 0 ? 0 : rc;
	for (int i = optind; i < argc && rc == 0; i++)
		rc = n ? add_policy(&p, argv[i]) : add_argument(&p, argv[i]);
	if (rc == 0)
		rc = n ? explore(&p, (unsigned long)n, seed, faults) : run_files(&p);
	while (p.n)
		free(p.v[--p.n]);
	free(p.v);
	return rc;
}

const struct cfw_command cfw_command_test = {.name = "test",
					     .usage = "test [--explore N [--seed S] [--faults]] PATH...",
					     .summary = "Run tests of policies in virtual time",
					     .help = help,
					     .run = run};
