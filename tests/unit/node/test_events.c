/* Events: names, form, and the ring that late joiners read. */
#include "runner.h"

#include "node/events.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static w4_events *events;
static const w4_fingerprint self = {{0xab, 0xcd}};
static const w4_env env = {.wall_offset_us = INT64_C(1795428732345000)};

static void setup(void) {
    ck_assert_int_eq(w4_events_new(&env, &self, &events), 0);
}

static void teardown(void) {
    events = w4_events_free(events);
    ck_assert_ptr_null(w4_events_free(NULL));
}

static void add(w4_event event, uint64_t number) {
    w4_event_about about = {.event = event, .severity = W4_LOG_INFO};
    w4_json_member_unsigned(w4_events_begin(events, &about, 0), "n", number);
    w4_events_end(events);
}

static uint64_t number_of(const w4_event_view *view) {
    w4_json_document doc = {0};
    int64_t number = -1;
    ck_assert_int_eq(w4_json_read(&doc, view->json, &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json data = w4_json_get(w4_json_root(&doc), "data");
    (void)w4_json_integer(w4_json_get(data, "n"), &number);
    w4_json_document_deinit(&doc);
    return (uint64_t)number;
}

START_TEST(each_has_a_name_and_a_help) {
    for (int i = 0; i < W4_EVENT_COUNT; i++) {
        w4_event found = W4_EVENT_COUNT;
        const char *name = w4_event_name((w4_event)i);
        ck_assert(w4_event_from_name(w4_bytes_from_text(name), &found));
        ck_assert_int_eq(found, i);
        ck_assert_uint_gt(strlen(w4_event_help((w4_event)i)), 10);
        ck_assert_uint_gt(strlen(w4_event_members((w4_event)i)), 0);
        for (const char *c = name; *c != '\0'; c++) {
            ck_assert((*c >= 'a' && *c <= 'z') || *c == '_');
        }
    }
    w4_event untouched = W4_EVENT_OVERFLOW;
    ck_assert(!w4_event_from_name(w4_bytes_from_text("no_such"), &untouched));
    ck_assert(!w4_event_from_name(w4_bytes_from_text(""), &untouched));
    ck_assert_int_eq(untouched, W4_EVENT_OVERFLOW);
    ck_assert_str_eq(w4_event_name(W4_EVENT_COUNT), "unknown");
    ck_assert_str_eq(w4_event_help(W4_EVENT_COUNT), "");
    ck_assert_str_eq(w4_event_members(W4_EVENT_COUNT), "");
    ck_assert_uint_eq(w4_events_count(events, W4_EVENT_COUNT), 0);
}
END_TEST

START_TEST(the_whole_form) {
    const w4_fingerprint peer = {{0x12}};
    const uint8_t session[16] = {0x01, 0xfe};
    w4_event_about about = {.event = W4_EVENT_SESSION_OPEN,
                            .severity = W4_LOG_WARNING,
                            .transport = "memory",
                            .peer = &peer,
                            .session = session,
                            .channel = "state"};
    w4_json_member_string(w4_events_begin(events, &about, 0), "name", "a\x1b[31m\"");
    w4_events_end(events);
    uint64_t cursor = 0;
    w4_event_view view;
    ck_assert(w4_events_next(events, &cursor, &view));
    ck_assert_uint_eq(view.seq, 1);
    ck_assert_int_eq(view.event, W4_EVENT_SESSION_OPEN);
    ck_assert_int_eq(view.severity, W4_LOG_WARNING);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, view.json, &W4_JSON_LIMITS_LINE, NULL), 0);
    static const char *const wanted[][2] = {
        {"/v", "1"},
        {"/seq", "1"},
        {"/time", "\"2026-11-23T10:12:12.345Z\""},
        {"/node", "\"abcd000000000000000000000000000000000000000000000000000000000000\""},
        {"/event", "\"session_open\""},
        {"/severity", "\"warning\""},
        {"/transport", "\"memory\""},
        {"/peer", "\"1200000000000000000000000000000000000000000000000000000000000000\""},
        {"/session", "\"01fe0000000000000000000000000000\""},
        {"/channel", "\"state\""},
        {"/data/name", "\"a\\u001b[31m\\\"\""},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        w4_json v = w4_json_at_pointer(w4_json_root(&doc), w4_bytes_from_text(wanted[i][0]));
        ck_assert_msg(w4_bytes_equal_text(w4_json_text(v), wanted[i][1]), "%s", wanted[i][0]);
    }
    ck_assert_uint_eq(w4_json_count(w4_json_root(&doc)), 11);
    w4_json_document_deinit(&doc);
}
END_TEST

