#!/usr/bin/env bash
# Turns text files into C: one `const char embedded_NAME[]` each (path's base name, '.' and '-' as '_').
# Usage: tools/embed.sh FILE... > embedded.c
set -euo pipefail
echo '/* Written by tools/embed.sh; not edited. */'
for file in "$@"; do
    name=$(basename "$file" | tr '.-' '__')
    echo "extern const char embedded_${name}[];"
    echo "const char embedded_${name}[] ="
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file"
    echo '    "";'
done
