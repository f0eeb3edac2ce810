# The long run of random schedules; t/explore/*.t are the short one, and what proves that it finds mistakes.
SCHEDULES ?= 1000000
.PHONY: explore
explore: $(BUILD)/curfew ## random schedules with faults over t/explore/policies: SCHEDULES=10000000, SEED=… (t/explore/README.md)
	CURFEW=$(abspath $(BUILD)/curfew) t/explore/run $(SCHEDULES) $(SEED)
