/* tcp.h: the kind "tcp" on bufferevents. kind_ud is the struct event_base. */
#ifndef CFW_SHELL_TCP_H
#define CFW_SHELL_TCP_H

#include "base/kind.h"

extern const struct cfw_kind cfw_tcp_kind;

#endif
