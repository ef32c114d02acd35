#include "base/text.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

/* UTF-8 by the bit layout alone, without any rule about what is allowed. */
static size_t encode(uint32_t code, size_t len, uint8_t ret_bytes[static 4]) {
    static const uint8_t lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i > 1; i--) {
        ret_bytes[i - 1] = (uint8_t)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    ret_bytes[0] = (uint8_t)(lead[len] | code);
    return len;
}

static size_t shortest(uint32_t code) {
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

START_TEST(labels) {
    static const struct {
        const char *text;
        bool label;
    } cases[] = {
        {"", false},         {"a", true},          {"ada of n", true},
        {"12345678", true},  {"123456789", false}, {"a\tb", false},
        {"a\x7F", false},    {"\x1F", false},      {"\xC2\x80", false},
        {"\xC2\x9F", false}, {"\xC2\xA0", true},   {"\xC3\x9F", true},
        {"\xC2", false},     {"\xFF", false},      {"\xE2\x82\xAC\xE2\x82\xAC", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(w4_text_is_label(w4_bytes_from_text(cases[i].text), 8) == cases[i].label,
                      "case %zu", i);
    }
    ck_assert(!w4_text_is_label(w4_bytes_of("a\0b", 3), 8));
    ck_assert(w4_text_has_control(w4_bytes_of("a\0b", 3)));
    ck_assert(!w4_text_has_control(w4_bytes_of(NULL, 0)));
}
END_TEST

START_TEST(utf8_takes_each_character_in_one_form) {
    /* Each passing assertion costs a lock in Check: here only the wrong ones are made. */
    for (uint32_t code = 0; code < 0x1FFFFF; code++) {
        bool good = true;
        bool allowed = code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        uint8_t bytes[4];
        size_t len = shortest(code);
        encode(code, len, bytes);
        good = good && w4_utf8_valid(w4_bytes_of(bytes, len)) == allowed;
        for (size_t cut = 1; cut < len; cut++) {
            good = good && !w4_utf8_valid(w4_bytes_of(bytes, cut));
        }
        for (size_t longer = len + 1; longer <= 4; longer++) { /* overlong */
            encode(code, longer, bytes);
            good = good && !w4_utf8_valid(w4_bytes_of(bytes, longer));
        }
        if (!good) {
            ck_abort_msg("U+%04X", code);
        }
    }
}
END_TEST

START_TEST(utf8_takes_nothing_else) {
    /* Counted: all three-byte strings that begin with a lead of three. */
    unsigned valid = 0;
    for (uint32_t n = 0; n < 1u << 20; n++) {
        uint8_t bytes[3] = {(uint8_t)(0xE0 | n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        valid += w4_utf8_valid(w4_bytes_of(bytes, 3)) ? 1 : 0;
    }
    ck_assert_uint_eq(valid, 0x10000 - 0x800 - 0x800);
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "a\xc3",
        "\xc3(",
        "\xe2\x82",
        "\xe2\x28\xa1",
        "\xed\xa0\x81\xed\xb0\x81",
        "\xf0\x9f\x8c(",
        "\xf8\x88\x80\x80\x80",
        "\xff\xfeh",
        "ok\xe4",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!w4_utf8_valid(text(bad[i])), "row %zu", i);
    }
    ck_assert(w4_utf8_valid(text("")));
    ck_assert(w4_utf8_valid(w4_bytes_of("a\0b", 3)));
    ck_assert(w4_utf8_valid(text("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x90")));
}
END_TEST

START_TEST(escape_shows_what_a_terminal_would_act_on) {
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"", ""},
        {"plain text, 100 %", "plain text, 100 %"},
        {"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x90",
         "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x90"},
        {"a\nb\tc\rd", "a\\nb\\tc\\x0dd"},
        {"\x1b[31mred\x07", "\\x1b[31mred\\x07"},
        {"\x7f", "\\x7f"},
        {"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\u{0080}\\u{009b}\\u{009f}\xc2\xa0"},
        {"\\n", "\\\\n"},
        {"\xe2\x80\xaegpj.exe", "\\u{202e}gpj.exe"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\\u{2028}\\u{2029}"},
        {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u{2066}x\\u{2069}"},
        {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u{200e}\\u{200f}\\u{061c}"},
        {"\xef\xbb\xbf", "\\u{feff}"},
        {"\xf3\xa0\x81\x81", "\\u{e0041}"},
        {"\xff\xc3(\xed\xa0\x80", "\\xff\\xc3(\\xed\\xa0\\x80"},
        {"\xc3", "\\xc3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer out = W4_BUFFER_INIT(256);
        ck_assert_int_eq(w4_text_escape(&out, text(rows[i].raw)), 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i].shown);
        char cut[256];
        w4_text_escape_cut(cut, sizeof cut, text(rows[i].raw));
        ck_assert_str_eq(cut, rows[i].shown);
        w4_buffer_deinit(&out);
    }
    w4_buffer out = W4_BUFFER_INIT(16);
    ck_assert_int_eq(w4_text_escape(&out, w4_bytes_of("a\0b", 3)), 0);
    ck_assert_str_eq(w4_buffer_text(&out), "a\\x00b");
    w4_buffer_deinit(&out);
}
END_TEST

static bool is_harmless(w4_bytes shown) {
    if (!w4_utf8_valid(shown)) {
        return false;
    }
    for (size_t i = 0; i < shown.len; i++) {
        bool is_c1 = shown.data[i] == 0xC2 && shown.data[i + 1] < 0xA0;
        if (shown.data[i] < 0x20 || shown.data[i] == 0x7F || is_c1) {
            return false;
        }
    }
    return true;
}

/* Any bytes become valid text without controls, from which the bytes can be told again. */
START_TEST(escape_copes_with_anything) {
    uint32_t state = 7;
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t raw[40];
        for (size_t i = 0; i < sizeof raw; i++) {
            state = state * 1103515245u + 12345u;
            raw[i] = (uint8_t)(state >> 16 & (round % 2 ? 0xFF : 0xBF));
        }
        w4_buffer out = W4_BUFFER_INIT(sizeof raw * 4);
        ck_assert_int_eq(w4_text_escape(&out, w4_bytes_of(raw, sizeof raw)), 0);
        ck_assert(is_harmless(w4_buffer_bytes(&out)));
        for (size_t size = 1; size < 200; size += 13) {
            char cut[200];
            w4_text_escape_cut(cut, size, w4_bytes_of(raw, sizeof raw));
            ck_assert_uint_lt(strlen(cut), size);
            ck_assert(is_harmless(text(cut)));
            ck_assert_mem_eq(cut, w4_buffer_text(&out), strlen(cut));
        }
        w4_buffer_deinit(&out);
    }
}
END_TEST

START_TEST(escape_adds_all_or_nothing) {
    w4_buffer out = W4_BUFFER_INIT(8);
    ck_assert_int_eq(w4_buffer_append_text(&out, "ab"), 0);
    ck_assert_int_eq(w4_text_escape(&out, text("123\x01")), -EMSGSIZE);
    ck_assert_str_eq(w4_buffer_text(&out), "ab");
    ck_assert_int_eq(w4_text_escape(&out, text("12\x01")), 0);
    ck_assert_str_eq(w4_buffer_text(&out), "ab12\\x01");
    w4_buffer_deinit(&out);
    char none[1] = {'x'};
    w4_text_escape_cut(none, 0, text("abc"));
    ck_assert_int_eq(none[0], 'x');
    w4_text_escape_cut(none, 1, text("abc"));
    ck_assert_int_eq(none[0], 0);
}
END_TEST

START_TEST(copy_cuts_between_characters) {
    static const char all[] = "a\xc3\xaf\xe2\x82\xac\xf0\x9f\x8c\x90z"; /* 1 + 2 + 3 + 4 + 1 */
    static const size_t ends[] = {0, 1, 3, 6, 10, 11};
    for (size_t size = 1; size < 20; size++) {
        char copy[20];
        memset(copy, 'x', sizeof copy);
        w4_text_copy(copy, size, text(all));
        size_t expected = 0;
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            expected = ends[i] < size ? ends[i] : expected;
        }
        ck_assert_uint_eq(strlen(copy), expected);
        ck_assert_mem_eq(copy, all, expected);
    }
    char copy[4] = "xyz";
    w4_text_copy(copy, 0, text("abc"));
    ck_assert_str_eq(copy, "xyz");
    w4_text_copy(copy, sizeof copy, w4_bytes_of(NULL, 0));
    ck_assert_str_eq(copy, "");
}
END_TEST

START_TEST(copy_of_what_is_no_text_fills_the_array) {
    char copy[5];
    w4_text_copy(copy, sizeof copy, text("\x80\x80\x80\x80\x80\x80"));
    ck_assert_str_eq(copy, "\x80\x80\x80\x80");
    w4_text_copy(copy, sizeof copy, text("ab\xc3\xaf\x80\x80")); /* the character ends in time */
    ck_assert_str_eq(copy, "ab\xc3\xaf");
    w4_text_copy(copy, sizeof copy, text("abc\xff\xff\xff"));
    ck_assert_str_eq(copy, "abc\xff");
}
END_TEST

START_TEST(nearest_name) {
    static const char *const names[] = {"listen", "heartbeat_ms", "peers", "port", "sessions"};
    static const struct {
        const char *asked, *answer;
    } rows[] = {
        {"listen", "listen"},
        {"lisen", "listen"},
        {"lsiten", "listen"},
        {"heartbeat", "heartbeat_ms"},
        {"hartbeat_ms", "heartbeat_ms"},
        {"peer", "peers"},
        {"prot", "port"},
        {"sesions", "sessions"},
        {"Sessions", "sessions"},
        {"", NULL},
        {"x", NULL},
        {"banana", NULL},
        {"po", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = w4_text_nearest(text(rows[i].asked), names, 5);
        if (rows[i].answer) {
            ck_assert_ptr_nonnull(got);
            ck_assert_str_eq(got, rows[i].answer);
        } else {
            ck_assert_ptr_null(got);
        }
    }
    ck_assert_ptr_null(w4_text_nearest(text("peers"), names, 0));
    /* Bounded work: what is longer than any name is near none. */
    char *huge = malloc(1 << 20);
    ck_assert_ptr_nonnull(huge);
    memset(huge, 'p', 1 << 20);
    ck_assert_ptr_null(w4_text_nearest(w4_bytes_of(huge, 1 << 20), names, 5));
    free(huge);
    static const char *const odd[] = {
        "", "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp", "pppq"};
    ck_assert_str_eq(w4_text_nearest(text("pppp"), odd, 3), "pppq");
}
END_TEST

static void counting_random(void *context, void *ret_bytes, size_t len) {
    uint8_t *next = context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (*next)++;
    }
}

START_TEST(uuid_has_version_and_variant) {
    uint8_t next = 0;
    w4_env env = {.context = &next, .random = counting_random};
    char uuid[W4_UUID_LEN + 1];
    w4_uuid_v4(&env, uuid);
    ck_assert_str_eq(uuid, "00010203-0405-4607-8809-0a0b0c0d0e0f");
    for (unsigned i = 0; i < 1000; i++) {
        w4_uuid_v4(&env, uuid);
        ck_assert_uint_eq(strlen(uuid), W4_UUID_LEN);
        ck_assert(w4_uuid_v4_valid(text(uuid)));
        next = (uint8_t)(next + i);
    }
}
END_TEST

START_TEST(uuid_of_another_form_is_refused) {
    static const char good[] = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    ck_assert(w4_uuid_v4_valid(text(good)));
    static const char *const bad[] = {
        "",
        "f81d4fae-7dec-41d0-a765-00a0c91e6bf",
        "f81d4fae-7dec-41d0-a765-00a0c91e6bf6a",
        "F81D4FAE-7DEC-41D0-A765-00A0C91E6BF6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-41d0-c765-00a0c91e6bf6",
        "f81d4fae-7dec-41d0-7765-00a0c91e6bf6",
        "{81d4fae-7dec-41d0-a765-00a0c91e6bf}",
        "f81d4fae07dec-41d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-41d0-a765-00a0c91e6bg6",
        "f81d4fae-7dec-41d0-a765-00a0c91e6bf ",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!w4_uuid_v4_valid(text(bad[i])), "%s", bad[i]);
    }
    ck_assert(!w4_uuid_v4_valid(w4_bytes_of("f81d4fae-7dec-41d0-a765-00a0c91e6bf\0", 36)));
    for (size_t at = 0; at < W4_UUID_LEN; at++) {
        char changed[sizeof good];
        memcpy(changed, good, sizeof good);
        changed[at] = '\0';
        ck_assert(!w4_uuid_v4_valid(w4_bytes_of(changed, W4_UUID_LEN)));
        changed[at] = 'A';
        ck_assert(!w4_uuid_v4_valid(w4_bytes_of(changed, W4_UUID_LEN)));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-text");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, labels);
    tcase_add_test(tc, utf8_takes_each_character_in_one_form);
    tcase_add_test(tc, utf8_takes_nothing_else);
    tcase_add_test(tc, escape_shows_what_a_terminal_would_act_on);
    tcase_add_test(tc, escape_copes_with_anything);
    tcase_add_test(tc, escape_adds_all_or_nothing);
    tcase_add_test(tc, copy_cuts_between_characters);
    tcase_add_test(tc, copy_of_what_is_no_text_fills_the_array);
    tcase_add_test(tc, nearest_name);
    tcase_add_test(tc, uuid_has_version_and_variant);
    tcase_add_test(tc, uuid_of_another_form_is_refused);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
