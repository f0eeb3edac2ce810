#define _GNU_SOURCE
#include "shell/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/page.h"

static bool write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(fd, text, n);
		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			text += done;
			n -= (size_t)done;
		}
	}
	return true;
}

static int make_sealed(const char *text, size_t n)
{
	int fd = memfd_create("curfew-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (!write_all(fd, text, n) || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool cfw_sources_send(int channel, const char *key, const char *path, const char *text, size_t n)
{
	size_t key_n = strlen(key) + 1, path_n = strlen(path) + 1;
	char message[CFW_CHANNEL_MESSAGE];
	if (1 + key_n + path_n > sizeof message)
		return false;
	int fd = make_sealed(text, n);
	if (fd < 0)
		return false;
	message[0] = 'S';
	memcpy(message + 1, key, key_n);
	memcpy(message + 1 + key_n, path, path_n);
	struct iovec part = {message, 1 + key_n + path_n};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	ssize_t sent;
	do
		sent = sendmsg(channel, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	close(fd);
	return sent > 0;
}

bool cfw_sources_take(struct cfw_sources *s, const char *message, size_t n, int fd)
{
	const char *key = message + 1, *end = message + n, *path;
	if (n < 3 || message[0] != 'S' || end[-1] || !(path = memchr(key, '\0', (size_t)(end - key))) || ++path >= end)
		goto refuse;
	if (cfw_grow(&cfw_alloc_std, &s->v, &s->cap, s->n + 1, sizeof *s->v))
		goto refuse;
	struct cfw_source *new = &s->v[s->n];
	*new = (struct cfw_source){.key = strdup(key), .path = strdup(path), .fd = fd};
	if (new->key &&new->path) {
		s->n++;
		return true;
	}
	free(new->key);
	free(new->path);
refuse:
	close(fd);
	return false;
}

static bool read_in(struct cfw_source *s)
{
	struct stat st;
	if (s->text)
		return true;
	if (fstat(s->fd, &st) < 0 || !(s->text = malloc((size_t)st.st_size + 1)))
		return false;
	for (s->n = 0; s->n < (size_t)st.st_size;) {
		ssize_t got = pread(s->fd, s->text + s->n, (size_t)st.st_size - s->n, (off_t)s->n);
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		s->n += got > 0 ? (size_t)got : 0;
	}
	if (s->n == (size_t)st.st_size)
		return true;
	free(s->text);
	s->text = NULL;
	return false;
}

const char *cfw_sources_find(struct cfw_sources *s, const char *key, const char **path, size_t *n)
{
	for (size_t i = s->n; i-- > 0;)
		if (strcmp(s->v[i].key, key) == 0 && read_in(&s->v[i])) {
			*path = s->v[i].path;
			*n = s->v[i].n;
			return s->v[i].text;
		}
	return NULL;
}

static void forget(struct cfw_source *s)
{
	free(s->key);
	free(s->path);
	free(s->text);
	close(s->fd);
}

static bool is_wanted(const struct cfw_page *page, unsigned long generation, unsigned newest)
{
	struct cfw_region old;
	if (generation == cfw_page_region(page).generation || generation == newest)
		return true;
	for (size_t i = 0; i < CFW_PAGE_OLD; i++)
		if (cfw_page_old_get(page, i, &old) && old.generation == generation)
			return true;
	return false;
}

void cfw_sources_prune(struct cfw_sources *s, const struct cfw_page *page, unsigned newest)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++) {
		unsigned long generation = strtoul(s->v[i].key, NULL, 10);
		if (is_wanted(page, generation, newest))
			s->v[n++] = s->v[i];
		else
			forget(&s->v[i]);
	}
	s->n = n;
}

void cfw_sources_clear(struct cfw_sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		forget(&s->v[i]);
	free(s->v);
	*s = (struct cfw_sources){0};
}
