#define _GNU_SOURCE
#include "bin/sandbox.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/value.h"

const struct cfw_sandbox_option cfw_sandbox_options[] = {
	{"--allow-exec", "exec"},   {"--allow-listen", "listen"}, {"--allow-fetch", "fetch"},         {"--allow-read", "read"},
	{"--allow-write", "write"}, {"--allow-ignore", "ignore"}, {"--allow-configure", "configure"}, {"--allow-env", "env"},
};
const size_t cfw_sandbox_options_n = sizeof cfw_sandbox_options / sizeof *cfw_sandbox_options;

/* The list of that name, made when it is asked for first. Values are not changed in place: a copy with one more takes its place. */
static int add(struct cfw_value *map, const char *name, const char *word, struct curfew_err *err)
{
	const struct cfw_value *old = cfw_value_get(map, name);
	struct cfw_value *list = old ? cfw_value_copy(old) : cfw_value_list();
	if (!list || cfw_value_push(list, cfw_value_str(word))) {
		cfw_value_free(list);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	return cfw_value_set(map, name, list) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
}

static int check_word(const struct cfw_sandbox_option *o, const char *word, struct curfew_err *err)
{
	if (!*word)
		return cfw_err_set(err, CURFEW_EINVAL, "%s: a word is empty; words are parted by single commas", o->option);
	if (strcmp(o->list, "exec") == 0 && *word != '/')
		return cfw_err_set(err, CURFEW_EINVAL, "%s: a program is named by its whole path, \"%.60s\" is none", o->option,
				   word);
	if (strcmp(o->list, "ignore") == 0 && strcmp(word, "stop") != 0 &&
	    (strncmp(word, "SIG", 3) != 0 || cfw_signal_number(word) <= 0))
		return cfw_err_set(err, CURFEW_EINVAL, "%s: \"%.60s\" is neither stop nor a signal such as SIGTERM", o->option,
				   word);
	return 0;
}

int cfw_sandbox_allow(struct cfw_value *map, const struct cfw_sandbox_option *option, const char *text, struct curfew_err *err)
{
	char *words = strdup(text);
	int rc = words ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	for (char *rest = words, *word; !rc && (word = strsep(&rest, ","));) {
		rc = check_word(option, word, err);
		rc = rc ? rc : add(map, option->list, word, err);
	}
	free(words);
	return rc;
}

static const char *const times[] = {"exit_timeout", "max_exit_timeout", "start_timeout",  "stall_limit",
				    "load_limit",   "reload_grace",     "hook_cpu_limit", "request_cpu_limit"};

static int parse_limit(const char *key, const char *text, int64_t *out, struct curfew_err *err)
{
	uint64_t ns;
	char *end;
	if (strcmp(key, "memory_limit") == 0) {
		unsigned long long n = strtoull(text, &end, 10);
		unsigned shift = strcmp(end, "KB") == 0 ? 10 : strcmp(end, "MB") == 0 ? 20 : strcmp(end, "GB") == 0 ? 30 : 0;
		if (end == text || *text == '-' || (*end && !shift) || n > (unsigned long long)(INT64_MAX >> shift))
			return cfw_err_set(err, CURFEW_EINVAL, "--limit memory_limit: \"%.60s\" is no size such as 256MB",
					   text);
		*out = (int64_t)(n << shift);
		return 0;
	}
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (strcmp(times[i], key) == 0) {
			if (cfw_parse_duration(text, &ns, err)) {
				cfw_err_prefix(err, "--limit %s: ", key);
				return CURFEW_EINVAL;
			}
			*out = ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
			return 0;
		}
	return cfw_err_set(
		err, CURFEW_EINVAL,
		"--limit: there is no limit \"%.60s\"; there are exit_timeout, max_exit_timeout, start_timeout, stall_limit, "
		"load_limit, reload_grace, hook_cpu_limit, request_cpu_limit and memory_limit",
		key);
}

int cfw_sandbox_limit(struct cfw_value *map, const char *text, struct curfew_err *err)
{
	char key[32];
	const char *equals = strchr(text, '=');
	int64_t most = 0;
	if (!equals || equals == text || (size_t)(equals - text) >= sizeof key)
		return cfw_err_set(err, CURFEW_EINVAL,
				   "--limit: expected SETTING=VALUE such as exit_timeout=30s, got \"%.60s\"", text);
	snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
	int rc = parse_limit(key, equals + 1, &most, err);
	if (rc)
		return rc;
	const struct cfw_value *old = cfw_value_get(map, "limits");
	struct cfw_value *limits = old ? cfw_value_copy(old) : cfw_value_map();
	if (!limits || cfw_value_set(limits, key, cfw_value_int(most))) {
		cfw_value_free(limits);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	return cfw_value_set(map, "limits", limits) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
}

int cfw_sandbox_modules(struct cfw_value *map, const char *const *policies, size_t n, struct curfew_err *err)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < n; i++) {
		const char *slash = strrchr(policies[i], '/');
		char *folder = slash == policies[i] ? strdup("/")
			       : slash              ? strndup(policies[i], (size_t)(slash - policies[i]))
						    : strdup(".");
		rc = folder ? add(map, "modules", folder, err) : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		free(folder);
	}
	return rc;
}
