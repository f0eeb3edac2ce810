/* curfew_sandbox.c: what a policy may ask for that is not trusted (S10.4).
 *
 * Everything that reaches beyond the Lua state comes by struct cfw_policy_ops, and here each is held against the map of
 * cfw_options: definitions of servers, operations, settings, decisions. So it does not matter what a script does to the library
 * in its state, which policy/sandbox.c makes smaller besides. Files and modules are host/beneath.c's. */
#define _GNU_SOURCE
#include "curfew_impl.h"

#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

static bool has(const struct curfew *c, const char *list, const char *word)
{
	const struct cfw_value *v = cfw_value_get(c->opt.sandbox, list);
	for (size_t i = 0; i < cfw_value_len(v); i++)
		if (strcmp(cfw_value_to_str(cfw_value_at(v, i), ""), word) == 0)
			return true;
	return false;
}

/* code: CURFEW_EINVAL is raised at the script's line, CURFEW_EREFUSED is its "EPERM". flag NULL: none would allow it. */
static int refuse(struct curfew_err *err, int code, const char *what, const char *item, const char *flag)
{
	if (!flag)
		return cfw_err_set(err, code, "%s \"%.120s\" is not allowed in the sandbox", what, item);
	return cfw_err_set(err, code, "%s \"%.120s\" is not allowed in the sandbox (%s %.120s would)", what, item, flag, item);
}

/* ---- commands ---- */

static int check_command(const struct curfew *c, int code, const char *what, const struct cfw_value *command,
			 struct curfew_err *err)
{
	const char *program = cfw_value_to_str(cfw_value_at(command, 0), "");
	if (*program != '/')
		return cfw_err_set(err, code, "%s: in the sandbox a program is named by its whole path, \"%.120s\" is none",
				   what, program);
	return has(c, "exec", program) ? 0 : refuse(err, code, what, program, "--allow-exec");
}

/* How a program that may be run is run: as whom, where, with which environment. */
static int check_run(const struct curfew *c, int code, const struct cfw_value *def, struct curfew_err *err)
{
	static const char *const accounts[] = {"user", "group"};
	const struct cfw_value *env = cfw_value_get(def, "env");
	const char *cwd = cfw_value_get_str(def, "cwd", NULL);
	for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++)
		if (cfw_value_get(def, accounts[i]))
			return refuse(err, code, accounts[i], cfw_value_get_str(def, accounts[i], "?"), NULL);
	for (size_t i = 0; i < cfw_value_len(env); i++)
		if (!has(c, "env", cfw_value_key(env, i)))
			return refuse(err, code, "env", cfw_value_key(env, i), "--allow-env");
	if (cwd && !has(c, "read", cwd) && !has(c, "write", cwd))
		return refuse(err, code, "cwd", cwd, "--allow-read");
	return 0;
}

static int check_output(int code, const struct cfw_value *def, struct curfew_err *err)
{
	static const char *const streams[] = {"stdout", "stderr"};
	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		const char *to = cfw_value_get_str(def, streams[i], "log");
		if (strncmp(to, "file:", 5) == 0)
			return refuse(err, code, streams[i], to, NULL);
	}
	if (cfw_value_get_bool(def, "foreground", false))
		return cfw_err_set(err, code, "foreground is not allowed in the sandbox");
	if (strcmp(cfw_value_get_str(def, "stdin", "null"), "inherit") == 0)
		return refuse(err, code, "stdin", "inherit", NULL);
	return 0;
}

/* ---- addresses ---- */

/* Does an allowed address cover this one? The same, or its host with any port: "HOST:*" or "HOST". */
static bool covers(const char *allowed, const char *address)
{
	const char *port = strrchr(address, ':');
	if (strcmp(allowed, address) == 0)
		return true;
	if (!port || strncmp(address, "unix:", 5) == 0 || strncmp(address, "systemd:", 8) == 0)
		return false;
	size_t host = (size_t)(port - address), n = strlen(allowed);
	if (n > 2 && strcmp(allowed + n - 2, ":*") == 0)
		n -= 2;
	else if (n && strchr(allowed, ':') && allowed[n - 1] != ']')
		return false; /* it names a port of its own */
	return n == host && strncasecmp(allowed, address, n) == 0;
}

static bool is_covered(const struct curfew *c, const char *list, const char *address)
{
	const struct cfw_value *v = cfw_value_get(c->opt.sandbox, list);
	for (size_t i = 0; i < cfw_value_len(v); i++)
		if (covers(cfw_value_to_str(cfw_value_at(v, i), ""), address))
			return true;
	return false;
}

