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
    {"HTTPS://Example.ORG/",                       "https://example.org"},
    {"http://example.org/a/",                      "https://example.org/a"},
    {"https://example.org:443/a",                  "https://example.org/a"},
    {"https://example.org:/a",                     "https://example.org/a"},
    {"https://example.org:8443/a",                 "https://example.org/a"},
    {"https://example.org./a",                     "https://example.org/a"},
    {"https:example.org/a",                        "https://example.org/a"},
    {"http:////example.org//a",                    "https://example.org/a"},
    {"https:/\\example.org\\a",                    "https://example.org/a"},
    {"https://good.org@evil.org/a",                "https://evil.org/a"},
    {"https://good.org:x@y@evil.org/a",            "https://evil.org/a"},
    {"https://good.org%2F@evil.org/a",             "https://evil.org/a"},
    {"https://good.org/@evil.org/a",               "https://good.org/@evil.org/a"},
    {"https://good.org?@evil.org/a",               "https://good.org"},
    {"https://good.org#@evil.org/a",               "https://good.org"},
    {"https://evil.org\\@good.org/",               "https://evil.org/@good.org"},
    {"https://e%78ample.org/%61%2Fb",              "https://example.org/a%2Fb"},
    {"https://E%58AMPLE%2eorg/%7Ea%2fb",           "https://example.org/~a%2Fb"},
    {"https://example.org/a/../b/./c",             "https://example.org/b/c"},
    {"https://example.org/a/%2e%2E/b",             "https://example.org/b"},
    {"https://example.org/a/.%2e/b/%2e",           "https://example.org/b"},
    {"https://example.org/../../a",                "https://example.org/a"},
    {"https://example.org//a///b//",               "https://example.org/a/b"},
    {"https://example.org/a?q=/../b#c",            "https://example.org/a"},
    {"https://example.org?q",                      "https://example.org"},
    {"https://example.org/%zz%",                   "https://example.org/%25zz%25"},
    {"https://example.org/\xC3\xBC b\"",           "https://example.org/%C3%BC%20b%22"},
    {"https://example.org/%c3%bc",                 "https://example.org/%C3%BC"},
    {"https://xn--BCHER-kva.example/",             "https://xn--bcher-kva.example"},
    {"https://[2001:DB8::1]:8443/a",               "https://[2001:db8::1]/a"},
    {"https://[2001:0db8:0:0:0::0:1]/a",           "https://[2001:db8::1]/a"},
    {"https://[fe80::1%25eth0]/a",                 "https://[fe80::1]/a"},
    {"https://[::ffff:192.0.2.7]/a",               "https://192.0.2.7/a"},
    {"https://[::ffff:c000:207]/a",                "https://192.0.2.7/a"},
    {"http://192.0.2.7:80/",                       "https://192.0.2.7"},
    {"http://192.0.2.7./",                         "https://192.0.2.7"},
    {"http://3221225991/",                         "https://192.0.2.7"},
    {"http://0xC0.0.0x2.07/",                      "https://192.0.2.7"},
    {"http://0300.519/",                           "https://192.0.2.7"},
    {"http://192.0.519/",                          "https://192.0.2.7"},
    {"http://%31%39%32.0.2.7/",                    "https://192.0.2.7"},
    {"ftp://Example.org:21/pub/",                  "ftp://example.org/pub"},
    {"ftp://example.org\\pub",                     NULL},
    {"urn:ISBN:12X",                               "urn:isbn:12X"},
    {"URN:isbn:12%58",                             "urn:isbn:12X"},
    {"urn:",                                       "urn:"},
    {"doi:10.1000/Abc",                            "doi:10.1000/Abc"},
    {"file:///etc/x",                              "file:///etc/x"},
    {"file://localhost/etc/x",                     "file:///etc/x"},
    {"https://",                                   NULL},
    {"https:",                                     NULL},
    {"https://user@/a",                            NULL},
    {"https://:443/a",                             NULL},
    {"https://b\xC3\xBC" "cher.example/",          NULL},
    {"https://b%C3%BC" "cher.example/",            NULL},
    {"https://a%00b.org/",                         NULL},
    {"https://a%2fb.org/",                         NULL},
    {"https://a b.org/",                           NULL},
    {"https://a..org/",                            NULL},
    {"https://.org/",                              NULL},
    {"https://a.org../",                           NULL},
    {"https://a.org:80:80/",                       NULL},
    {"https://a.org:8a/",                          NULL},
    {"https://[::1/",                              NULL},
    {"https://[::1]x/",                            NULL},
    {"https://[1.2.3.4]/",                         NULL},
    {"https://1.2.3.4.5/",                         NULL},
    {"https://256.2.3.4/",                         NULL},
    {"https://1.2.3.08/",                          NULL},
    {"https://4294967296/",                        NULL},
    {"https://a.0x/",                              NULL},
    {"gopher:///x",                                NULL},
    {"example.org/a",                              NULL},
    {"//example.org/a",                            NULL},
    {" https://example.org",                       NULL},
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
    ck_assert(!w4_source_key(w4_bytes_from_text(uri), key)); /* a host is whole, or none */
    memcpy(uri, "urn:", 4);
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
                {"https://a.org.evil", W4_TIER_UNKNOWN}, {"https://a.org:81/", W4_TIER_LOW},
                {"http://a.org/", W4_TIER_LOW},          {"urn:isbn:1", W4_TIER_BLOCKED},
                {"https://b.a.org", W4_TIER_LOW},        {"https://b.a.org/wiki", W4_TIER_LOW},
                {"https://c.b.a.org/x", W4_TIER_LOW},    {"https://ba.org", W4_TIER_UNKNOWN},
                {"https://org", W4_TIER_UNKNOWN},        {"ftp://a.org", W4_TIER_UNKNOWN}};
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
    /* The one that has been of no account for the longest makes room. */
    ck_assert_int_eq(w4_sources_set(s, "https://n0.org", W4_TIER_LOW, false, "op", "", AT), 0);
    ck_assert_int_eq(w4_sources_conflicted(s, "https://n1.org", &limits, "", AT + 1), 0);
    ck_assert_int_eq(w4_sources_conflicted(s, "https://n1.org", &limits, "", AT + 1), 1);
    ck_assert_int_eq(w4_sources_corroborated(s, "https://other.org", &limits, "", AT + 2), 0);
    ck_assert_ptr_nonnull(w4_sources_get(s, "https://other.org"));
    ck_assert_ptr_nonnull(w4_sources_get(s, "https://n0.org"));
    ck_assert_ptr_nonnull(w4_sources_get(s, "https://n1.org"));
    w4_sources_free(s); /* what made room is not there again */
    ck_assert_int_eq(w4_sources_new(store, &s), 0);
    ck_assert_ptr_nonnull(w4_sources_get(s, "https://other.org"));
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

