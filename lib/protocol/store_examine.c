#include "protocol/store_examine.h"

#include "base/text.h"
#include "base/wire.h"
#include "crypto/primitives.h"
#include "envelope/envelope.h"
#include "graph/record.h"
#include "protocol/evidence/evidence.h"
#include "protocol/map.h"
#include "protocol/store_rows.h"
#include "trust/key_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID W4_UUID_LEN
#define WHO W4_FINGERPRINT_LEN
#define NUMBER 8u

static const char proof_prefix[] = "proof/"; /* of evidence/misconduct.h */
#define PROOF_PREFIX (sizeof proof_prefix - 1)

/* 0: of any length */
static const size_t key_lengths[W4_STORE_TABLE_COUNT] = {
    [W4_STORE_PEER] = WHO,
    [W4_STORE_RECORD] = WHO,
    [W4_STORE_TRUST] = NUMBER,
    [W4_STORE_FACT] = ID,
    [W4_STORE_ENVELOPE] = ID + WHO,
    [W4_STORE_DECISION] = ID,
    [W4_STORE_SEEN] = NUMBER + WHO + ID,
    [W4_STORE_CONSENT] = WHO,
    [W4_STORE_CLAIM] = ID,
    [W4_STORE_AUDIT] = NUMBER,
    [W4_STORE_MEMORY] = NUMBER,
    [W4_STORE_MEMORY_ID] = ID + 1,
    [W4_STORE_MEMORY_LINK] = ID + NUMBER,
    [W4_STORE_MEMORY_TEXT] = NUMBER,
    [W4_STORE_KEY] = 1 + W4_KEY_DOCUMENT_ID_LEN,
};

typedef struct learned_key {
    w4_fingerprint fingerprint;
    w4_pubkey key;
    UT_hash_handle hh;
} learned_key;

typedef struct waiting { /* the key of an envelope that brings none */
    uint8_t key[ID + WHO];
} waiting;

typedef struct examination {
    w4_store *store;
    w4_buffer *report;
    w4_store_findings found;
    w4_json_document doc;      /* of the row */
    w4_json_document envelope; /* that is looked at */
    w4_buffer text;
    w4_record_reader *reader;
    learned_key *keys;
    waiting *waits;
    size_t wait_count, wait_cap;
    bool (*is_over)(void *context);
    void *context;
    int error; /* -ENOMEM */
} examination;

static void tell(examination *x, w4_store_table table, w4_bytes key, const char *what) {
    if (++x->found.faults > W4_STORE_FAULTS_TOLD || x->error != 0) {
        return;
    }
    w4_buffer line = W4_BUFFER_INIT(4096);
    int r = w4_buffer_printf(&line, "table %s, key ", w4_store_table_name(table));
    if (r == 0) {
        r = w4_store_key_is_text(key) ? w4_buffer_append(&line, key) : w4_hex_append(&line, key);
    }
    r = r == 0 ? w4_buffer_printf(&line, ": %s\n", what) : r;
    r = r == 0 ? w4_buffer_append(x->report, w4_buffer_bytes(&line)) : r;
    w4_buffer_deinit(&line);
    x->error = r == -EMSGSIZE ? 0 : r; /* a full report stays as it is */
}

/* ---- keys */

static const w4_pubkey *find_key(const examination *x, const w4_fingerprint *who) {
    learned_key *known = NULL;
    HASH_FIND(hh, x->keys, who, sizeof *who, known);
    return known ? &known->key : NULL;
}

/* A key is what its fingerprint says, whoever brings it. */
static void learn(examination *x, const w4_pubkey *key) {
    w4_fingerprint who = w4_fingerprint_of(key);
    if (find_key(x, &who) || HASH_COUNT(x->keys) >= W4_STORE_KEYS_MAX) {
        return;
    }
    learned_key *known = calloc(1, sizeof *known);
    if (!known) {
        x->error = -ENOMEM;
        return;
    }
    known->fingerprint = who;
    known->key = *key;
    HASH_ADD(hh, x->keys, fingerprint, sizeof known->fingerprint, known);
    if (!known->hh.tbl) {
        free(known);
        x->error = -ENOMEM;
    }
}

