# Fuzzing: each t/fuzz/NAME.c is a target. In the ordinary build it is a test that replays what is kept; `make fuzz` builds it, and the
# house under it, with libFuzzer in a folder of its own.
FUZZ_TARGETS := $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
FUZZ_S ?= 60
FUZZ_BUILD ?= build-fuzz
FUZZ_LIBS := $(below_run:%=$(BUILD)/%.a)
FUZZ_PARTS := $(wildcard t/lib/fuzz*.h t/lib/tap.* t/core/*.h t/fuzz/*.h)

$(FUZZ_TARGETS:%=$(BUILD)/t/fuzz/%): $(BUILD)/t/fuzz/%: t/fuzz/%.c t/lib/replay.c $(FUZZ_PARTS) $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) -It/lib $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< t/lib/replay.c t/lib/tap.c $(FUZZ_LIBS) $(LDLIBS_ALL)

# In the fuzzers' own build: $(BUILD) is $(FUZZ_BUILD), CC is clang.
$(FUZZ_TARGETS:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_PARTS) $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(call say,clang) $(CC) $(CPPFLAGS_ALL) -It/lib $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< t/lib/tap.c $(FUZZ_LIBS) $(LDLIBS_ALL)
# A core with a fault of ours, which has to be found.
$(BUILD)/fuzz/seeded: t/fuzz/core.c $(FUZZ_PARTS) $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(call say,clang) $(CC) $(CPPFLAGS_ALL) -It/lib $(CFLAGS_ALL) -DFUZZ_SEEDED_FAULT $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $< t/lib/tap.c $(FUZZ_LIBS) $(LDLIBS_ALL)
.PHONY: fuzzers fuzz
fuzzers: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%) $(BUILD)/fuzz/seeded

fuzz: ## libFuzzer on each target for FUZZ_S seconds (60), two at a time; FUZZ="NAME…" (t/fuzz/README.md)
	@FUZZ_BUILD=$(FUZZ_BUILD) t/fuzz/run --keep $(FUZZ_S) $(or $(FUZZ),$(FUZZ_TARGETS))
