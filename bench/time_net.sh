#!/usr/bin/env bash
# Times a network of the zoo with several compilers and flags, one thread, formula weights.
# Usage: bench/time_net.sh NAME [runs]      e.g. bench/time_net.sh resnet50 30
# COMPILERS, one command a line, replaces the list below; TARGET says what cnnc writes code for (default portable, which all
# of the list compile). CNNC names the compiler (default build/cnnc).
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?usage: bench/time_net.sh NAME [runs]} runs=${2:-20} cnnc=${CNNC:-build/cnnc}
folder=build/bench/$name
mkdir -p "$folder"
"$cnnc" "dsl/zoo/$name.net" --target="${TARGET:-portable}" --weights=formula --no-embed-weights --name=model -o "$folder/model.c"
outputs=$(grep -oE 'MODEL_(PROBABILITIES|LOGITS)_ELEMENTS' "$folder/model.h" | head -1)
while read -r cc; do
    command -v "${cc%% *}" > /dev/null || continue
    start=$(date +%s%N)
    $cc -Iruntime -c "$folder/model.c" -o "$folder/model.o"
    spent=$((($(date +%s%N) - start) / 1000000))
    cc -std=c11 -O2 -Iruntime -I"$folder" -DTIME_NET_OUTPUTS="$outputs" bench/time_net.c "$folder/model.o" -o "$folder/time_net" -lm
    printf '%-36s compiled in %5d ms  ' "$cc" "$spent"
    "$folder/time_net" "$folder/model.weights" "$runs"
done <<< "${COMPILERS:-gcc -O3 -march=native
gcc -std=c99 -O3 -march=native
gcc -O3
gcc -O2
clang -O3 -march=native
clang -O3}"
