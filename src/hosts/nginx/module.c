/* module.c: the directives, and the calls that nginx makes. */
#include "module.h"

#include <ngx_event.h>

#include <grp.h>
#include <poll.h>

static void *create_conf(ngx_cycle_t *cycle);
static char *init_conf(ngx_cycle_t *cycle, void *data);
static ngx_int_t init_module(ngx_cycle_t *cycle);
static ngx_int_t init_process(ngx_cycle_t *cycle);
static void exit_process(ngx_cycle_t *cycle);
static char *set_library(ngx_conf_t *cf, ngx_command_t *cmd, void *data);
static char *set_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *data);

static ngx_conf_enum_t terms[] = {
	{ngx_string("fast"), NGX_CURFEW_FAST}, {ngx_string("graceful"), NGX_CURFEW_GRACEFUL}, {ngx_null_string, 0}};
static ngx_conf_enum_t modes[] = {
	{ngx_string("worker"), NGX_CURFEW_WORKER}, {ngx_string("master"), NGX_CURFEW_MASTER}, {ngx_null_string, 0}};

#define DIRECTIVE(name, type, set, field, post)                                                                                \
	{                                                                                                                      \
		ngx_string(name), NGX_MAIN_CONF | NGX_DIRECT_CONF | (type), set, 0, offsetof(struct ngx_curfew_conf, field),   \
			post                                                                                                   \
	}
static ngx_command_t commands[] = {
	DIRECTIVE("curfew_library", NGX_CONF_TAKE1, set_library, library, NULL),
	DIRECTIVE("curfew_policy", NGX_CONF_TAKE1, set_policy, policy, NULL),
	DIRECTIVE("curfew_exit_timeout", NGX_CONF_TAKE1, ngx_conf_set_msec_slot, exit_timeout, NULL),
	DIRECTIVE("curfew_term", NGX_CONF_TAKE1, ngx_conf_set_enum_slot, term, terms),
	DIRECTIVE("curfew_mode", NGX_CONF_TAKE1, ngx_conf_set_enum_slot, mode, modes),
	DIRECTIVE("curfew_watch", NGX_CONF_FLAG, ngx_conf_set_flag_slot, watch, NULL),
	DIRECTIVE("curfew_lame_duck", NGX_CONF_FLAG, ngx_conf_set_flag_slot, lame_duck, NULL),
	ngx_null_command,
};

static ngx_core_module_t context = {ngx_string("curfew"), create_conf, init_conf};

ngx_module_t ngx_curfew_module = {
	NGX_MODULE_V1,
	&context,
	commands,
	NGX_CORE_MODULE,
	NULL, /* init_master: nginx never calls it */
	init_module,
	init_process,
	NULL, /* init_thread */
	NULL, /* exit_thread */
	exit_process,
	NULL, /* exit_master */
	NGX_MODULE_V1_PADDING,
};

/* ---- the configuration ---- */

static void forget(void *data)
{
	ngx_curfew_master_forget(data);
}

static void *create_conf(ngx_cycle_t *cycle)
{
	struct ngx_curfew_conf *conf = ngx_pcalloc(cycle->pool, sizeof *conf);
	ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(cycle->pool, 0);
	if (!conf || !cln)
		return NULL;
	cln->handler = forget;
	cln->data = conf;
	conf->exit_timeout = NGX_CONF_UNSET_MSEC;
	conf->term = NGX_CONF_UNSET_UINT;
	conf->mode = NGX_CONF_UNSET_UINT;
	conf->watch = NGX_CONF_UNSET;
	conf->lame_duck = NGX_CONF_UNSET;
	return conf;
}

static char *set_library(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
	struct ngx_curfew_conf *conf = data;
	ngx_str_t *args = cf->args->elts;
	const char *open = ngx_curfew_lib_path();
	(void)cmd;
	if (conf->library.data)
		return "is duplicate";
	if (conf->policy.data)
		return "must come before \"curfew_policy\"";
	conf->library = args[1];
	if (open && ngx_strcmp(open, args[1].data) != 0)
		ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "curfew: %s stays in use; another library needs a binary upgrade",
				   open);
	return NGX_CONF_OK;
}