/* Of what operators named nothing makes room for what others say. */
START_TEST(named_ones_make_no_room) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    char key[64];
    for (unsigned i = 0; i < W4_SOURCES_MAX; i++) {
        snprintf(key, sizeof key, "https://n%u.org", i);
        ck_assert_int_eq(w4_sources_set(s, key, W4_TIER_UNKNOWN, false, "op", "", AT), 0);
    }
    ck_assert_int_eq(w4_sources_corroborated(s, "https://other.org", &limits, "", AT), -ENOSPC);
    ck_assert_int_eq(w4_sources_set(s, "https://other.org", W4_TIER_LOW, false, "op", "", AT),
                     -ENOSPC);
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

static void corroborate(w4_sources *s, const char *key, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        ck_assert_int_ge(w4_sources_corroborated(s, key, &limits, "m", AT), 0);
    }
}

static void conflict(w4_sources *s, const char *key, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        ck_assert_int_ge(w4_sources_conflicted(s, key, &limits, "m", AT), 0);
    }
}

/* What evidence said well of a host holds for it alone; what is bad for all below it. */
START_TEST(names_below_a_host_inherit_no_merit) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    corroborate(s, "https://pages.example", 6);
    ck_assert_int_eq(w4_sources_tier(s, "http://pages.example:8080/x"), W4_TIER_MEDIUM);
    ck_assert_int_eq(w4_sources_tier(s, "https://evil.pages.example"), W4_TIER_UNKNOWN);
    corroborate(s, "https://good.pages.example", 9); /* nor does it go up, or aside */
    ck_assert_int_eq(w4_sources_tier(s, "https://good.pages.example"), W4_TIER_HIGH);
    ck_assert_int_eq(w4_sources_tier(s, "https://pages.example"), W4_TIER_MEDIUM);
    ck_assert_int_eq(w4_sources_tier(s, "https://evil.pages.example"), W4_TIER_UNKNOWN);
    ck_assert_int_eq(w4_sources_tier(s, "https://a.good.pages.example"), W4_TIER_UNKNOWN);
    conflict(s, "https://pages.example", 2);
    ck_assert_int_eq(w4_sources_tier(s, "https://evil.pages.example"), W4_TIER_LOW);
    ck_assert_int_eq(w4_sources_tier(s, "https://good.pages.example"), W4_TIER_HIGH);
    conflict(s, "https://new.pages.example", 1); /* begins where its host stands */
    ck_assert_int_eq(w4_sources_get(s, "https://new.pages.example")->tier, W4_TIER_LOW);
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

