/* probe.c: runs one command, measures it, stops it, and prints what it saw as "name value" lines.
 *
 *   probe life     [-s SIGNAL] [-p PORT,…] [-H] [-f READY] COMMAND…   ready_ms stop_ms pss_kb
 *   probe children [-s SIGNAL] -m MARKS -n N [-b MS] COMMAND…         start_ms stop_ms handler_ms pss_kb disorder left
 *   probe load     [-s SIGNAL] -p PORT -n N [-w] [-r SEED] COMMAND…   owed owed_lost late late_lost idle_closed stop_ms rate
 *
 * All print exit, the command's code or -signal. -i MS is how long it is left alone before the signal (100), -t SECONDS bounds the
 * whole (30). With -b MS children that live so long after the signal are killed, and left is 1; disorder is how many children heard
 * the signal while the next one still lived. What the command writes goes to /dev/null, or with VERBOSE in the environment to stderr. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "marks.h"
#include "probe.h"

static int usage(void)
{
	fprintf(stderr,
		"usage: probe life|children|load [-s SIGNO] [-p PORT,...] [-H] [-f READY] [-m MARKS] [-n N] [-w] [-r SEED] "
		"[-i MS] [-b MS] [-t SECONDS] COMMAND...\n");
	return 2;
}

static void parse_ports(struct probe_options *o, char *list)
{
	static uint16_t ports[4096];
	o->ports = ports;
	for (char *p = strtok(list, ","); p; p = strtok(NULL, ",")) {
		if (o->nports == sizeof ports / sizeof *ports)
			probe_fail("too many ports");
		ports[o->nports++] = (uint16_t)strtoul(p, NULL, 10);
	}
}

/* A thousand connections or children need more descriptors than many a shell allows. */
static void raise_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct probe_options *);
	} modes[] = {{"life", probe_life}, {"children", probe_children}, {"load", probe_load}};
	struct probe_options o = {.signo = SIGTERM, .n = 1, .idle_ns = 100 * PROBE_MS};
	unsigned seconds = 30;
	int opt;
	if (argc < 2)
		return usage();
	const char *mode = argv[1];
	argv++, argc--;
	while ((opt = getopt(argc, argv, "+s:p:Hf:m:n:wr:t:i:b:")) != -1) {
		switch (opt) {
		case 's':
			o.signo = (int)strtol(optarg, NULL, 10);
			break;
		case 'p':
			parse_ports(&o, optarg);
			break;
		case 'H':
			o.http = true;
			break;
		case 'f':
			o.ready = optarg;
			break;
		case 'm':
			o.marks = optarg;
			break;
		case 'n':
			o.n = (int)strtol(optarg, NULL, 10);
			break;
		case 'w':
			o.waves = true;
			break;
		case 'r':
			o.seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'i':
			o.idle_ns = strtoul(optarg, NULL, 10) * PROBE_MS;
			break;
		case 'b':
			o.bound_ns = strtoul(optarg, NULL, 10) * PROBE_MS;
			break;
		case 't':
			seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return usage();
		}
	}
	o.command = argv + optind;
	if (optind >= argc)
		return usage();
	raise_files();
	o.deadline_ns = bench_now() + seconds * 1000 * PROBE_MS;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(mode, modes[i].name) == 0)
			return modes[i].run(&o);
	return usage();
}
