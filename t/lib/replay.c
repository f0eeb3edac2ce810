/* replay.c: a harness of t/fuzz as a test: every seed, and every input that once was a finding, without a fuzzer. What breaks ends
 * the process, and the name of the input was the last word. */
#define _GNU_SOURCE
#include <dirent.h>

#include "fuzz.h"
#include "tap.h"

static void *resized(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		tap_bail("out of memory");
	return p;
}

static size_t replay(const char *folder, const char *name)
{
	char path[4096];
	FILE *f = snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path ? fopen(path, "rb") : NULL;
	uint8_t *data = NULL;
	size_t n = 0, size = 0;
	if (!f)
		tap_bail("%s: cannot be read", path);
	do {
		size += n;
		data = resized(data, size + 65536);
		n = fread(data + size, 1, 65536, f);
	} while (n);
	fclose(f);
	tap_diag("%s: %zu bytes", path, size);
	data = resized(data, size ? size : 1); /* so that valgrind and the sanitizers see its end */
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int is_file(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static size_t replay_all(const char *kind, const char *target)
{
	char folder[300];
	struct dirent **list;
	size_t n = 0;
	snprintf(folder, sizeof folder, "t/fuzz/%s/%.100s", kind, target);
	int found = scandir(folder, &list, is_file, alphasort);
	for (int i = 0; i < found; i++) {
		n += replay(folder, list[i]->d_name);
		free(list[i]);
	}
	if (found >= 0)
		free(list);
	return n;
}

int main(int argc, char **argv)
{
	const char *name = argc ? strrchr(argv[0], '/') : NULL;
	name = name ? name + 1 : argv[0];
	size_t seeds = replay_all("seeds", name), kept = replay_all("regressions", name);
	ok(seeds > 0, "%s: %zu seeds and %zu kept findings hold what the harness promises", name, seeds, kept);
	return tap_done();
}
