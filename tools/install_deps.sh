#!/usr/bin/env bash
# Installs what is missing, with Debian's package manager. Usage: tools/install_deps.sh build|test|pytorch|oracle
#   build  what `make` and `make demo` need        test  what `make test` needs on top
#   pytorch what `make fuzz-pytorch` needs on top of build
#   oracle what `make test-onnxruntime` needs on top of build
set -euo pipefail
packages=()
need() { # need PACKAGE TEST...: PACKAGE unless the test command succeeds
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || packages+=("$package")
}
has_header() { echo "#include <$1>" | ${CC:-gcc} -E -xc - ; }
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
need make command -v make
need flex command -v flex
need bison command -v bison
need libjansson-dev has_header jansson.h
need libprotobuf-c-dev has_header protobuf-c/protobuf-c.h
need protobuf-c-compiler command -v protoc-c
need libonnx-dev test -e /usr/include/onnx/onnx.proto
need libstb-dev has_header stb/stb_image.h
if [ "${1:-build}" = test ]; then
    need g++ command -v g++
    need clang command -v clang
    need binutils command -v nm
    need git command -v git
    need libcriterion-dev has_header criterion/criterion.h
    need python3-onnx /usr/bin/python3 -c 'import onnx'
fi
if [ "${1:-build}" = pytorch ]; then
    need python3-torch /usr/bin/python3 -c 'import torch, numpy'
fi
if [ "${1:-build}" = oracle ]; then
    need python3-venv python3 -c 'import ensurepip, venv'
fi
[ ${#packages[@]} -eq 0 ] && exit 0
echo "installing: ${packages[*]}" >&2
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
command -v apt-get >/dev/null || { echo "tools/install_deps.sh: no apt-get here; install: ${packages[*]}" >&2; exit 1; }
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "${packages[@]}" >/dev/null
