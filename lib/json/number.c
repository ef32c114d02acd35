#include "json/number.h"

#include "json/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many decimal digits always survive the way into a double and back (DBL_DIG). */
#define DIGITS_SAFE 15
/* So many tell any double from its neighbours (DBL_DECIMAL_DIG). */
#define DIGITS_MAX 17
#define POWER_EXACT_MAX 22  /* the largest power of ten that a double holds exactly */
#define EXPONENT_MAX 100000 /* beyond it, more digits of an exponent change nothing */

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && is_digit(*at))
        at++;
    return at;
}

size_t w4_json_number_grammar(const uint8_t *at, const uint8_t *end, bool *ret_integer,
                              const uint8_t **ret_fault) {
    const uint8_t *start = at;
    bool integer = true;
    if (at < end && *at == '-')
        at++;
    const uint8_t *digits = at;
    at = skip_digits(at, end);
    if (at == digits || (*digits == '0' && at - digits > 1)) {
        *ret_fault = at == digits ? at : digits + 1;
        return 0;
    }
    if (at < end && *at == '.') {
        integer = false;
        const uint8_t *fraction = ++at;
        at = skip_digits(at, end);
        if (at == fraction) {
            *ret_fault = at;
            return 0;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const uint8_t *exponent = at;
        at = skip_digits(at, end);
        if (at == exponent) {
            *ret_fault = at;
            return 0;
        }
    }
    *ret_integer = integer;
    return (size_t)(at - start);
}

/* A literal taken apart: (-1)^negative * digits * 10^exponent. */
typedef struct parts {
    bool negative;
    char digits[W4_JSON_LITERAL_MAX + 16]; /* room behind them for "e-100000" */
    size_t count;
    long exponent;
} parts;

static void take_apart(w4_bytes literal, parts *ret_parts) {
    const uint8_t *at = literal.data, *end = literal.data + literal.len;
    ret_parts->negative = at < end && *at == '-';
    if (ret_parts->negative)
        at++;
    size_t count = 0;
    long fraction = 0;
    bool behind_point = false;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            behind_point = true;
            continue;
        }
        fraction += behind_point ? 1 : 0;
        if (count == 0 && *at == '0')
            continue;
        if (count < W4_JSON_LITERAL_MAX)
            ret_parts->digits[count++] = (char)*at;
    }
    long exponent = 0;
    if (at < end) {
        at++;
        bool down = at < end && *at == '-';
        if (at < end && !is_digit(*at))
            at++;
        for (; at < end; at++)
            if (exponent < EXPONENT_MAX)
                exponent = exponent * 10 + (*at - '0');
        exponent = exponent < EXPONENT_MAX ? exponent : EXPONENT_MAX;
        exponent = down ? -exponent : exponent;
    }
    ret_parts->count = count;
    ret_parts->exponent = exponent - fraction;
}

/* strtod is right to the last bit, but reads the point of the locale: it is given none. */
static double digits_to_double(char *digits, size_t count, long exponent) {
    snprintf(digits + count, 12, "e%ld", exponent);
    return strtod(digits, NULL);
}