static int check_listen(const struct curfew *c, const struct cfw_value *listen, struct curfew_err *err)
{
	bool list = cfw_value_type(listen) == CFW_V_LIST;
	size_t n = list ? cfw_value_len(listen) : listen ? 1 : 0;
	for (size_t i = 0; i < n; i++) {
		const char *address = cfw_value_to_str(list ? cfw_value_at(listen, i) : listen, "?");
		if (!is_covered(c, "listen", address))
			return refuse(err, CURFEW_EINVAL, "listen", address, "--allow-listen");
	}
	return 0;
}

/* "host:port" of an URL that has nothing unusual about it, so that whoever reads it reads the same. False: it has. */
static bool peer_of_url(const char *url, char *out, size_t n)
{
	bool tls = strncasecmp(url, "https://", 8) == 0;
	if (!tls && strncasecmp(url, "http://", 7) != 0)
		return false;
	const char *host = url + (tls ? 8 : 7), *at = host;
	if (*at == '[')
		at += strspn(at, "[0123456789abcdefABCDEF:.]");
	else
		while (isalnum((unsigned char)*at) || *at == '.' || *at == '-' || *at == '_')
			at++;
	size_t len = (size_t)(at - host);
	const char *port = tls ? "443" : "80", *end = at;
	size_t digits = strlen(port);
	if (*at == ':') {
		port = at + 1;
		digits = strspn(port, "0123456789");
		end = port + digits;
	}
	if (!len || !digits || digits > 5 || (*end && !strchr("/?#", *end)) || len + digits + 2 > n)
		return false;
	memcpy(out, host, len);
	out[len] = ':';
	memcpy(out + len + 1, port, digits);
	out[len + 1 + digits] = '\0';
	return true;
}

static int check_url(const struct curfew *c, int code, const char *what, const char *url, struct curfew_err *err)
{
	char peer[300];
	if (!peer_of_url(url, peer, sizeof peer))
		return cfw_err_set(
			err, code,
			"%s \"%.120s\" is not allowed in the sandbox: expected http(s)://HOST[:PORT]/… and nothing more", what,
			url);
	return is_covered(c, "fetch", peer) ? 0 : refuse(err, code, what, peer, "--allow-fetch");
}

/* ---- definitions ---- */

static int check_ready(const struct curfew *c, const struct cfw_value *ready, struct curfew_err *err)
{
	const char *tcp = cfw_value_get_str(ready, "tcp", NULL), *http = cfw_value_get_str(ready, "http", NULL);
	const struct cfw_value *exec = cfw_value_get(ready, "exec");
	if (tcp && !is_covered(c, "fetch", tcp))
		return refuse(err, CURFEW_EINVAL, "ready: tcp", tcp, "--allow-fetch");
	int rc = http ? check_url(c, CURFEW_EINVAL, "ready: http", http, err) : 0;
	return !rc && exec ? check_command(c, CURFEW_EINVAL, "ready: exec", exec, err) : rc;
}

int cfw_sandbox_server(const struct curfew *c, const struct cfw_value *def, struct curfew_err *err)
{
	if (!c->opt.sandbox)
		return 0;
	const char *kind = cfw_value_get_str(def, "kind", "");
	if (strcmp(kind, "server") == 0)
		return 0;
	if (strcmp(kind, "http") == 0 || strcmp(kind, "tcp") == 0)
		return check_listen(c, cfw_value_get(def, "listen"), err);
	if (strcmp(kind, "process") != 0)
		return refuse(err, CURFEW_EINVAL, "a server of kind", kind, NULL);
	int rc = check_command(c, CURFEW_EINVAL, "command", cfw_value_get(def, "command"), err);
	rc = rc ? rc : check_run(c, CURFEW_EINVAL, def, err);
	rc = rc ? rc : check_output(CURFEW_EINVAL, def, err);
	return rc ? rc : check_ready(c, cfw_value_get(def, "ready"), err);
}

/* ---- operations ---- */

int cfw_sandbox_service(const struct curfew *c, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	if (!c->opt.sandbox || strncmp(name, "fs.", 3) == 0) /* those are held to their folders by the host */
		return 0;
	if (strcmp(name, "exec") == 0) {
		int rc = check_command(c, CURFEW_EREFUSED, "exec", cfw_value_get(args, "command"), err);
		return rc ? rc : check_run(c, CURFEW_EREFUSED, args, err);
	}
	if (strcmp(name, "fetch") != 0)
		return refuse(err, CURFEW_EREFUSED, "the operation", name, NULL);
	if (cfw_value_get(args, "unix"))
		return refuse(err, CURFEW_EREFUSED, "fetch: the unix socket", cfw_value_get_str(args, "unix", "?"), NULL);
	if (cfw_value_get_int(args, "redirects", 0) > 0)
		return cfw_err_set(err, CURFEW_EREFUSED, "fetch: redirects are not followed in the sandbox");
	return check_url(c, CURFEW_EREFUSED, "fetch", cfw_value_get_str(args, "url", ""), err);
}

