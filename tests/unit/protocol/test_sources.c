/* Sources: the one spelling of a URI, the longest prefix, and what moves a tier. */
#include "protocol/internet/sources.h"
#include "world.h"

#include <errno.h>

typedef struct spelling_row {
    const char *uri, *key;
} spelling_row;

/* clang-format off */
static const spelling_row spellings[] = {
    {"https://example.org",                        "https://example.org"},
    {"HTTPS://Example.ORG/",                       "https://example.org/"},
    {"https://example.org:443/a",                  "https://example.org/a"},
    {"http://example.org:80/a",                    "http://example.org/a"},
    {"https://example.org:/a",                     "https://example.org/a"},
    {"https://example.org:80/a",                   "https://example.org:80/a"},
    {"https://example.org./a",                     "https://example.org/a"},
    {"https://good.org@evil.org/a",                "https://evil.org/a"},
    {"https://good.org:x@y@evil.org/a",            "https://evil.org/a"},
    {"https://evil.org\\@good.org/",               "https://evil.org/@good.org/"},
    {"https://e%78ample.org/%61%2Fb",              "https://example.org/a%2Fb"},
    {"https://example.org/a/../b/./c",             "https://example.org/b/c"},
    {"https://example.org/a/%2e%2E/b",             "https://example.org/b"},
    {"https://example.org/../../a",                "https://example.org/a"},
    {"https://example.org/a?q=/../b#c",            "https://example.org/a"},
    {"https://example.org?q",                      "https://example.org"},
    {"https://[2001:DB8::1]:8443/a",               "https://[2001:db8::1]:8443/a"},
    {"https://[2001:db8::1]/a",                    "https://[2001:db8::1]/a"},
    {"urn:ISBN:123",                               "urn:ISBN:123"},
    {"URN:isbn:123",                               "urn:isbn:123"},
    {"file:///etc/x",                              "file:///etc/x"},
    {"https://example.org/%zz%",                   "https://example.org/%zz%"},
    {"https://",                                   "https://"},
    {"example.org/a",                              NULL},
    {"",                                           NULL},
    {":",                                          NULL},
    {"1http://a",                                  NULL},
};
/* clang-format on */

START_TEST(one_spelling) {
    char key[W4_SOURCE_KEY_MAX + 1] = "", again[W4_SOURCE_KEY_MAX + 1];
    const spelling_row *row = &spellings[_i];
    bool good = w4_source_key(w4_bytes_from_text(row->uri), key);
    ck_assert_msg(good == (row->key != NULL), "%s", row->uri);
    if (good) {
        ck_assert_str_eq(key, row->key);
        ck_assert(w4_source_key(w4_bytes_from_text(key), again));
        ck_assert_str_eq(again, key); /* it is its own spelling */
    }
}
END_TEST

START_TEST(long_ones_are_cut_at_a_segment) {
    char uri[2048] = "https://example.org", key[W4_SOURCE_KEY_MAX + 1];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(uri + strlen(uri), sizeof uri - strlen(uri), "/segment%u", i);
    }
    ck_assert(w4_source_key(w4_bytes_from_text(uri), key));
    ck_assert_uint_le(strlen(key), W4_SOURCE_KEY_MAX);
    ck_assert_int_eq(uri[strlen(key)], '/');
    ck_assert_int_eq(strncmp(uri, key, strlen(key)), 0);
    memset(uri, 'a', sizeof uri - 1);
    memcpy(uri, "https://", 8);
    uri[sizeof uri - 1] = '\0';
    ck_assert(w4_source_key(w4_bytes_from_text(uri), key));
    ck_assert_uint_le(strlen(key), W4_SOURCE_KEY_MAX);
}
END_TEST

static w4_sources *fresh(w4_store **ret_store) {
    w4_sources *sources;
    ck_assert_int_eq(w4_store_memory_new(ret_store), 0);
    ck_assert_int_eq(w4_sources_new(*ret_store, &sources), 0);
    return sources;
}

static const w4_source_limits limits = {.raise_after = 3, .lower_after = 2};
#define AT UINT64_C(1790000000000000)

