/* control.c: the socket of the control API, and who may connect to it (S10.1). */
#define _GNU_SOURCE
#include "shell/control.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/control_impl.h"

/* ---- trust ---- */

static bool in_groups(int fd, gid_t gid)
{
	gid_t few[64], *groups = few;
	socklen_t len = sizeof few;
	bool found = false;
	int rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
	if (rc && errno == ERANGE && (groups = malloc(len)))
		rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
	for (size_t i = 0; !rc && groups && i < len / sizeof *groups; i++)
		found |= groups[i] == gid;
	if (groups != few)
		free(groups);
	return found;
}

/* As they were when it connected: root, our own user, or of the group. */
static bool may_connect(const struct cfw_control_socket *s, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || (s->grouped && (peer.gid == s->gid || in_groups(fd, s->gid)));
}

/* Where others can write they could put their own socket in the place of ours; a sticky directory, as /tmp is, lets them not. */
static int check_directory(const char *path, struct curfew_err *err)
{
	struct stat st;
	char *dir = strdup(path), *slash = dir ? strrchr(dir, '/') : NULL;
	if (!dir)
		return cfw_err_set(err, CURFEW_ENOMEM, "control: out of memory");
	if (slash)
		slash[slash == dir] = '\0';
	const char *name = slash ? dir : ".";
	int rc = 0;
	if (stat(name, &st))
		rc = cfw_err_sys(err, "control: cannot use the directory %s", name);
	else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		rc = cfw_err_set(err, CURFEW_EINVAL,
				 "control: %s is writable by everybody: a socket there could be replaced by another's", name);
	free(dir);
	return rc;
}

/* ---- the socket ---- */

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *ud)
{
	struct cfw_control *ctl = ud;
	(void)l;
	(void)sa;
	(void)len;
	cfw_control_conn_new(ctl, fd, ctl->socket && may_connect(ctl->socket, fd));
}

static void socket_free(struct cfw_control_socket *s)
{
	if (!s)
		return;
	cfw_accept_clear(&s->accept);
	if (s->ev) {
		evconnlistener_free(s->ev);
		s->listener.fd = -1; /* it was its own */
	}
	cfw_listen_close(&s->listener);
	cfw_value_free(s->conf);
	free(s);
}

static int find_group(const char *name, gid_t *gid, struct curfew_err *err)
{
	const struct group *g = getgrnam(name);
	if (!g)
		return cfw_err_set(err, CURFEW_EINVAL, "control: there is no group \"%s\"", name);
	*gid = g->gr_gid;
	return 0;
}

/* Nobody but us until here: the socket was born 0600. */
static int give_to_group(const struct cfw_control_socket *s, struct curfew_err *err)
{
	if (!s->grouped)
		return 0;
	if (lchown(s->listener.path, (uid_t)-1, s->gid) || chmod(s->listener.path, 0660))
		return cfw_err_sys(err, "control: cannot give %s to the group", s->listener.path);
	return 0;
}

static int open_socket(struct cfw_control *ctl, struct cfw_control_socket *s, struct curfew_err *err)
{
	bool plain = cfw_value_type(s->conf) == CFW_V_STR;
	const char *path = plain ? cfw_value_to_str(s->conf, "") : cfw_value_get_str(s->conf, "path", "");
	const char *group = plain ? NULL : cfw_value_get_str(s->conf, "group", NULL);
	struct cfw_listen_addr *addrs = NULL;
	int rc = check_directory(path, err);
	s->grouped = group != NULL;
	if (!rc && group)
		rc = find_group(group, &s->gid, err);
	if (rc)
		return rc;
	struct cfw_buf text;
	cfw_buf_init(&text);
	cfw_buf_printf(&text, "unix:%s", path);
	struct cfw_value *listen = text.failed ? NULL : cfw_value_str(text.data);
	cfw_buf_clear(&text);
	if (!listen)
		return cfw_err_set(err, CURFEW_ENOMEM, "control: out of memory");
	int n = cfw_listen_parse("control", listen, &addrs, err);
	cfw_value_free(listen);
	if (n < 0)
		return n;
	addrs[0].mode = 0600;
	rc = cfw_listen_open("control", &addrs[0], &s->listener, err);
	cfw_listen_addrs_free(addrs, n);
	if (!rc)
		rc = give_to_group(s, err);
	if (rc)
		return rc;
	s->ev = evconnlistener_new(ctl->base, on_accept, ctl, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, s->listener.fd);
	s->accept.name = "control";
	s->accept.log = ctl->log;
	if (!s->ev || cfw_accept_init(&s->accept, ctl->base, 1))
		return cfw_err_set(err, CURFEW_ENOMEM, "control: out of memory");
	cfw_accept_watch(&s->accept, 0, s->ev);
	return 0;
}

