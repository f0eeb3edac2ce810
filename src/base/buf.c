#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cfw_buf_init(struct cfw_buf *b)
{
	memset(b, 0, sizeof *b);
}

void cfw_buf_clear(struct cfw_buf *b)
{
	free(b->data);
	cfw_buf_init(b);
}

void cfw_buf_reset(struct cfw_buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->data)
		b->data[0] = 0;
}

/* Room for n more bytes and a NUL; false when there is none. */
static int reserve(struct cfw_buf *b, size_t n)
{
	if (b->failed)
		return 0;
	if (n < SIZE_MAX - b->len - 1 && b->len + n + 1 <= b->cap)
		return 1;
	size_t cap = b->cap ? b->cap : 64;
	while (n < SIZE_MAX / 2 - b->len - 1 && cap < b->len + n + 1)
		cap *= 2;
	char *p = cap < b->len + n + 1 ? NULL : realloc(b->data, cap);
	if (!p) {
		b->failed = 1;
		return 0;
	}
	b->data = p;
	b->cap = cap;
	return 1;
}

void cfw_buf_put(struct cfw_buf *b, const void *data, size_t n)
{
	if (!reserve(b, n) || !b->data)
		return;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = 0;
}

void cfw_buf_puts(struct cfw_buf *b, const char *s)
{
	cfw_buf_put(b, s, strlen(s));
}

void cfw_buf_putc(struct cfw_buf *b, char c)
{
	cfw_buf_put(b, &c, 1);
}

void cfw_buf_vprintf(struct cfw_buf *b, const char *fmt, va_list ap)
{
	enum { MOSTLY = 100 }; /* bytes: then once is enough */
	va_list again;
	if (!reserve(b, MOSTLY))
		return;
	size_t room = b->cap - b->len;
	va_copy(again, ap);
	int n = vsnprintf(b->data + b->len, room, fmt, again);
	va_end(again);
	if (n < 0 || !reserve(b, (size_t)n)) {
		b->failed = 1;
		b->data[b->len] = 0;
		return;
	}
	if ((size_t)n >= room)
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void cfw_buf_printf(struct cfw_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	cfw_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

/* Length of the UTF-8 sequence at s (of n bytes) that a terminal may show; 0 when it is none: overlong forms, surrogates and C1
 * control characters included. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80                   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						   : 0;
	if (len == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (len == 0 || len > n)
		return 0;
	uint32_t c = s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c >= 0x80 && c < 0xa0))
		return 0;
	if (c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0; /* line separators and direction overrides: they make a line read as another one */
	return len;
}

void cfw_buf_put_safe(struct cfw_buf *b, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t i = 0; i < n;) {
		size_t plain = 0;
		while (i + plain < n && p[i + plain] >= 0x20 && p[i + plain] < 0x7f)
			plain++;
		if (plain) {
			cfw_buf_put(b, p + i, plain);
			i += plain;
			continue;
		}
		size_t len = utf8_len(p + i, n - i);
		if (len) {
			cfw_buf_put(b, p + i, len);
			i += len;
			continue;
		}
		switch (p[i]) {
		case '\n':
			cfw_buf_puts(b, "\\n");
			break;
		case '\t':
			cfw_buf_puts(b, "\\t");
			break;
		case '\r':
			cfw_buf_puts(b, "\\r");
			break;
		default:
			cfw_buf_printf(b, "\\x%02x", p[i]);
		}
		i++;
	}
}

char *cfw_buf_take(struct cfw_buf *b)
{
	if (!b->failed && !b->data)
		cfw_buf_put(b, "", 0);
	if (b->failed) {
		cfw_buf_clear(b);
		return NULL;
	}
	char *p = b->data;
	cfw_buf_init(b);
	return p;
}
