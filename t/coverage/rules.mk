# make coverage: what the tests reach, by a build of its own. The nginx module is built by nginx and is not counted.
COV_BUILD := build-cov
COV_FLAGS := CFLAGS='--coverage -O0 -fprofile-update=atomic' CPPFLAGS=-D_exit=coverage_exit \
             LDFLAGS='--coverage $(abspath $(COV_BUILD))/exit.o -lpthread'
COV_MAKE = $(MAKE) BUILD=$(COV_BUILD) NGINX_SRC= $(COV_FLAGS)
# Not what builds programs of its own, nor what counts allocations.
COV_NOT := t/nginx/% t/meta/% t/fuzz/% t/verify/% t/embed/installed.t t/explore/mistakes.t t/faults/allocations.t
COV_TESTS := $(filter-out $(COV_NOT),$(sort $(wildcard t/*/*.t)))

.PHONY: coverage
$(COV_BUILD)/exit.o: t/lib/counted_exit.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -fPIC -fvisibility=hidden -c -o $@ $<
coverage: $(COV_BUILD)/exit.o ## lines and branches that the tests reach, by room; VERBOSE=1 names the branches that are not taken
	@find $(COV_BUILD) -name '*.gcda' -delete; rm -rf $(COV_BUILD)/apart
	@code=0; GCOV_APART=$(abspath $(COV_BUILD))/apart $(COV_MAKE) test T='$(patsubst %.c,$(COV_BUILD)/%,$(filter-out t/lib/%,$(wildcard t/*/*.c))) $(COV_TESTS)' || code=1; \
	t/coverage/merge.pl $(COV_BUILD) || code=1; \
	VERBOSE=$(VERBOSE) t/coverage/report.pl $(COV_BUILD) || code=1; exit $$code
