/* A store with a causal memory in it, for the tests that ask it. */
#pragma once

#include "base/text.h"
#include "base/wire.h"
#include "envelope/envelope.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/fact_store.h"
#include "protocol/memory/memory.h"
#include "runner.h"
#include "store/memory.h"
#include <stdio.h>
#include <string.h>

#define DAY (UINT64_C(86400) * 1000000)
#define START UINT64_C(1700000000000000)
#define ANY W4_MEMORY_KIND_COUNT

static w4_store *store;
static w4_buffer answer;
static w4_memory_reach reach; /* of the last answer */

static inline void setup(void) {
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    answer = W4_BUFFER_INIT(64u * 1024 * 1024);
}

static inline void teardown(void) {
    store = w4_store_free(store);
    w4_buffer_deinit(&answer);
}

static inline w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

/* Number 7: 00000000-0000-4000-8000-000000000007. */
static inline const char *id_of(unsigned number) {
    static char rooms[8][W4_UUID_LEN + 1];
    static unsigned turn;
    char *room = rooms[turn++ % 8];
    (void)snprintf(room, sizeof rooms[0], "00000000-0000-4000-8000-%012u", number);
    return room;
}

static inline w4_fingerprint agent(uint8_t letter) {
    w4_fingerprint f;
    memset(f.bytes, letter, sizeof f.bytes);
    return f;
}

static inline void put_envelope(unsigned number, uint8_t author, const char *envelope) {
    w4_fingerprint who = agent(author);
    ck_assert_int_eq(w4_evidence_put(store, id_of(number), &who, text(envelope)), 0);
}

/* A fact accepted on the day of its number, with its envelope kept. causes: 0 ends them. */
static inline w4_fact *make_fact(unsigned number, uint8_t author, const char *envelope,
                                 const unsigned *causes) {
    w4_fact *fact = w4_fact_new(id_of(number), "ada", "decision", 3);
    ck_assert_ptr_nonnull(fact);
    fact->proposer = agent(author);
    fact->state = W4_FACT_ACCEPTED;
    fact->proposed_us = START + number * DAY - 5000000;
    fact->accepted_us = fact->updated_us = START + number * DAY;
    fact->link_count = 0;
    for (size_t i = 0; i < 3 && causes && causes[i] != 0; i++) {
        memcpy(fact->links[fact->link_count++], id_of(causes[i]), W4_UUID_LEN + 1);
    }
    put_envelope(number, author, envelope);
    return fact;
}

static inline void note(w4_memory_kind kind, w4_fact *fact) {
    ck_assert_int_eq(w4_memory_note_fact(store, kind, fact), 0);
}

static inline void remember(unsigned number, uint8_t author, const char *domain,
                            const char *statement, const unsigned *causes) {
    char envelope[512];
    (void)snprintf(envelope, sizeof envelope,
                   "{\"payload\":{\"fact\":{\"context\":\"beside\",\"domain\":\"%s\","
                   "\"statement\":\"%s\"}}}",
                   domain, statement);
    w4_fact *fact = make_fact(number, author, envelope, causes);
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
}

static inline w4_memory_question any_question(void) {
    return (w4_memory_question){.kind = ANY, .limit = 1000, .bytes_max = SIZE_MAX};
}

static inline uint64_t ask(const w4_memory_question *question) {
    w4_json_writer w;
    w4_memory_answer told = {.next = UINT64_MAX};
    w4_buffer_clear(&answer);
    w4_json_writer_init(&w, &answer);
    w4_json_begin_array(&w);
    ck_assert_int_eq(w4_memory_ask(store, question, &w, &told), 0);
    w4_json_end_array(&w);
    ck_assert_int_eq(w.error, 0);
    reach = told.reach;
    return told.next;
}

/* The numbers of the ids of the answer, a space behind each. */
static inline void numbers_of_answer(char *ret_numbers, size_t size) {
    w4_json_document doc = {0};
    size_t used = 0;
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&answer), &W4_JSON_LIMITS_FILE, NULL), 0);
    ret_numbers[0] = '\0';
    w4_json_iterator i = w4_json_first(w4_json_root(&doc));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        char id[W4_UUID_LEN + 1];
        unsigned number;
        ck_assert(w4_json_string_copy(w4_json_get(i.value, "id"), id, sizeof id));
        ck_assert_int_eq(sscanf(id, "00000000-0000-4000-8000-%u", &number), 1);
        used += (size_t)snprintf(ret_numbers + used, size - used, "%u ", number);
        ck_assert_uint_lt(used, size);
    }
    w4_json_document_deinit(&doc);
}

static inline void expect(const w4_memory_question *question, const char *should,
                          const char *what) {
    char numbers[1024];
    ck_assert_msg(ask(question) == 0, "%s: there is more", what);
    numbers_of_answer(numbers, sizeof numbers);
    ck_assert_msg(strcmp(numbers, should) == 0, "%s: %s, not %s", what, numbers, should);
}
