/* A neighbour that knows more of a fact than the node does: what the two say to one another until
 * the node has caught up (fact_sync.h). */
#include "inside.h"

#include "protocol/facts/facts.h"
#include "protocol/router.h"

#define WORD_BIT UINT32_C(0x40000000) /* of the numbers of what nodes say */
#define TURN_US (5 * W4_US_PER_MS)
#define WORD_BYTES_MAX ((size_t)WORDS_MAX * LETTER_BYTES_MAX)

w4_refusal subject_tell(subject *s, unsigned via, w4_type type, w4_bytes payload) {
    w4_buffer out = W4_BUFFER_INIT(WORD_BYTES_MAX);
    char msg_id[37];
    uint32_t id = WORD_BIT | ++s->words;
    subject_id_of(id, msg_id);
    w4_party receiver = {.agent_id = "node", .fingerprint = *w4_identity_fingerprint(s->nodes[0])};
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = subject_wall(s),
                               .sender_id = "node",
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = payload};
    ck_assert_int_eq(w4_envelope_write(&draft, s->nodes[via], &out), 0);
    w4_refusal code = subject_bring(s, via, 0, w4_buffer_bytes(&out), id);
    w4_buffer_deinit(&out);
    return code;
}

/* No two are the same: what was asked for in vain once is asked for again. */
static void digest(subject *s, char ret_hex[static 33]) {
    snprintf(ret_hex, 33, "%032" PRIx32, ++s->words);
}

/* Waits until the node asks for that. */
static void expect(subject *s, asked what, uint64_t until_us) {
    while (s->asked != what && s->now_us < until_us) {
        subject_go_on(s, w4_earlier(until_us, s->now_us + TURN_US));
    }
    ck_assert_int_eq(s->asked, what);
    s->asked = ASKED_NOTHING;
}

static bool is_made(const void *context, uint32_t number) {
    const subject *s = context;
    return s->letters[number].len > 0;
}

static void pass_on(subject *s, const step *st) {
    uint32_t numbers[WORDS_MAX];
    size_t count = history_passed_on(s->h, st, is_made, s, numbers);
    w4_buffer payload = W4_BUFFER_INIT(WORD_BYTES_MAX);
    ck_assert_int_eq(w4_buffer_append_text(&payload, "{\"done\":1,\"envelopes\":["), 0);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(w4_buffer_append_text(&payload, i > 0 ? "," : ""), 0);
        ck_assert_int_eq(w4_buffer_append(&payload, w4_buffer_bytes(&s->letters[numbers[i]])), 0);
    }
    ck_assert_int_eq(w4_buffer_append_text(&payload, "],\"skip\":0}"), 0);
    ck_assert_str_eq(
        w4_refusal_name(subject_tell(s, st->via, W4_TYPE_MESH_VOTES, w4_buffer_bytes(&payload))),
        w4_refusal_name(W4_REFUSAL_NONE));
    w4_buffer_deinit(&payload);
}

static void list(subject *s, const step *st, uint64_t until_us) {
    char payload[256], id[37], hex[33];
    subject_id_of(st->about, id);
    digest(s, hex);
    snprintf(payload, sizeof payload,
             "{\"facts\":[{\"digest\":\"%s\",\"id\":\"%s\"}],\"last\":true,\"part\":%u}", hex, id,
             w4_exchange_part(id));
    subject_tell(s, st->via, W4_TYPE_MESH_FACTS, w4_bytes_from_text(payload));
    expect(s, ASKED_WORDS, until_us);
    pass_on(s, st);
    if (w4_exchange_part(id) + 1 < W4_EXCHANGE_PARTS) {
        expect(s, ASKED_LIST, until_us);
        subject_tell(s, st->via, W4_TYPE_MESH_FACTS,
                     w4_bytes_from_text("{\"facts\":[],\"last\":true,\"part\":64}"));
    }
}

/* The session of the neighbour begins and ends with it, as far as facts are concerned: so nobody
 * compares them in between. */
w4_refusal subject_catch_up(subject *s, const step *st) {
    const w4_fingerprint *node = w4_identity_fingerprint(s->nodes[st->via]);
    uint64_t until_us = s->now_us + CATCH_UP_MS * W4_US_PER_MS;
    char payload[64], hex[33];
    ck_assert_int_eq(
        w4_exchange_peer_up(s->protocol, &s->protocol->fact_sync.exchange, node, s->now_us), 0);
    s->asks = *node;
    s->asked = ASKED_NOTHING;
    digest(s, hex);
    snprintf(payload, sizeof payload, "{\"sum\":\"%s\"}", hex);
    w4_refusal code = subject_tell(s, st->via, W4_TYPE_MESH_FACTS, w4_bytes_from_text(payload));
    if (code == W4_REFUSAL_NONE) {
        expect(s, ASKED_LIST, until_us);
        list(s, st, until_us);
    }
    subject_go_on(s, until_us);
    w4_exchange_peer_down(&s->protocol->fact_sync.exchange, node);
    s->asks = (w4_fingerprint){{0}};
    return code;
}
