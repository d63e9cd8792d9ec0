/* "did you mean": edit distance in which a swap of neighbours counts once (optimal string alignment) and a wrong
 * case costs less than a wrong letter. Distances are kept in half steps: case 1, all else 2. */
#include "support/suggest.h"

#include <ctype.h>

enum { LONGEST = 63, STEP = 2 }; /* names beyond 63 bytes get no suggestion: nobody misreads those by a letter */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t edit_distance(Str a, Str b)
{
    size_t rows[3][LONGEST + 1]; /* the row being filled and the two before it */
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; ++j) {
        last[j] = j * STEP;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a.len; ++i) {
        row[0] = i * STEP;
        for (size_t j = 1; j <= b.len; ++j) {
            char x = a.ptr[i - 1], y = b.ptr[j - 1];
            size_t change = x == y ? 0 : same_letter(x, y) ? 1 : STEP;
            row[j] = least(least(last[j] + STEP, row[j - 1] + STEP), last[j - 1] + change);
            if (i > 1 && j > 1 && x != y && x == b.ptr[j - 2] && y == a.ptr[i - 2]) {
                row[j] = least(row[j], before[j - 2] + STEP);
            }
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b.len];
}

Suggest suggest_start(Str wanted)
{
    return (Suggest){.wanted = wanted};
}

void suggest_consider(Suggest *suggest, Str candidate)
{
    Str wanted = suggest->wanted;
    if (wanted.len == 0 || candidate.len == 0 || wanted.len > LONGEST || candidate.len > LONGEST) {
        return;
    }
    size_t distance = edit_distance(wanted, candidate);
    size_t longer = wanted.len > candidate.len ? wanted.len : candidate.len;
    size_t shorter = least(wanted.len, candidate.len);
    /* Near: at most a third of the letters, and never all of them ('x' does not suggest 'y'). */
    size_t limit = (longer + 2) / 3 * STEP;
    if (distance == 0 || distance > limit || distance >= shorter * STEP) {
        return;
    }
    if (suggest->best.len == 0 || distance < suggest->distance) {
        suggest->best = candidate;
        suggest->distance = distance;
    }
}