/* What an operator says holds for all of it, whatever evidence had said of parts. */
START_TEST(an_order_is_for_all_of_it) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    static const char *const parts[] = {"https://evil.example", "http://evil.example:81/x",
                                        "https://www.evil.example", "https://a.b.evil.example/y"};
    corroborate(s, "https://www.evil.example", 9);
    corroborate(s, "https://evil.example", 9);
    corroborate(s, "https://notevil.example", 9);
    ck_assert_int_eq(w4_sources_set(s, "https://evil.example", W4_TIER_BLOCKED, true, "op", "", AT),
                     0);
    ck_assert_int_eq(w4_sources_tier(s, "https://notevil.example"), W4_TIER_HIGH);
    for (unsigned life = 0; life < 2; life++) {
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            corroborate(s, parts[i], 9);
            ck_assert_msg(w4_sources_tier(s, parts[i]) == W4_TIER_BLOCKED, "%s", parts[i]);
        }
        w4_sources_free(s);
        ck_assert_int_eq(w4_sources_new(store, &s), 0);
    }
    /* A part he speaks of himself is his to judge. */
    ck_assert_int_eq(
        w4_sources_set(s, "https://www.evil.example/ok", W4_TIER_HIGH, true, "op", "", AT), 0);
    ck_assert_int_eq(w4_sources_tier(s, "https://www.evil.example/ok/1"), W4_TIER_HIGH);
    ck_assert_int_eq(w4_sources_tier(s, "https://www.evil.example/okay"), W4_TIER_BLOCKED);
    w4_sources_free(s);
    w4_store_free(store);
}
END_TEST

static void put_row(w4_store *store, const char *prefix, const char *tier, const char *actor) {
    char key[128], row[512];
    snprintf(key, sizeof key, "source/%s", prefix);
    snprintf(row, sizeof row,
             "{\"conflicts\":0,\"conflicts_total\":0,\"corroborated\":0,\"corroborated_total\":3,"
             "\"moves\":[{\"actor\":\"%s\",\"at\":\"2026-01-01T00:00:00.000Z\",\"evidence\":\"\","
             "\"from\":\"unknown\",\"reason\":\"\",\"to\":\"%s\"}],\"pinned\":false,"
             "\"since\":\"2026-01-01T00:00:00.000Z\",\"tier\":\"%s\"}",
             actor, tier, tier);
    ck_assert_int_eq(
        w4_store_put(store, W4_STORE_META, w4_bytes_from_text(key), w4_bytes_from_text(row)), 0);
}

/* A store from when there were more spellings: what was blocked is, under its one spelling now. */
START_TEST(older_spellings_are_one_now) {
    w4_store *store;
    w4_sources *s = fresh(&store);
    w4_sources_free(s);
    put_row(store, "http://a.org", "blocked", "operator:uid 0");
    put_row(store, "https://a.org", "high", "node");
    put_row(store, "https://b.org/", "low", "node");
    put_row(store, "https://b.org:81", "medium", "node");
    put_row(store, "https://c.org/", "high", "operator:uid 0");
    for (unsigned life = 0; life < 2; life++) {
        const void *cursor = NULL;
        unsigned count = 0;
        ck_assert_int_eq(w4_sources_new(store, &s), 0);
        while (w4_sources_next(s, &cursor)) {
            count++;
        }
        ck_assert_uint_eq(count, 3);
        ck_assert_int_eq(w4_sources_get(s, "https://a.org")->tier, W4_TIER_BLOCKED);
        ck_assert(w4_sources_get(s, "https://a.org")->named);
        ck_assert_int_eq(w4_sources_get(s, "https://b.org")->tier, W4_TIER_LOW);
        ck_assert_int_eq(w4_sources_tier(s, "https://x.c.org"), W4_TIER_HIGH);
        /* keys of claims from then */
        ck_assert_int_eq(w4_sources_tier(s, "http://a.org/x/"), W4_TIER_BLOCKED);
        w4_sources_free(s);
    }
    w4_store_free(store);
}
END_TEST

START_TEST(below_and_above) {
    static const struct {
        const char *key, *prefix;
        bool below;
    } rows[] = {{"https://a.org/x", "https://a.org", true},
                {"https://a.org", "https://a.org", true},
                {"https://b.a.org/x", "https://a.org", true},
                {"https://b.a.org/x", "https://org", true},
                {"https://ba.org/x", "https://a.org", false},
                {"https://a.org/xy", "https://a.org/x", false},
                {"https://b.a.org/x", "https://a.org/x", false},
                {"ftp://b.a.org", "https://a.org", false},
                {"https://1.2.3.4", "https://2.3.4", false},
                {"https://[2001:db8::1]", "https://1]", false},
                {"urn:isbn:1", "urn:", true},
                {"urn:isbn:1", "urn:isbn:1", true},
                {"file:///a.b/c", "file://b", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(w4_source_is_below(rows[i].key, rows[i].prefix) == rows[i].below, "%s %s",
                      rows[i].key, rows[i].prefix);
    }
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
    tcase_add_test(tcase, named_ones_make_no_room);
    tcase_add_test(tcase, names_below_a_host_inherit_no_merit);
    tcase_add_test(tcase, an_order_is_for_all_of_it);
    tcase_add_test(tcase, older_spellings_are_one_now);
    tcase_add_test(tcase, below_and_above);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
