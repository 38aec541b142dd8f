# make run TASK="put the red cube in the bowl"   install what is missing, then do the main job
# make test                                      the same set-up, then every test
# make check                                     formatting, lint, types
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TASK   ?= put the red cube in the bowl
ARGS   ?=
# A place with CPU-only wheels of torch, where the default one would bring the CUDA build.
TORCH_INDEX ?=
DEBIAN := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libgles2 libosmesa6 libusb-1.0-0 libx11-6 libgomp1

export MUJOCO_GL ?= egl
export HF_HUB_OFFLINE = 1

.PHONY: run test check format setup system clean

run: setup
	@$(BIN)/embodied-agent run "$(TASK)" --out runs/latest $(ARGS)

test: setup
	$(BIN)/python -m pytest $(ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy embodied_agent sim

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: system $(STAMP)

# Off-screen rendering needs Mesa; Open3D needs libusb. Installed where that is possible, else named.
system:
	@missing=""; for p in $(DEBIAN); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then root=""; elif sudo -n true 2>/dev/null; then root="sudo"; else root="none"; fi; \
	  if [ "$$root" = none ]; then echo "missing system packages: sudo apt-get install$$missing" >&2; exit 7; fi; \
	  echo "installing$$missing"; \
	  $$root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# torch goes first and alone, so that no later line pulls another build of it.
$(STAMP): setup.py pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (first time: a few minutes)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[mujoco,mllm,bench,dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
