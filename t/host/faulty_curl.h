/* faulty_curl.h: libcurl's functions that fail, as the calls of faulty.h do: dlsym(3) gives these for them. */
#ifndef T_HOST_FAULTY_CURL_H
#define T_HOST_FAULTY_CURL_H

#include <dlfcn.h>

#include "faulty.h"
#include "host/curl.h"

static struct cfw_curl faulty_curl_real;
static CURLoption faulty_curl_unknown; /* an option that this libcurl is too old for; 0: it knows them all */
static CURLcode faulty_curl_result;    /* what a request comes to, instead of something better; 0: as it is */
static bool faulty_curl_chat;          /* it tells of something else first */

/* NOLINTBEGIN(bugprone-macro-parentheses): whole declarations */
#define LIBCURL(type, failure, name, parameters, arguments)                                                                    \
	static type faulty_##name parameters                                                                                   \
	{                                                                                                                      \
		return singled_out("curl_" #name) || faulty(ENOMEM) ? failure : faulty_curl_real.name arguments;               \
	}
/* NOLINTEND(bugprone-macro-parentheses) */
LIBCURL(CURLcode, CURLE_FAILED_INIT, global_init, (long flags), (flags))
LIBCURL(CURL *, NULL, easy_init, (void), ())
LIBCURL(CURLM *, NULL, multi_init, (void), ())
LIBCURL(CURLMcode, CURLM_OUT_OF_MEMORY, multi_add_handle, (CURLM * m, CURL *easy), (m, easy))
LIBCURL(struct curl_slist *, NULL, slist_append, (struct curl_slist * list, const char *text), (list, text))

/* With the one argument passed on as it is, a number or an address. */
static CURLcode faulty_easy_setopt(CURL *easy, CURLoption option, ...)
{
	va_list ap;
	va_start(ap, option);
	void *value = va_arg(ap, void *);
	va_end(ap);
	if (faulty_curl_unknown && option == faulty_curl_unknown)
		return CURLE_UNKNOWN_OPTION;
	return faulty(ENOMEM) ? CURLE_OUT_OF_MEMORY : faulty_curl_real.easy_setopt(easy, option, value);
}

static CURLcode faulty_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
	va_list ap;
	va_start(ap, info);
	void *to = va_arg(ap, void *);
	va_end(ap);
	return faulty(ENOMEM) ? CURLE_UNKNOWN_OPTION : faulty_curl_real.easy_getinfo(easy, info, to);
}

static CURLMsg *faulty_multi_info_read(CURLM *multi, int *left)
{
	static CURLMsg other;
	if (faulty_curl_chat) {
		faulty_curl_chat = false;
		other = (CURLMsg){.msg = CURLMSG_NONE};
		return &other;
	}
	CURLMsg *m = faulty_curl_real.multi_info_read(multi, left);
	if (!m || !faulty_curl_result)
		return m;
	other = *m;
	other.data.result = faulty_curl_result;
	return &other;
}

void *__real_dlsym(void *lib, const char *name);
void *__wrap_dlsym(void *lib, const char *name);
void *__wrap_dlsym(void *lib, const char *name)
{
#define INSTEAD(name)                                                                                                          \
	{                                                                                                                      \
		"curl_" #name, &faulty_curl_real.name, &(__typeof__(faulty_curl_real.name))                                    \
		{                                                                                                              \
			faulty_##name                                                                                          \
		}                                                                                                              \
	}
	const struct {
		const char *name;
		void *real, *ours; /* where the pointers to the functions are */
	} all[] = {INSTEAD(global_init),  INSTEAD(easy_init),   INSTEAD(multi_init),   INSTEAD(multi_add_handle),
		   INSTEAD(slist_append), INSTEAD(easy_setopt), INSTEAD(easy_getinfo), INSTEAD(multi_info_read)};
	void *found = singled_out("dlsym") ? NULL : __real_dlsym(lib, name);
	for (size_t i = 0; found && i < sizeof all / sizeof *all; i++)
		if (!strcmp(all[i].name, name)) {
			memcpy(all[i].real, &found, sizeof found);
			memcpy(&found, all[i].ours, sizeof found);
			break;
		}
	return found;
}

#endif
