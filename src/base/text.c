#define _GNU_SOURCE
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/time.h"

/* A non-negative decimal number without exponent, sign or white space; the end of it, NULL when there is none. */
static const char *scan_number(const char *s, double *out)
{
	const char *p = s;
	while (isdigit((unsigned char)*p))
		p++;
	if (*p == '.')
		p++;
	while (isdigit((unsigned char)*p))
		p++;
	if (p == s || (p == s + 1 && *s == '.') || p - s > 40)
		return NULL;
	char digits[48];
	memcpy(digits, s, (size_t)(p - s));
	digits[p - s] = 0;
	*out = strtod(digits, NULL);
	return p;
}

int cfw_parse_duration(const char *s, uint64_t *ns, struct curfew_err *err)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
	double total = 0;
	const char *p = s;
	do {
		double n;
		const char *end = scan_number(p, &n);
		if (!end)
			goto bad;
		size_t len = 0;
		while (isalpha((unsigned char)end[len]))
			len++;
		if (len == 0) { /* a bare number is seconds, but only alone */
			if (p != s || *end)
				goto bad;
			total = n * 1e9;
			break;
		}
		size_t i = 0;
		while (i < sizeof units / sizeof *units &&
		       (strlen(units[i].name) != len || strncmp(units[i].name, end, len) != 0))
			i++;
		if (i == sizeof units / sizeof *units)
			goto bad;
		total += n * units[i].ns;
		p = end + len;
	} while (*p);
	if (total > 1e18) /* over thirty years: a slip, and it would not fit */
		goto bad;
	*ns = (uint64_t)(total + 0.5);
	return 0;
bad:
	return cfw_err_set(err, CURFEW_EINVAL,
			   "expected a duration such as \"250ms\", \"5s\", \"1m30s\" or a number of seconds, got \"%.60s\"", s);
}

char *cfw_format_duration(char *buf, size_t n, uint64_t ns)
{
	double s = (double)ns / 1e9;
	if (ns == CFW_NEVER)
		snprintf(buf, n, "never");
	else if (ns < 1000)
		snprintf(buf, n, "%dns", (int)ns);
	else if (ns < 999500)
		snprintf(buf, n, "%.3gus", (double)ns / 1e3);
	else if (ns < 999500000)
		snprintf(buf, n, "%.3gms", (double)ns / 1e6);
	else if (s < 59.95)
		snprintf(buf, n, "%.3gs", s);
	else if (s < 3599.5)
		snprintf(buf, n, "%dm%02ds", (int)(s + 0.5) / 60, (int)(s + 0.5) % 60);
	else
		snprintf(buf, n, "%dh%02dm", (int)((s + 30) / 3600), (int)((s + 30) / 60) % 60);
	return buf;
}

int cfw_parse_size(const char *s, uint64_t *bytes, struct curfew_err *err)
{
	static const char letters[] = "KMGT";
	double n;
	const char *end = scan_number(s, &n);
	if (end) {
		const char *unit = *end ? strchr(letters, toupper((unsigned char)*end)) : NULL;
		if (unit) {
			n *= (double)(UINT64_C(1) << 10 * (unit - letters + 1));
			end++;
			if (*end == 'i' && end[1])
				end++;
		}
		if (*end == 'B' || *end == 'b')
			end++;
		if (!*end && n <= 1e18) {
			*bytes = (uint64_t)n;
			return 0;
		}
	}
	return cfw_err_set(err, CURFEW_EINVAL, "expected a size such as \"512\", \"64KB\", \"1MB\" or \"2GB\", got \"%.60s\"",
			   s);
}

static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",   [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT",     [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",     [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2", [SIGPIPE] = "SIGPIPE",   [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",   [SIGSTOP] = "SIGSTOP", [SIGTSTP] = "SIGTSTP",
	[SIGTTIN] = "SIGTTIN",     [SIGTTOU] = "SIGTTOU", [SIGURG] = "SIGURG",     [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ",
	[SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGWINCH] = "SIGWINCH", [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

/* Real-time signals by offset from the first that the C library leaves free. */
static const char *const rt_names[] = {
	"SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",  "SIGRTMIN+6",  "SIGRTMIN+7",
	"SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15",
	"SIGRTMIN+16", "SIGRTMIN+17", "SIGRTMIN+18", "SIGRTMIN+19", "SIGRTMIN+20", "SIGRTMIN+21", "SIGRTMIN+22", "SIGRTMIN+23",
	"SIGRTMIN+24", "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27", "SIGRTMIN+28", "SIGRTMIN+29", "SIGRTMIN+30",
};

enum { PLAIN = sizeof signal_names / sizeof *signal_names, RT = sizeof rt_names / sizeof *rt_names };

const char *cfw_signal_name(int signo)
{
	if (signo > 0 && signo < PLAIN && signal_names[signo])
		return signal_names[signo];
	int rt = signo - SIGRTMIN;
	return rt >= 0 && rt < RT && signo <= SIGRTMAX ? rt_names[rt] : "SIG?";
}

int cfw_signal_number(const char *name)
{
	if (!name)
		return -1;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < PLAIN; i++)
		if (signal_names[i] && strcasecmp(signal_names[i] + 3, name) == 0)
			return i;
	for (int i = 0; i < RT && SIGRTMIN + i <= SIGRTMAX; i++)
		if (strcasecmp(rt_names[i] + 3, name) == 0)
			return SIGRTMIN + i;
	return strcasecmp(name, "RTMAX") == 0 ? SIGRTMAX : strcasecmp(name, "POLL") == 0 ? SIGIO : -1;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b without regard to case; both short. */
static size_t distance(const char *a, const char *b)
{
	enum { MOST = 40 };
	size_t n = strlen(a), m = strlen(b);
	if (n > MOST || m > MOST)
		return MOST;
	size_t d[MOST + 1][MOST + 1];
	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
			size_t best = d[i - 1][j - 1] + (x != y);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == y &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

bool cfw_is_name(const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	while (*at >= ' ' && *at != 0x7f)
		at++;
	return *s && !*at;
}

const char *cfw_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 2; /* one slip in a short word, a few in a long one */
	for (; *names; names++) {
		size_t d = distance(word, *names);
		if (d < least) {
			least = d;
			best = *names;
		}
	}
	return best;
}
