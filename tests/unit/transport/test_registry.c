#include "transport/registry.h"

#include "transport/memory.h"

#include "runner.h"

#include <errno.h>
#include <stdio.h>

static const w4_transport_backend one = {.name = "one", .prefix = "one:"};
static const w4_transport_backend same_name = {.name = "one", .prefix = "other:"};
static const w4_transport_backend same_prefix = {.name = "other", .prefix = "one:"};

START_TEST(finds_by_name_and_by_address) {
    w4_transport_registry registry = {0};
    ck_assert_int_eq(w4_transport_registry_add(&registry, &one), 0);
    ck_assert_int_eq(w4_transport_registry_add(&registry, &w4_transport_memory), 0);
    ck_assert_ptr_eq(w4_transport_registry_find(&registry, w4_bytes_from_text("memory")),
                     &w4_transport_memory);
    ck_assert_ptr_null(w4_transport_registry_find(&registry, w4_bytes_from_text("memor")));
    ck_assert_ptr_null(w4_transport_registry_find(&registry, w4_bytes_from_text("")));
    ck_assert_ptr_eq(w4_transport_registry_for_address(&registry, "one:x"), &one);
    ck_assert_ptr_null(w4_transport_registry_for_address(&registry, "on"));
    ck_assert_ptr_null(w4_transport_registry_for_address(&registry, "two:x"));
}
END_TEST

START_TEST(refuses_a_second_of_a_kind_and_too_many) {
    w4_transport_registry registry = {0};
    ck_assert_int_eq(w4_transport_registry_add(&registry, &one), 0);
    ck_assert_int_eq(w4_transport_registry_add(&registry, &same_name), -EEXIST);
    ck_assert_int_eq(w4_transport_registry_add(&registry, &same_prefix), -EEXIST);
    ck_assert_uint_eq(registry.count, 1);
    static char names[W4_TRANSPORT_BACKENDS_MAX][8];
    static char prefixes[W4_TRANSPORT_BACKENDS_MAX][8];
    static w4_transport_backend many[W4_TRANSPORT_BACKENDS_MAX];
    for (unsigned i = 0; i < W4_TRANSPORT_BACKENDS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%u", i);
        (void)snprintf(prefixes[i], sizeof prefixes[i], "n%u:", i);
        many[i].name = names[i];
        many[i].prefix = prefixes[i];
        int r = w4_transport_registry_add(&registry, &many[i]);
        ck_assert_int_eq(r, i + 1 < W4_TRANSPORT_BACKENDS_MAX ? 0 : -ENOSPC);
    }
}
END_TEST

START_TEST(conditions_have_names) {
    ck_assert_str_eq(w4_transport_error_name(W4_TRANSPORT_E_ADDRESS), "address");
    ck_assert_str_eq(w4_transport_error_name(W4_TRANSPORT_E_UNKNOWN), "unknown");
    ck_assert_str_eq(w4_transport_error_name(-1), "?");
    ck_assert_str_eq(w4_transport_error_name(W4_TRANSPORT_E_UNKNOWN + 1), "?");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("registry");
    TCase *tc = tcase_create("registry");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, finds_by_name_and_by_address);
    tcase_add_test(tc, refuses_a_second_of_a_kind_and_too_many);
    tcase_add_test(tc, conditions_have_names);
    return w4_test_run(suite);
}
