/* guardian_memory.c: a guardian is small. What the dynamic linker touched on the way here (libraries that only the other process
 * needs) is given back; what is used after all comes from the page cache again. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shell/guardian_impl.h"

/* Segments that nobody writes to: their pages are those of the file, whole ones are dropped. */
static int drop_object(struct dl_phdr_info *info, size_t size, void *ud)
{
	(void)size;
	uintptr_t page = *(const uintptr_t *)ud;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type != PT_LOAD || ph->p_flags & PF_W)
			continue;
		uintptr_t from = (info->dlpi_addr + ph->p_vaddr + page - 1) & ~(page - 1);
		uintptr_t to = (info->dlpi_addr + ph->p_vaddr + ph->p_memsz) & ~(page - 1);
		if (from < to)
			madvise((void *)from, to - from, MADV_DONTNEED); /* refused: they stay */
	}
	return 0;
}

void cfw_guardian_slim(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	dl_iterate_phdr(drop_object, &page);
}
