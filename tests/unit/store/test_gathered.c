/* What is gathered: the last write of each key counts, in bytes too, and there is an end to it. */
#include "runner.h"

#include "store/gathered.h"

#include <errno.h>
#include <string.h>

static w4_store_gathered gathered;

static void teardown(void) {
    w4_store_gathered_clear(&gathered);
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

START_TEST(last_write_counts) {
    ck_assert_ptr_null(w4_store_gathered_find(&gathered, W4_STORE_FACT, text("a")));
    ck_assert_int_eq(w4_store_gathered_put(&gathered, W4_STORE_FACT, text("a"), text("1")), 0);
    ck_assert_int_eq(w4_store_gathered_put(&gathered, W4_STORE_FACT, text("a"), text("two")), 0);
    const w4_store_node *node = w4_store_gathered_find(&gathered, W4_STORE_FACT, text("a"));
    ck_assert(!node->removed && w4_bytes_equal_text(w4_store_node_value(node), "two"));
    ck_assert_uint_eq(gathered.bytes, w4_store_node_bytes(1, 3));
    ck_assert_ptr_null(w4_store_gathered_find(&gathered, W4_STORE_PEER, text("a")));
    ck_assert_int_eq(w4_store_gathered_remove(&gathered, W4_STORE_FACT, text("a")), 0);
    node = w4_store_gathered_find(&gathered, W4_STORE_FACT, text("a"));
    ck_assert(node->removed && node->value_len == 0);
    ck_assert_uint_eq(gathered.bytes, w4_store_node_bytes(1, 0));
    ck_assert_uint_eq(w4_store_gathered_count(&gathered), 1);
    ck_assert_ptr_eq(w4_store_gathered_next(&gathered, W4_STORE_FACT, text("a"), true), node);
    ck_assert_ptr_null(w4_store_gathered_next(&gathered, W4_STORE_FACT, text("a"), false));
    w4_store_gathered_clear(&gathered);
    ck_assert_uint_eq(gathered.bytes, 0);
    ck_assert_uint_eq(w4_store_gathered_count(&gathered), 0);
}
END_TEST

START_TEST(bounded_in_bytes) {
    static const uint8_t big[W4_STORE_VALUE_MAX];
    uint32_t number = 0;
    int r = 0;
    while (r == 0) {
        r = w4_store_gathered_put(&gathered, W4_STORE_CLAIM, w4_bytes_of(&number, sizeof(number)),
                                  w4_bytes_of(big, sizeof(big)));
        number++;
        ck_assert_uint_le(gathered.bytes, W4_STORE_PENDING_BYTES_MAX);
        ck_assert_uint_le(number, 65);
    }
    ck_assert_int_eq(r, W4_STORE_E_FULL);
    size_t before = gathered.bytes;
    ck_assert_uint_eq(w4_store_gathered_count(&gathered), number - 1);
    /* The refused one left nothing; small ones and replacements still fit. */
    uint32_t refused = number - 1;
    ck_assert_ptr_null(
        w4_store_gathered_find(&gathered, W4_STORE_CLAIM, w4_bytes_of(&refused, sizeof(refused))));
    ck_assert_int_eq(w4_store_gathered_put(&gathered, W4_STORE_META, text("k"), text("v")), 0);
    uint32_t first = 0;
    ck_assert_int_eq(w4_store_gathered_put(&gathered, W4_STORE_CLAIM,
                                           w4_bytes_of(&first, sizeof(first)),
                                           w4_bytes_of(big, sizeof(big))),
                     0);
    ck_assert_uint_eq(gathered.bytes, before + w4_store_node_bytes(1, 1));
    ck_assert_int_eq(
        w4_store_gathered_remove(&gathered, W4_STORE_CLAIM, w4_bytes_of(&first, sizeof(first))), 0);
    ck_assert_int_eq(w4_store_gathered_put(&gathered, W4_STORE_CLAIM,
                                           w4_bytes_of(&refused, sizeof(refused)),
                                           w4_bytes_of(big, sizeof(big) - 4096)),
                     0);
}
END_TEST

START_TEST(removals_are_bounded_too) {
    uint8_t key[W4_STORE_KEY_MAX];
    memset(key, 'k', sizeof(key));
    size_t each = w4_store_node_bytes(sizeof(key), 0);
    gathered.bytes = W4_STORE_PENDING_BYTES_MAX - each; /* as if gathered elsewhere */
    ck_assert_int_eq(
        w4_store_gathered_remove(&gathered, W4_STORE_FACT, w4_bytes_of(key, sizeof(key))), 0);
    key[0] = 'l';
    ck_assert_int_eq(
        w4_store_gathered_remove(&gathered, W4_STORE_FACT, w4_bytes_of(key, sizeof(key))),
        W4_STORE_E_FULL);
    key[0] = 'k';
    ck_assert_int_eq(
        w4_store_gathered_remove(&gathered, W4_STORE_FACT, w4_bytes_of(key, sizeof(key))), 0);
}
END_TEST

START_TEST(set_replaces_or_leaves) {
    w4_buffer b = W4_BUFFER_INIT(8);
    ck_assert_int_eq(w4_store_buffer_set(&b, text("12345678")), 0);
    ck_assert_int_eq(w4_store_buffer_set(&b, text("abc")), 0);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&b), "abc"));
    ck_assert_int_eq(w4_store_buffer_set(&b, text("123456789")), -EMSGSIZE);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&b), "abc"));
    ck_assert_int_eq(w4_store_buffer_set(&b, text("")), 0);
    ck_assert_uint_eq(b.len, 0);
    w4_buffer_deinit(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store gathered");
    TCase *tests = tcase_create("gathered");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, last_write_counts);
    tcase_add_test(tests, bounded_in_bytes);
    tcase_add_test(tests, removals_are_bounded_too);
    tcase_add_test(tests, set_replaces_or_leaves);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
