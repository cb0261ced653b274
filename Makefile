# Thin names over commands. PIP_FLAGS passes through to pip; EVENTS scales the generated samples; CORES and OUT as said.
PYTHON ?= python3
CORES ?= 2
EVENTS ?= 1
OUT ?=
BIN := .venv/bin
export MPLCONFIGDIR ?= $(CURDIR)/.venv/matplotlib

INSTALL = test -x $(BIN)/python || $(PYTHON) -m venv .venv; $(BIN)/python -m pip install -qq --no-compile $(PIP_FLAGS) -c constraints.txt
SNAKEMAKE = flock .venv/lock $(BIN)/snakemake --cores $(CORES) --nolock --rerun-incomplete --quiet all

.PHONY: ttbar-analysis quick test lint samples bench clean

ttbar-analysis: .venv/simulation ## the default analysis: generated ntuples to limits
	@$(SNAKEMAKE) --directory analysis/ttbar -s analysis/ttbar/Snakefile --config events=$(EVENTS) out=$(abspath $(OUT))
	@echo "Nothing is left to do: $(or $(OUT),analysis/ttbar/results)/report.html is up to date."

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
	($(INSTALL) -e '.[simulation,workflow,dev]') || ($(INSTALL) -e '.[workflow,dev]')
	touch $@ .venv/run