/* ---- settings ---- */

/* The most that a policy may say of itself: the default. 0: as it likes. */
static const struct {
	const char *key;
	int64_t most;
} ceilings[] = {
	{"exit_timeout", 5 * (int64_t)CFW_SEC},
	{"max_exit_timeout", 60 * (int64_t)CFW_SEC},
	{"start_timeout", 30 * (int64_t)CFW_SEC},
	{"stall_limit", 10 * (int64_t)CFW_SEC},
	{"load_limit", 5 * (int64_t)CFW_SEC},
	{"reload_grace", 60 * (int64_t)CFW_SEC},
	{"hook_cpu_limit", 100 * (int64_t)CFW_MS},
	{"request_cpu_limit", (int64_t)CFW_SEC},
	{"memory_limit", 64 << 20},
	{"stop_margin", 0},
	{"strict", 0},
};

static int check_ceiling(const struct curfew *c, const char *key, const struct cfw_value *v, int64_t most,
			 struct curfew_err *err)
{
	most = cfw_value_get_int(cfw_value_get(c->opt.sandbox, "limits"), key, most);
	if (!most || cfw_value_get(c->overrides, key) || cfw_value_to_int(v, INT64_MAX) <= most)
		return 0;
	char shown[32];
	if (strcmp(key, "memory_limit") == 0)
		return cfw_err_set(err, CURFEW_EINVAL,
				   "%s may be at most %lld bytes in the sandbox (--limit %s=SIZE would raise that)", key,
				   (long long)most, key);
	return cfw_err_set(err, CURFEW_EINVAL, "%s may be at most %s in the sandbox (--limit %s=TIME would raise that)", key,
			   cfw_format_duration(shown, sizeof shown, (uint64_t)most), key);
}

static int check_setting(const struct curfew *c, const char *key, const struct cfw_value *v, struct curfew_err *err)
{
	for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++)
		if (strcmp(ceilings[i].key, key) == 0)
			return check_ceiling(c, key, v, ceilings[i].most, err);
	return has(c, "configure", key) ? 0 : refuse(err, CURFEW_EINVAL, "the setting", key, "--allow-configure");
}

int cfw_sandbox_configure(const struct curfew *c, const struct cfw_value *conf, struct curfew_err *err)
{
	int rc = 0;
	for (size_t i = 0; c->opt.sandbox && !rc && i < cfw_value_len(conf); i++)
		rc = check_setting(c, cfw_value_key(conf, i), cfw_value_at(conf, i), err);
	return rc;
}

/* ---- decisions ---- */

/* A policy that takes back what an operator has begun ignores it. */
int cfw_sandbox_steer(const struct curfew *c, enum cfw_trigger_kind kind, struct curfew_err *err)
{
	if (!c->opt.sandbox || kind != CFW_T_CANCEL || has(c, "ignore", "stop"))
		return 0;
	return cfw_err_set(err, CURFEW_EREFUSED, "curfew.cancel is not allowed in the sandbox (--allow-ignore stop would)");
}

/* What an operator stops a process with stops it, unless they said that it need not. */
struct cfw_decision cfw_sandbox_decision(const struct curfew *c, const struct cfw_trigger *t, struct cfw_decision d)
{
	bool stops = d.what == CFW_D_NONE || d.what == CFW_D_ACCEPT || d.what == CFW_D_GRACEFUL || d.what == CFW_D_ABORT ||
		     d.what == CFW_D_KILL;
	const char *name = cfw_trigger_name(t->kind, t->signo);
	bool asked_to = t->kind == CFW_T_SIGNAL || t->kind == CFW_T_STOP || t->kind == CFW_T_HURRY || t->kind == CFW_T_SKIP ||
			t->kind == CFW_T_SERVER_STOP;
	bool reloads = t->kind == CFW_T_SIGNAL && t->signo == cfw_signal_number("HUP") && d.what == CFW_D_RELOAD;
	if (!c->opt.sandbox || stops || !asked_to || reloads || has(c, "ignore", name) ||
	    cfw_decision_default(t).what == CFW_D_IGNORE)
		return d;
	cfw_log_at(c->opt.log, CFW_WARN,
		   "%s answered with %s, which is not allowed in the sandbox (--allow-ignore %s would): the default is taken",
		   name, cfw_decision_name(d.what), name);
	return (struct cfw_decision){CFW_D_NONE, 0};
}
