/* svg.h: what the pictures share. */
#ifndef CFW_VIEW_SVG_H
#define CFW_VIEW_SVG_H

struct cfw_buf;

/* Text for XML: escaped, control characters and invalid UTF-8 shown as \xNN. */
void cfw_svg_put_text(struct cfw_buf *b, const char *s);

#endif
