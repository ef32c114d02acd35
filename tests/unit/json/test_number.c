/* Numbers: RFC 8785 appendix B, and what may enter a document at all. */
#include "json/number.h"
#include "json/writer.h"

#include "differential.h"
#include "runner.h"

#include <math.h>

static double of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

START_TEST(test_rfc_appendix_b) {
    static const struct {
        uint64_t bits;
        const char *text;
    } rows[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x4430000000000000, "295147905179352830000"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef4e, "999999999999999700000"},
        {0x444b1ae4d6e2ef4f, "999999999999999900000"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
        /* a power of two, where the closest 16 digits lie in the narrow gap and miss */
        {0x3d30000000000000, "5.684341886080802e-14"},
        {0x0010000000000000, "2.2250738585072014e-308"},
        {0x000fffffffffffff, "2.225073858507201e-308"},
        {0x0000000000000002, "1e-323"},
        {0x444b1ae4d6e2ef51, "1.0000000000000001e+21"},
        {0x3ff0000000000001, "1.0000000000000002"},
        {0x430c6bf526340000, "1000000000000000"},
        {0x430c6bf52633fff8, "999999999999999"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[W4_JSON_NUMBER_MAX];
        size_t len = w4_json_number_format(of_bits(rows[i].bits), text);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_uint_eq(len, strlen(text));
        ck_assert_uint_eq(
            w4_json_number_canonical((const uint8_t *)text, (const uint8_t *)text + len), len);
        ck_assert(w4_json_number_parse(w4_bytes_of(text, len)) == of_bits(rows[i].bits));
    }
}
END_TEST

START_TEST(test_no_form) {
    char text[W4_JSON_NUMBER_MAX] = "x";
    ck_assert_uint_eq(w4_json_number_format(of_bits(0x7fffffffffffffff), text), 0);
    ck_assert_uint_eq(w4_json_number_format(INFINITY, text), 0);
    ck_assert_uint_eq(w4_json_number_format(-INFINITY, text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

/* Shortest and back: every double returns from its text, and no text of fewer digits does. */
START_TEST(test_random_doubles) {
    random_source r = {8785};
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = random_next(&r);
        if (i % 4 == 0) /* powers of two and their neighbours */
            bits = (bits & 0xfff0000000000000) + (i % 8 == 0 ? 0 : 1);
        if (i % 7 == 0)
            bits &= 0x800fffffffffffff;
        double value = of_bits(bits);
        if (!isfinite(value))
            continue;
        char text[W4_JSON_NUMBER_MAX], shorter[64];
        size_t len = w4_json_number_format(value, text);
        ck_assert_msg(strtod(text, NULL) == value, "%016llx: %s", (unsigned long long)bits, text);
        ck_assert(w4_json_number_parse(w4_bytes_of(text, len)) == value);
        ck_assert_uint_eq(
            w4_json_number_canonical((const uint8_t *)text, (const uint8_t *)text + len), len);
        int digits = 0; /* significant ones */
        for (size_t k = 0, zeros = 0; k < len && text[k] != 'e'; k++) {
            if (text[k] >= '1' && text[k] <= '9') {
                digits += 1 + (int)zeros;
                zeros = 0;
            } else if (text[k] == '0' && digits > 0) {
                zeros++;
            }
        }
        ck_assert_int_le(digits, 17);
        if (digits > 1) {
            snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
            ck_assert_msg(strtod(shorter, NULL) != value, "%s is longer than %s", text, shorter);
        }
    }
}
END_TEST

static const struct {
    const char *text;
    const char *canonical; /* NULL: refused */
} literals[] = {
    {"0", "0"},
    {"-0", "0"},
    {"-0.0", "0"},
    {"0e400", "0"},
    {"-0e-5", "0"},
    {"1", "1"},
    {"42.0", "42"},
    {"1e2", "100"},
    {"1E+2", "100"},
    {"1e-2", "0.01"},
    {"4.50", "4.5"},
    {"2e-3", "0.002"},
    {"1E30", "1e+30"},
    {"0.000000000000000000000000001", "1e-27"},
    {"333333333.33333329", "333333333.3333333"},
    {"1e-400", "0"},
    {"-1e-400", "0"},
    {"1e-324", "0"},
    {"3e-324", "5e-324"},
    {"2.4703282292062327208299493e-324", "0"},
    {"2.4703282292062328e-324", "5e-324"},
    {"1e00000000000000000000000000000002", "100"},
    {"1e-99999999999999999999", "0"},
    {"1e400", NULL},
    {"-1e400", NULL},
    {"1e99999999999999999999", NULL},
    {"1.7976931348623158e308", "1.7976931348623157e+308"},
    {"1.7976931348623159e308", NULL},
    {"9007199254740991", "9007199254740991"},
    {"-9007199254740991", "-9007199254740991"},
    {"9007199254740992", "9007199254740992"},
    {"9007199254740993", NULL},
    {"-9007199254740993", NULL},
    {"9007199254740993.0", "9007199254740992"},
    {"9007199254740994", "9007199254740994"},
    {"9223372036854775807", NULL},
    {"9223372036854775808", "9223372036854776000"},
    {"9223372036854776000", "9223372036854776000"},
    {"18446744073709551615", NULL},
    {"18446744073709551616", "18446744073709552000"},
    {"295147905179352825856", "295147905179352830000"},
    {"295147905179352830000", "295147905179352830000"},
    {"295147905179352830001", NULL},
    {"100000000000000000000", "100000000000000000000"},
    {"1000000000000000000000", "1e+21"},
    {"100000000000000000000000", NULL}, /* 10^23 is not a double */
    {"1e23", "1e+23"},
    {"1234567890123456789012345678901234567890", NULL},
};

START_TEST(test_literals) {
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        w4_bytes literal = w4_bytes_from_text(literals[i].text);
        bool integer = false;
        const uint8_t *fault = NULL;
        size_t len =
            w4_json_number_grammar(literal.data, literal.data + literal.len, &integer, &fault);
        ck_assert_uint_eq(len, literal.len);
        double value = 77;
        bool good = w4_json_number_check(literal, integer, &value) == W4_JSON_NUMBER_GOOD;
        ck_assert_msg(good == (literals[i].canonical != NULL), "%s", literals[i].text);
        ck_assert(good ? value == w4_json_number_parse(literal) : value == 77);
        if (!literals[i].canonical)
            continue;
        char text[W4_JSON_NUMBER_MAX];
        w4_json_number_format(w4_json_number_parse(literal), text);
        ck_assert_str_eq(text, literals[i].canonical);
        size_t canonical = w4_json_number_canonical(literal.data, literal.data + literal.len);
        ck_assert_uint_eq(canonical,
                          strcmp(literals[i].text, literals[i].canonical) ? 0 : literal.len);
    }
}
END_TEST

START_TEST(test_grammar) {
    static const struct {
        const char *text;
        size_t len;   /* 0: none */
        size_t fault; /* where, when there is none */
    } rows[] = {
        {"", 0, 0},         {"-", 0, 1},    {"+1", 0, 0},        {".5", 0, 0},    {"01", 0, 1},
        {"-01", 0, 2},      {"00", 0, 1},   {"1.", 0, 2},        {"1.e1", 0, 2},  {"1e", 0, 2},
        {"1e+", 0, 3},      {"1e-x", 0, 3}, {"--1", 0, 1},       {"0x1", 1, 0},   {"1a", 1, 0},
        {"1.5.2", 3, 0},    {"1e5e", 3, 0}, {"-0", 2, 0},        {"10", 2, 0},    {"1 ", 1, 0},
        {"Infinity", 0, 0}, {"NaN", 0, 0},  {"-Infinity", 0, 1}, {"1e0.5", 3, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint8_t *at = (const uint8_t *)rows[i].text, *fault = NULL;
        bool integer;
        size_t len = w4_json_number_grammar(at, at + strlen(rows[i].text), &integer, &fault);
        ck_assert_msg(len == rows[i].len, "%s: %zu", rows[i].text, len);
        if (len == 0)
            ck_assert_msg(fault == at + rows[i].fault, "%s: at %zu", rows[i].text,
                          (size_t)(fault - at));
    }
}
END_TEST

START_TEST(test_long_literals) {
    char text[W4_JSON_LITERAL_MAX + 2];
    memset(text, '0', sizeof text);
    memcpy(text, "0.", 2);
    text[W4_JSON_LITERAL_MAX - 1] = '1';
    double value = 77;
    ck_assert_int_eq(w4_json_number_check(w4_bytes_of(text, W4_JSON_LITERAL_MAX), false, &value),
                     W4_JSON_NUMBER_GOOD);
    ck_assert(w4_json_number_parse(w4_bytes_of(text, W4_JSON_LITERAL_MAX)) == 0);
    ck_assert_int_eq(
        w4_json_number_check(w4_bytes_of(text, W4_JSON_LITERAL_MAX + 1), false, &value),
        W4_JSON_NUMBER_LONG);
    /* All digits count: half way between two doubles, and one digit far behind decides. */
    snprintf(text, sizeof text, "9007199254740993.%0*d1", 1000, 0);
    ck_assert(w4_json_number_parse(w4_bytes_from_text(text)) == 9007199254740994.0);
    snprintf(text, sizeof text, "9007199254740993.%0*d", 1000, 0);
    ck_assert(w4_json_number_parse(w4_bytes_from_text(text)) == 9007199254740992.0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-number");
    TCase *tc = tcase_create("number");
    tcase_add_test(tc, test_rfc_appendix_b);
    tcase_add_test(tc, test_no_form);
    tcase_add_test(tc, test_random_doubles);
    tcase_add_test(tc, test_literals);
    tcase_add_test(tc, test_grammar);
    tcase_add_test(tc, test_long_literals);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
