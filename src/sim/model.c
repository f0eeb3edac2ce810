/* model.c: what is known of a policy once it is loaded. */
#include "sim/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/value.h"
#include "instance.h"
#include "sim/drive.h"
#include "sim/impl.h"

/* The core's own memory: a journal, and what a server and a hook take of it with room to grow. */
enum { ARENA = 512 << 10, ARENA_EACH = 8 << 10, SLOT_MASK = 0xfffff };
#define LOAD_TIME (10 * CFW_SEC) /* a main script that waits for longer defines nothing more */

/* ---- loading ---- */

static struct cfw_value *answer_to(const struct cfw_sim_asked *q)
{
	struct cfw_value *v = NULL;
	if (strcmp(q->service, "exec") == 0) {
		v = cfw_value_map();
		if (cfw_value_set(v, "code", cfw_value_int(0)) || cfw_value_set(v, "stdout", cfw_value_str("")) ||
		    cfw_value_set(v, "stderr", cfw_value_str("")))
			return v;
	} else if (strcmp(q->service, "fetch") == 0) {
		v = cfw_value_map();
		if (cfw_value_set(v, "status", cfw_value_int(200)) || cfw_value_set(v, "body", cfw_value_str("")))
			return v;
	} else if (strcmp(q->service, "fs.read") == 0) {
		v = cfw_value_str("");
	} else if (strcmp(q->service, "fs.stat") == 0) {
		v = cfw_value_map();
		if (cfw_value_set(v, "type", cfw_value_str("file")) || cfw_value_set(v, "size", cfw_value_int(0)))
			return v;
	} else {
		v = cfw_value_bool(true);
	}
	return v;
}

/* Each takes a moment, so that who asks without end comes to the end of its time. */
static int answer_all(struct cfw_sim *s, struct curfew_err *err)
{
	int rc = 0;
	for (struct cfw_sim_asked *q = s->asked; q && !rc; q = q->next) {
		if (q->answered)
			continue;
		struct cfw_value *a = cfw_value_map();
		if (cfw_value_set(a, "id", cfw_value_int(q->id)) ||
		    cfw_value_set(a, "takes", cfw_value_int((int64_t)(10 * CFW_MS))) || cfw_value_set(a, "value", answer_to(q)))
			rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		if (!rc)
			rc = cfw_sim_answer(s, a, err);
		cfw_value_free(a);
	}
	return rc;
}

static int load(struct cfw_sim *s, const char *path, struct curfew_err *err)
{
	for (;;)
		switch (cfw_sim_run(s, LOAD_TIME)) {
		case CFW_SIM_ASKS:
			if (answer_all(s, err))
				return err->code;
			break;
		case CFW_SIM_ENDED: {
			size_t n = s->complaints.len;
			return cfw_err_set(err, CURFEW_ELUA, "%s does not load: %.*s", path,
					   (int)(n && s->complaints.data[n - 1] == '\n' ? n - 1 : n), cfw_sim_complaints(s));
		}
		default:
			return 0;
		}
}

/* ---- what it defines ---- */

static size_t index_of(const struct cfw_model *m, cfw_id id)
{
	size_t i = 0;
	while (i < m->nservers && m->servers[i].id != id)
		i++;
	return i;
}

static int take_servers(struct cfw_model *m, const struct cfw_core *core)
{
	size_t n = 0;
	cfw_id id;
	for (id = 0; (id = cfw_core_server_next(core, id));)
		n++;
	m->servers = calloc(n + 1, sizeof *m->servers);
	if (!m->servers)
		return CURFEW_ENOMEM;
	for (id = 0; (id = cfw_core_server_next(core, id));) {
		struct cfw_model_server *s = &m->servers[m->nservers++];
		s->id = id;
		cfw_core_server_opts(core, id, &s->opts);
		cfw_sim_model_of(m->sim, id, &s->patience_ns, &s->address);
	}
	for (size_t i = 0; i < m->nservers; i++) {
		struct cfw_model_server *s = &m->servers[i];
		while (cfw_core_server_on(core, s->id, s->non))
			s->non++;
		s->on = calloc(s->non + 1, sizeof *s->on);
		if (!s->on)
			return CURFEW_ENOMEM;
		for (size_t k = 0; k < s->non; k++)
			s->on[k] = index_of(m, cfw_core_server_on(core, s->id, k));
	}
	return 0;
}

