#define _GNU_SOURCE
#include "adapters/bar.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

int cfw_bar(int fd)
{
	/* Runs on the TCP header. Drops what has SYN and not ACK: the last step of a handshake passes. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	const struct sock_fprog prog = {sizeof code / sizeof *code, code};
	int family = 0, listens = 0;
	socklen_t n = sizeof family;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &n) || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n))
		return -1;
	if (!listens) {
		errno = EINVAL;
		return -1;
	}
	if (family == AF_UNIX)
		return shutdown(fd, SHUT_RD);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}
