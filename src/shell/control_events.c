/* control_events.c: the journal as it grows, to whoever listens. What a slow reader has not taken stays in the journal, not in a
 * buffer of ours; where the journal has moved on meanwhile, an event says what is lost. */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/control_impl.h"
#include "view/json.h"
#include "view/status.h"

static void put_chunk(struct cfw_control_conn *c, const char *text, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	if (c->http11)
		evbuffer_add_printf(out, "%zx\r\n", n);
	evbuffer_add(out, text, n);
	if (c->http11)
		evbuffer_add(out, "\r\n", 2);
}

static void put_event(struct cfw_control_conn *c, const struct cfw_value *v)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (c->sse)
		cfw_buf_printf(&b, "id: %lld\nevent: %s\ndata: ", (long long)cfw_value_get_int(v, "seq", 0),
			       cfw_value_get_str(v, "event", "other"));
	cfw_view_put_json(&b, v);
	cfw_buf_puts(&b, c->sse ? "\n\n" : "\n");
	if (!b.failed)
		put_chunk(c, b.data, b.len);
	cfw_buf_clear(&b);
}

static void put_lost(struct cfw_control_conn *c, uint64_t from, uint64_t to)
{
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "seq", cfw_value_int((int64_t)to)) | cfw_value_set(v, "event", cfw_value_str("lost")) |
		  cfw_value_set(v, "from", cfw_value_int((int64_t)from));
	if (!bad)
		put_event(c, v);
	cfw_value_free(v);
}

void cfw_control_stream_pump(struct cfw_control_conn *c)
{
	struct curfew *curfew = *c->ctl->curfew;
	const struct cfw_core *core = curfew_core(curfew);
	const struct cfw_journal_entry *e;
	while (evbuffer_get_length(bufferevent_get_output(c->bev)) < CFW_CONTROL_STREAM &&
	       (e = cfw_core_journal(core, c->next_seq))) {
		if (e->seq > c->next_seq)
			put_lost(c, c->next_seq, e->seq - 1);
		c->next_seq = e->seq + 1;
		struct cfw_value *v = cfw_view_event(core, e, curfew_text, curfew);
		if (v)
			put_event(c, v);
		cfw_value_free(v);
	}
}

void cfw_control_stream_end(struct cfw_control_conn *c)
{
	if (c->http11)
		evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
}

void cfw_control_events(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	uint64_t from = (uint64_t)cfw_control_number(r, "since", (int64_t)c->ctl->seen);
	if (c->ctl->nstreams >= CFW_CONTROL_STREAMS) {
		cfw_control_reply_error(c, 503, "busy", "%d listen already", CFW_CONTROL_STREAMS);
		return;
	}
	c->keep = false;
	c->sse = r->sse;
	cfw_control_put_head(c, 200, c->sse ? "text/event-stream" : "application/x-ndjson",
			     c->http11 ? "Transfer-Encoding: chunked\r\n" : "");
	c->state = CFW_CONN_STREAM;
	c->ctl->nstreams++;
	c->next_seq = from == UINT64_MAX ? from : from + 1;
	cfw_control_stream_pump(c);
}
