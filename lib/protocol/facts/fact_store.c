#include "protocol/facts/fact_store.h"

#include "crypto/primitives.h"
#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "protocol/memory/memory.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FACT_BYTES_MAX ((size_t)512 * 1024)

/* ---- writing */

static void write_time(w4_json_writer *w, const char *name, uint64_t wall_us) {
    /* Decimal text: microseconds, since votes are ordered by them. */
    char text[24];
    size_t at = sizeof text;
    text[--at] = '\0';
    do {
        text[--at] = (char)('0' + wall_us % 10);
        wall_us /= 10;
    } while (wall_us > 0);
    w4_json_member_string(w, name, &text[at]);
}

static void write_flag(w4_json_writer *w, const char *name, bool set) {
    if (set) {
        w4_json_member_bool(w, name, true);
    }
}

static void write_utterance(w4_json_writer *w, const char *name, const w4_utterance *u) {
    if (u->at_us == 0) {
        return;
    }
    w4_json_name(w, name);
    w4_json_begin_object(w);
    write_time(w, "at", u->at_us);
    write_time(w, "taken", u->taken_us);
    w4_json_member_string(w, "msg_id", u->msg_id);
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_AGENT, u->trust));
    write_flag(w, "bound", u->bound);
    write_flag(w, "aside", u->aside);
    w4_json_end_object(w);
}

static void write_vote(w4_json_writer *w, const w4_vote *vote) {
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "agent", &vote->agent);
    w4_member_fingerprint(w, "node", &vote->node);
    w4_json_member_string(w, "agent_id", vote->agent_id);
    w4_json_member_string(w, "decision", w4_stance_name(vote->decision));
    w4_json_member_string(w, "doubt", w4_doubt_name(vote->doubt));
    write_utterance(w, "decided", &vote->decided);
    write_utterance(w, "challenged", &vote->challenged);
    if (vote->former != W4_STANCE_NONE) {
        w4_json_member_string(w, "former", w4_stance_name(vote->former));
        write_utterance(w, "formerly", &vote->formerly);
    }
    w4_json_end_object(w);
}

static void write_settlement(w4_json_writer *w, const w4_settlement *settled) {
    w4_json_name(w, "settled");
    w4_json_begin_object(w);
    w4_json_member_string(
        w, "verdict", w4_fact_state_name(settled->accepted ? W4_FACT_ACCEPTED : W4_FACT_REJECTED));
    w4_json_member_string(w, "by", settled->by);
    w4_json_member_string(w, "reason", settled->reason);
    write_time(w, "at", settled->at_us);
    w4_json_end_object(w);
}

static int write_fact(const w4_fact *fact, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "state", w4_fact_state_name(fact->state));
    w4_member_fingerprint(&w, "proposer", &fact->proposer);
    w4_member_fingerprint(&w, "node", &fact->node);
    w4_json_member_string(&w, "agent_id", fact->agent_id);
    w4_json_member_string(&w, "decision_id", fact->decision_id);
    w4_fingerprint statement;
    memcpy(statement.bytes, fact->statement, sizeof statement.bytes);
    w4_member_fingerprint(&w, "statement", &statement);
    w4_fingerprint proposal;
    memcpy(proposal.bytes, fact->proposal, sizeof proposal.bytes);
    if (!w4_fingerprint_is_zero(&proposal)) {
        w4_member_fingerprint(&w, "proposal", &proposal);
    }
    write_flag(&w, "aside", fact->aside);
    if (fact->aside) {
        w4_member_fingerprint(&w, "to", &fact->to);
    } else {
        w4_json_member_string(&w, "to", "*");
    }
    write_flag(&w, "unsupported", fact->unsupported);
    if (fact->settlement) {
        write_settlement(&w, fact->settlement);
    }
    w4_json_member_string(&w, "trust", w4_trust_state_name(W4_TRUST_AGENT, fact->proposer_trust));
    write_time(&w, "proposed", fact->proposed_us);
    write_time(&w, "taken", fact->taken_us);
    write_time(&w, "updated", fact->updated_us);
    write_time(&w, "accepted", fact->accepted_us);
    if (fact->marks != 0) {
        w4_json_member_unsigned(&w, "marks", fact->marks);
    }
    w4_json_name(&w, "links");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; i < fact->link_count; i++) {
        w4_json_string_text(&w, fact->links[i]);
    }
    w4_json_end_array(&w);
    w4_json_name(&w, "votes");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        write_vote(&w, &fact->votes[i]);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

