/* _exit of the build that counts (-D_exit=coverage_exit): the counters are written before the end. Not in a child that runs on
 * its parent's memory until its exec: what it counts, its parent has. Not where the watchdog forces the
 * end, with 255: it may have interrupted anything. */
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void coverage_exit(int code);

static pid_t owner;

static void own(void)
{
	owner = getpid();
}

__attribute__((constructor)) static void watch_forks(void)
{
	own();
	pthread_atfork(NULL, NULL, own);
}

void coverage_exit(int code)
{
	if (getpid() == owner && code != 255)
		__gcov_dump();
	_exit(code);
}
