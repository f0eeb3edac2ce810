/* reserve.h: memory for libevent when there is none. */
#ifndef CFW_SHELL_RESERVE_H
#define CFW_SHELL_RESERVE_H

/* libevent 2.1 follows a null pointer in places where memory is gone (evhttp_request_new, bufferevent_setwatermark). From here on it
 * has a reserve for such a moment, which is filled up again as soon as that can be done. Before anything else is asked of libevent;
 * one thread. */
void cfw_reserve_open(void);

#endif
