#!/usr/bin/env bash
# Build interface packages into a Python environment whose ROS 2 came from PyPI wheels.
# On a machine with an installed ROS 2, use colcon instead (README: "On a robot").
#
#   embodied_agent_interfaces/build.sh VENV PACKAGE_FOLDER...
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
venv="$(cd "$1" && pwd)"; shift
python="$venv/bin/python"

# The wheels' exported CMake files name the interpreter that they were built with.
include="$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')"
numpy="$("$python" -c 'import numpy; print(numpy.get_include())')"
{ grep -rlZ '/opt/python/cp' "$venv/share" --include='*.cmake' 2>/dev/null || true; } | xargs -0r sed -i -E \
  -e "s#/opt/python/cp[0-9]+-cp[0-9]+/include/python[0-9.]+#$include#g" \
  -e "s#/opt/python/cp[0-9]+-cp[0-9]+/lib/python[0-9.]+/site-packages/numpy/_core/include#$numpy#g"

export PATH="$venv/bin:$PATH" CMAKE_PREFIX_PATH="$venv" AMENT_PREFIX_PATH="$venv"
for package in "${@:-$here}"; do
  build="$(mktemp -d)"
  cmake -S "$package" -B "$build" -G Ninja -DCMAKE_INSTALL_PREFIX="$venv" -DBUILD_TESTING=OFF \
    -DPython3_EXECUTABLE="$python" -DCMAKE_BUILD_TYPE=Release >"$build/log" 2>&1 \
    && cmake --build "$build" >>"$build/log" 2>&1 && cmake --install "$build" >>"$build/log" 2>&1 \
    || { echo "building $(basename "$package") failed:" >&2; tail -n 30 "$build/log" >&2; exit 1; }
  rm -rf "$build"
  echo "built $(basename "$package")"
done