static int take_hooks(struct cfw_model *m, const struct cfw_core *core)
{
	size_t n = 0;
	cfw_id id;
	for (id = 0; (id = cfw_core_hook_next(core, id));)
		n++;
	m->hooks = calloc(n + 1, sizeof *m->hooks);
	if (!m->hooks)
		return CURFEW_ENOMEM;
	for (id = 0; (id = cfw_core_hook_next(core, id));) {
		struct cfw_model_hook *h = &m->hooks[m->nhooks++];
		cfw_core_hook_opts(core, id, &h->opts);
		h->server = h->opts.server ? index_of(m, h->opts.server) + 1 : 0;
	}
	return 0;
}

struct cfw_model *cfw_model_new(const char *path, struct curfew_err *err)
{
	struct cfw_model *m = calloc(1, sizeof *m);
	struct cfw_value *opts = cfw_value_map();
	int bad = cfw_value_set(opts, "start", cfw_value_bool(false)) | cfw_value_set(opts, "real_env", cfw_value_bool(true));
	if (bad || !m) {
		cfw_value_free(opts);
		free(m);
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	m->sim = cfw_sim_new(path, opts, err);
	cfw_value_free(opts);
	int rc = m->sim ? load(m->sim, path, err) : CURFEW_EINVAL;
	const struct cfw_core *core = m->sim ? curfew_core(m->sim->curfew) : NULL;
	if (!rc && !(m->oracle = cfw_oracle_new()))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc && (take_servers(m, core) || take_hooks(m, core)))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc && cfw_drive_room(m))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc) {
		m->config = *cfw_core_config_get(core);
		m->arena_size = ARENA + (1 + CFW_MODEL_BUILDS) * ARENA_EACH * (m->nservers + m->nhooks);
		m->arena = malloc(m->arena_size);
		if (!m->arena)
			rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	if (rc) {
		cfw_model_free(m);
		return NULL;
	}
	cfw_sim_mute(m->sim);
	return m;
}

void cfw_model_free(struct cfw_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nservers; i++)
		free(m->servers[i].on);
	free(m->servers);
	free(m->hooks);
	free(m->arena);
	free(m->places);
	free(m->hook_places);
	free(m->members);
	free(m->staged_hooks);
	cfw_oracle_free(m->oracle);
	cfw_sim_free(m->sim);
	free(m);
}

/* ---- schedules ---- */

int cfw_schedule_init(struct cfw_schedule *s, const struct cfw_model *m)
{
	*s = (struct cfw_schedule){.until_ns = CFW_NEVER};
	s->servers = calloc(m->nservers + 1, sizeof *s->servers);
	s->hooks = calloc(m->nhooks + 1, sizeof *s->hooks);
	for (size_t i = 0; s->servers && i < m->nservers; i++)
		s->servers[i].dies_ns = CFW_NEVER;
	if (s->servers && s->hooks)
		return 0;
	cfw_schedule_clear(s);
	return CURFEW_ENOMEM;
}

void cfw_schedule_clear(struct cfw_schedule *s)
{
	free(s->servers);
	free(s->hooks);
	*s = (struct cfw_schedule){0};
}

int cfw_schedule_copy(struct cfw_schedule *to, const struct cfw_schedule *from, const struct cfw_model *m)
{
	struct cfw_schedule_server *servers = to->servers;
	struct cfw_schedule_hook *hooks = to->hooks;
	*to = *from;
	to->servers = servers;
	to->hooks = hooks;
	memcpy(servers, from->servers, m->nservers * sizeof *servers);
	memcpy(hooks, from->hooks, m->nhooks * sizeof *hooks);
	return 0;
}
