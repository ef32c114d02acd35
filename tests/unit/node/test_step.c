/* Two ends that have lost step: one seals under a key that the other one cannot know. They find one
 * another again by a new handshake, in the same session, as soon as a peer that is silent is given
 * up, and nothing is lost or repeated; and somebody is told. */
#include "town.h"

#include "session/state.h"

#define MESSAGES 20u

static town t;

typedef struct row {
    unsigned breaks; /* bit n: what node n seals is noise from now on */
    bool ordered;    /* the link says that it is */
    bool busy;       /* both have something to say */
} row;

static const row rows[] = {
    {1, true, true},   {2, true, true},   {3, true, true},   {1, false, true},
    {2, false, true},  {3, false, true},  {1, true, false},  {2, true, false},
    {1, false, false}, {2, false, false}, {3, false, false},
};

static w4_session *session_of(unsigned at) {
    return town_peer(&t, at, 1 - at)->session;
}

static w4_session_stats stats_of(unsigned at) {
    w4_session_stats stats;
    w4_session_stats_get(session_of(at), &stats);
    return stats;
}

static void break_keys(const row *r) {
    for (unsigned i = 0; i < 2; i++) {
        session_of(i)->ordered = r->ordered;
        session_of(i)->sender.key[0] ^= (uint8_t)(r->breaks >> i & 1);
    }
}

static bool is_mended(void) {
    for (unsigned i = 0; i < 2; i++) {
        w4_session_stats stats = stats_of(i);
        if (!stats.attached || t.nodes[i].told[W4_EVENT_SESSION_RESUMED] == 0) {
            return false;
        }
    }
    return true;
}

START_TEST(recover_by_a_new_handshake) {
    const row *r = &rows[_i];
    w4_node_config config = town_config();
    town_init(&t, 2, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 10 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        town_send(&t, i, 1 - i, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 5 * TOWN_S);
    uint8_t id[W4_SESSION_ID_LEN];
    memcpy(id, session_of(0)->id, sizeof id);
    break_keys(r);
    uint64_t broken_us = t.now_us;
    for (unsigned n = 0; r->busy && n < MESSAGES; n++) {
        for (unsigned i = 0; i < 2; i++) {
            town_send(&t, i, 1 - i, n % 2 == 0 ? W4_CHANNEL_STATE : W4_CHANNEL_KNOWLEDGE, 3000);
        }
        town_go_on(&t, 50 * TOWN_MS);
    }
    uint64_t most_us = config.session.timeout_us + TOWN_S;
    uint64_t mended_us;
    while (!is_mended()) {
        town_go_on(&t, 100 * TOWN_MS);
        ck_assert_uint_le(t.now_us - broken_us, most_us);
    }
    mended_us = t.now_us;
    town_go_on(&t, 20 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(is_mended());
        ck_assert_mem_eq(session_of(i)->id, id, sizeof id);
        ck_assert_uint_eq(t.nodes[i].messages, 1 + (r->busy ? MESSAGES : 0));
        ck_assert_uint_eq(t.nodes[i].delivered, t.nodes[i].messages);
        ck_assert_uint_eq(t.nodes[i].failed, 0);
        ck_assert(!t.nodes[i].disorder);
        unsigned resumed = t.nodes[i].told[W4_EVENT_SESSION_RESUMED]; /* they may both dial */
        ck_assert_uint_le(resumed, 2);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], resumed);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_ENDED], 0);
        if ((r->breaks >> (1 - i) & 1) != 0) {
            ck_assert_uint_gt(stats_of(i).verification_failures, 0);
        }
    }
    if (getenv("W4_TEST_VERBOSE")) {
        fprintf(stderr, "row %d: %llu ms\n", _i,
                (unsigned long long)((mended_us - broken_us) / TOWN_MS));
    }
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node step");
    TCase *tc = tcase_create("step");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, recover_by_a_new_handshake, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
