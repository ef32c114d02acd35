/* The tree against a plain array, in random and in unkind orders, with its shape checked. */
#include "runner.h"

#include "store/tree.h"

#include <stdio.h>
#include <string.h>

#define KEYS 607u

static w4_store_tree tree;

static void teardown(void) {
    w4_store_tree_clear(&tree);
    ck_assert_ptr_null(tree.root);
    ck_assert_uint_eq(tree.count, 0);
    ck_assert_uint_eq(tree.bytes, 0);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Keys whose order is that of the numbers, of different lengths. */
static w4_bytes key_of(char room[static 16], unsigned number) {
    int len = snprintf(room, 16, "%04u%.*s", number, (int)(number % 5), "xxxxx");
    return w4_bytes_of(room, (size_t)len);
}

/* Counts the nodes below; notes where the shape of an AA tree or the order of the keys is broken.
   One assertion for a whole tree: Check notes each assertion in a file, which is dear by the
   million. */
static size_t check_shape(const w4_store_node *node, const w4_store_node **last, bool *sound) {
    if (!node) {
        return 0;
    }
    uint32_t left = node->left ? node->left->level : 0;
    uint32_t right = node->right ? node->right->level : 0;
    bool grandchild_is_lower =
        !node->right || !node->right->right || node->right->right->level < node->level;
    size_t left_count = check_shape(node->left, last, sound);
    bool in_order =
        !*last || w4_bytes_compare(w4_store_node_key(*last), w4_store_node_key(node)) < 0;
    *sound = *sound && left + 1 == node->level &&
             (right == node->level || right + 1 == node->level) && grandchild_is_lower && in_order;
    *last = node;
    return left_count + 1 + check_shape(node->right, last, sound);
}

static void check_tree(void) {
    const w4_store_node *last = NULL;
    bool sound = true;
    size_t count = check_shape(tree.root, &last, &sound);
    ck_assert_msg(sound && count == tree.count, "the tree is not an AA tree of %zu keys",
                  tree.count);
}

static void put(unsigned number, uint32_t value) {
    char room[16];
    ck_assert_int_eq(
        w4_store_tree_put(&tree, key_of(room, number), w4_bytes_of(&value, sizeof(value)), false),
        0);
}

static bool take(unsigned number) {
    char room[16];
    return w4_store_tree_remove(&tree, key_of(room, number));
}

START_TEST(unkind_orders) {
    for (unsigned order = 0; order < 4; order++) {
        for (unsigned i = 0; i < KEYS; i++) {
            unsigned zigzag = i % 2 ? KEYS - 1 - i / 2 : i / 2;
            put(order == 0 ? i : order == 1 ? KEYS - 1 - i : order == 2 ? zigzag : i * 7 % KEYS, i);
            check_tree();
        }
        ck_assert_uint_eq(tree.count, KEYS);
        for (unsigned i = 0; i < KEYS; i++) {
            ck_assert(take(order == 0 ? i : order == 1 ? KEYS - 1 - i : i * 11 % KEYS));
            check_tree();
        }
        ck_assert_uint_eq(tree.count, 0);
        ck_assert_uint_eq(tree.bytes, 0);
    }
}
END_TEST

START_TEST(random_walk) {
    static bool present[KEYS];
    static uint32_t values[KEYS];
    memset(present, 0, sizeof(present));
    uint64_t seed = UINT64_C(0x853c49e6748fea9b);
    size_t count = 0;
    for (uint32_t step = 0; step < 40000; step++) {
        unsigned number = (unsigned)(next_random(&seed) % KEYS);
        char room[16];
        if (next_random(&seed) % 2) {
            put(number, step);
            count += !present[number];
            present[number] = true;
            values[number] = step;
        } else {
            ck_assert_int_eq(take(number), present[number]);
            count -= present[number];
            present[number] = false;
        }
        ck_assert_uint_eq(tree.count, count);
        unsigned asked = (unsigned)(next_random(&seed) % KEYS);
        bool inclusive = next_random(&seed) % 2;
        const w4_store_node *found = w4_store_tree_find(&tree, key_of(room, asked));
        ck_assert_int_eq(found != NULL, present[asked]);
        if (found) {
            ck_assert_mem_eq(w4_store_node_value(found).data, &values[asked], sizeof(uint32_t));
        }
        unsigned expect = inclusive ? asked : asked + 1;
        while (expect < KEYS && !present[expect]) {
            expect++;
        }
        found = w4_store_tree_next(&tree, key_of(room, asked), inclusive);
        ck_assert_int_eq(found != NULL, expect < KEYS);
        if (found) {
            ck_assert(w4_bytes_equal(w4_store_node_key(found), key_of(room, expect)));
        }
        if (step % 64 == 0) {
            check_tree();
        }
    }
}
END_TEST

START_TEST(absorb_puts_and_removes) {
    w4_store_tree other = {0};
    char room[16];
    for (unsigned i = 0; i < KEYS; i += 2) {
        put(i, i);
    }
    for (uint32_t i = 0; i < KEYS; i += 3) {
        bool removed = i % 2 == 0 && i % 4 != 0;
        uint32_t value = i + 10000;
        ck_assert_int_eq(w4_store_tree_put(&other, key_of(room, i),
                                           w4_bytes_of(&value, removed ? 0 : sizeof(value)),
                                           removed),
                         0);
    }
    w4_store_tree_absorb(&tree, &other);
    ck_assert_ptr_null(other.root);
    ck_assert_uint_eq(other.count, 0);
    check_tree();
    size_t bytes = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        const w4_store_node *node = w4_store_tree_find(&tree, key_of(room, i));
        bool replaced = i % 3 == 0, gone = replaced && i % 2 == 0 && i % 4 != 0;
        ck_assert_int_eq(node != NULL, !gone && (replaced || i % 2 == 0));
        if (node) {
            uint32_t value = replaced ? i + 10000 : i;
            ck_assert_mem_eq(w4_store_node_value(node).data, &value, sizeof(value));
            bytes += w4_store_node_bytes(node->key_len, node->value_len);
        }
    }
    ck_assert_uint_eq(tree.bytes, bytes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store tree");
    TCase *tests = tcase_create("tree");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, unkind_orders);
    tcase_add_test(tests, random_walk);
    tcase_add_test(tests, absorb_puts_and_removes);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