static void wait_for_key(examination *x, w4_bytes key) {
    if (x->wait_count == W4_STORE_KEYS_MAX) {
        x->found.unproven++;
        return;
    }
    if (x->wait_count == x->wait_cap) {
        size_t cap = x->wait_cap == 0 ? 64 : x->wait_cap * 2;
        waiting *items = realloc(x->waits, cap * sizeof *items);
        if (!items) {
            x->error = -ENOMEM;
            return;
        }
        x->waits = items;
        x->wait_cap = cap;
    }
    memcpy(x->waits[x->wait_count++].key, key.data, sizeof x->waits->key);
}

/* ---- signatures */

typedef enum verdict {
    VERDICT_GOOD,
    VERDICT_NO_KEY,
    VERDICT_NO_ENVELOPE,
    VERDICT_BAD,
} verdict;

static verdict verify(examination *x, w4_bytes text, w4_envelope *ret_envelope) {
    w4_envelope_fault fault;
    int r = w4_envelope_read(&x->envelope, text, &W4_JSON_LIMITS_ENVELOPE, ret_envelope, &fault);
    if (r != 0) {
        x->error = r < 0 ? r : x->error;
        return VERDICT_NO_ENVELOPE;
    }
    const w4_pubkey *known =
        ret_envelope->has_pubkey ? NULL : find_key(x, &ret_envelope->sender.fingerprint);
    if (!ret_envelope->has_pubkey && !known) {
        return VERDICT_NO_KEY;
    }
    if (w4_envelope_verify(ret_envelope, known) != W4_REFUSAL_NONE) {
        return VERDICT_BAD;
    }
    if (ret_envelope->has_pubkey) {
        learn(x, &ret_envelope->pubkey);
    }
    x->found.proven++;
    return VERDICT_GOOD;
}

/* One in a row of that key. */
static verdict examine_signed(examination *x, w4_store_table table, w4_bytes key, w4_bytes text,
                              w4_envelope *ret_envelope) {
    verdict v = verify(x, text, ret_envelope);
    if (v == VERDICT_NO_ENVELOPE) {
        tell(x, table, key, "is no envelope");
    } else if (v == VERDICT_BAD) {
        tell(x, table, key, "was not signed by who is said to have sent it");
    }
    return v;
}

static void examine_carried(examination *x, w4_store_table table, w4_bytes key, w4_bytes text) {
    w4_envelope envelope;
    if (examine_signed(x, table, key, text, &envelope) == VERDICT_NO_KEY) {
        x->found.unproven++;
    }
}

static void examine_envelope(examination *x, w4_bytes key, w4_bytes text) {
    w4_envelope e;
    verdict v = examine_signed(x, W4_STORE_ENVELOPE, key, text, &e);
    if (v == VERDICT_NO_ENVELOPE || v == VERDICT_BAD) {
        return;
    }
    if (memcmp(e.msg_id, key.data, ID) != 0 ||
        memcmp(e.sender.fingerprint.bytes, key.data + ID, WHO) != 0) {
        tell(x, W4_STORE_ENVELOPE, key, "is an envelope of another id or sender");
    } else if (v == VERDICT_NO_KEY) {
        wait_for_key(x, key);
    }
}

/* Those that came without a key, now that all that there are were met. */
static void examine_waiting(examination *x) {
    for (size_t i = 0; i < x->wait_count && x->error == 0; i++) {
        w4_bytes key = w4_bytes_of(x->waits[i].key, sizeof x->waits[i].key);
        if (w4_store_get(x->store, W4_STORE_ENVELOPE, key, &x->text) == 0) {
            examine_carried(x, W4_STORE_ENVELOPE, key, w4_buffer_bytes(&x->text));
        }
    }
}

