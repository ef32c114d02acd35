/* What the tests of durable messages have in common. */
#pragma once

#include "outcomes.h"
#include "protocol/durable/shelves.h"
#include "protocol/durable/taken.h"

#include <errno.h>

#define ASK "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"normal\"}"
#define SECOND W4_US_PER_S
#define DAY (UINT64_C(24) * 3600 * SECOND)

static inline world *two(void) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    return w;
}

static inline void ask(world *w, const char *from, const char *to, char ret_id[static 37]) {
    ck_assert_msg(world_send(w, from, to, "INTENT", ASK) == 0, "%s %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
    ck_assert(w->receipt.stored);
    ck_assert_uint_eq(w->receipt.recipients, 1);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static inline void ask_plainly(world *w, const char *from, const char *to) {
    ck_assert_msg(world_send(w, from, to, "INTENT", ASK) == 0, "%s %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
}

/* How often it was given, and marked as a repeat. */
static inline unsigned given(const world *w, unsigned n, const char *msg_id, unsigned *ret_marked) {
    unsigned count = 0, marked = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        if (at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->msg_id, msg_id) == 0) {
            count++;
            marked += at->redelivered ? 1 : 0;
        }
    }
    *ret_marked = marked;
    return count;
}

static inline void expect_given(const world *w, unsigned n, const char *msg_id, unsigned count,
                                unsigned marked) {
    unsigned is_marked, is = given(w, n, msg_id, &is_marked);
    ck_assert_msg(is == count && is_marked == marked, "%u times, %u as a repeat", is, is_marked);
}

static inline bool ack(world *w, const char *name, const char *msg_id) {
    const world_agent *agent = world_agent_of(w, name);
    bool known = false;
    ck_assert_int_eq(w4_protocol_agent_ack(w->nodes[agent->node].protocol, agent->owner, NULL,
                                           msg_id, w->now, &known, &w->refused),
                     0);
    world_drain(w, agent->node);
    return known;
}

static inline void detach(world *w, const char *name) {
    world_agent *agent = world_agent_of(w, name);
    w4_protocol_agent_detach(w->nodes[agent->node].protocol, agent->owner, NULL, w->now);
    agent->attached = false;
    world_publish(w, agent->node);
    world_settle(w);
}

static inline void attach(world *w, const char *name) {
    world_agent *agent = world_agent_of(w, name);
    ck_assert(world_try_attach(w, agent));
    world_publish(w, agent->node);
    world_settle(w);
}

static inline unsigned count_kind(world *w, unsigned n, w4_store_table table, char kind) {
    w4_store_cursor cursor;
    unsigned rows = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(&kind, 1)), 0);
    while (w4_store_next(w->nodes[n].store, &cursor) == 0) {
        rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return rows;
}

/* Messages that wait in the store of a node: to be sent, for its agents. */
static inline void expect_rows(world *w, unsigned n, unsigned posts, unsigned kept) {
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_DURABLE, 'o'), posts);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_MAIL, 'o'), posts);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_DURABLE, 'i'), kept);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_MAIL, 'i'), kept);
    ck_assert_uint_le(count_kind(w, n, W4_STORE_DURABLE, 'g'), kept);
}

/* The receipt gets lost, over and over: the message comes again, and is known. */
static inline wire_fate no_receipts(world *w, const wire_item *item) {
    bool receipt = memmem(item->bytes, item->len, "MESH_RECEIPT", 12) != NULL;
    unsigned *left = w->filter_data;
    if (receipt && *left > 0) {
        (*left)--;
        return WIRE_DROP;
    }
    return WIRE_PASS;
}
