/* fuzz.h: what the harnesses of t/fuzz share. Each is one file with the one function that libFuzzer calls, which promises more than not
 * to crash; replay.c calls the same with the inputs that are kept. */
#ifndef T_FUZZ_H
#define T_FUZZ_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the harness promises of this input: where it does not hold, that is a finding. */
#define must(held, ...)                                                                                                        \
	do {                                                                                                                   \
		if (!(held))                                                                                                   \
			fuzz_broken(__FILE__, __LINE__, __VA_ARGS__);                                                          \
	} while (0)

__attribute__((unused, format(printf, 3, 4))) static _Noreturn void fuzz_broken(const char *file, int line, const char *fmt,
										...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "\n%s:%d: broken: ", file, line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

/* The input as a series of choices. Past its end all are 0. */
struct fuzz {
	const uint8_t *at;
	size_t left;
};

__attribute__((unused)) static unsigned fuzz_byte(struct fuzz *f)
{
	if (!f->left)
		return 0;
	f->left--;
	return *f->at++;
}

/* One of n: a byte where that is enough. */
__attribute__((unused)) static unsigned fuzz_below(struct fuzz *f, unsigned n)
{
	unsigned v = fuzz_byte(f);
	return n ? (n > 256 ? v << 8 | fuzz_byte(f) : v) % n : 0;
}

__attribute__((unused)) static uint64_t fuzz_u64(struct fuzz *f)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | fuzz_byte(f);
	return v;
}

/* A string of *n bytes, at most most, NUL-terminated besides; the caller frees. */
__attribute__((unused)) static char *fuzz_bytes(struct fuzz *f, size_t most, size_t *n)
{
	size_t want = fuzz_below(f, (unsigned)most + 1);
	*n = want < f->left ? want : f->left;
	char *s = malloc(*n + 1);
	if (!s)
		abort();
	if (*n)
		memcpy(s, f->at, *n);
	s[*n] = '\0';
	f->at += *n;
	f->left -= *n;
	return s;
}

/* All that is left, in the same way. */
__attribute__((unused)) static char *fuzz_rest(struct fuzz *f, size_t *n)
{
	*n = f->left;
	char *s = malloc(*n + 1);
	if (!s)
		abort();
	if (*n)
		memcpy(s, f->at, *n);
	s[*n] = '\0';
	f->left = 0;
	return s;
}

#endif
