#include "protocol/humans/human_give.h"

#include "crypto/primitives.h"
#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the index */

void w4_human_index_deinit(w4_human_index *index) {
    free(index->list);
    *index = (w4_human_index){0};
}

static int compare_humans(const void *a, const void *b) {
    const w4_human *const *first = a, *const *second = b;
    return w4_fingerprint_compare(&(*first)->fingerprint, &(*second)->fingerprint);
}

static void add_digest(uint8_t digest[static W4_HUMAN_DIGEST_LEN], const uint8_t *of) {
    uint8_t hash[W4_HASH_LEN];
    w4_hash(w4_bytes_of(digest, W4_HUMAN_DIGEST_LEN), w4_bytes_of(of, W4_HUMAN_DIGEST_LEN), hash);
    memcpy(digest, hash, W4_HUMAN_DIGEST_LEN);
}

static void fill_digests(w4_human_index *index) {
    memset(index->parts, 0, sizeof index->parts);
    memset(index->sum, 0, sizeof index->sum);
    for (uint32_t i = 0; i < index->count; i++) {
        const w4_human *human = index->list[i];
        add_digest(index->parts[w4_human_part(&human->fingerprint)], human->digest);
    }
    for (unsigned i = 0; i < W4_HUMAN_PARTS; i++) {
        add_digest(index->sum, index->parts[i]);
    }
}

int w4_human_index_refresh(w4_human_index *index, const w4_humans *humans) {
    if (index->made && index->changes == w4_humans_changes(humans)) {
        return 0;
    }
    size_t room = w4_humans_count(humans);
    const w4_human **list = room > 0 ? calloc(room, sizeof *list) : NULL;
    if (room > 0 && !list) {
        return -ENOMEM;
    }
    free(index->list);
    index->list = list;
    index->count = 0;
    void *cursor = NULL;
    const w4_human *human;
    while ((human = w4_humans_next(humans, &cursor)) != NULL) {
        if (w4_human_can_be_told(human)) {
            index->list[index->count++] = human;
        }
    }
    if (index->count > 0) {
        qsort(index->list, index->count, sizeof *index->list, compare_humans);
    }
    fill_digests(index);
    index->made = true;
    index->changes = w4_humans_changes(humans);
    return 0;
}

/* ---- sums */

void w4_human_digest_format(const uint8_t digest[static W4_HUMAN_DIGEST_LEN],
                            char ret_text[static W4_HUMAN_DIGEST_TEXT_LEN + 1]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < W4_HUMAN_DIGEST_LEN; i++) {
        ret_text[2 * i] = digits[digest[i] >> 4];
        ret_text[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_text[W4_HUMAN_DIGEST_TEXT_LEN] = '\0';
}

int w4_human_give_sum(const w4_human_index *index, w4_buffer *out) {
    char text[W4_HUMAN_DIGEST_TEXT_LEN + 1];
    w4_human_digest_format(index->sum, text);
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "sum", text);
    w4_json_end_object(&w);
    return w.error;
}

