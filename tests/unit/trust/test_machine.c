/* Every state with every event of every kind, against the tables of the specification written
 * down a second time and in another form: one letter for the state reached from each of the four.
 */
#include "runner.h"

#include "trust/machine.h"

#include <string.h>

/* Columns: from untrusted, probing, trusted, blocked. '.': the event means nothing there. */
static const struct {
    w4_trust_kind kind;
    const char *event;
    char to[5];
} expected[] = {
    {W4_TRUST_AGENT, "handshake", "P..."},
    {W4_TRUST_AGENT, "introduced", "...."},
    {W4_TRUST_AGENT, "knowledge_verified", ".T.."},
    {W4_TRUST_AGENT, "verified_locally", "...."},
    {W4_TRUST_AGENT, "conflict", ".U.."},
    {W4_TRUST_AGENT, "unverifiable", ".U.."},
    {W4_TRUST_AGENT, "anomaly", "..P."},
    {W4_TRUST_AGENT, "severe_conflict", "..B."},
    {W4_TRUST_AGENT, "malice", "BBB."},
    {W4_TRUST_AGENT, "override", "...P"},
    {W4_TRUST_AGENT, "consent_given", "...."},
    {W4_TRUST_AGENT, "mutual_validation", "...."},
    {W4_TRUST_AGENT, "misunderstanding", "...."},
    {W4_TRUST_AGENT, "consent_revoked", "...."},

    {W4_TRUST_NODE, "handshake", "P..."},
    {W4_TRUST_NODE, "introduced", "P..."},
    {W4_TRUST_NODE, "knowledge_verified", "...."},
    {W4_TRUST_NODE, "verified_locally", ".T.."},
    {W4_TRUST_NODE, "conflict", ".BP."},
    {W4_TRUST_NODE, "unverifiable", "...."},
    {W4_TRUST_NODE, "anomaly", "...."},
    {W4_TRUST_NODE, "severe_conflict", "...."},
    {W4_TRUST_NODE, "malice", "BBB."},
    {W4_TRUST_NODE, "override", "...P"},
    {W4_TRUST_NODE, "consent_given", "...."},
    {W4_TRUST_NODE, "mutual_validation", "...."},
    {W4_TRUST_NODE, "misunderstanding", "...."},
    {W4_TRUST_NODE, "consent_revoked", "...."},

    {W4_TRUST_HUMAN, "handshake", "...."},
    {W4_TRUST_HUMAN, "introduced", "...."},
    {W4_TRUST_HUMAN, "knowledge_verified", "...."},
    {W4_TRUST_HUMAN, "verified_locally", "...."},
    {W4_TRUST_HUMAN, "conflict", "...."},
    {W4_TRUST_HUMAN, "unverifiable", "...."},
    {W4_TRUST_HUMAN, "anomaly", "...."},
    {W4_TRUST_HUMAN, "severe_conflict", "...."},
    {W4_TRUST_HUMAN, "malice", "...."},
    {W4_TRUST_HUMAN, "override", "...."},
    {W4_TRUST_HUMAN, "consent_given", "P..P"},
    {W4_TRUST_HUMAN, "mutual_validation", ".T.."},
    {W4_TRUST_HUMAN, "misunderstanding", "..P."},
    {W4_TRUST_HUMAN, "consent_revoked", "BBB."},
};
#define EXPECTED_COUNT (sizeof(expected) / sizeof(expected[0]))

START_TEST(every_state_with_every_event) {
    ck_assert_uint_eq(EXPECTED_COUNT, (size_t)W4_TRUST_KIND_COUNT * W4_TRUST_EVENT_COUNT);
    bool seen[W4_TRUST_KIND_COUNT][W4_TRUST_EVENT_COUNT] = {{false}};
    for (size_t i = 0; i < EXPECTED_COUNT; i++) {
        w4_trust_event event;
        ck_assert(w4_trust_event_from_name(w4_bytes_from_text(expected[i].event), &event));
        ck_assert(!seen[expected[i].kind][event]);
        seen[expected[i].kind][event] = true;
        for (size_t from = 0; from < W4_TRUST_STATE_COUNT; from++) {
            const w4_trust_row *row =
                w4_trust_row_find(expected[i].kind, (w4_trust_state)from, event);
            char got = row ? "UPTB"[row->to] : '.';
            ck_assert_msg(got == expected[i].to[from], "%s: %s with %s: %c, not %c",
                          w4_trust_kind_name(expected[i].kind),
                          w4_trust_state_name(expected[i].kind, (w4_trust_state)from),
                          expected[i].event, got, expected[i].to[from]);
            if (row) {
                ck_assert_int_eq(row->kind, expected[i].kind);
                ck_assert_int_eq(row->event, event);
            }
        }
    }
}
END_TEST