int w4_fact_store_put(w4_store *store, w4_store_table table, const w4_fact *fact) {
    w4_buffer text = W4_BUFFER_INIT(FACT_BYTES_MAX);
    int r = write_fact(fact, &text);
    if (r == 0) {
        r = w4_store_put(store, table, w4_bytes_from_text(fact->id), w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

int w4_fact_store_remove(w4_store *store, w4_store_table table, const w4_fact *fact) {
    bool remembered = false; /* then its proposal and its confirmations stay */
    int r = w4_memory_holds(store, table == W4_STORE_FACT ? W4_MEMORY_FACT : W4_MEMORY_CLAIM,
                            fact->id, &fact->proposer, &remembered);
    r = r == 0 ? w4_store_remove(store, table, w4_bytes_from_text(fact->id)) : r;
    if (r == 0 && !remembered) {
        r = w4_evidence_remove(store, fact->id, &fact->proposer);
    }
    for (uint32_t i = 0; r == 0 && i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        const w4_utterance *said[] = {&vote->decided, &vote->challenged, &vote->formerly};
        for (size_t s = 0; r == 0 && s < sizeof said / sizeof said[0]; s++) {
            bool stays = remembered && s == 0 && vote->decision == W4_STANCE_CONFIRM;
            r = said[s]->at_us != 0 && !stays
                    ? w4_evidence_remove(store, said[s]->msg_id, &vote->agent)
                    : 0;
        }
    }
    return r;
}

/* ---- reading */

static bool parse_time(w4_json value, uint64_t *ret_wall_us) {
    w4_bytes text = w4_json_string_raw(value);
    uint64_t wall_us = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || wall_us > (UINT64_MAX - 9) / 10) {
            return false;
        }
        wall_us = wall_us * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_wall_us = wall_us;
    return text.len > 0;
}

static bool parse_fingerprint(w4_json object, const char *name, w4_fingerprint *ret) {
    return w4_fingerprint_parse(w4_json_string_raw(w4_json_get(object, name)), ret);
}

static bool parse_trust(w4_json value, w4_trust_state *ret_state) {
    return w4_trust_state_from_name(W4_TRUST_AGENT, w4_json_string_raw(value), ret_state);
}

static bool parse_utterance(w4_json value, w4_utterance *ret) {
    ret->bound = w4_json_is_true(w4_json_get(value, "bound"));
    ret->aside = w4_json_is_true(w4_json_get(value, "aside"));
    return !w4_json_exists(value) ||
           (parse_time(w4_json_get(value, "at"), &ret->at_us) &&
            parse_time(w4_json_get(value, "taken"), &ret->taken_us) &&
            w4_json_string_copy(w4_json_get(value, "msg_id"), ret->msg_id, sizeof ret->msg_id) &&
            parse_trust(w4_json_get(value, "trust"), &ret->trust));
}

static bool parse_stance(w4_bytes name, w4_stance *ret_stance) {
    for (unsigned i = W4_STANCE_NONE; i < W4_STANCE_CHALLENGE; i++) {
        if (w4_bytes_equal_text(name, w4_stance_name((w4_stance)i))) {
            *ret_stance = (w4_stance)i;
            return true;
        }
    }
    return false;
}

/* Text of a member, to be freed; NULL when it is none or there is no memory. */
static char *copy_text(w4_json object, const char *name) {
    char text[W4_AGENT_ID_MAX + 1];
    return w4_json_string_copy(w4_json_get(object, name), text, sizeof text) ? strdup(text) : NULL;
}

static bool parse_former(w4_json value, w4_vote *vote) {
    w4_json former = w4_json_get(value, "former");
    return !w4_json_exists(former) ||
           (parse_stance(w4_json_string_raw(former), &vote->former) &&
            parse_utterance(w4_json_get(value, "formerly"), &vote->formerly));
}

static bool parse_vote(w4_json value, w4_vote *ret_vote) {
    w4_vote vote = {0};
    bool good = parse_fingerprint(value, "agent", &vote.agent) &&
                parse_fingerprint(value, "node", &vote.node) &&
                parse_stance(w4_json_string_raw(w4_json_get(value, "decision")), &vote.decision) &&
                w4_doubt_from_name(w4_json_string_raw(w4_json_get(value, "doubt")), &vote.doubt) &&
                parse_utterance(w4_json_get(value, "decided"), &vote.decided) &&
                parse_utterance(w4_json_get(value, "challenged"), &vote.challenged) &&
                parse_former(value, &vote);
    vote.agent_id = good ? copy_text(value, "agent_id") : NULL;
    if (vote.agent_id) {
        *ret_vote = vote;
    }
    return vote.agent_id != NULL;
}

/* What only some have. */
static bool parse_optional(w4_json value, w4_fact *fact) {
    fact->unsupported = w4_json_is_true(w4_json_get(value, "unsupported"));
    fact->aside = w4_json_is_true(w4_json_get(value, "aside"));
    if (fact->aside && w4_json_exists(w4_json_get(value, "to")) &&
        !parse_fingerprint(value, "to", &fact->to)) {
        return false;
    }
    w4_fingerprint proposal;
    if (w4_json_exists(w4_json_get(value, "proposal"))) {
        if (!parse_fingerprint(value, "proposal", &proposal)) {
            return false;
        }
        memcpy(fact->proposal, proposal.bytes, sizeof fact->proposal);
    }
    w4_json order = w4_json_get(value, "settled");
    if (!w4_json_exists(order)) {
        return true;
    }
    w4_settlement settled = {
        .accepted = w4_bytes_equal_text(w4_json_string_raw(w4_json_get(order, "verdict")),
                                        w4_fact_state_name(W4_FACT_ACCEPTED))};
    return parse_time(w4_json_get(order, "at"), &settled.at_us) &&
           w4_json_string_copy(w4_json_get(order, "by"), settled.by, sizeof settled.by) &&
           w4_json_string_copy(w4_json_get(order, "reason"), settled.reason,
                               sizeof settled.reason) &&
           w4_fact_settle(fact, &settled) == 0;
}

static bool parse_members(w4_json value, w4_fact *fact) {
    w4_fingerprint statement;
    w4_json marks = w4_json_get(value, "marks");
    int64_t bits = 0;
    if (w4_json_exists(marks) &&
        (!w4_json_integer(marks, &bits) || bits < 0 || bits > UINT32_MAX)) {
        return false;
    }
    fact->marks = (uint32_t)bits;
    bool good =
        w4_fact_state_from_name(w4_json_string_raw(w4_json_get(value, "state")), &fact->state) &&
        parse_fingerprint(value, "proposer", &fact->proposer) &&
        parse_fingerprint(value, "node", &fact->node) &&
        parse_fingerprint(value, "statement", &statement) &&
        parse_trust(w4_json_get(value, "trust"), &fact->proposer_trust) &&
        parse_time(w4_json_get(value, "proposed"), &fact->proposed_us) &&
        parse_time(w4_json_get(value, "taken"), &fact->taken_us) &&
        parse_time(w4_json_get(value, "updated"), &fact->updated_us) &&
        parse_time(w4_json_get(value, "accepted"), &fact->accepted_us);
    if (good) {
        memcpy(fact->statement, statement.bytes, sizeof fact->statement);
    }
    return good && parse_optional(value, fact);
}

static bool parse_lists(w4_json links, w4_json votes, w4_fact *fact) {
    uint32_t n = 0;
    w4_json_iterator i;
    for (i = w4_json_first(links); w4_json_exists(i.value); i = w4_json_next(i), n++) {
        if (!w4_json_string_copy(i.value, fact->links[n], sizeof fact->links[n])) {
            return false;
        }
    }
    fact->votes = calloc(w4_json_count(votes) + 1, sizeof *fact->votes);
    fact->vote_cap = fact->votes ? w4_json_count(votes) + 1 : 0;
    for (i = w4_json_first(votes); fact->votes && w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!parse_vote(i.value, &fact->votes[fact->vote_count])) {
            return false;
        }
        fact->vote_count++;
    }
    return fact->votes != NULL;
}

/* NULL: not a fact, or no memory. */
static w4_fact *parse_fact(const char *id, w4_json value) {
    w4_json links = w4_json_get(value, "links"), votes = w4_json_get(value, "votes");
    if (w4_json_count(links) > W4_FACT_LINKS_MAX || w4_json_count(votes) > W4_FACT_VOTERS_MAX) {
        return NULL;
    }
    char *agent_id = copy_text(value, "agent_id"), *decision_id = copy_text(value, "decision_id");
    w4_fact *fact = agent_id && decision_id
                        ? w4_fact_new(id, agent_id, decision_id, w4_json_count(links))
                        : NULL;
    free(agent_id);
    free(decision_id);
    if (fact && (!parse_members(value, fact) || !parse_lists(links, votes, fact))) {
        fact = w4_fact_free(fact);
    }
    return fact;
}

typedef struct loaded {
    w4_fact **items;
    size_t count, cap;
} loaded;

/* The table is in the order of the ids; the book is in that of coming. */
static int compare_age(const void *a, const void *b) {
    const w4_fact *first = *(w4_fact *const *)a, *second = *(w4_fact *const *)b;
    return first->taken_us != second->taken_us ? (first->taken_us > second->taken_us ? 1 : -1)
                                               : strcmp(first->id, second->id);
}

/* A row that was written before it said to whom: its envelope tells. Of one that is gone nobody
 * but its author knows. 0, -ENOMEM, or W4_STORE_E_FAILED. */
static int find_receiver(w4_store *store, w4_fact *fact) {
    bool to_all = false;
    int r = w4_evidence_receiver(store, fact->id, &fact->proposer, &to_all, &fact->to);
    fact->aside = !to_all;
    return r;
}

static int load_row(loaded *rows, w4_store *store, w4_store_table table, w4_json_document *doc,
                    const w4_store_cursor *cursor) {
    w4_bytes key = w4_buffer_bytes(&cursor->key), value = w4_buffer_bytes(&cursor->value);
    if (rows->count == rows->cap) {
        size_t cap = rows->cap == 0 ? 64 : rows->cap * 2;
        w4_fact **items = realloc(rows->items, cap * sizeof(w4_fact *));
        if (!items) {
            return -ENOMEM;
        }
        rows->items = items;
        rows->cap = cap;
    }
    int r = w4_json_read(doc, value, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        return r;
    }
    char id[37] = {0};
    if (r > 0 || key.len != sizeof id - 1) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(id, key.data, key.len);
    w4_fact *fact = parse_fact(id, w4_json_root(doc));
    if (!fact) {
        return W4_STORE_E_CORRUPT;
    }
    rows->items[rows->count++] = fact;
    bool told = w4_json_exists(w4_json_get(w4_json_root(doc), "to"));
    return !told && (fact->aside || table == W4_STORE_CLAIM) ? find_receiver(store, fact) : 0;
}

int w4_fact_store_load(w4_store *store, w4_store_table table, w4_facts *facts) {
    loaded rows = {0};
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, table, (w4_bytes){NULL, 0});
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(&rows, store, table, &doc, &cursor);
    }
    r = r == W4_STORE_E_NOT_FOUND ? 0 : r;
    if (r == 0 && rows.count > 1) {
        qsort(rows.items, rows.count, sizeof(w4_fact *), compare_age);
    }
    for (size_t i = 0; i < rows.count; i++) {
        if (r == 0) {
            r = w4_facts_add(facts, rows.items[i]);
        } else {
            w4_fact_free(rows.items[i]);
        }
    }
    free(rows.items);
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r;
}
