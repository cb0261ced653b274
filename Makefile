# Thin names over commands. PIP_FLAGS passes through to pip; EVENTS scales the generated samples; CORES and OUT as said.
PYTHON ?= python3
CORES ?= 2
EVENTS ?= 1
OUT ?=
BIN := .venv/bin
DEV := workflow,slurm,onnx,hepdata,cabinetry,corrections,dashboard,postgresql,docs,dev
export MPLCONFIGDIR ?= $(CURDIR)/.venv/matplotlib
# glibc gives freed memory back at once; a training takes and frees the same megabytes at every step (twice as fast)
export MALLOC_TRIM_THRESHOLD_ ?= 4000000000
export MALLOC_MMAP_THRESHOLD_ ?= 4000000000

INSTALL = test -x $(BIN)/python || $(PYTHON) -m venv .venv; $(BIN)/python -m pip install -qq --no-compile $(PIP_FLAGS) -c constraints.txt
SNAKEMAKE = flock .venv/lock $(BIN)/snakemake --cores $(CORES) --nolock --rerun-incomplete --quiet all

.PHONY: ttbar-analysis ttbar-studies tth-analysis toy-analysis quick test lint samples bench docs clean

ttbar-analysis: .venv/simulation ## the default analysis: generated ntuples to limits
	@$(SNAKEMAKE) --directory analysis/ttbar -s analysis/ttbar/Snakefile --config events=$(EVENTS) out=$(abspath $(OUT))
	@echo "Nothing is left to do: $(or $(OUT),analysis/ttbar/results)/report.html is up to date."

ttbar-studies: .venv/simulation ## held-out masses, the jet energy scale as an input and what it is worth for the limits
	@for study in mass jes nuisance; do \
	    $(SNAKEMAKE) --directory analysis/ttbar -s analysis/ttbar/Snakefile \
	        --config analysis=$(CURDIR)/analysis/ttbar/$$study.yaml events=$(EVENTS) \
	        out=$(if $(OUT),$(abspath $(OUT))/$$study) || exit; \
	done
	@echo "Nothing is left to do: $(or $(OUT),analysis/ttbar)/*/report.html are up to date."

tth-analysis: .venv/simulation ## another final state: leptons and many jets, ttH(bb) against tt
	@$(SNAKEMAKE) --directory analysis/tth -s analysis/tth/Snakefile --config events=$(EVENTS) out=$(abspath $(OUT))
	@echo "Nothing is left to do: $(or $(OUT),analysis/tth/results)/report.html is up to date."

toy-analysis: .venv/run ## the exactly solvable toy: every classifier against the exact answer
	OMP_NUM_THREADS=1 $(BIN)/python analysis/toy/toy.py --jobs $(CORES) $(if $(OUT),--out $(abspath $(OUT)))

quick: .venv/run ## the same on the small committed samples, few epochs
	@$(SNAKEMAKE) --directory analysis/ttbar -s analysis/ttbar/Snakefile \
	    --config analysis=$(CURDIR)/analysis/ttbar/quick.yaml out=$(abspath $(OUT))
	@echo "Nothing is left to do: $(or $(OUT),analysis/ttbar/results-quick)/report.html is up to date."

samples: .venv/simulation ## only generate the default samples
	$(BIN)/hypotheta generate samples/ttbar.yaml --events-scale $(EVENTS) --jobs $(CORES)

test: .venv/dev ## all tests, doctests of src and README included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: .venv/dev ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: .venv/dev ## speed as ratios of our way to the plain way, same run, same answer
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks -q -s -p no:cacheprovider

docs: .venv/dev ## the documentation site, in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet

clean: ## results and generated samples; the environment stays
	rm -rf analysis/*/results* analysis/*/.snakemake samples/generated

# quick and test also work where Pythia has no wheel
.venv/run: pyproject.toml constraints.txt
	$(INSTALL) -e '.[workflow]'
	touch $@

.venv/simulation: pyproject.toml constraints.txt
	$(INSTALL) -e '.[simulation,workflow]'
	touch $@ .venv/run

.venv/dev: pyproject.toml constraints.txt
	($(INSTALL) -e '.[simulation,$(DEV)]') || ($(INSTALL) -e '.[$(DEV)]')
	touch $@ .venv/run
