/* What the node asks about facts, and orders: the part of protocol.h that is about them. */
#include "base/text.h"
#include "protocol/facts/fact_reason.h"
#include "protocol/facts/fact_view.h"
#include "protocol/facts/knowledge.h"
#include "protocol/router.h"

#include <errno.h>

uint32_t w4_protocol_fact_find_for(const w4_protocol *p, w4_bytes prefix, const w4_who *listener,
                                   char ret_id[static 37]) {
    return w4_facts_find_prefix(p->facts, prefix, listener, ret_id);
}

uint32_t w4_protocol_fact_find(const w4_protocol *p, w4_bytes prefix, char ret_id[static 37]) {
    return w4_protocol_fact_find_for(p, prefix, NULL, ret_id);
}

bool w4_protocol_fact_is_for(const w4_protocol *p, const char *id, const w4_who *listener) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    return fact && w4_fact_is_for(fact, listener);
}

bool w4_protocol_fact_any_aside(const w4_protocol *p, const char *id) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    return fact && w4_fact_any_aside(fact);
}

bool w4_protocol_fact_state(const w4_protocol *p, const char *id, w4_fact_state *ret_state) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    if (fact) {
        *ret_state = fact->state;
    }
    return fact != NULL;
}

bool w4_protocol_fact_write(const w4_protocol *p, const char *id, w4_json_writer *w) {
    return w4_protocol_fact_write_for(p, id, NULL, w);
}

bool w4_protocol_fact_write_for(const w4_protocol *p, const char *id, const w4_who *listener,
                                w4_json_writer *w) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    if (!fact || !w4_fact_is_for(fact, listener)) {
        return false;
    }
    w4_acceptance rule = w4_knowledge_rule(p);
    int r = w4_fact_view_write(p->store, fact, &rule, listener, w);
    if (r != 0 && w->error == 0) {
        w->error = r < 0 ? r : -EIO;
    }
    return true;
}

bool w4_protocol_fact_reason(const w4_protocol *p, const char *id, w4_json_writer *w) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    if (fact) {
        w4_acceptance rule = w4_knowledge_rule(p);
        w4_words words = {.len = 0};
        w4_fact_reason(fact, &rule, &words);
        w4_json_string_text(w, words.text);
    }
    return fact != NULL;
}

bool w4_protocol_fact_why(const w4_protocol *p, const char *id, w4_json_writer *w) {
    const w4_fact *fact = w4_facts_find(p->facts, id);
    if (fact) {
        w4_acceptance rule = w4_knowledge_rule(p);
        w4_fact_conditions_write(fact, &rule, w);
    }
    return fact != NULL;
}

bool w4_protocol_fact_next(const w4_protocol *p, w4_fact_state state, size_t *cursor,
                           char ret_id[static 37]) {
    return w4_facts_next_of(p->facts, state, cursor, ret_id);
}

uint32_t w4_protocol_fact_count(const w4_protocol *p, w4_fact_state state) {
    return w4_facts_count_state(p->facts, state);
}

static void copy_cut(char *ret_text, size_t size, const char *text) {
    w4_text_escape_cut(ret_text, size, w4_bytes_from_text(text));
}

int w4_protocol_fact_settle(w4_protocol *p, const char *id, w4_fact_verdict verdict, const char *by,
                            const char *reason, uint64_t now_us) {
    w4_fact *fact = w4_facts_find(p->facts, id);
    if (!fact) {
        return 1;
    }
    if (!w4_store_has_room(p->store)) {
        return 2; /* the order would be gone after a crash, and its giver think that it stands */
    }
    w4_settlement settlement = {.accepted = verdict == W4_FACT_VERDICT_ACCEPTED,
                                .at_us = w4_router_wall(p, now_us)};
    copy_cut(settlement.by, sizeof settlement.by, by);
    copy_cut(settlement.reason, sizeof settlement.reason, reason);
    int r = w4_fact_settle(fact, verdict == W4_FACT_VERDICT_NONE ? NULL : &settlement);
    if (r != 0) {
        return r;
    }
    fact->updated_us = settlement.at_us;
    w4_facts_queue(p->facts, fact);
    w4_facts_changed(p->facts, fact);
    return w4_knowledge_settle(p, now_us);
}