int cfw_control_prepare(struct cfw_control *ctl, const struct cfw_value *conf, struct curfew_err *err)
{
	struct cfw_control_socket *s = NULL;
	if (ctl->socket && conf && cfw_value_equal(ctl->socket->conf, conf))
		return 0;
	ctl->prepared = true;
	ctl->next = NULL;
	if (!conf)
		return 0;
	s = calloc(1, sizeof *s);
	if (s)
		s->listener.fd = -1;
	if (s)
		s->conf = cfw_value_copy(conf);
	int rc = s && s->conf ? open_socket(ctl, s, err) : cfw_err_set(err, CURFEW_ENOMEM, "control: out of memory");
	if (rc) {
		socket_free(s);
		ctl->prepared = false;
		return rc;
	}
	ctl->next = s;
	return 0;
}

void cfw_control_commit(struct cfw_control *ctl)
{
	if (!ctl->prepared)
		return;
	socket_free(ctl->socket);
	ctl->socket = ctl->next;
	ctl->next = NULL;
	ctl->prepared = false;
	if (ctl->socket)
		cfw_log_at(ctl->log, CFW_INFO, "control: listening on %s", ctl->socket->listener.text);
}

void cfw_control_rollback(struct cfw_control *ctl)
{
	socket_free(ctl->next);
	ctl->next = NULL;
	ctl->prepared = false;
}

const char *cfw_control_address(const struct cfw_control *ctl)
{
	return ctl->socket ? ctl->socket->listener.text : NULL;
}

/* ---- life ---- */

/* A stop that does not end the process is over: S3.4. */
static void on_later(evutil_socket_t fd, short what, void *ud)
{
	struct cfw_control *ctl = ud;
	struct cfw_stop_view stop;
	(void)fd;
	(void)what;
	cfw_core_stop_view(curfew_core(*ctl->curfew), &stop);
	if (!stop.running)
		cfw_control_stop_over(ctl, false, 0);
}

struct cfw_control *cfw_control_new(struct event_base *base, const struct cfw_log *log, struct curfew *const *curfew)
{
	struct cfw_control *ctl = calloc(1, sizeof *ctl);
	if (!ctl)
		return NULL;
	ctl->base = base;
	ctl->log = log;
	ctl->curfew = curfew;
	ctl->route = cfw_control_route;
	TAILQ_INIT(&ctl->conns);
	TAILQ_INIT(&ctl->asked);
	evtimer_assign(&ctl->later, base, on_later, ctl);
	return ctl;
}

static void close_all(struct cfw_control *ctl)
{
	socket_free(ctl->socket);
	ctl->socket = NULL;
	cfw_control_rollback(ctl);
	while (!TAILQ_EMPTY(&ctl->conns))
		cfw_control_conn_free(TAILQ_FIRST(&ctl->conns));
	event_del(&ctl->later);
}

void cfw_control_metrics(struct cfw_control *ctl, void (*metrics)(void *ud, struct cfw_buf *out), void *ud)
{
	ctl->metrics = metrics;
	ctl->metrics_ud = ud;
}

void cfw_control_free(struct cfw_control *ctl)
{
	if (!ctl)
		return;
	close_all(ctl);
	while (!TAILQ_EMPTY(&ctl->asked))
		cfw_control_asked_free(TAILQ_FIRST(&ctl->asked));
	free(ctl);
}

void cfw_control_journal(struct cfw_control *ctl)
{
	static const struct timeval now = {0, 0};
	const struct cfw_core *core = curfew_core(*ctl->curfew);
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(core, ctl->seen + 1))) {
		ctl->seen = e->seq;
		if (e->what == CFW_J_LIFE)
			event_add(&ctl->later, &now);
	}
	struct cfw_control_conn *c, *next;
	for (c = TAILQ_FIRST(&ctl->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CFW_CONN_STREAM)
			cfw_control_stream_pump(c);
	}
}

void cfw_control_end(struct cfw_control *ctl, int code)
{
	struct cfw_control_conn *c, *next;
	if (!ctl)
		return;
	cfw_control_stop_over(ctl, true, code);
	for (c = TAILQ_FIRST(&ctl->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->state == CFW_CONN_STREAM) {
			cfw_control_stream_pump(c);
			cfw_control_stream_end(c);
		} else if (c->state == CFW_CONN_WAITING) {
			cfw_control_reply_error(c, 503, "ended", "the process ended with code %d", code);
		}
		cfw_control_flush(c);
	}
	close_all(ctl);
}
