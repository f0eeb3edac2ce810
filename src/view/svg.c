#include "view/svg.h"

#include <string.h>

#include "base/buf.h"

void cfw_svg_put_text(struct cfw_buf *b, const char *s)
{
	struct cfw_buf safe;
	cfw_buf_init(&safe);
	cfw_buf_put_safe(&safe, s, strlen(s));
	for (const char *c = safe.data ? safe.data : ""; *c; c++) {
		if (*c == '<')
			cfw_buf_puts(b, "&lt;");
		else if (*c == '>')
			cfw_buf_puts(b, "&gt;");
		else if (*c == '&')
			cfw_buf_puts(b, "&amp;");
		else if (*c == '"')
			cfw_buf_puts(b, "&quot;");
		else
			cfw_buf_putc(b, *c);
	}
	b->failed |= safe.failed;
	cfw_buf_clear(&safe);
}