/* The file as bytes, with a NUL behind them. */
static ngx_int_t read_policy(ngx_conf_t *cf, const ngx_str_t *path, ngx_str_t *text)
{
	enum { MOST = 64 << 20 };
	ngx_file_info_t info;
	ngx_file_t file;
	ssize_t n = NGX_ERROR;
	ngx_memzero(&file, sizeof file);
	file.name = *path;
	file.log = cf->log;
	/* A FIFO waits for nobody. */
	file.fd = ngx_open_file(path->data, NGX_FILE_RDONLY | NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);
	if (file.fd == NGX_INVALID_FILE) {
		ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "curfew: cannot read the policy \"%V\"", path);
		return NGX_ERROR;
	}
	if (ngx_fd_info(file.fd, &info) == NGX_FILE_ERROR || !ngx_is_file(&info) || ngx_file_size(&info) > MOST) {
		ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "curfew: the policy \"%V\" is no file of at most 64 MB", path);
	} else {
		text->len = (size_t)ngx_file_size(&info);
		text->data = ngx_pnalloc(cf->pool, text->len + 1);
		if (text->data)
			n = text->len ? ngx_read_file(&file, text->data, text->len, 0) : 0;
		if (!text->data || n != (ssize_t)text->len)
			ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "curfew: the policy \"%V\" changed as it was read", path);
		else
			text->data[text->len] = '\0';
	}
	ngx_close_file(file.fd);
	return n == (ssize_t)text->len ? NGX_OK : NGX_ERROR;
}

static void on_code(void *ud, int code, bool at_once)
{
	(void)ud, (void)code, (void)at_once; /* it never runs */
}

/* Does it compile? It runs in the workers only. */
static ngx_int_t check_policy(ngx_conf_t *cf, const struct ngx_curfew_conf *conf)
{
	struct curfew_options o = {.size = sizeof o, .on_exit = on_code};
	struct curfew_err err = {0};
	struct curfew *c = ngx_curfew_lib.new(&o, &err);
	int rc =
		c ? ngx_curfew_lib.load(c, (char *)conf->policy.data, (char *)conf->text.data, conf->text.len, &err) : err.code;
	if (rc)
		ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "curfew: %s", err.msg);
	ngx_curfew_lib.free(c);
	return rc ? NGX_ERROR : NGX_OK;
}

static char *set_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *data)
{
	struct ngx_curfew_conf *conf = data;
	ngx_str_t *args = cf->args->elts;
	const char *why, *library = conf->library.data ? (char *)conf->library.data : NGX_CURFEW_LIBRARY;
	(void)cmd;
	if (conf->policy.data)
		return "is duplicate";
	if (!args[1].len)
		return "has no path";
	conf->policy = args[1];
	if (ngx_conf_full_name(cf->cycle, &conf->policy, 1) != NGX_OK)
		return NGX_CONF_ERROR;
	why = ngx_curfew_lib_open(library);
	if (why) {
		ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "curfew: cannot open the library: %s", why);
		return NGX_CONF_ERROR;
	}
	if (read_policy(cf, &conf->policy, &conf->text) != NGX_OK || check_policy(cf, conf) != NGX_OK)
		return NGX_CONF_ERROR;
	return NGX_CONF_OK;
}

/* ---- the trial ---- */

enum { TRIAL_S = 60 }; /* load_limit, five seconds of CPU time, comes first */

struct trial {
	bool over;
	struct curfew_err err;
};

static void on_tried(void *ud, const struct curfew_err *err)
{
	struct trial *t = ud;
	t->over = true;
	if (err)
		t->err = *err;
}

/* In a child of our own, with a worker's rights: what a script does as it loads is done there, and to nobody else. */
static void run_trial(ngx_cycle_t *cycle, const struct ngx_curfew_conf *conf, int out)
{
	const ngx_core_conf_t *core = (ngx_core_conf_t *)ngx_get_conf(cycle->conf_ctx, ngx_core_module);
	struct curfew_options o = {.size = sizeof o, .on_exit = on_code};
	struct curfew_server_options server = {.size = sizeof server, .name = "nginx"};
	struct trial t;
	struct pollfd p;
	struct curfew *c;
	ngx_memzero(&t, sizeof t);
	signal(SIGALRM, SIG_DFL);
	alarm(TRIAL_S);
	if (geteuid() == 0 &&
	    (setgid(core->group) || (core->username && initgroups(core->username, core->group)) || setuid(core->user)))
		_exit(0);
	c = ngx_curfew_lib.new(&o, &t.err);
	if (c && ngx_curfew_lib.server_new(c, &server, &t.err) &&
	    ngx_curfew_lib.try(c, (char *)conf->policy.data, (char *)conf->text.data, conf->text.len, on_tried, &t, &t.err) ==
		    0) {
		p = (struct pollfd){.fd = ngx_curfew_lib.fd(c), .events = POLLIN};
		while (!t.over && (poll(&p, 1, -1) >= 0 || ngx_errno == EINTR))
			ngx_curfew_lib.step(c);
	}
	if (t.err.code && write(out, t.err.msg, ngx_strlen(t.err.msg)) < 0)
		_exit(1);
	_exit(0);
}

