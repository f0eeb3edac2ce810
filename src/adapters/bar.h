/* bar.h: the first half of closing a listener (S9.1). */
#ifndef CFW_ADAPTERS_BAR_H
#define CFW_ADAPTERS_BAR_H

/* From here on the kernel lets nobody new in by fd, a TCP or unix socket that listens, of whichever process that shares it. Who is in
 * its queue can still be accepted; a TCP client that comes now is refused as soon as fd is closed. 0, or -1 and errno: ENOPROTOOPT
 * and the like where the kernel has no socket filters: then the window between the last accept and the close stays open. */
int cfw_bar(int fd);

#endif
