/* What is broken on purpose, to see that minority_judge.c notices it. Linked with --wrap; lib/
 * knows nothing of it. */
#include "minority.h"

#include "protocol/facts/acceptance.h"
#include "protocol/humans/consent.h"
#include "protocol/pipeline/seen.h"

static minority_plant planted;
static bool judging;

const char *minority_plant_name(minority_plant plant) {
    static const char *const names[MINORITY_PLANT_COUNT] = {
        "none", "probation", "one node", "censor", "replay", "stale", "consent", "introduced"};
    return names[plant];
}

void minority_plant_set(minority_plant plant) {
    planted = plant;
}

#define WRAP(TYPE, NAME, ...)                                                                      \
    TYPE __real_##NAME(__VA_ARGS__);                                                               \
    TYPE __wrap_##NAME(__VA_ARGS__);                                                               \
    TYPE __wrap_##NAME(__VA_ARGS__)

WRAP(w4_judgement, w4_fact_judge, const w4_fact *fact, const w4_acceptance *rule) {
    w4_acceptance bent = *rule;
    bent.distinct_nodes = rule->distinct_nodes && planted != MINORITY_PLANT_ONE_NODE;
    judging = true;
    w4_judgement j = __real_w4_fact_judge(fact, &bent);
    if (planted == MINORITY_PLANT_CENSOR) {
        bent.distinct_nodes = false;
        const w4_judgement other = __real_w4_fact_judge(fact, &bent);
        j = other.rejections >= W4_FACT_REJECTIONS ? other : j;
    }
    judging = false;
    return j;
}

WRAP(w4_trust_state, w4_trust_book_state, const w4_trust_book *book, w4_trust_kind kind,
     const w4_fingerprint *subject) {
    w4_trust_state state = __real_w4_trust_book_state(book, kind, subject);
    bool counts = judging && planted == MINORITY_PLANT_PROBATION && state == W4_TRUST_PROBING;
    return counts ? W4_TRUST_TRUSTED : state;
}

WRAP(bool, w4_seen_has, const w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
     uint64_t timestamp_us) {
    return planted != MINORITY_PLANT_REPLAY &&
           __real_w4_seen_has(seen, sender, msg_id, timestamp_us);
}

WRAP(w4_refusal, w4_envelope_check_fresh, const w4_envelope *envelope, uint64_t wall_us) {
    uint64_t at = envelope->timestamp_us;
    uint64_t off = at > wall_us ? at - wall_us : wall_us - at;
    return planted == MINORITY_PLANT_STALE && off < UINT64_C(400) * W4_US_PER_S
               ? W4_REFUSAL_NONE
               : __real_w4_envelope_check_fresh(envelope, wall_us);
}

WRAP(int, w4_humans_take, w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
     w4_consent *ret_before) {
    int r = __real_w4_humans_take(humans, word, ret_human, ret_before);
    if (r == 0 && planted == MINORITY_PLANT_CONSENT &&
        (*ret_human)->consent == W4_CONSENT_REVOKED) {
        (*ret_human)->consent = W4_CONSENT_GRANTED;
    }
    return r;
}

WRAP(const w4_trust_row *, w4_trust_row_find, w4_trust_kind kind, w4_trust_state from,
     w4_trust_event event) {
    static const w4_trust_row row = {.kind = W4_TRUST_NODE,
                                     .from = W4_TRUST_UNTRUSTED,
                                     .event = W4_TRUST_EVENT_INTRODUCED,
                                     .to = W4_TRUST_TRUSTED,
                                     .reason = "introduced"};
    bool bent = planted == MINORITY_PLANT_INTRODUCED && kind == W4_TRUST_NODE &&
                from < W4_TRUST_TRUSTED && event == W4_TRUST_EVENT_INTRODUCED;
    return bent ? &row : __real_w4_trust_row_find(kind, from, event);
}
