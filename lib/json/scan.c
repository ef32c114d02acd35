#include "json/scan.h"

#include "json/escape.h"
#include "json/fault.h"
#include "json/number.h"

#include <string.h>

typedef struct level {
    uint32_t count;
    bool object;
} level;

typedef struct scanner {
    w4_bytes text;
    const uint8_t *at;
    const uint8_t *end;
    const w4_json_limits *limits;
    w4_json_error *ret_error;
    uint32_t depth;
    uint32_t depth_max;
    uint32_t values;
    w4_json_scan_result result;
    level levels[W4_JSON_DEPTH_MAX];
} scanner;

static int fail_at(scanner *s, int condition, const uint8_t *at, const char *what) {
    return w4_json_fault(s->ret_error, condition, s->text, (size_t)(at - s->text.data), "%s", what);
}

static size_t offset_of(const scanner *s) {
    return (size_t)(s->at - s->text.data);
}

static int expected(scanner *s, const char *what) {
    char found[W4_JSON_FOUND_MAX];
    size_t offset = offset_of(s);
    return w4_json_fault(s->ret_error, W4_JSON_E_SYNTAX, s->text, offset, "expected %s, found %s",
                         what, w4_json_found(s->text, offset, found));
}

static void skip_space(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

static bool next_is(const scanner *s, uint8_t byte) {
    return s->at < s->end && *s->at == byte;
}

/* Four hex digits at the given place; -1 when they are not there. */
static int32_t hex4(const scanner *s, const uint8_t *at) {
    int32_t value = 0;
    if (s->end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = at[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* \uXXXX, at s->at; moves behind it, and behind the second half of a pair. */
static int scan_unicode(scanner *s, size_t *ret_len, bool *ret_nul) {
    const uint8_t *start = s->at;
    int32_t unit = hex4(s, s->at + 2);
    if (unit < 0) {
        s->at += 2;
        return expected(s, "four hex digits after \\u");
    }
    s->at += 6;
    *ret_nul = unit == 0;
    *ret_len = unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    if (unit < 0xd800 || unit > 0xdfff)
        return 0;
    bool follows = s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u';
    int32_t second = follows ? hex4(s, s->at + 2) : -1;
    if (unit > 0xdbff || second < 0xdc00 || second > 0xdfff)
        return fail_at(s, W4_JSON_E_SYNTAX, start, "a lone surrogate is no character");
    s->at += 6;
    *ret_len = 4;
    return 0;
}

static int scan_escape(scanner *s, size_t *ret_len, bool *ret_nul) {
    uint8_t c = s->end - s->at < 2 ? 0 : s->at[1];
    *ret_nul = false;
    *ret_len = 1;
    if (c == 'u')
        return scan_unicode(s, ret_len, ret_nul);
    s->at++;
    if (c == 0 || !strchr("\"\\/bfnrt", c))
        return expected(s, "one of \" \\ / b f n r t u after a backslash");
    s->at++;
    return 0;
}

/* A string, at its first quote. */
static int scan_string(scanner *s, bool name) {
    const uint8_t *start = s->at++;
    size_t decoded = 0;
    for (;;) {
        size_t len = 0;
        if (s->at == s->end)
            return fail_at(s, W4_JSON_E_SYNTAX, start, "this string has no end");
        if (*s->at == '"')
            break;
        if (*s->at == '\\') {
            bool nul = false;
            int r = scan_escape(s, &len, &nul);
            if (r != 0)
                return r;
            s->result.nul_in_name |= nul && name;
        } else if (*s->at < 0x20) {
            return fail_at(s, W4_JSON_E_SYNTAX, s->at,
                           "a control character inside a string must be escaped");
        } else {
            len = w4_json_utf8_len(s->at, s->end);
            if (len == 0)
                return w4_json_fault(s->ret_error, W4_JSON_E_SYNTAX, s->text, offset_of(s),
                                     "byte 0x%02X is not UTF-8 here", *s->at);
            s->at += len;
        }
        decoded += len;
        if (decoded > s->limits->string)
            return w4_json_fault(s->ret_error, W4_JSON_E_TOO_LARGE, s->text,
                                 (size_t)(start - s->text.data), "a string of more than %u bytes",
                                 s->limits->string);
    }
    s->result.sums.strings += decoded;
    s->at++;
    return 0;
}

void w4_json_sums_add_number(w4_json_sums *sums, double value) {
    uint64_t bits = 0; /* of -0 as well */
    if (value != 0)
        memcpy(&bits, &value, sizeof bits);
    sums->numbers += bits;
}

static int refuse_number(scanner *s, w4_bytes literal, w4_json_number_fault fault) {
    int shown = literal.len > 40 ? 40 : (int)literal.len;
    const char *dots = literal.len > 40 ? "..." : "";
    const char *why = fault == W4_JSON_NUMBER_INEXACT
                          ? "is an integer that no double holds; write it as a string"
                          : "is beyond the range of a double";
    size_t offset = (size_t)(literal.data - s->text.data);
    if (fault == W4_JSON_NUMBER_LONG)
        return w4_json_fault(s->ret_error, W4_JSON_E_SYNTAX, s->text, offset,
                             "a number of more than %d characters", W4_JSON_LITERAL_MAX);
    return w4_json_fault(s->ret_error, W4_JSON_E_SYNTAX, s->text, offset, "%.*s%s %s", shown,
                         (const char *)literal.data, dots, why);
}

static int scan_number(scanner *s) {
    bool integer = false;
    const uint8_t *bad = NULL;
    size_t len = w4_json_number_grammar(s->at, s->end, &integer, &bad);
    if (len == 0) {
        bool zero = bad < s->end && bad > s->text.data && *bad >= '0' && *bad <= '9';
        s->at = bad;
        return zero ? fail_at(s, W4_JSON_E_SYNTAX, bad, "a number must not begin with a zero")
                    : expected(s, "a digit");
    }
    w4_bytes literal = w4_bytes_of(s->at, len);
    double value = 0;
    w4_json_number_fault fault = w4_json_number_check(literal, integer, &value);
    if (fault != W4_JSON_NUMBER_GOOD)
        return refuse_number(s, literal, fault);
    w4_json_sums_add_number(&s->result.sums, value);
    s->at += len;
    return 0;
}

static int scan_literal(scanner *s, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return expected(s, "a value");
    s->at += len;
    return 0;
}

static int scan_name(scanner *s) {
    skip_space(s);
    if (!next_is(s, '"'))
        return expected(s, "a member name in double quotes");
    int r = scan_string(s, true);
    if (r != 0)
        return r;
    skip_space(s);
    if (!next_is(s, ':'))
        return expected(s, "':' after a member name");
    s->at++;
    return 0;
}

/* Enters an array or object unless it is empty. */
static int scan_open(scanner *s, bool object, bool *ret_complete) {
    if (s->depth >= s->depth_max)
        return w4_json_fault(s->ret_error, W4_JSON_E_TOO_DEEP, s->text, offset_of(s),
                             "nested deeper than %u levels", s->depth_max);
    s->at++;
    skip_space(s);
    if (next_is(s, object ? '}' : ']')) {
        s->at++;
        *ret_complete = true;
        return 0;
    }
    s->levels[s->depth++] = (level){.count = 0, .object = object};
    *ret_complete = false;
    return object ? scan_name(s) : 0;
}

static int scan_value(scanner *s, bool *ret_complete) {
    skip_space(s);
    if (++s->values > W4_JSON_VALUES_MAX)
        return fail_at(s, W4_JSON_E_TOO_LARGE, s->at, "more values than one document may hold");
    *ret_complete = true;
    uint8_t c = s->at < s->end ? *s->at : 0;
    if (c == '"')
        return scan_string(s, false);
    if (c == '{' || c == '[')
        return scan_open(s, c == '{', ret_complete);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s);
    if (c == 't')
        return scan_literal(s, "true");
    if (c == 'f')
        return scan_literal(s, "false");
    if (c == 'n')
        return scan_literal(s, "null");
    return expected(s, "a value");
}

/* Behind a value inside a container: goes on to the next one, or leaves the container. */
static int scan_behind(scanner *s, bool *ret_complete) {
    level *top = &s->levels[s->depth - 1];
    if (++top->count > s->limits->items)
        return w4_json_fault(s->ret_error, W4_JSON_E_TOO_LARGE, s->text, offset_of(s),
                             "more than %u %s", s->limits->items,
                             top->object ? "members in one object" : "elements in one array");
    skip_space(s);
    if (next_is(s, ',')) {
        s->at++;
        *ret_complete = false;
        return top->object ? scan_name(s) : 0;
    }
    if (!next_is(s, top->object ? '}' : ']'))
        return expected(s,
                        top->object ? "',' or '}' after a member" : "',' or ']' after an element");
    s->at++;
    s->depth--;
    return 0;
}

static int scan_document(scanner *s) {
    bool complete = false;
    do {
        int r = scan_value(s, &complete);
        while (r == 0 && complete && s->depth > 0)
            r = scan_behind(s, &complete);
        if (r != 0)
            return r;
    } while (!complete);
    skip_space(s);
    return s->at == s->end ? 0 : expected(s, "the end of the text");
}

int w4_json_scan(w4_bytes text, const w4_json_limits *limits, w4_json_scan_result *ret_result,
                 w4_json_error *ret_error) {
    if (text.len > limits->bytes || text.len > UINT32_MAX)
        return w4_json_fault(ret_error, W4_JSON_E_TOO_LARGE, w4_bytes_of(NULL, 0), 0,
                             "%zu bytes, allowed are %zu", text.len, limits->bytes);
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        return w4_json_fault(ret_error, W4_JSON_E_SYNTAX, text, 0,
                             "the text begins with a byte order mark; JSON has none");
    if (text.len >= 2 && (text.data[0] == 0 || text.data[1] == 0 || text.data[0] >= 0xfe))
        return w4_json_fault(ret_error, W4_JSON_E_SYNTAX, text, 0,
                             "expected JSON in UTF-8, found UTF-16, UTF-32 or binary data");
    if (text.len == 0)
        return w4_json_fault(ret_error, W4_JSON_E_SYNTAX, text, 0,
                             "expected a value, found nothing");
    scanner s = {.text = text,
                 .at = text.data,
                 .end = text.data + text.len,
                 .limits = limits,
                 .ret_error = ret_error};
    s.depth_max = limits->depth < W4_JSON_DEPTH_MAX ? limits->depth : W4_JSON_DEPTH_MAX;
    int r = scan_document(&s);
    if (r == 0)
        *ret_result = s.result;
    return r;
}
