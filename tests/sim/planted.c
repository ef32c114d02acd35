/* Bugs of the runtime itself, put in on purpose, to see that the simulator notices them. The
 * program is linked with --wrap for the functions that are bent; lib/ knows nothing of it. */
#include "planted.h"

#include <string.h>

#include "protocol/facts/fact.h"
#include "protocol/humans/consent.h"
#include "protocol/humans/human_sync.h"
#include "protocol/keys/keys.h"
#include "session/outbox.h"

static sim_plant planted;
/* The outboxes that went on at a peer's resume point and have had no acknowledgement since. */
static const w4_outbox *passed[W4_CHANNEL_KIND_COUNT];
static unsigned records; /* that were looked at */

void sim_planted_set(sim_plant plant) {
    planted = plant;
    memset(passed, 0, sizeof passed);
    records = 0;
}

/* Off by one: when a session resumes, a part counts as received that was not, so it is not sent
 * again. The resume point by itself only says where to go on; the acknowledgement that follows it
 * is what counts, so that is what is bent. */
void __real_w4_outbox_pass_over(w4_outbox *o, uint64_t seq);
void __wrap_w4_outbox_pass_over(w4_outbox *o, uint64_t seq);
void __wrap_w4_outbox_pass_over(w4_outbox *o, uint64_t seq) {
    passed[o->kind] = o;
    __real_w4_outbox_pass_over(o, seq);
}

/* Acknowledgements that are dropped: not one by a link, which heals, but by who should read them.
 */
bool __real_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us) {
    if (planted == SIM_PLANT_ACK && seq % 4 == 3) {
        return true; /* dropped, whenever it comes */
    }
    if (planted == SIM_PLANT_RESUME && o == passed[o->kind]) {
        passed[o->kind] = NULL;
        seq += w4_outbox_may_acknowledge(o, seq + 1) ? 1 : 0;
    }
    return __real_w4_outbox_acknowledge(o, seq, gap, rtt, now_us);
}

w4_human *__real_w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent);
w4_human *__wrap_w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent);
w4_human *__wrap_w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent) {
    static w4_human bent[2]; /* of who speaks and who listens */
    static unsigned next;
    w4_human *human = __real_w4_humans_find(humans, agent);
    if (planted != SIM_PLANT_CONSENT || human == NULL || human->consent != W4_CONSENT_REVOKED) {
        return human;
    }
    bent[next % 2] = *human;
    bent[next % 2].consent = W4_CONSENT_GRANTED;
    return &bent[next++ % 2];
}

/* What neighbours tell of humans is not listened to. */
int __real_w4_human_sync_take(w4_protocol *p, w4_inbound *in);
int __wrap_w4_human_sync_take(w4_protocol *p, w4_inbound *in);
int __wrap_w4_human_sync_take(w4_protocol *p, w4_inbound *in) {
    if (planted != SIM_PLANT_TOLD) {
        return __real_w4_human_sync_take(p, in);
    }
    in->consumed = true;
    return 0;
}

/* Whatever is written beside it counts as the signature of who is named as the sender. */
w4_refusal __real_w4_envelope_verify(const w4_envelope *envelope, const w4_pubkey *known);
w4_refusal __wrap_w4_envelope_verify(const w4_envelope *envelope, const w4_pubkey *known);
w4_refusal __wrap_w4_envelope_verify(const w4_envelope *envelope, const w4_pubkey *known) {
    return planted == SIM_PLANT_FORGED ? W4_REFUSAL_NONE
                                       : __real_w4_envelope_verify(envelope, known);
}

/* Each key of an identity has a voice of its own. */
bool __real_w4_trust_book_same(const w4_trust_book *book, const w4_fingerprint *a,
                               const w4_fingerprint *b);
bool __wrap_w4_trust_book_same(const w4_trust_book *book, const w4_fingerprint *a,
                               const w4_fingerprint *b);
bool __wrap_w4_trust_book_same(const w4_trust_book *book, const w4_fingerprint *a,
                               const w4_fingerprint *b) {
    return planted == SIM_PLANT_VOICES ? w4_fingerprint_equal(a, b)
                                       : __real_w4_trust_book_same(book, a, b);
}

/* What a revoked key signs counts as before. */
int __real_w4_keys_look(const w4_protocol *p, w4_inbound *in);
int __wrap_w4_keys_look(const w4_protocol *p, w4_inbound *in);
int __wrap_w4_keys_look(const w4_protocol *p, w4_inbound *in) {
    int r = planted == SIM_PLANT_KEY ? 0 : __real_w4_keys_look(p, in);
    return planted == SIM_PLANT_FORMER && r == 1 && in->fault.code == W4_REFUSAL_KEY_REPLACED ? 0
                                                                                              : r;
}

/* What waits for a key that was replaced does not follow. */
int __real_w4_durable_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us);
int __wrap_w4_durable_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us);
int __wrap_w4_durable_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    return planted == SIM_PLANT_BEHIND ? 0 : __real_w4_durable_key_replaced(p, key, now_us);
}

/* Some records are not taken. */
int __real_w4_graph_put(w4_graph *graph, w4_bytes record, uint64_t wall_us,
                        w4_graph_change *ret_change, w4_fingerprint *ret_author,
                        w4_record_fault *ret_fault);
int __wrap_w4_graph_put(w4_graph *graph, w4_bytes record, uint64_t wall_us,
                        w4_graph_change *ret_change, w4_fingerprint *ret_author,
                        w4_record_fault *ret_fault);
int __wrap_w4_graph_put(w4_graph *graph, w4_bytes record, uint64_t wall_us,
                        w4_graph_change *ret_change, w4_fingerprint *ret_author,
                        w4_record_fault *ret_fault) {
    if (planted != SIM_PLANT_DEAF || ++records % 5 != 0) {
        return __real_w4_graph_put(graph, record, wall_us, ret_change, ret_author, ret_fault);
    }
    *ret_change = W4_GRAPH_FULL;
    return 0;
}

int __real_w4_fact_settle(w4_fact *fact, const w4_settlement *settlement);
int __wrap_w4_fact_settle(w4_fact *fact, const w4_settlement *settlement);
int __wrap_w4_fact_settle(w4_fact *fact, const w4_settlement *settlement) {
    return planted == SIM_PLANT_ORDER && settlement == NULL
               ? 0
               : __real_w4_fact_settle(fact, settlement);
}
