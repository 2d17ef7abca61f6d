# setup · demo · test · test-all · lint · docs · bench · results. `make -n NAME` shows the commands.
#   make setup PYTHON=python3.12                                    another interpreter
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu    where torch comes from
#   make test PROCESSES=8                                           tests in more than two processes
#   make setup GPU=1                                                torch with CUDA, spconv-triton
#   make setup GPU=1 TORCH_INDEX=https://download.pytorch.org/whl/cu126   for another CUDA
#   make setup GPU=0                                                back to a CPU
# A choice is remembered until you make another one.
-include .venv/choice.mk
ifndef PYTHON
PYTHON := $(shell for name in python3.11 python3.12 python3.10 python3; do \
	if $$name -c '' 2> /dev/null; then echo $$name; break; fi; done)
endif
# An index for CPUs has no torch for GPUs: a new choice of GPU forgets the remembered index.
ifneq ($(filter command environment,$(firstword $(origin GPU))),)
ifeq ($(origin TORCH_INDEX),file)
TORCH_INDEX :=
endif
endif
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
GPU ?=
ON_GPU := $(filter-out 0 no,$(GPU))
HAS_GPU_CODE := import torch; assert torch.version.cuda or torch.version.hip, "torch is built for CPUs: choose a TORCH_INDEX"
TORCH := requirements/$(if $(ON_GPU),gpu,torch-cpu).txt
LOCKS := requirements/cpu.txt $(TORCH)
# pip keeps a torch of the same version from another source, so another choice removes it first.
# The stamp's name contains the interpreter and the source of torch: another choice sets up anew.
CHOICE := $(subst /,_,$(subst :,_,$(PYTHON)$(if $(ON_GPU),+gpu)$(if $(TORCH_INDEX),@$(TORCH_INDEX))))
STAMP := $(VENV)/.set-up-$(CHOICE)
DOCS_VENV := work_dirs/docs-venv
PROCESSES ?= 2
# One thread per process: most tests are too small to be split.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal

.PHONY: setup demo test test-all lint docs bench results
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): $(LOCKS) setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 12), "Python 3.10 to 3.12 wanted, found " + sys.version'
	rm -f $(VENV)/.set-up-*
	test "$$($(BIN)/python -V 2>&1)" = "$$($(PYTHON) -V)" || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --no-deps --only-binary :all: -r requirements/cpu.txt
	test ! -e $(VENV)/choice.mk || grep -qxF '# $(CHOICE)' $(VENV)/choice.mk || $(PIP) uninstall --yes torch
	$(PIP) install --only-binary :all: -r $(TORCH) $(if $(TORCH_INDEX),--$(if $(ON_GPU),extra-)index-url $(TORCH_INDEX))
	$(if $(ON_GPU),$(BIN)/python -c '$(HAS_GPU_CODE)')
	$(PIP) install --no-deps --no-build-isolation -e .
	$(BIN)/python tools/doctor.py
	printf '# %s\n' '$(CHOICE)' > $(VENV)/choice.mk
	printf '%s ?= %s\n' PYTHON '$(PYTHON)' TORCH_INDEX '$(TORCH_INDEX)' GPU '$(GPU)' >> $(VENV)/choice.mk
	touch $@

demo: setup
	$(BIN)/python tools/demo.py

test: setup
	$(PYTEST) -m 'not slow'

test-all: setup
	$(PYTEST)

lint: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

# The site has its own environment, without torch. mkdocs.yml sets the output folder.
docs: $(DOCS_VENV)/.set-up
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict

$(DOCS_VENV)/.set-up: requirements/docs.txt requirements/cpu.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 12), "Python 3.11 or 3.12 wanted for the docs, found " + sys.version'
	$(PYTHON) -m venv --clear $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip --disable-pip-version-check install --only-binary :all: -r requirements/docs.txt
	touch $@

bench: setup
	$(BIN)/python tools/benchmark.py speed configs/queryis/queryis-s_1xb10-150k_scannet.py \
		configs/queryis/queryis-l_1xb10-150k_scannet.py configs/queryis/queryis-plus-s_1xb10-150k_scannet.py

results: setup
	$(BIN)/python tools/results.py
