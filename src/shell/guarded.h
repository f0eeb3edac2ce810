/* guarded.h: what a process that has a guardian (guardian.h) is given by it: made before the fork, so known to both. */
#ifndef CFW_SHELL_GUARDED_H
#define CFW_SHELL_GUARDED_H

#include <sys/types.h>

struct cfw_page;
struct cfw_sources;
struct curfew_crash;

/* Messages on the channel, by their first byte. Its end says that the other one is no more. */
enum cfw_message {
	CFW_MSG_READY = 'R',    /* to the guardian: signals are caught from here on */
	CFW_MSG_DEADLINE = 'D', /* to the guardian: deadlines in the page have moved */
	CFW_MSG_SOURCE = 'S',   /* to the guardian: cfw_sources_send */
	CFW_MSG_NOTIFY = 'N',   /* to the guardian: and lines for systemd (sd.h), which hears only it */
	CFW_MSG_PING = 'P',     /* to the guarded: show that the loop turns, in the page */
};

/* What cannot be read once is not gone for that: so many failures in a row say so. */
enum { CFW_CHANNEL_TRIES = 16 };

struct cfw_guarded {
	struct cfw_page *page;
	int channel; /* SOCK_SEQPACKET */
	pid_t group; /* the guardian's: who has the terminal when we have it */
	struct cfw_sources *kept;
	const struct curfew_crash *crash; /* NULL: none happened */
};

#endif
