# make coverage: what the tests reach, by a build of its own.
COV_BUILD := build-cov
COV_FLAGS := CFLAGS='--coverage -O0 -fprofile-update=atomic' CPPFLAGS=-D_exit=coverage_exit \
             LDFLAGS='--coverage $(abspath $(COV_BUILD))/exit.o -lpthread'
COV_MAKE = $(MAKE) BUILD=$(COV_BUILD) NGINX_SRC= $(COV_FLAGS)

.PHONY: coverage coverage-build coverage-report
$(COV_BUILD)/exit.o: t/lib/counted_exit.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -fPIC -fvisibility=hidden -c -o $@ $<
coverage-build: $(COV_BUILD)/exit.o
	@$(COV_MAKE) test T=
