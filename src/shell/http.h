/* http.h: the kind "http": evhttp with a drain that loses nothing (S9.1, S9.2). kind_ud is the struct event_base. */
#ifndef CFW_SHELL_HTTP_H
#define CFW_SHELL_HTTP_H

#include "base/kind.h"

extern const struct cfw_kind cfw_http_kind;

#endif
