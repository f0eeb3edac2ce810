/* sources.h: the texts of scripts, kept in sealed memory by the process that read them and handed to its guardian, which gives them
 * to the one that comes after a crash: nothing is read from disk a second time (S8.2). */
#ifndef CFW_SHELL_SOURCES_H
#define CFW_SHELL_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_page;

struct cfw_source {
	char *key, *path;
	int fd;     /* a sealed memfd */
	char *text; /* once it was asked for */
	size_t n;
};

struct cfw_sources {
	struct cfw_source *v;
	size_t n, cap;
};

enum { CFW_CHANNEL_MESSAGE = 9216 }; /* the longest that goes through the channel between the two */

/* Send a text over the channel (a SOCK_SEQPACKET socket). False when it cannot be kept. */
bool cfw_sources_send(int channel, const char *key, const char *path, const char *text, size_t n);
/* A message of n bytes that came with fd: takes fd. False when it is none of these, or memory is gone. */
bool cfw_sources_take(struct cfw_sources *s, const char *message, size_t n, int fd);
/* The text of a key, NULL when it was not kept: valid until cfw_sources_clear. The last of a key counts. */
const char *cfw_sources_find(struct cfw_sources *s, const char *key, const char **path, size_t *n);
/* Keys begin with the number of a generation, "2 module:m": forget all but those of the newest and of the ones that the page names. */
void cfw_sources_prune(struct cfw_sources *s, const struct cfw_page *page, unsigned newest);
void cfw_sources_clear(struct cfw_sources *s);

#endif
