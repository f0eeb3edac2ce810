/* curfew_configure.c: settings: what a policy says, under what the command line says; carried to the core, the policy and the host. */
#include "curfew_impl.h"

#include "base/err.h"

/* The keys of conf that overrides does not name, then those of overrides. */
static struct cfw_value *merge(const struct cfw_value *conf, const struct cfw_value *overrides)
{
	struct cfw_value *v = conf ? cfw_value_copy(conf) : cfw_value_map();
	for (size_t i = 0; v && i < cfw_value_len(overrides); i++)
		if (cfw_value_set(v, cfw_value_key(overrides, i), cfw_value_copy(cfw_value_at(overrides, i)))) {
			cfw_value_free(v);
			return NULL;
		}
	return v;
}

/* What of it is the policy's own, of conf alone. */
static void read_policy_config(const struct cfw_value *v, struct cfw_policy_config *config)
{
	config->strict = cfw_value_get_bool(v, "strict", config->strict);
	config->memory_limit = (uint64_t)cfw_value_get_int(v, "memory_limit", (int64_t)config->memory_limit);
	config->hook_cpu_limit_ns = cfw_value_get_ns(v, "hook_cpu_limit", config->hook_cpu_limit_ns);
	config->request_cpu_limit_ns = cfw_value_get_ns(v, "request_cpu_limit", config->request_cpu_limit_ns);
	config->load_limit_ns = cfw_value_get_ns(v, "load_limit", config->load_limit_ns);
}

void cfw_configure_policy(const struct curfew *c, const struct cfw_value *conf, struct cfw_policy_config *config)
{
	config->sandbox = c->opt.sandbox;
	config->args = c->opt.args;
	if (conf)
		read_policy_config(conf, config);
	if (c->overrides)
		read_policy_config(c->overrides, config);
}

static int tell_host(const struct curfew *c, struct cfw_value *v, bool reset, struct curfew_err *err)
{
	if (!c->opt.on_configure)
		return 0;
	if (reset && cfw_value_set(v, "reset", cfw_value_bool(true)))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return c->opt.on_configure(c->opt.ud, v, err);
}

static void configure_core(struct curfew *c, const struct cfw_value *v, bool reset)
{
	struct cfw_core_config core = *cfw_core_config_get(c->core);
	if (reset)
		cfw_core_config_default(&core);
	core.exit_timeout_ns = cfw_value_get_ns(v, "exit_timeout", core.exit_timeout_ns);
	core.max_exit_timeout_ns =
		cfw_time_max(cfw_value_get_ns(v, "max_exit_timeout", core.max_exit_timeout_ns), core.exit_timeout_ns);
	core.stop_margin_ns = cfw_value_get_ns(v, "stop_margin", core.stop_margin_ns);
	core.start_timeout_ns = cfw_value_get_ns(v, "start_timeout", core.start_timeout_ns);
	cfw_core_configure(c->core, &core);
	atomic_store(&c->page->exit_timeout_ns, core.exit_timeout_ns);
	atomic_store(&c->page->stop_margin_ns, cfw_time_min(core.stop_margin_ns, core.exit_timeout_ns / 4));
	c->reload_grace_ns =
		cfw_value_get_ns(v, "reload_grace", reset || !c->reload_grace_ns ? CFW_SEC * 60 : c->reload_grace_ns);
}

int cfw_configure(struct curfew *c, const struct cfw_value *conf, bool reset, struct curfew_err *err)
{
	struct cfw_value *v = merge(conf, c->overrides);
	if (!v)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	int rc = reset ? tell_host(c, v, true, err) : 0; /* what may refuse first: then nothing has changed */
	if (rc == 0) {
		configure_core(c, v, reset);
		if (reset)
			cfw_policy_config_default(&c->policy_config);
		c->policy_config.sandbox = c->opt.sandbox;
		c->policy_config.args = c->opt.args;
		read_policy_config(v, &c->policy_config);
		if (c->gen && !reset) {
			c->gen->config = c->policy_config;
			cfw_policy_configure(c->gen->policy, &c->policy_config);
		}
		rc = reset ? 0 : tell_host(c, v, false, err);
	}
	cfw_value_free(v);
	return rc;
}
