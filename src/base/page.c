#define _GNU_SOURCE
#include "base/page.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/time.h"

struct cfw_page *cfw_page_new(void)
{
	struct cfw_page *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	p->magic = 0x43465731; /* "CFW1" */
	p->version = 2;
	atomic_store(&p->deadline_ns, CFW_NEVER);
	atomic_store(&p->margin_ns, CFW_NEVER);
	atomic_store(&p->provisional_ns, CFW_NEVER);
	atomic_store(&p->pending_since_ns, CFW_NEVER);
	atomic_store(&p->exit_timeout_ns, 5 * CFW_SEC);
	atomic_store(&p->stop_margin_ns, 500 * CFW_MS);
	atomic_store(&p->stall_limit_ns, CFW_STALL_LIMIT);
	return p;
}

void cfw_page_free(struct cfw_page *p)
{
	if (p)
		munmap(p, sizeof *p);
}

int cfw_page_group_add(struct cfw_page *p, int32_t pgid)
{
	if (pgid <= 1)
		return -1;
	int high = atomic_load(&p->groups_high);
	for (int i = high; i < CFW_PAGE_GROUPS; i++) { /* fresh slots first: 1,000 children cost no search */
		atomic_store(&p->groups[i], pgid);
		atomic_store(&p->groups_high, i + 1);
		return i;
	}
	for (int i = 0; i < CFW_PAGE_GROUPS; i++)
		if (atomic_load(&p->groups[i]) == 0) {
			atomic_store(&p->groups[i], pgid);
			return i;
		}
	return -1;
}

void cfw_page_group_del(struct cfw_page *p, int slot)
{
	if (slot < 0 || slot >= CFW_PAGE_GROUPS)
		return;
	atomic_store(&p->groups[slot], 0);
	int high = atomic_load(&p->groups_high);
	while (high > 0 && atomic_load(&p->groups[high - 1]) == 0)
		high--;
	atomic_store(&p->groups_high, high);
}

void cfw_page_kill_groups(const struct cfw_page *p)
{
	int saved = errno;
	int high = atomic_load(&p->groups_high);
	for (int i = 0; i < high && i < CFW_PAGE_GROUPS; i++) {
		int32_t pgid = atomic_load(&p->groups[i]);
		if (pgid > 1)
			kill(-pgid, SIGKILL);
	}
	errno = saved;
}

static struct cfw_region decode(uint64_t v)
{
	return (struct cfw_region){
		.generation = (uint16_t)(v >> 48), .servers = (uint16_t)(v >> 32), .hooks = (uint32_t)v % CFW_PAGE_MARKS};
}

static uint64_t encode(struct cfw_region r)
{
	return (uint64_t)r.generation << 48 | (uint64_t)r.servers << 32 | r.hooks;
}

struct cfw_region cfw_page_region(const struct cfw_page *p)
{
	return decode(atomic_load(&p->region));
}

void cfw_page_set_region(struct cfw_page *p, struct cfw_region r)
{
	atomic_store(&p->region, encode(r));
}

int cfw_page_old_add(struct cfw_page *p, struct cfw_region r)
{
	for (size_t i = 0; i < CFW_PAGE_OLD; i++)
		if (!atomic_load(&p->old_regions[i])) {
			atomic_store(&p->old_regions[i], encode(r));
			return 0;
		}
	return -1;
}

void cfw_page_old_del(struct cfw_page *p, uint16_t generation)
{
	struct cfw_region r;
	for (size_t i = 0; i < CFW_PAGE_OLD; i++)
		if (cfw_page_old_get(p, i, &r) && r.generation == generation)
			atomic_store(&p->old_regions[i], 0);
}

bool cfw_page_old_get(const struct cfw_page *p, size_t i, struct cfw_region *region)
{
	uint64_t v = i < CFW_PAGE_OLD ? atomic_load(&p->old_regions[i]) : 0;
	*region = decode(v);
	return v != 0;
}

bool cfw_page_mark(struct cfw_page *p, uint32_t index)
{
	if (index >= CFW_PAGE_MARKS)
		return false;
	uint32_t bit = UINT32_C(1) << index % 32;
	atomic_fetch_and(&p->ended[index / 32], ~bit);
	return !(atomic_fetch_or(&p->begun[index / 32], bit) & bit);
}

void cfw_page_mark_end(struct cfw_page *p, uint32_t index)
{
	if (index < CFW_PAGE_MARKS)
		atomic_fetch_or(&p->ended[index / 32], UINT32_C(1) << index % 32);
}

bool cfw_page_cut(const struct cfw_page *p, uint32_t index)
{
	return cfw_page_marked(p, index) && !(atomic_load(&p->ended[index / 32]) >> index % 32 & 1);
}

void cfw_page_unmark(struct cfw_page *p, uint32_t index)
{
	if (index < CFW_PAGE_MARKS)
		atomic_fetch_and(&p->begun[index / 32], ~(UINT32_C(1) << index % 32));
}

bool cfw_page_marked(const struct cfw_page *p, uint32_t index)
{
	return index < CFW_PAGE_MARKS && (atomic_load(&p->begun[index / 32]) >> index % 32 & 1);
}

uint32_t cfw_page_count_marks(const struct cfw_page *p)
{
	uint32_t n = 0;
	for (size_t i = 0; i < CFW_PAGE_MARKS / 32; i++)
		for (uint32_t bits = atomic_load(&p->begun[i]); bits; bits &= bits - 1)
			n++;
	return n;
}

/* FNV-1a, with a byte for the end of each part. */
uint32_t cfw_page_hash(uint32_t from, const char *s)
{
	uint32_t h = from ? from : UINT32_C(2166136261);
	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * UINT32_C(16777619);
	h = (h ^ (s ? 0U : 1U)) * UINT32_C(16777619);
	return h ? h : 1;
}

static void put_address(char *to, const char *address)
{
	size_t n = address ? strnlen(address, CFW_PAGE_ADDRESS) : 0;
	n = n < CFW_PAGE_ADDRESS ? n : 0; /* half an address is none */
	memcpy(to, address ? address : "", n);
	memset(to + n, 0, CFW_PAGE_ADDRESS - n);
}

void cfw_page_control_set(struct cfw_page *p, const char *address)
{
	put_address(p->control, address);
}

void cfw_page_server_set(struct cfw_page *p, uint32_t slot, uint32_t name, bool owed, int pid, const char *address)
{
	if (slot >= CFW_PAGE_SERVERS)
		return;
	struct cfw_page_server *s = &p->servers[slot];
	put_address(s->address, address);
	atomic_store(&s->pid, pid);
	atomic_store(&s->name, name);
	atomic_store(&s->owed, owed);
}

void cfw_page_server_done(struct cfw_page *p, uint32_t slot)
{
	if (slot < CFW_PAGE_SERVERS)
		atomic_store(&p->servers[slot].owed, 0);
}

bool cfw_page_server_get(const struct cfw_page *p, uint32_t slot, uint32_t name, bool *owed, int *pid, char *address)
{
	if (slot >= CFW_PAGE_SERVERS || atomic_load(&p->servers[slot].name) != name)
		return false;
	const struct cfw_page_server *s = &p->servers[slot];
	*owed = atomic_load(&s->owed) != 0;
	*pid = atomic_load(&s->pid);
	memcpy(address, s->address, CFW_PAGE_ADDRESS);
	address[CFW_PAGE_ADDRESS - 1] = '\0';
	return true;
}
