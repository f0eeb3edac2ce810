/* lib.c: opening libcurfew. */
#include "lib.h"

#include <dlfcn.h>

struct ngx_curfew_lib ngx_curfew_lib;

static char opened[1024];

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define NGX_CURFEW_ENTRY(name) {"curfew_" #name, offsetof(struct ngx_curfew_lib, name)},
	NGX_CURFEW_FUNCTIONS(NGX_CURFEW_ENTRY)
#undef NGX_CURFEW_ENTRY
};

/* DEEPBIND: what the library and its Lua call is looked up among themselves first. AddressSanitizer refuses it, and has to see malloc. */
static int flags(void)
{
	int f = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
	return dlsym(RTLD_DEFAULT, "__asan_init") ? f : f | RTLD_DEEPBIND;
}

const char *ngx_curfew_lib_path(void)
{
	return opened[0] ? opened : NULL;
}

const char *ngx_curfew_lib_open(const char *path)
{
	struct ngx_curfew_lib found;
	void *handle, *fn;
	size_t i;
	if (opened[0])
		return NULL;
	handle = dlopen(path, flags());
	if (!handle)
		return dlerror();
	for (i = 0; i < sizeof functions / sizeof *functions; i++) {
		fn = dlsym(handle, functions[i].name);
		if (!fn)
			return dlerror();
		memcpy((char *)&found + functions[i].at, &fn, sizeof fn);
	}
	ngx_curfew_lib = found;
	ngx_cpystrn((u_char *)opened, (u_char *)path, sizeof opened);
	return NULL;
}