START_TEST(the_longest_prefix_counts) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    ck_assert_int_eq(w4_sources_set(s, "https://a.org", W4_TIER_LOW, false, "op", "", AT), 0);
    ck_assert_int_eq(w4_sources_set(s, "https://a.org/wiki", W4_TIER_HIGH, true, "op", "", AT), 0);
    ck_assert_int_eq(w4_sources_set(s, "urn:", W4_TIER_BLOCKED, true, "op", "", AT), 0);
    static const struct {
        const char *key;
        w4_tier tier;
    } rows[] = {{"https://a.org", W4_TIER_LOW},          {"https://a.org/", W4_TIER_LOW},
                {"https://a.org/x", W4_TIER_LOW},        {"https://a.org/wiki", W4_TIER_HIGH},
                {"https://a.org/wiki/b", W4_TIER_HIGH},  {"https://a.org/wikix", W4_TIER_LOW},
                {"https://a.org.evil", W4_TIER_UNKNOWN}, {"https://a.org:81/", W4_TIER_UNKNOWN},
                {"http://a.org/", W4_TIER_UNKNOWN},      {"urn:isbn:1", W4_TIER_BLOCKED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(w4_sources_tier(s, rows[i].key) == rows[i].tier, "%s", rows[i].key);
    }
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

START_TEST(evidence_moves_tiers) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    const char *key = "https://a.org/page";
    static const w4_tier up[] = {W4_TIER_LOW, W4_TIER_MEDIUM, W4_TIER_HIGH};
    for (unsigned step = 0; step < 3; step++) {
        for (unsigned i = 1; i <= 3; i++) {
            ck_assert_int_eq(w4_sources_corroborated(s, key, &limits, "m", AT), i == 3 ? 1 : 0);
        }
        ck_assert_int_eq(w4_sources_tier(s, "https://a.org/other"), up[step]); /* its origin */
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(w4_sources_corroborated(s, key, &limits, "m", AT), 0); /* no higher */
    }
    static const w4_tier down[] = {W4_TIER_MEDIUM, W4_TIER_LOW};
    for (unsigned step = 0; step < 2; step++) {
        ck_assert_int_eq(w4_sources_conflicted(s, key, &limits, "m", AT), 0);
        ck_assert_int_eq(w4_sources_conflicted(s, key, &limits, "m", AT), 1);
        ck_assert_int_eq(w4_sources_tier(s, key), down[step]);
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(w4_sources_conflicted(s, key, &limits, "m", AT), 0);
    }
    w4_sources_free(s);
    ck_assert_int_eq(w4_sources_new(store, &s), 0); /* as it was stored */
    const w4_source *source = w4_sources_get(s, "https://a.org");
    ck_assert_int_eq(source->tier, W4_TIER_LOW);
    ck_assert_uint_eq(source->corroborated_total, 14);
    ck_assert_uint_eq(source->conflicts_total, 9);
    ck_assert_uint_eq(source->move_count, 5);
    ck_assert_str_eq(source->moves[0].evidence, "m");
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

START_TEST(pinned_ones_stay) {
    static const w4_tier tiers[] = {W4_TIER_UNKNOWN, W4_TIER_LOW, W4_TIER_HIGH, W4_TIER_BLOCKED};
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        w4_store *store;
        w4_sources *s = fresh(&store);
        ck_assert_int_eq(w4_sources_set(s, "https://a.org", tiers[t], true, "op", "why", AT), 0);
        for (unsigned i = 0; i < 10; i++) {
            ck_assert_int_eq(w4_sources_corroborated(s, "https://a.org/x", &limits, "m", AT), 0);
            ck_assert_int_eq(w4_sources_conflicted(s, "https://a.org/x", &limits, "m", AT), 0);
        }
        ck_assert_int_eq(w4_sources_tier(s, "https://a.org"), tiers[t]);
        w4_sources_free(s);
        w4_store_free(store);
    }
}
END_TEST

/* Blocked is not a tier that evidence lifts, pinned or not. */
START_TEST(blocked_ones_stay) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    ck_assert_int_eq(w4_sources_set(s, "https://a.org", W4_TIER_BLOCKED, false, "op", "why", AT),
                     0);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(w4_sources_corroborated(s, "https://a.org", &limits, "m", AT), 0);
    }
    ck_assert_int_eq(w4_sources_tier(s, "https://a.org"), W4_TIER_BLOCKED);
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

START_TEST(sources_are_bounded) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    char key[64];
    for (unsigned i = 0; i < W4_SOURCES_MAX; i++) {
        snprintf(key, sizeof key, "https://n%u.org/x", i);
        ck_assert_int_eq(w4_sources_corroborated(s, key, &limits, "", AT), 0);
    }
    ck_assert_int_eq(w4_sources_corroborated(s, "https://other.org", &limits, "", AT), -ENOSPC);
    const void *cursor = NULL;
    const w4_source *source, *before = NULL;
    unsigned count = 0;
    while ((source = w4_sources_next(s, &cursor)) != NULL) {
        ck_assert(!before || strcmp(before->prefix, source->prefix) < 0);
        before = source;
        count++;
    }
    ck_assert_uint_eq(count, W4_SOURCES_MAX);
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sources");
    TCase *tcase = tcase_create("sources");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, one_spelling, 0, sizeof spellings / sizeof spellings[0]);
    tcase_add_test(tcase, long_ones_are_cut_at_a_segment);
    tcase_add_test(tcase, the_longest_prefix_counts);
    tcase_add_test(tcase, evidence_moves_tiers);
    tcase_add_test(tcase, pinned_ones_stay);
    tcase_add_test(tcase, blocked_ones_stay);
    tcase_add_test(tcase, sources_are_bounded);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
