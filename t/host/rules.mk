# What fails in these tests are calls of this house's code, not of the C library nor of others.
FAULTY_CALLS := malloc calloc realloc free strdup open read write pipe2 socket connect bind getsockopt setsockopt fcntl eventfd \
                inotify_init1 inotify_add_watch prctl getrandom pthread_create syscall clone stat fstat opendir readdir recv send \
                recvmsg rename renameat remove unlinkat fsync poll dup2 realpath getcwd mmap getpwnam_r getpwuid_r getgrnam_r \
                getsockname getrlimit setsid setpgid waitid close strndup waitpid kill getgrouplist dlsym
FAULTY := $(BUILD)/t/host/short $(BUILD)/t/host/rare $(BUILD)/t/host/rare_tree
$(FAULTY): private LDFLAGS_ALL += $(FAULTY_CALLS:%=-Wl,--wrap=%)
$(FAULTY): t/lib/short.h