static void examine_record(examination *x, w4_bytes key, w4_bytes text) {
    w4_record record;
    w4_record_fault fault;
    int r = w4_record_read(x->reader, text, &record, &fault);
    x->error = r < 0 ? r : x->error;
    if (r != 0) {
        tell(x, W4_STORE_RECORD, key,
             "is no record that was signed by who is said to have said it");
        return;
    }
    x->found.proven++;
    if (memcmp(record.id.bytes, key.data, WHO) != 0) {
        tell(x, W4_STORE_RECORD, key, "is the record of another node");
    }
    learn(x, &record.pubkey);
    for (uint32_t i = 0; i < record.agent_count; i++) {
        learn(x, &record.agents[i].pubkey);
    }
}

/* Two that one key has signed, and that differ. */
static void examine_proof(examination *x, w4_bytes key, w4_bytes row) {
    static const char *const names[] = {"first", "second"};
    uint8_t hashes[2][W4_HASH_LEN] = {{0}, {0}};
    bool good = key.len == PROOF_PREFIX + WHO + ID;
    int r = w4_json_read(&x->doc, row, &W4_JSON_LIMITS_FILE, NULL);
    x->error = r < 0 ? r : x->error;
    for (size_t i = 0; good && i < 2; i++) {
        w4_envelope e;
        w4_json one = w4_json_get(w4_json_root(&x->doc), names[i]);
        good = r == 0 && w4_json_exists(one) && verify(x, w4_json_text(one), &e) == VERDICT_GOOD &&
               memcmp(e.sender.fingerprint.bytes, key.data + PROOF_PREFIX, WHO) == 0;
        if (good) {
            w4_hash(e.signed_head, e.signed_tail, hashes[i]);
        }
    }
    if (!good || memcmp(hashes[0], hashes[1], sizeof hashes[0]) == 0) {
        tell(x, W4_STORE_META, key, "does not prove what it says: two things that one key signed");
    }
}

/* ---- what rows speak of */

/* Is the row there? Damaged ones are: they were told. */
static bool is_there(examination *x, w4_store_table table, w4_bytes key) {
    int r = w4_store_get(x->store, table, key, &x->text);
    x->error = r < 0 ? r : x->error;
    return r != W4_STORE_E_NOT_FOUND;
}

static bool envelope_is_there(examination *x, w4_json id, w4_json who) {
    uint8_t key[ID + WHO];
    w4_bytes text = w4_json_string_raw(id);
    if (text.len != ID || !w4_hex_parse(w4_json_string_raw(who), key + ID, WHO)) {
        return false;
    }
    memcpy(key, text.data, ID);
    return is_there(x, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key));
}

/* Of the row's key, which names one of that sender; and, where the row has a digest of it, that it
 * is the one. */
static bool proposal_is_there(examination *x, w4_bytes id, w4_json root) {
    uint8_t key[ID + WHO], digest[W4_HASH_LEN], is[W4_HASH_LEN];
    w4_envelope e;
    w4_envelope_fault fault;
    memcpy(key, id.data, ID);
    if (!w4_hex_parse(w4_json_string_raw(w4_json_get(root, "proposer")), key + ID, WHO) ||
        !is_there(x, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key))) {
        return false;
    }
    w4_json claimed = w4_json_get(root, "proposal");
    if (!w4_json_exists(claimed) || w4_envelope_read(&x->envelope, w4_buffer_bytes(&x->text),
                                                     &W4_JSON_LIMITS_ENVELOPE, &e, &fault) != 0) {
        return true; /* what is wrong with the envelope is told of itself */
    }
    w4_hash(e.signed_head, e.signed_tail, is);
    return w4_hex_parse(w4_json_string_raw(claimed), digest, sizeof digest) &&
           memcmp(digest, is, sizeof is) == 0;
}

