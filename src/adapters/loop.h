/* loop.h: a host's event loop as five operations: see include/curfew.h, where adapters of others find them. */
#ifndef CFW_ADAPTERS_LOOP_H
#define CFW_ADAPTERS_LOOP_H

#include "include/curfew.h"

#endif
