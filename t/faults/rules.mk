# What the tests here make calls and allocations fail with. The tracer knows the registers of one processor.
FAULTS := $(BUILD)/t/faults
C_ALL += $(wildcard t/faults/lib/*.[ch])
ifeq ($(shell uname -m),x86_64)
FAULT_TOOLS := $(FAULTS)/inject
endif
FAULT_TOOLS += $(FAULTS)/scarce.so $(FAULTS)/astray.so
test: $(FAULT_TOOLS)

$(FAULTS)/names.h:
	@mkdir -p $(@D)
	$(call say,gen) printf '#include <sys/syscall.h>\n' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' > $@.tmp && mv $@.tmp $@
$(FAULTS)/inject: t/faults/lib/inject.c $(FAULTS)/names.h
	$(call say,cc) $(CC) -I$(FAULTS) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $<
$(FAULTS)/%.so: t/faults/lib/%.c
	@mkdir -p $(@D)
	$(call say,cc) $(CC) $(CFLAGS_ALL) -shared $(LDFLAGS_ALL) -o $@ $< -ldl

# All of it, by two at a time. FAULTS_S: seconds for each of the three parts.
.PHONY: faults
faults: $(BUILD)/curfew $(FAULT_TOOLS) ## every system call fails once with every errno of its own, every allocation once; FAULTS_S=seconds
	@code=0; for what in $(if $(filter %/inject,$(FAULT_TOOLS)),calls crash) allocations; do \
		BUILD=$(BUILD) CURFEW=$(abspath $(BUILD)/curfew) t/faults/both $$what || code=1; done; exit $$code
lint-tidy: $(FAULTS)/names.h
lint-tidy: private CPPFLAGS_ALL += -I$(FAULTS)
