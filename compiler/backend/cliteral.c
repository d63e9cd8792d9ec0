/* Exact decimal literals. The C library formats and reads in the program's locale, so the digits are tried there and
 * the decimal point is made a '.' at the end: the text is the same in every locale. */
#include "backend/cliteral.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nine significant digits tell any two floats apart. */
enum { MIN_DIGITS = 6, MAX_DIGITS = 9 };

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

const char *cliteral_float(float value, char *text)
{
    if (!isfinite(value)) {
        ICE("a literal that is not finite");
    }
    char digits[CLITERAL_MAX];
    for (int count = MIN_DIGITS; count <= MAX_DIGITS; ++count) {
        snprintf(digits, sizeof digits, "%.*g", count, (double)value);
        if (same_bits(strtof(digits, NULL), value)) {
            break;
        }
    }
    size_t length = 0;
    bool is_integer = true;
    for (const char *from = digits; *from != '\0'; ++from) {
        bool is_digit = *from >= '0' && *from <= '9';
        if (is_digit || *from == '-' || *from == '+') {
            text[length++] = *from;
        } else if (*from == 'e') {
            text[length++] = 'e';
            is_integer = false;
        } else if (is_integer) {
            text[length++] = '.'; /* the locale's decimal point, perhaps of several bytes */
            is_integer = false;
        }
    }
    if (is_integer) {
        text[length++] = '.';
        text[length++] = '0';
    }
    text[length++] = 'f';
    text[length] = '\0';
    return text;
}
