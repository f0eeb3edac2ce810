/* asks.h: for tests that ask the core for something, and look at what they are answered. */
#ifndef T_CORE_ASKS_H
#define T_CORE_ASKS_H

#include "drive.h"

enum { TERM = 15, REQUEST = 77 };

static struct cfw_action reply; /* the last to REQUEST */
static int replies;

static inline void note_reply(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	if (a->type != CFW_ACT_REPLY || a->request != REQUEST)
		return;
	reply = *a;
	replies++;
}

/* Servers that close or fail to start are left as they are. */
static inline struct cfw_decision ignoring(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	bool of_server = t->kind == CFW_T_START_FAILED || t->kind == CFW_T_CLOSED;
	return (struct cfw_decision){of_server ? CFW_D_IGNORE : CFW_D_NONE, 0};
}

static inline struct drive *make(void)
{
	struct drive *d = drive_new(NULL);
	d->on_action = note_reply;
	d->policy = ignoring;
	replies = 0;
	return d;
}

static inline void pass(struct drive *d, uint64_t ns)
{
	drive_run(d, d->now_ns + ns);
}

/* server NULL: all of them. */
static inline void ask(struct drive *d, enum cfw_event_type type, const char *server)
{
	struct cfw_event ev = {.type = type, .request = REQUEST, .server = server ? d->server[drive_find(d, server)].id : 0};
	is_int(drive_feed(d, &ev), 0, "somebody asks for it");
	drive_run(d, d->now_ns);
}

static inline void trigger(struct drive *d, enum cfw_trigger_kind kind, bool no_exit)
{
	struct cfw_event ev = drive_trigger(kind, 0, 0);
	ev.trigger.request = REQUEST;
	ev.trigger.no_exit = no_exit;
	drive_feed(d, &ev);
	if (!d->exited)
		drive_run(d, d->now_ns);
}

static inline void done(struct drive *d, const char *what)
{
	ok(d->faults == 0, "%s: no rule is broken", what);
	drive_free(d);
}

#endif
