#include "host/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "base/err.h"

/* One a process: libcurl's own initialisation is one a process, too. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct cfw_curl table;
static char failure[200]; /* empty: table is good */

static void fail(const char *what, const char *detail)
{
	size_t n = strlen(what), room = sizeof failure - 1;
	memcpy(failure, what, n);
	strncat(failure, detail, room - n);
}

static void open_library(void)
{
	static const char *const names[] = {
		"curl_global_init",      "curl_easy_init",           "curl_easy_setopt",         "curl_easy_getinfo",
		"curl_easy_strerror",    "curl_easy_cleanup",        "curl_multi_init",          "curl_multi_setopt",
		"curl_multi_add_handle", "curl_multi_remove_handle", "curl_multi_socket_action", "curl_multi_info_read",
		"curl_multi_assign",     "curl_multi_cleanup",       "curl_slist_append",        "curl_slist_free_all",
	};
	void *at[sizeof names / sizeof *names];
	_Static_assert(sizeof at == sizeof table, "a name for each function, in the order of the table");
	void *lib = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		fail("fetch needs libcurl.so.4 (Debian's package libcurl4): ", dlerror());
		return;
	}
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!(at[i] = dlsym(lib, names[i]))) {
			fail("fetch needs a newer libcurl.so.4 (Debian's package libcurl4): it lacks ", names[i]);
			return;
		}
	memcpy(&table, at, sizeof table);
	if (table.global_init(CURL_GLOBAL_DEFAULT))
		fail("libcurl.so.4 does not start", "");
}

const struct cfw_curl *cfw_curl_get(struct curfew_err *err)
{
	pthread_once(&once, open_library);
	if (!*failure)
		return &table;
	cfw_err_set(err, CURFEW_ENOENT, "%s", failure);
	return NULL;
}