START_TEST(only_two_rows_cool_down) {
    size_t cooling = 0;
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        size_t count;
        const w4_trust_row *rows = w4_trust_rows((w4_trust_kind)kind, &count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(rows[i].kind, kind);
            ck_assert_uint_gt(strlen(rows[i].reason), 0);
            ck_assert_uint_le(rows[i].cooldown_s, W4_TRUST_COOLDOWN_MAX_S);
            if (rows[i].cooldown_s > 0) {
                cooling++;
                ck_assert_uint_eq(rows[i].cooldown_s, 300);
                ck_assert_int_eq(rows[i].kind, W4_TRUST_AGENT);
                ck_assert_int_eq(rows[i].from, W4_TRUST_PROBING);
                ck_assert_int_eq(rows[i].to, W4_TRUST_UNTRUSTED);
            }
        }
    }
    ck_assert_uint_eq(cooling, 2);
}
END_TEST

/* No row is hidden behind another and no row leads to where it starts. */
START_TEST(rows_are_unambiguous) {
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        size_t count;
        const w4_trust_row *rows = w4_trust_rows((w4_trust_kind)kind, &count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_ne(rows[i].from, rows[i].to);
            for (size_t j = 0; j < i; j++) {
                ck_assert(rows[i].event != rows[j].event ||
                          (rows[i].from != rows[j].from && rows[i].from != W4_TRUST_ANY &&
                           rows[j].from != W4_TRUST_ANY));
            }
        }
    }
}
END_TEST

/* Nothing but a handshake, an introduction or consent leads out of untrusted upwards, and nothing
 * leads to trusted in one step from anywhere but probing. */
START_TEST(nobody_jumps_to_trusted) {
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        for (size_t from = 0; from < W4_TRUST_STATE_COUNT; from++) {
            for (size_t event = 0; event < W4_TRUST_EVENT_COUNT; event++) {
                const w4_trust_row *row = w4_trust_row_find(
                    (w4_trust_kind)kind, (w4_trust_state)from, (w4_trust_event)event);
                ck_assert(!row || row->to != W4_TRUST_TRUSTED || from == W4_TRUST_PROBING);
                ck_assert(!row || event != W4_TRUST_EVENT_INTRODUCED ||
                          row->to == W4_TRUST_PROBING);
            }
        }
    }
}
END_TEST

START_TEST(names) {
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        w4_trust_kind found;
        const char *name = w4_trust_kind_name((w4_trust_kind)kind);
        ck_assert(w4_trust_kind_from_name(w4_bytes_from_text(name), &found));
        ck_assert_uint_eq(found, kind);
        for (size_t state = 0; state < W4_TRUST_STATE_COUNT; state++) {
            for (size_t other = 0; other < W4_TRUST_KIND_COUNT; other++) {
                w4_trust_state back;
                const char *word = w4_trust_state_name((w4_trust_kind)other, (w4_trust_state)state);
                ck_assert(
                    w4_trust_state_from_name((w4_trust_kind)kind, w4_bytes_from_text(word), &back));
                ck_assert_uint_eq(back, state);
            }
        }
    }
    for (size_t event = 0; event < W4_TRUST_EVENT_COUNT; event++) {
        w4_trust_event found;
        const char *name = w4_trust_event_name((w4_trust_event)event);
        ck_assert(w4_trust_event_from_name(w4_bytes_from_text(name), &found));
        ck_assert_uint_eq(found, event);
    }
    ck_assert_str_eq(w4_trust_state_name(W4_TRUST_AGENT, W4_TRUST_BLOCKED), "blacklisted");
    ck_assert_str_eq(w4_trust_state_name(W4_TRUST_NODE, W4_TRUST_BLOCKED), "blocked");
    ck_assert_str_eq(w4_trust_state_name(W4_TRUST_HUMAN, W4_TRUST_BLOCKED), "restricted");
    ck_assert_str_eq(w4_trust_state_name(W4_TRUST_NODE, W4_TRUST_UNTRUSTED), "unknown");
}
END_TEST

START_TEST(wrong_names) {
    static const char *const wrong[] = {"", "Trusted", "trusted ", "trust", "any", "TRUSTED"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        w4_bytes text = w4_bytes_from_text(wrong[i]);
        w4_trust_state state = W4_TRUST_PROBING;
        w4_trust_kind kind = W4_TRUST_NODE;
        w4_trust_event event = W4_TRUST_EVENT_MALICE;
        ck_assert(!w4_trust_state_from_name(W4_TRUST_AGENT, text, &state));
        ck_assert(!w4_trust_kind_from_name(text, &kind));
        ck_assert(!w4_trust_event_from_name(text, &event));
        ck_assert_int_eq(state, W4_TRUST_PROBING);
        ck_assert_int_eq(kind, W4_TRUST_NODE);
        ck_assert_int_eq(event, W4_TRUST_EVENT_MALICE);
    }
    w4_trust_kind kind;
    ck_assert(!w4_trust_kind_from_name(w4_bytes_of("agent\0", 6), &kind));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust machine");
    TCase *tests = tcase_create("machine");
    tcase_add_test(tests, every_state_with_every_event);
    tcase_add_test(tests, only_two_rows_cool_down);
    tcase_add_test(tests, rows_are_unambiguous);
    tcase_add_test(tests, nobody_jumps_to_trusted);
    tcase_add_test(tests, names);
    tcase_add_test(tests, wrong_names);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
