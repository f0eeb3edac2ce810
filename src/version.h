/* version.h: the one place that knows it. */
#ifndef CFW_VERSION_H
#define CFW_VERSION_H

#define CURFEW_VERSION "0.1.0"

#endif