double w4_json_number_parse(w4_bytes literal) {
    static const double powers[POWER_EXACT_MAX + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    parts p;
    take_apart(literal, &p);
    double value = 0;
    if (p.count == 0) {
        value = 0;
    } else if (p.count <= DIGITS_SAFE && p.exponent >= -POWER_EXACT_MAX &&
               p.exponent <= POWER_EXACT_MAX) {
        /* Both operands are exact, so the one rounding of IEEE 754 is the right one. */
        int64_t whole = 0;
        for (size_t i = 0; i < p.count; i++)
            whole = whole * 10 + (p.digits[i] - '0');
        value = p.exponent < 0 ? (double)whole / powers[-p.exponent]
                               : (double)whole * powers[p.exponent];
    } else {
        value = digits_to_double(p.digits, p.count, p.exponent);
    }
    return p.negative ? -value : value;
}

/* Whether the double behind an integer literal is that integer, or the literal its own spelling. */
static bool integer_kept(w4_bytes literal, double value) {
    char text[W4_JSON_LITERAL_MAX];
    size_t len = w4_json_number_format(value, text);
    if (len == literal.len && memcmp(text, literal.data, len) == 0)
        return true;
    int exact = snprintf(text, sizeof text, "%.0f", value);
    return (size_t)exact == literal.len && memcmp(text, literal.data, literal.len) == 0;
}

w4_json_number_fault w4_json_number_check(w4_bytes literal, bool integer, double *ret_value) {
    if (literal.len > W4_JSON_LITERAL_MAX)
        return W4_JSON_NUMBER_LONG;
    double value = w4_json_number_parse(literal);
    if (!isfinite(value))
        return W4_JSON_NUMBER_BEYOND;
    if (integer && fabs(value) >= 0x1p53 && !integer_kept(literal, value))
        return W4_JSON_NUMBER_INEXACT;
    *ret_value = value;
    return W4_JSON_NUMBER_GOOD;
}

/* ---- the ECMAScript form */

/* A positive double as 0.DIGITS * 10^point. */
typedef struct decimal {
    char digits[DIGITS_MAX + 16];
    size_t count;
    long point;
} decimal;

static void round_to(double value, size_t count, decimal *ret_decimal) {
    char text[64];
    snprintf(text, sizeof text, "%.*e", (int)count - 1, value);
    size_t n = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (is_digit((uint8_t)*at))
            ret_decimal->digits[n++] = *at;
    ret_decimal->count = n;
    ret_decimal->point = strtol(at + 1, NULL, 10) + 1;
}

static bool is_value(decimal *d, double value) {
    return digits_to_double(d->digits, d->count, d->point - (long)d->count) == value;
}

/* The next decimal of the same number of digits. */
static void step_up(decimal *d) {
    size_t i = d->count;
    while (i > 0 && d->digits[i - 1] == '9')
        d->digits[--i] = '0';
    if (i > 0) {
        d->digits[i - 1]++;
        return;
    }
    d->digits[0] = '1';
    d->point++;
}

/* The fewest digits that give the value back; of those the closest to it. */
static void shortest(double value, decimal *ret_decimal) {
    int exponent;
    bool lopsided = frexp(value, &exponent) == 0.5; /* a power of two: its gaps differ */
    size_t count = value < 0x1p-1022 ? 1 : DIGITS_SAFE;
    for (;; count++) {
        round_to(value, count, ret_decimal);
        if (count == DIGITS_MAX || is_value(ret_decimal, value))
            break;
        /* The closest may lie below, where the gap is half as wide, and miss; the one above may
         * still hit. */
        if (lopsided) {
            step_up(ret_decimal);
            if (is_value(ret_decimal, value))
                break;
        }
    }
    while (ret_decimal->count > 1 && ret_decimal->digits[ret_decimal->count - 1] == '0')
        ret_decimal->count--;
}

static size_t put(char *text, size_t len, const char *from, size_t count) {
    memcpy(text + len, from, count);
    return len + count;
}

static size_t put_zeros(char *text, size_t len, size_t count) {
    memset(text + len, '0', count);
    return len + count;
}

/* Number::toString of ECMAScript, with its limits of 21 digits before the point and 6 zeros
 * behind it. */
static size_t lay_out(const decimal *d, char *text) {
    size_t len = 0, count = d->count;
    long n = d->point;
    if ((long)count <= n && n <= 21) {
        len = put(text, len, d->digits, count);
        return put_zeros(text, len, (size_t)n - count);
    }
    if (n > 0 && n <= 21) {
        len = put(text, len, d->digits, (size_t)n);
        text[len++] = '.';
        return put(text, len, d->digits + n, count - (size_t)n);
    }
    if (n > -6 && n <= 0) {
        len = put(text, len, "0.", 2);
        len = put_zeros(text, len, (size_t)-n);
        return put(text, len, d->digits, count);
    }
    text[len++] = d->digits[0];
    if (count > 1) {
        text[len++] = '.';
        len = put(text, len, d->digits + 1, count - 1);
    }
    return len + (size_t)snprintf(text + len, W4_JSON_NUMBER_MAX - len, "e%c%ld", n > 0 ? '+' : '-',
                                  labs(n - 1));
}

size_t w4_json_number_format(double value, char ret_text[static W4_JSON_NUMBER_MAX]) {
    size_t len = 0;
    ret_text[0] = '\0';
    if (!isfinite(value))
        return 0;
    if (value == 0) {
        ret_text[len++] = '0';
    } else if (fabs(value) < 1e15 && trunc(value) == value) {
        len = (size_t)snprintf(ret_text, W4_JSON_NUMBER_MAX, "%lld", (long long)value);
    } else {
        decimal d;
        if (value < 0)
            ret_text[len++] = '-';
        shortest(fabs(value), &d);
        len += lay_out(&d, ret_text + len);
    }
    ret_text[len] = '\0';
    return len;
}

static size_t canonical_by_value(const uint8_t *at, const uint8_t *end) {
    bool integer;
    const uint8_t *fault;
    size_t room = (size_t)(end - at);
    size_t len = w4_json_number_grammar(
        at, room > W4_JSON_NUMBER_MAX ? at + W4_JSON_NUMBER_MAX : end, &integer, &fault);
    if (len == 0 || len >= W4_JSON_NUMBER_MAX)
        return 0;
    char text[W4_JSON_NUMBER_MAX];
    size_t expected = w4_json_number_format(w4_json_number_parse(w4_bytes_of(at, len)), text);
    return expected == len && memcmp(text, at, len) == 0 ? len : 0;
}

/* Up to DIGITS_SAFE digits no two decimals share a double, so the form alone decides: no
 * superfluous zero, and no exponent where it belongs. The rest is spelled anew and compared. */
size_t w4_json_number_canonical(const uint8_t *at, const uint8_t *end) {
    const uint8_t *digits = at + (at < end && *at == '-');
    const uint8_t *point = skip_digits(digits, end);
    size_t whole = (size_t)(point - digits);
    if (whole == 0 || whole > DIGITS_SAFE || (whole > 1 && *digits == '0'))
        return whole > DIGITS_SAFE ? canonical_by_value(at, end) : 0;
    if (point == end || (*point != '.' && *point != 'e' && *point != 'E'))
        return *digits == '0' && digits != at ? 0 : (size_t)(point - at);
    const uint8_t *behind = *point == '.' ? skip_digits(point + 1, end) : point;
    size_t fraction = (size_t)(behind - point); /* with the point */
    bool exponent = behind < end && (*behind == 'e' || *behind == 'E');
    bool tiny = *digits == '0' && fraction > 6 && memcmp(point, ".000000", 7) == 0;
    if (exponent || tiny || fraction < 2 || whole + fraction - 1 > DIGITS_SAFE)
        return canonical_by_value(at, end);
    return behind[-1] == '0' ? 0 : (size_t)(behind - at);
}