START_TEST(reading_goes_on_where_it_was) {
    uint64_t cursor = 0;
    w4_event_view view;
    ck_assert(!w4_events_next(events, &cursor, &view));
    for (uint64_t i = 1; i <= 5; i++) {
        add(W4_EVENT_OVERFLOW, i);
        ck_assert(w4_events_next(events, &cursor, &view));
        ck_assert_uint_eq(number_of(&view), i);
        ck_assert_uint_eq(cursor, i);
        ck_assert(!w4_events_next(events, &cursor, &view));
    }
    ck_assert_uint_eq(w4_events_last(events), 5);
    ck_assert_uint_eq(w4_events_count(events, W4_EVENT_OVERFLOW), 5);
    ck_assert_uint_eq(w4_events_count(events, W4_EVENT_SESSION_OPEN), 0);
    cursor = 3;
    ck_assert(w4_events_next(events, &cursor, &view));
    ck_assert_uint_eq(view.seq, 4);
}
END_TEST

/* The oldest go; a reader who is too slow goes on with what there is. */
START_TEST(the_ring_is_bounded) {
    uint64_t cursor = 2;
    w4_event_view view;
    for (uint64_t i = 1; i <= 3 * W4_EVENTS_RING; i++) {
        add(W4_EVENT_GRAPH_UPDATED, i);
    }
    ck_assert(w4_events_next(events, &cursor, &view));
    ck_assert_uint_ge(view.seq, 2 * W4_EVENTS_RING);
    ck_assert_uint_le(view.seq, 2 * W4_EVENTS_RING + 2);
    ck_assert_uint_eq(number_of(&view), view.seq);
    unsigned seen = 1;
    while (w4_events_next(events, &cursor, &view)) {
        ck_assert_uint_eq(number_of(&view), view.seq);
        seen++;
    }
    ck_assert_uint_ge(seen, W4_EVENTS_RING - 1);
    ck_assert_uint_eq(cursor, 3 * W4_EVENTS_RING);
    ck_assert_uint_eq(w4_events_count(events, W4_EVENT_GRAPH_UPDATED), 3 * W4_EVENTS_RING);
}
END_TEST

/* One that is too large is counted as lost, and the next one takes its number. */
START_TEST(one_that_is_too_large) {
    static char large[W4_EVENT_BYTES_MAX + 1];
    uint64_t cursor = 0;
    w4_event_view view;
    memset(large, 'x', sizeof large - 1);
    add(W4_EVENT_OVERFLOW, 1);
    w4_event_about about = {.event = W4_EVENT_STORE_FAILED, .severity = W4_LOG_ERROR};
    w4_json_member_string(w4_events_begin(events, &about, 0), "text", large);
    w4_events_end(events);
    ck_assert_uint_eq(w4_events_lost(events), 1);
    ck_assert_uint_eq(w4_events_count(events, W4_EVENT_STORE_FAILED), 0);
    add(W4_EVENT_OVERFLOW, 2);
    ck_assert(w4_events_next(events, &cursor, &view));
    ck_assert(w4_events_next(events, &cursor, &view));
    ck_assert_uint_eq(view.seq, 2);
    ck_assert_uint_eq(number_of(&view), 2);
    ck_assert(!w4_events_next(events, &cursor, &view));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_has_a_name_and_a_help);
    tcase_add_test(tc, the_whole_form);
    tcase_add_test(tc, reading_goes_on_where_it_was);
    tcase_add_test(tc, the_ring_is_bounded);
    tcase_add_test(tc, one_that_is_too_large);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
