/* buf.h: a growing byte buffer, always NUL-terminated once anything was put in. */
#ifndef CFW_BASE_BUF_H
#define CFW_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct cfw_buf {
	char *data; /* NULL until the first put; owned */
	size_t len; /* without the NUL */
	size_t cap;
	int failed; /* an allocation failed: what follows is dropped; check once at the end */
};

void cfw_buf_init(struct cfw_buf *b);
void cfw_buf_clear(struct cfw_buf *b); /* frees; usable again */
void cfw_buf_reset(struct cfw_buf *b); /* empties, keeps the memory */
void cfw_buf_put(struct cfw_buf *b, const void *data, size_t n);
void cfw_buf_puts(struct cfw_buf *b, const char *s);
void cfw_buf_putc(struct cfw_buf *b, char c);
void cfw_buf_printf(struct cfw_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cfw_buf_vprintf(struct cfw_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Text that a terminal or a log may show: control characters and invalid UTF-8 become \xNN, newlines \n (S10.3). */
void cfw_buf_put_safe(struct cfw_buf *b, const char *s, size_t n);
/* The bytes as a string the caller frees with free(); NULL when failed. The buffer is empty afterwards. */
char *cfw_buf_take(struct cfw_buf *b);

#endif
