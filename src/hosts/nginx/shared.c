/* shared.c: memory that the processes of one cycle share. A reload makes its own: old workers elect among themselves. */
#include "module.h"

#include <sys/mman.h>
#include <time.h>

static void unmap(void *data)
{
	munmap(data, sizeof(struct ngx_curfew_shared));
}

struct ngx_curfew_shared *ngx_curfew_shared_new(ngx_pool_t *pool)
{
	ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(pool, 0);
	void *at;
	if (!cln)
		return NULL;
	at = mmap(NULL, sizeof(struct ngx_curfew_shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	cln->handler = unmap;
	cln->data = at;
	return at;
}

bool ngx_curfew_lead(struct ngx_curfew_shared *s)
{
	ngx_atomic_uint_t leader = s->leader;
	if (leader == (ngx_atomic_uint_t)ngx_pid)
		return true;
	if (leader && (s->led || kill((pid_t)leader, 0) == 0 || ngx_errno != ESRCH))
		return false;
	return ngx_atomic_cmp_set(&s->leader, leader, (ngx_atomic_uint_t)ngx_pid) != 0;
}

void ngx_curfew_lead_end(struct ngx_curfew_shared *s, bool all)
{
	if (s->leader != (ngx_atomic_uint_t)ngx_pid)
		return;
	if (all)
		s->led = 1;
	else
		ngx_atomic_cmp_set(&s->leader, (ngx_atomic_uint_t)ngx_pid, 0);
}

uint64_t ngx_curfew_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}
