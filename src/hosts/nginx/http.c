/* http.c: what HTTP has of it: lame duck, $curfew_state, curfew_status. */
#include "module.h"

#include <ngx_http.h>

static ngx_int_t add_variables(ngx_conf_t *cf);
static ngx_int_t add_filter(ngx_conf_t *cf);
static char *set_status(ngx_conf_t *cf, ngx_command_t *cmd, void *data);

static ngx_command_t commands[] = {
	{ngx_string("curfew_status"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_status, 0, 0, NULL},
	ngx_null_command,
};

static ngx_http_module_t context = {.preconfiguration = add_variables, .postconfiguration = add_filter};

extern ngx_module_t ngx_http_curfew_module;
ngx_module_t ngx_http_curfew_module = {
	NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING,
};

/* ---- lame duck ---- */

static ngx_http_output_header_filter_pt next_filter;

/* Each reply passes here, whichever phase has made it: "Connection: close", and the connection is closed after it. One of HTTP/2 has
 * had all the requests that nginx allows it: the next is its last, and is told so (GOAWAY). */
static ngx_int_t filter_header(ngx_http_request_t *r)
{
	if (r == r->main && ngx_curfew_is_lame()) {
		r->keepalive = 0;
#if (NGX_HTTP_V2)
		if (r->stream)
			r->stream->connection->connection->requests = NGX_MAX_INT_T_VALUE;
#endif
	}
	return next_filter(r);
}

static ngx_int_t add_filter(ngx_conf_t *cf)
{
	(void)cf;
	next_filter = ngx_http_top_header_filter;
	ngx_http_top_header_filter = filter_header;
	return NGX_OK;
}

/* ---- $curfew_state ---- */

static const char *state(void)
{
	const struct curfew *c = ngx_curfew_instance();
	return c ? ngx_curfew_lib.state(c) : "none";
}

static ngx_int_t get_state(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
	const char *s = state();
	(void)r, (void)data;
	v->len = (unsigned)ngx_strlen(s) & 0xfffffff;
	v->data = (u_char *)s;
	v->valid = 1;
	v->no_cacheable = 1;
	v->not_found = 0;
	return NGX_OK;
}

static ngx_int_t add_variables(ngx_conf_t *cf)
{
	static ngx_str_t name = ngx_string("curfew_state");
	ngx_http_variable_t *v = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
	if (!v)
		return NGX_ERROR;
	v->get_handler = get_state;
	return NGX_OK;
}

/* ---- curfew_status ---- */

static ngx_buf_t *status_of(ngx_http_request_t *r)
{
	static const char none[] = "{\"state\":\"none\"}";
	const struct curfew *c = ngx_curfew_instance();
	size_t n = c ? ngx_curfew_lib.status(c, NULL, 0) : sizeof none - 1;
	ngx_buf_t *b = n ? ngx_create_temp_buf(r->pool, n + 2) : NULL;
	if (!b)
		return NULL;
	if (c)
		n = ngx_curfew_lib.status(c, (char *)b->pos, n + 1);
	else
		ngx_memcpy(b->pos, none, n);
	if (!n || n + 2 > (size_t)(b->end - b->start))
		return NULL;
	b->last = b->pos + n;
	*b->last++ = '\n';
	return b;
}

static ngx_int_t handle_status(ngx_http_request_t *r)
{
	ngx_chain_t out = {0};
	ngx_int_t rc;
	if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)))
		return NGX_HTTP_NOT_ALLOWED;
	rc = ngx_http_discard_request_body(r);
	if (rc != NGX_OK)
		return rc;
	out.buf = status_of(r);
	if (!out.buf)
		return NGX_HTTP_INTERNAL_SERVER_ERROR;
	out.buf->last_buf = r == r->main;
	out.buf->last_in_chain = 1;
	ngx_str_set(&r->headers_out.content_type, "application/json");
	r->headers_out.content_type_len = r->headers_out.content_type.len;
	r->headers_out.status = NGX_HTTP_OK;
	r->headers_out.content_length_n = out.buf->last - out.buf->pos;
	rc = ngx_http_send_header(r);
	if (rc == NGX_ERROR || rc > NGX_OK || r->header_only)
		return rc;
	return ngx_http_output_filter(r, &out);
}

static char *set_status(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
	ngx_http_core_loc_conf_t *location = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
	(void)cmd, (void)data;
	location->handler = handle_status;
	return NGX_CONF_OK;
}
