# make mutate: does a test of the core fail for each change of it? (README.md)
.PHONY: mutate
mutate: ## change one thing at a time in the core, and see its tests fail; MUTATE=FILE.c…, MUTATE_N=COUNT MUTATE_SEED=N for a sample
	MUTATE_N=$(MUTATE_N) nice -n 10 t/mutate/mutate.pl $(if $(filter-out all,$(MUTATE)),$(MUTATE))