int w4_human_give_parts(const w4_human_index *index, unsigned from, const w4_fingerprint *after,
                        w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    if (after) {
        w4_member_fingerprint(&w, "after", after);
    }
    w4_json_member_unsigned(&w, "from", from);
    w4_json_name(&w, "parts");
    w4_json_begin_array(&w);
    for (unsigned i = 0; i < W4_HUMAN_PARTS; i++) {
        char text[W4_HUMAN_DIGEST_TEXT_LEN + 1];
        w4_human_digest_format(index->parts[i], text);
        w4_json_string_text(&w, text);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

/* ---- lists */

/* The first part from `from` on that is another there; W4_HUMAN_PARTS: none is. */
static unsigned find_difference(const w4_human_index *index, w4_json parts, unsigned from) {
    unsigned at = 0;
    for (w4_json_iterator i = w4_json_first(parts); at < W4_HUMAN_PARTS && w4_json_exists(i.value);
         i = w4_json_next(i), at++) {
        char text[W4_HUMAN_DIGEST_TEXT_LEN + 1];
        w4_human_digest_format(index->parts[at], text);
        if (at >= from && !w4_json_string_equal(i.value, text)) {
            return at;
        }
    }
    return W4_HUMAN_PARTS;
}

static void write_human(w4_json_writer *w, const w4_human *human) {
    char digest[W4_HUMAN_DIGEST_TEXT_LEN + 1];
    w4_human_digest_format(human->digest, digest);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "agent", &human->fingerprint);
    w4_json_member_unsigned(w, "at", human->word.at_us);
    w4_json_member_string(w, "digest", digest);
    if (human->greeting.msg_id[0] != '\0') {
        w4_json_member_unsigned(w, "greeted", human->greeting.at_us);
    }
    w4_json_end_object(w);
}

int w4_human_give_list(const w4_human_index *index, w4_json request, w4_buffer *out) {
    int64_t from = 0;
    w4_fingerprint after = {0};
    (void)w4_json_integer(w4_json_get(request, "from"), &from);
    bool goes_on = w4_fingerprint_parse(w4_json_string_raw(w4_json_get(request, "after")), &after);
    unsigned part = find_difference(index, w4_json_get(request, "parts"), (unsigned)from);
    goes_on = goes_on && part == (unsigned)from; /* else that was in another part */
    uint32_t given = 0;
    bool last = true;
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_name(&w, "humans");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; last && i < index->count; i++) {
        const w4_human *human = index->list[i];
        if (w4_human_part(&human->fingerprint) != part ||
            (goes_on && w4_fingerprint_compare(&human->fingerprint, &after) <= 0)) {
            continue;
        }
        last = given < W4_HUMANS_OF_ONE;
        if (last) {
            write_human(&w, human);
            given++;
        }
    }
    w4_json_end_array(&w);
    w4_json_member_bool(&w, "last", last);
    w4_json_member_unsigned(&w, "part", part);
    w4_json_end_object(&w);
    return w.error;
}

/* ---- words */

typedef struct giving {
    w4_store *store;
    const w4_json_limits *limits;
    w4_json_document doc;
    w4_buffer text; /* of one envelope */
    w4_json_writer *w;
    size_t room, used;
    uint32_t count;
} giving;

/* Would it be taken? */
static bool is_fit(giving *g, w4_bytes text) {
    w4_json_limits limits = *g->limits;
    limits.depth = limits.depth > W4_HUMAN_SYNC_DEPTH ? limits.depth - W4_HUMAN_SYNC_DEPTH : 1;
    return text.len <= g->room && w4_json_read_canonical(&g->doc, text, &limits, NULL) == 0;
}

/* 0 given, or passed over since it can't be; 1 there is no room for it in this answer; -ENOMEM. */
static int give_said(giving *g, const w4_human *human, const w4_human_said *said) {
    int r = said->msg_id[0] != '\0'
                ? w4_evidence_get(g->store, said->msg_id, &human->fingerprint, &g->text)
                : W4_STORE_E_NOT_FOUND;
    w4_bytes text = w4_buffer_bytes(&g->text);
    if (r < 0) {
        return r;
    }
    if (r > 0 || !is_fit(g, text)) {
        return 0;
    }
    if (g->count == W4_SHARED_OF_ONE || g->used + text.len > g->room) {
        return 1;
    }
    w4_json_raw(g->w, text);
    g->used += text.len + 1;
    g->count++;
    return 0;
}

static bool is_told_to_all(const w4_human_said *said) {
    return w4_fingerprint_is_zero(&said->to);
}

/* A word that has its place is not taken back when there is none for the greeting: both are given
 * again then. Where the two of one human never fit together the word goes alone. */
static int give_human(giving *g, const w4_human *human) {
    bool first = g->count == 0;
    int r = give_said(g, human, &human->word);
    if (r == 0 && is_told_to_all(&human->greeting) &&
        strcmp(human->word.msg_id, human->greeting.msg_id) != 0) {
        r = give_said(g, human, &human->greeting);
        r = r == 1 && first ? 0 : r;
    }
    return r;
}

