# The model of the core, and spin, which explores it. Its test only computes.
.PHONY: verify
$(BUILD)/t/verify/tables: t/verify/src/tables.c $(BUILD)/core.a $(BUILD)/base.a
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
test: $(BUILD)/t/verify/tables
BESIDE += t/verify/verify.t

verify: $(BUILD)/t/verify/tables ## the model of the core, explored to its end beside the core itself; seeded mistakes are found (t/verify/README.md)
	BUILD=$(BUILD) t/verify/verify $(WORLDS)

C_ALL += t/verify/src/tables.c
lint-format: C_ALL += t/verify/src/conform.c t/verify/src/conform.h
