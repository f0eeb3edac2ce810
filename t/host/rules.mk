# What fails in these tests are calls of this house's code, not of the C library nor of others.
FAULTY_CALLS := malloc calloc realloc free strdup open read write pipe2 socket connect bind getsockopt setsockopt fcntl eventfd \
                inotify_init1 inotify_add_watch prctl getrandom pthread_create syscall clone stat fstat opendir readdir recv send \
                recvmsg rename renameat remove unlinkat fsync poll dup2 realpath getcwd mmap getpwnam_r getpwuid_r getgrnam_r \
                getsockname getrlimit setsid setpgid waitid close strndup
$(BUILD)/t/host/short: private LDFLAGS_ALL += $(FAULTY_CALLS:%=-Wl,--wrap=%)
$(BUILD)/t/host/short: t/lib/short.h t/host/faulty.h t/host/sweep.h
