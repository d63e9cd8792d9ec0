#!/usr/bin/env bash
# Checks of the tree itself, before the tests run: include directions, file sizes, where the process may end, mutable state,
# generated files in git, READMEs and tests that go with files. Prints every violation; exit status 1 with any.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${CNNC_BUILD:-build}
faults=0
fault() { echo "check_tree: $*"; faults=$((faults + 1)); }

# 1. A folder of compiler/ includes only itself and those to its left. backend/embed/ is free: fixed text of generated code,
# which the compiler includes where it must compute the same (the blob's checksum).
declare -A allowed=(
    [support]="support" [ir]="support ir" [frontend]="support ir frontend" [weights]="support ir weights"
    [interp]="support ir weights interp" [onnx]="support ir weights onnx" [passes]="support ir weights passes" [lower]="support ir weights lower"
    [backend]="support ir lower backend" [report]="support ir lower report"
    [tune]="support ir lower backend tune")
for folder in "${!allowed[@]}"; do
    while IFS=: read -r file line; do
        target=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$line")
        case " ${allowed[$folder]} " in
        *" $target "*) ;;
        *) fault "$file includes $target/, which is not to its left" ;;
        esac
    done < <(grep -oE '#include "(support|ir|frontend|weights|interp|onnx|passes|lower|backend|report|tune)/[^"]+"' -r "compiler/$folder" --include='*.[chly]' --with-filename | grep -v '"backend/embed/')
done
if grep -nE '#include "(options|driver)\.h"' -r compiler/*/ ; then fault "a folder includes the driver"; fi
if grep -nE '#include "[a-z]+/' -r runtime/; then fault "runtime/ includes from compiler/"; fi

# 2. One job a file.
while read -r lines file; do
    [ "$file" = total ] && continue
    [ "$lines" -le 900 ] || fault "$file has $lines lines (ceiling 900)"
done < <(wc -l $(git ls-files 'compiler/*.[chly]' 'runtime/*.[ch]' 'tests/*.[ch]' 'tests/*.py'))

# 3. No file but main.c, and the two functions of last resort, ends the process.
grep -nE '\b(exit|_Exit|abort|quick_exit)\(' -r compiler --include='*.[chly]' | grep -vE '^compiler/(main|support/attributes)\.c:' | grep -vE ':[0-9]+: *(/?\*|//)' | grep -vE 'backend/embed' && fault "exit or abort outside main.c"

# 4. No mutable file-scope state in the compiler: .data and .bss are empty.
for object in "$build"/compiler/*.o "$build"/compiler/*/*.o; do
    [ -e "$object" ] || continue
    case $build in *sanitize*) continue ;; esac # the sanitizers add their own
    bytes=$(size -A "$object" | awk '$1 == ".data" || $1 == ".bss" { sum += $2 } END { print sum + 0 }')
    [ "$bytes" -eq 0 ] || fault "$object has $bytes bytes of mutable data"
done

# 5. Generated parsers stay in build/.
git ls-files | grep -E '(^|/)(parse|scan|onnx\.pb-c)\.[ch]$' && fault "generated code in git"

# 6. Every folder tells what its files are: a README of its own or in the folder above, which names each source file.
for folder in compiler compiler/*/ runtime dsl examples generated tests tools bench; do
    [ -e "$folder/README.md" ] || fault "$folder has no README.md"
done
while read -r file; do
    folder=$(dirname "$file")
    readme=$folder/README.md
    [ -e "$readme" ] || readme=$(dirname "$folder")/README.md
    stem=$(basename "$file")
    grep -qE "(^|[^a-z_0-9])${stem%.*}\." "$readme" || fault "$readme does not name $file"
done < <(git ls-files 'compiler/*.[chly]' 'compiler/*.def' 'runtime/*.[ch]' 'tools/*.py' 'tools/*.sh' 'tools/*.c' 'bench/*.c' 'bench/*.sh')

# 7. A pass is one file, one golden file and one test file, all of one name.
while read -r pass; do
    for file in "compiler/passes/$pass.c" "tests/golden/pass/$pass.net" "tests/unit/pass_$pass.c"; do
        [ -e "$file" ] || fault "pass $pass has no $file"
    done
done < <(sed -nE 's/^    \{"([a-z_]+)", .*/\1/p' compiler/passes/pipeline.c)

# 8. Nothing is in git that an editor or a build leaves behind.
git ls-files | grep -E '\.(o|d|so|a|orig|rej|swp)$|~$' && fault "a by-product in git"

[ "$faults" -eq 0 ] && echo "check_tree: the tree keeps its rules"
[ "$faults" -eq 0 ]
