/* json.h: plain values as JSON and back. */
#ifndef CFW_VIEW_JSON_H
#define CFW_VIEW_JSON_H

#include <stddef.h>

struct cfw_buf;
struct cfw_value;

/* v on one line, ASCII only: nothing in it reaches a terminal as a control character (S10.3). Bytes that are no UTF-8 are shown
 * as \xNN, in keys too. References are null, and numbers that JSON has no word for. out->failed when memory is gone. */
void cfw_view_put_json(struct cfw_buf *out, const struct cfw_value *v);
/* For json_dump_callback with JSON_ENSURE_ASCII, which lets DEL stand as it is; out is a struct cfw_buf. 0. */
int cfw_view_append_json(const char *data, size_t n, void *out);
/* The caller frees. NULL and one line of why in why (n bytes) when text is no JSON, or memory is gone. null is left out of maps. */
struct cfw_value *cfw_view_parse_json(const char *text, size_t len, char *why, size_t n);

#endif