static int give_wanted(giving *g, const w4_humans *humans, w4_json wanted, uint32_t *ret_done) {
    int r = 0;
    for (w4_json_iterator i = w4_json_first(wanted); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        w4_fingerprint agent;
        const w4_human *human = w4_fingerprint_parse(w4_json_string_raw(i.value), &agent)
                                    ? w4_humans_find(humans, &agent)
                                    : NULL;
        r = human && w4_human_can_be_told(human) ? give_human(g, human) : 0;
        *ret_done += r == 0 ? 1 : 0;
    }
    return r < 0 ? r : 0;
}

static giving giving_of(w4_store *store, const w4_json_limits *limits, size_t room) {
    return (giving){.store = store,
                    .limits = limits,
                    .room = room < W4_HUMAN_SYNC_BYTES_MAX ? room : W4_HUMAN_SYNC_BYTES_MAX,
                    .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
}

static void giving_deinit(giving *g) {
    w4_buffer_deinit(&g->text);
    w4_json_document_deinit(&g->doc);
}

/* done: NULL in what nobody asked for. */
static int write_words(w4_bytes list, const uint32_t *done, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    if (done) {
        w4_json_member_unsigned(&w, "done", *done);
    }
    w4_json_name(&w, "envelopes");
    w4_json_raw(&w, list);
    w4_json_end_object(&w);
    return w.error;
}

int w4_human_give_words(const w4_humans *humans, w4_store *store, const w4_json_limits *limits,
                        w4_json request, w4_buffer *out) {
    int64_t bytes = 0;
    uint32_t done = 0;
    (void)w4_json_integer(w4_json_get(request, "bytes"), &bytes);
    giving g = giving_of(store, limits, (size_t)bytes);
    w4_buffer list = W4_BUFFER_INIT(W4_HUMAN_SYNC_BYTES_MAX * 2);
    w4_json_writer w;
    w4_json_writer_init(&w, &list);
    g.w = &w;
    w4_json_begin_array(&w);
    int r = give_wanted(&g, humans, w4_json_get(request, "wanted"), &done);
    w4_json_end_array(&w);
    r = r == 0 ? w.error : r;
    r = r == 0 ? write_words(w4_buffer_bytes(&list), &done, out) : r;
    w4_buffer_deinit(&list);
    giving_deinit(&g);
    return r;
}

/* ---- asides */

static int give_aside(giving *g, const w4_human_asides *asides, const w4_human *human,
                      const w4_human_said *said) {
    return !is_told_to_all(said) && asides->lives_there(asides->context, &said->to)
               ? give_said(g, human, said)
               : 0;
}

int w4_human_give_asides(const w4_human_asides *asides, w4_buffer *out, uint32_t *ret_count) {
    giving g = giving_of(asides->store, asides->limits, W4_HUMAN_SYNC_BYTES_MAX);
    w4_buffer list = W4_BUFFER_INIT(W4_HUMAN_SYNC_BYTES_MAX * 2);
    w4_json_writer w;
    w4_json_writer_init(&w, &list);
    g.w = &w;
    w4_json_begin_array(&w);
    void *cursor = NULL;
    const w4_human *human;
    int r = 0;
    while (r == 0 && (human = w4_humans_next(asides->humans, &cursor)) != NULL) {
        bool other = strcmp(human->word.msg_id, human->greeting.msg_id) != 0;
        bool narrow = human->here && human->consent != W4_CONSENT_GRANTED;
        r = narrow ? give_aside(&g, asides, human, &human->word) : 0;
        r = r == 0 && narrow && other ? give_aside(&g, asides, human, &human->greeting) : r;
    }
    w4_json_end_array(&w);
    r = r < 0 ? r : w.error;
    r = r == 0 ? write_words(w4_buffer_bytes(&list), NULL, out) : r;
    if (r == 0) {
        *ret_count = g.count;
    }
    w4_buffer_deinit(&list);
    giving_deinit(&g);
    return r;
}
