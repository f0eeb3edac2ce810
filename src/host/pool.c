#define _GNU_SOURCE
#include "host/pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/value.h"
#include "host/internal.h"

enum { THREADS = 4, MOST_JOBS = 1024, STACK = 512 * 1024 };

struct cfw_pool {
	struct cfw_host *host;
	struct curfew_watch *watch;
	int done_fd, stop_fd; /* eventfds: something is finished; the pool ends */
	size_t n_open;
	struct cfw_job *open; /* the loop's thread alone */
	pthread_t threads[THREADS];
	size_t n_threads;

	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t work;
	struct cfw_job *first, **last;
	struct cfw_job *finished;
	size_t idle, queued;
	bool stop;
};

static void wake(int fd)
{
	uint64_t one = 1;
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void *work(void *arg)
{
	struct cfw_pool *p = arg;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		p->idle++;
		while (!p->first && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		p->idle--;
		if (p->stop)
			break;
		struct cfw_job *j = p->first;
		p->first = j->next;
		if (!p->first)
			p->last = &p->first;
		p->queued--;
		pthread_mutex_unlock(&p->lock);
		if (!atomic_load(&j->cancelled))
			j->run(j);
		pthread_mutex_lock(&p->lock);
		j->next = p->finished;
		p->finished = j;
		if (!j->next)
			wake(p->done_fd);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void close_job(struct cfw_pool *p, struct cfw_job *j)
{
	struct cfw_job **at = &p->open;
	while (*at != j)
		at = &(*at)->next_open;
	*at = j->next_open;
	p->n_open--;
	cfw_value_free(j->value);
	j->free(j);
}

static void on_done(void *ud, int fd, unsigned what)
{
	(void)what;
	struct cfw_pool *p = ud;
	const struct cfw_env *env = p->host->env;
	uint64_t n;
	if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&p->lock);
	struct cfw_job *list = p->finished, *in_order = NULL;
	p->finished = NULL;
	pthread_mutex_unlock(&p->lock);
	for (struct cfw_job *j = list, *next; j; j = next) {
		next = j->next;
		j->next = in_order;
		in_order = j;
	}
	for (struct cfw_job *j = in_order, *next; j; j = next) {
		next = j->next;
		if (!atomic_load(&j->cancelled)) {
			env->answer(env->ud, j->token, j->err.code ? NULL : j->value, j->err.code ? &j->err : NULL);
			if (!j->err.code)
				j->value = NULL; /* answer took it */
		}
		close_job(p, j);
	}
}

static struct cfw_pool *make(struct cfw_host *h, struct curfew_err *err)
{
	const struct curfew_loop *loop = h->env->loop;
	struct cfw_pool *p = calloc(1, sizeof *p);
	if (!p) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	p->host = h;
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int e = 0;
	if (p->done_fd < 0 || p->stop_fd < 0)
		cfw_err_sys(err, "no threads for file operations");
	else if ((e = loop->ops->watch(loop->loop, &p->watch, p->done_fd, CURFEW_READ, on_done, p)))
		cfw_err_set(err, e, "cannot watch the threads for file operations");
	else
		return p;
	cfw_pool_free(p);
	return NULL;
}

static int add_thread(struct cfw_pool *p)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = pthread_create(&p->threads[p->n_threads], &attr, work, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!e)
		p->n_threads++;
	return e;
}

int cfw_pool_submit(struct cfw_host *h, struct cfw_job *j, struct curfew_err *err)
{
	if (!h->pool && !(h->pool = make(h, err)))
		return CURFEW_ESYS;
	struct cfw_pool *p = h->pool;
	if (p->n_open >= MOST_JOBS)
		return cfw_err_set(err, CURFEW_ELIMIT, "more than %d file operations wait already", MOST_JOBS);
	pthread_mutex_lock(&p->lock);
	bool more = p->idle <= p->queued && p->n_threads < THREADS;
	pthread_mutex_unlock(&p->lock);
	int e = more ? add_thread(p) : 0;
	if (e && !p->n_threads) {
		errno = e;
		return cfw_err_sys(err, "no thread for file operations");
	}
	j->stop_fd = p->stop_fd;
	j->next = NULL;
	j->next_open = p->open;
	p->open = j;
	p->n_open++;
	pthread_mutex_lock(&p->lock);
	*p->last = j;
	p->last = &j->next;
	p->queued++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

void cfw_pool_cancel(struct cfw_host *h, uint64_t token)
{
	for (struct cfw_job *j = h->pool ? h->pool->open : NULL; j; j = j->next_open)
		if (j->token == token)
			atomic_store(&j->cancelled, true);
}

bool cfw_job_wait(struct cfw_job *j, int fd, short events)
{
	struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = j->stop_fd, .events = POLLIN}};
	while (!atomic_load(&j->cancelled) && !p[1].revents) {
		int n = poll(p, 2, 50); /* a cancelled one keeps its thread no longer than this */
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0 && !p[1].revents)
			return true;
	}
	errno = ECANCELED;
	return false;
}

void cfw_pool_free(struct cfw_pool *p)
{
	if (!p)
		return;
	const struct curfew_loop *loop = p->host->env->loop;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	if (p->stop_fd >= 0)
		wake(p->stop_fd);
	for (size_t i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	if (p->watch)
		loop->ops->watch(loop->loop, &p->watch, p->done_fd, 0, NULL, NULL);
	while (p->open)
		close_job(p, p->open);
	if (p->done_fd >= 0)
		close(p->done_fd);
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