/* NGX_OK, or NGX_ERROR and said why. */
static ngx_int_t try_policy(ngx_cycle_t *cycle, const struct ngx_curfew_conf *conf)
{
	char why[1024];
	size_t n = 0;
	ssize_t got;
	int ends[2], status = 0;
	pid_t pid;
	if (pipe(ends))
		return NGX_OK;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run_trial(cycle, conf, ends[1]);
	}
	close(ends[1]);
	while (pid > 0 && n < sizeof why - 1 &&
	       ((got = read(ends[0], why + n, sizeof why - 1 - n)) > 0 || (got < 0 && ngx_errno == EINTR)))
		n += got > 0 ? (size_t)got : 0;
	why[n] = '\0';
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && ngx_errno == EINTR)
		;
	if (!n && WIFSIGNALED(status))
		n = (size_t)snprintf(why, sizeof why, "%s: it has not loaded within %d seconds", conf->policy.data, TRIAL_S);
	if (!n)
		return NGX_OK;
	ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "curfew: %s", why);
	return NGX_ERROR;
}

/* A worker needs one connection for each socket that it listens on, one for the master's channel, and one for its instance. */
static bool has_connections(ngx_cycle_t *cycle)
{
	const ngx_event_conf_t *events = ngx_event_get_conf(cycle->conf_ctx, ngx_event_core_module);
	const ngx_core_conf_t *core = (ngx_core_conf_t *)ngx_get_conf(cycle->conf_ctx, ngx_core_module);
	const ngx_listening_t *ls = cycle->listening.elts;
	ngx_uint_t i, listening = 0, others = core->master == 0 ? 1 : 2;
	for (i = 0; i < cycle->listening.nelts; i++)
		listening += ls[i].worker == 0;
	if (events->connections >= listening + others)
		return true;
	ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
		      "curfew: %ui worker_connections are not enough: %ui listening sockets, %ui more for nginx and curfew, "
		      "and clients",
		      events->connections, listening, others);
	return false;
}

/* What can fail is done here: a reload is refused then, where init_module could only end the master. */
static char *init_conf(ngx_cycle_t *cycle, void *data)
{
	struct ngx_curfew_conf *conf = data;
	ngx_conf_init_msec_value(conf->exit_timeout, 0);
	ngx_conf_init_uint_value(conf->term, NGX_CURFEW_FAST);
	ngx_conf_init_uint_value(conf->mode, NGX_CURFEW_WORKER);
	ngx_conf_init_value(conf->watch, 0);
	ngx_conf_init_value(conf->lame_duck, 1);
	if (!conf->policy.len)
		return NGX_CONF_OK;
	if (!has_connections(cycle))
		return NGX_CONF_ERROR;
	if (ngx_test_config && try_policy(cycle, conf) != NGX_OK)
		return NGX_CONF_ERROR;
	conf->shared = ngx_curfew_shared_new(cycle->pool);
	if (conf->shared)
		return NGX_CONF_OK;
	ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno, "curfew: no shared memory");
	return NGX_CONF_ERROR;
}

/* ---- processes ---- */

static struct ngx_curfew_conf *conf_of(ngx_cycle_t *cycle)
{
	return (struct ngx_curfew_conf *)ngx_get_conf(cycle->conf_ctx, ngx_curfew_module);
}

static ngx_int_t init_module(ngx_cycle_t *cycle)
{
	ngx_curfew_master_init(cycle, conf_of(cycle));
	return NGX_OK;
}

/* Cache managers and loaders come here as well: they serve nobody. */
static ngx_int_t init_process(ngx_cycle_t *cycle)
{
	const struct ngx_curfew_conf *conf = conf_of(cycle);
	if (!conf->policy.len || (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE))
		return NGX_OK;
	return ngx_curfew_worker_init(cycle, conf);
}

static void exit_process(ngx_cycle_t *cycle)
{
	(void)cycle;
	ngx_curfew_worker_exit();
}