static void examine_fact(examination *x, w4_store_table table, w4_bytes key) {
    static const char *const said[] = {"decided", "challenged", "formerly"};
    w4_json root = w4_json_root(&x->doc);
    bool good = true;
    if (!proposal_is_there(x, key, root)) {
        tell(x, table, key, "the envelope it was made of is not there");
    }
    w4_json_iterator i = w4_json_first(w4_json_get(root, "votes"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        for (size_t s = 0; s < sizeof said / sizeof said[0]; s++) {
            w4_json one = w4_json_get(i.value, said[s]);
            good =
                good && (!w4_json_exists(one) || envelope_is_there(x, w4_json_get(one, "msg_id"),
                                                                   w4_json_get(i.value, "agent")));
        }
    }
    if (!good) {
        tell(x, table, key, "the envelope of a vote that it counts is not there");
    }
}

static void examine_decision(examination *x, w4_bytes key) {
    char text[ID + 1] = "";
    w4_json root = w4_json_root(&x->doc), id = w4_json_get(root, "id");
    w4_json agent = w4_json_get(root, "agent");
    uint8_t envelope[ID + WHO];
    w4_fingerprint who;
    memcpy(text, key.data, ID);
    bool good = w4_fingerprint_parse(w4_json_string_raw(agent), &who);
    if (good && w4_json_exists(id)) { /* it stands in for it */
        char beside[ID + 1];
        good = w4_json_string_copy(id, text, sizeof text) && strlen(text) == ID;
        w4_evidence_stand_in(text, &who, beside);
        good = good && memcmp(beside, key.data, ID) == 0;
    }
    memcpy(envelope, text, ID);
    memcpy(envelope + ID, who.bytes, good ? WHO : 0);
    if (!good || !is_there(x, W4_STORE_ENVELOPE, w4_bytes_of(envelope, sizeof envelope))) {
        tell(x, W4_STORE_DECISION, key, "the envelope it was made of is not there");
    }
    w4_json_iterator i = w4_json_first(w4_json_get(root, "retrospectives"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!envelope_is_there(x, w4_json_get(i.value, "msg_id"), agent)) {
            tell(x, W4_STORE_DECISION, key, "a retrospective that it names is not there");
            return;
        }
    }
}

static void examine_entry(examination *x, w4_bytes key) {
    w4_json root = w4_json_root(&x->doc);
    if (!envelope_is_there(x, w4_json_get(root, "id"), w4_json_get(root, "author"))) {
        tell(x, W4_STORE_MEMORY, key, "the envelope it was made of is not there");
    }
    w4_json_iterator i = w4_json_first(w4_json_get(root, "confirmed_by"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!envelope_is_there(x, w4_json_get(i.value, "msg_id"), w4_json_get(i.value, "agent"))) {
            tell(x, W4_STORE_MEMORY, key, "the envelope of a confirmation is not there");
            return;
        }
    }
}

/* The entry of the memory with that number, into x->doc. False: there is none, or it is damaged,
 * which is told of itself. */
static bool read_entry(examination *x, w4_store_table table, w4_bytes key, w4_bytes number) {
    if (number.len != NUMBER || !is_there(x, W4_STORE_MEMORY, number)) {
        tell(x, table, key,
             table == W4_STORE_MEMORY_ID ? "names an entry of the memory that is not there"
                                         : "belongs to an entry of the memory that is not there");
        return false;
    }
    return w4_json_read(&x->doc, w4_buffer_bytes(&x->text), &W4_JSON_LIMITS_FILE, NULL) == 0;
}

static void examine_number(examination *x, w4_bytes key, w4_bytes value) {
    char id[ID + 1], beside[ID + 1];
    w4_fingerprint who;
    if (!read_entry(x, W4_STORE_MEMORY_ID, key, value)) {
        return;
    }
    w4_json root = w4_json_root(&x->doc);
    w4_bytes kind = w4_json_string_raw(w4_json_get(root, "kind"));
    bool good = w4_json_string_copy(w4_json_get(root, "id"), id, sizeof id) && strlen(id) == ID &&
                kind.len > 0 && kind.data[0] == key.data[ID] &&
                w4_fingerprint_parse(w4_json_string_raw(w4_json_get(root, "author")), &who);
    if (good && memcmp(id, key.data, ID) != 0) {
        w4_evidence_stand_in(id, &who, beside);
        good = memcmp(beside, key.data, ID) == 0;
    }
    if (!good) {
        tell(x, W4_STORE_MEMORY_ID, key, "leads to an entry of the memory of something else");
    }
}

static void examine_link(examination *x, w4_bytes key) {
    bool named = false;
    if (!read_entry(x, W4_STORE_MEMORY_LINK, key, w4_bytes_of(key.data + ID, NUMBER))) {
        return;
    }
    w4_json_iterator i = w4_json_first(w4_json_get(w4_json_root(&x->doc), "causes"));
    for (; w4_json_exists(i.value) && !named; i = w4_json_next(i)) {
        named = w4_bytes_equal(w4_json_string_raw(i.value), w4_bytes_of(key.data, ID));
    }
    if (!named) {
        tell(x, W4_STORE_MEMORY_LINK, key, "is not among the causes of the entry it belongs to");
    }
}

/* ---- documents about keys */

static void examine_key(examination *x, w4_bytes key, w4_bytes value) {
    w4_key_document document;
    w4_key_fault fault;
    int r = w4_key_document_read(&x->doc, value, &document, &fault);
    if (r < 0) {
        x->error = r;
    } else if (r > 0) {
        tell(x, W4_STORE_KEY, key, "is no document about a key, or its signatures are not good");
    } else if (memcmp(key.data + 1, document.id, sizeof document.id) != 0) {
        tell(x, W4_STORE_KEY, key, "is another document than the key says");
    }
}

/* ---- rows */

static void examine_content(examination *x, w4_store_table table, w4_bytes key, w4_bytes value) {
    switch (table) {
    case W4_STORE_META:
        if (key.len > PROOF_PREFIX && memcmp(key.data, proof_prefix, PROOF_PREFIX) == 0) {
            examine_proof(x, key, value);
        }
        return;
    case W4_STORE_RECORD:
        examine_record(x, key, value);
        return;
    case W4_STORE_ENVELOPE:
        examine_envelope(x, key, value);
        return;
    case W4_STORE_FACT:
    case W4_STORE_CLAIM:
        examine_fact(x, table, key);
        return;
    case W4_STORE_DECISION:
        examine_decision(x, key);
        return;
    case W4_STORE_OUTBOX: /* behind the channel; a mark has no envelope */
        if (value.len > 1) {
            examine_carried(x, table, key, w4_bytes_of(value.data + 1, value.len - 1));
        }
        return;
    case W4_STORE_MAIL:
        examine_carried(x, table, key, value);
        return;
    case W4_STORE_MEMORY:
        examine_entry(x, key);
        return;
    case W4_STORE_MEMORY_ID:
        examine_number(x, key, value);
        return;
    case W4_STORE_MEMORY_LINK:
        examine_link(x, key);
        return;
    case W4_STORE_MEMORY_TEXT:
        (void)read_entry(x, table, key, key);
        return;
    case W4_STORE_KEY:
        examine_key(x, key, value);
        return;
    case W4_STORE_PEER:
    case W4_STORE_TRUST:
    case W4_STORE_SEEN:
    case W4_STORE_CONSENT:
    case W4_STORE_AUDIT:
    case W4_STORE_DURABLE:
    case W4_STORE_TABLE_COUNT:
        return;
    }
}

static void examine_row(examination *x, w4_store_table table, w4_bytes key, w4_bytes value) {
    x->found.records++;
    if (key_lengths[table] != 0 && key.len != key_lengths[table]) {
        tell(x, table, key, "the key has another length");
        return;
    }
    if (w4_store_table_holds_json(table)) {
        int r = w4_json_read(&x->doc, value, &W4_JSON_LIMITS_FILE, NULL);
        if (r != 0) {
            x->error = r < 0 ? r : x->error;
            tell(x, table, key, "is not JSON");
            return;
        }
    }
    examine_content(x, table, key, value);
}

static int examine_table(examination *x, w4_store_table table) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0));
    while (r == 0 && x->error == 0) {
        r = x->is_over && x->is_over(x->context) ? W4_STORE_E_FAILED
                                                 : w4_store_next(x->store, &cursor);
        if (r == 0) {
            examine_row(x, table, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
        } else if (r == W4_STORE_E_CORRUPT) { /* was told */
            x->found.records += cursor.key.len > 0;
            r = 0;
        }
    }
    w4_store_cursor_deinit(&cursor);
    return x->error != 0 ? x->error : r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* The store's own report: its last line is a summary. */
static uint64_t take_over(w4_buffer *report) {
    uint64_t lines = 0;
    size_t last = 0;
    for (size_t i = 0; i < report->len; i++) {
        if (report->data[i] == '\n') {
            lines++;
            last = i + 1 < report->len ? i + 1 : last;
        }
    }
    report->len = last;
    return lines > 0 ? lines - 1 : 0;
}

static void deinit(examination *x) {
    learned_key *known, *next;
    HASH_ITER (hh, x->keys, known, next) {
        HASH_DEL(x->keys, known);
        free(known);
    }
    free(x->waits);
    w4_record_reader_free(x->reader);
    w4_buffer_deinit(&x->text);
    w4_json_document_deinit(&x->doc);
    w4_json_document_deinit(&x->envelope);
}

int w4_store_examine(w4_store *store, bool (*is_over)(void *context), void *context,
                     w4_buffer *ret_report, w4_store_findings *ret_findings) {
    examination x = {.store = store,
                     .report = ret_report,
                     .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                     .is_over = is_over,
                     .context = context};
    int r = w4_store_check(store, ret_report);
    if (r != 0 && r != W4_STORE_E_CORRUPT) {
        return r;
    }
    x.found.faults = take_over(ret_report);
    r = w4_record_reader_new(&x.reader);
    for (size_t table = 0; r == 0 && table < W4_STORE_TABLE_COUNT; table++) {
        r = examine_table(&x, (w4_store_table)table);
        if (r == 0 && table == W4_STORE_ENVELOPE) {
            examine_waiting(&x);
            r = x.error;
        }
    }
    deinit(&x);
    if (r == 0) {
        *ret_findings = x.found;
    }
    return r;
}

static void write_lines(w4_json_writer *w, w4_bytes report) {
    while (report.len > 0) {
        const uint8_t *end = memchr(report.data, '\n', report.len);
        size_t len = end ? (size_t)(end - report.data) : report.len;
        w4_json_begin_object(w);
        w4_json_member_bytes(w, "text", w4_bytes_of(report.data, len));
        w4_json_end_object(w);
        len += end ? 1 : 0;
        report = w4_bytes_of(report.data + len, report.len - len);
    }
}

void w4_store_findings_write(const w4_store_findings *findings, w4_bytes report, const char *path,
                             w4_json_writer *w) {
    w4_json_begin_object(w);
    w4_json_member_bool(w, "sound", findings->faults == 0);
    w4_json_member_string(w, "path", path);
    w4_json_member_unsigned(w, "records", findings->records);
    w4_json_member_unsigned(w, "faults", findings->faults);
    w4_json_member_unsigned(w, "proven", findings->proven);
    w4_json_member_unsigned(w, "unproven", findings->unproven);
    w4_json_name(w, "found");
    w4_json_begin_array(w);
    write_lines(w, report);
    w4_json_end_array(w);
    w4_json_end_object(w);
}
