/* black_box_impl.h: what is in the file; for black_box.c, which writes it, and black_box_read.c. */
#ifndef CFW_VIEW_BLACK_BOX_IMPL_H
#define CFW_VIEW_BLACK_BOX_IMPL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BLACK_BOX_MAGIC "curfew blackbox"
enum { VERSION = 1, HEAD = 256, ALIGN = 8, RECORD = 0x62786263, NAMES = 4, NAME_MAX_ = 200 };

struct head {
	char magic[16];
	uint32_t version, entry; /* entry: bytes of struct body */
	uint64_t size;
	int64_t pid;
	uint64_t began_ns, began_wall_ns;
	uint64_t exit_timeout_ns, stop_margin_ns; /* as configured when a stop last began */
};

/* What a journal entry is in a file: fixed widths, whatever the compiler does with enums. */
struct body {
	uint64_t at_ns, ns;
	uint32_t what, trigger_kind, signo, code, server, hook, run, a, b;
	/* Of the stop that it belongs to; what the views want to know of it. */
	uint32_t stop_kind, stop_signo, stop_code, stop_server, stop_count;
	uint64_t stop_at_ns;
	uint32_t phase;        /* of the hook */
	uint16_t names[NAMES]; /* bytes of each; they follow */
};
enum { SERVER_NAME, SERVER_KIND, HOOK_NAME, HOOK_WHERE };

struct record {
	_Atomic uint32_t magic; /* set last */
	uint32_t len;           /* of what follows */
	uint64_t seq, sum;
};
enum { MOST = sizeof(struct record) + sizeof(struct body) + NAMES * (NAME_MAX_ + 1) };

static inline size_t aligned(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* FNV-1a: it finds what is torn, no forger. */
static inline uint64_t sum_of(uint64_t seq, const void *data, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seq;
	const unsigned char *p = data;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h;
}

#endif
