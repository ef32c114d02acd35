#include "protocol/facts/fact_give.h"

#include "crypto/primitives.h"
#include "protocol/evidence/evidence.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (1u + W4_FACT_LINKS_MAX + 3u * W4_FACT_VOTERS_MAX)

void w4_fact_digest_format(const uint8_t digest[static W4_FACT_DIGEST_LEN],
                           char ret_text[static W4_FACT_DIGEST_TEXT_LEN + 1]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < W4_FACT_DIGEST_LEN; i++) {
        ret_text[2 * i] = digits[digest[i] >> 4];
        ret_text[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_text[W4_FACT_DIGEST_TEXT_LEN] = '\0';
}

int w4_fact_give_sum(const w4_protocol *p, w4_buffer *out) {
    uint8_t sum[W4_FACT_DIGEST_LEN];
    char text[W4_FACT_DIGEST_TEXT_LEN + 1];
    w4_facts_sum(p->facts, sum);
    w4_fact_digest_format(sum, text);
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "sum", text);
    w4_json_end_object(&w);
    return w.error;
}

int w4_fact_give_parts(const w4_protocol *p, unsigned from, const char *after, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    if (after[0] != '\0') {
        w4_json_member_string(&w, "after", after);
    }
    w4_json_member_unsigned(&w, "from", from);
    w4_json_name(&w, "parts");
    w4_json_begin_array(&w);
    for (unsigned i = 0; i < W4_FACT_PARTS; i++) {
        char text[W4_FACT_DIGEST_TEXT_LEN + 1];
        w4_fact_digest_format(w4_facts_part_digest(p->facts, i), text);
        w4_json_string_text(&w, text);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

/* ---- lists */

/* The first part from `from` on that is another there; W4_FACT_PARTS: none is. */
static unsigned find_difference(const w4_protocol *p, w4_json parts, unsigned from) {
    unsigned at = 0;
    for (w4_json_iterator i = w4_json_first(parts); at < W4_FACT_PARTS && w4_json_exists(i.value);
         i = w4_json_next(i), at++) {
        char text[W4_FACT_DIGEST_TEXT_LEN + 1];
        w4_fact_digest_format(w4_facts_part_digest(p->facts, at), text);
        if (at >= from && !w4_json_string_equal(i.value, text)) {
            return at;
        }
    }
    return W4_FACT_PARTS;
}

/* Keeps the W4_FACT_SYNC_LIST_MAX lowest ids, in their order. */
static void insert(const w4_fact **list, uint32_t *count, const w4_fact *fact) {
    uint32_t at = *count;
    while (at > 0 && strcmp(list[at - 1]->id, fact->id) > 0) {
        at--;
    }
    if (at == W4_FACT_SYNC_LIST_MAX) {
        return;
    }
    uint32_t moved = (*count == W4_FACT_SYNC_LIST_MAX ? *count - 1 : *count) - at;
    memmove(&list[at + 1], &list[at], moved * sizeof(const w4_fact *));
    list[at] = fact;
    *count += *count < W4_FACT_SYNC_LIST_MAX ? 1 : 0;
}

static void write_list(w4_json_writer *w, const w4_fact *const *list, uint32_t count, bool last,
                       unsigned part) {
    w4_json_begin_object(w);
    w4_json_name(w, "facts");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < count; i++) {
        char text[W4_FACT_DIGEST_TEXT_LEN + 1];
        w4_fact_digest_format(list[i]->digest, text);
        w4_json_begin_object(w);
        w4_json_member_string(w, "digest", text);
        w4_json_member_string(w, "id", list[i]->id);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_member_bool(w, "last", last);
    w4_json_member_unsigned(w, "part", part);
    w4_json_end_object(w);
}

int w4_fact_give_list(const w4_protocol *p, w4_json request, w4_buffer *out) {
    const w4_fact *list[W4_FACT_SYNC_LIST_MAX];
    uint32_t count = 0, found = 0;
    int64_t from = 0;
    char after[37] = "";
    (void)w4_json_integer(w4_json_get(request, "from"), &from);
    (void)w4_json_string_copy(w4_json_get(request, "after"), after, sizeof after);
    unsigned part = find_difference(p, w4_json_get(request, "parts"), (unsigned)from);
    if (part != (unsigned)from) {
        after[0] = '\0'; /* that was in another part */
    }
    const w4_fact *fact;
    for (size_t i = 0; part < W4_FACT_PARTS && (fact = w4_facts_at(p->facts, i)) != NULL; i++) {
        if (fact->counted && w4_fact_part(fact) == part && strcmp(fact->id, after) > 0) {
            insert(list, &count, fact);
            found++;
        }
    }
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    write_list(&w, list, count, found == count, part);
    return w.error;
}

/* ---- envelopes */

typedef struct word {
    const char *msg_id;
    const w4_fingerprint *sender;
    uint64_t at_us;
} word;

static int compare_words(const void *a, const void *b) {
    const word *first = a, *second = b;
    return first->at_us != second->at_us ? (first->at_us > second->at_us ? 1 : -1)
                                         : strcmp(first->msg_id, second->msg_id);
}

/* All that is known of a fact and was said to all: the decisions it follows from, itself, and then
 * the votes in the order in which they were cast, so that who takes them sees how it went. */
static uint32_t collect(const w4_protocol *p, const w4_fact *fact,
                        word ret_words[static WORDS_MAX]) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < fact->link_count && i < W4_FACT_LINKS_MAX; i++) {
        const w4_fingerprint *agent =
            w4_decisions_author(p->decisions, fact->links[i], &fact->proposer);
        if (agent) {
            ret_words[count++] = (word){fact->links[i], agent, 0};
        }
    }
    ret_words[count++] = (word){fact->id, &fact->proposer, 0};
    uint32_t first = count;
    for (uint32_t i = 0; i < fact->vote_count && i < W4_FACT_VOTERS_MAX; i++) {
        const w4_vote *vote = &fact->votes[i];
        const w4_utterance *said[] = {&vote->formerly, &vote->decided, &vote->challenged};
        for (size_t s = 0; s < sizeof said / sizeof said[0]; s++) {
            if (said[s]->at_us != 0 && !said[s]->aside) {
                ret_words[count++] = (word){said[s]->msg_id, &vote->agent, said[s]->at_us};
            }
        }
    }
    qsort(&ret_words[first], count - first, sizeof *ret_words, compare_words);
    return count;
}

/* May it be passed on, and would it be taken? */
static bool is_fit(const w4_protocol *p, w4_json_document *doc, w4_bytes text, size_t room) {
    w4_json_limits limits = p->config.limits;
    limits.depth = limits.depth > W4_FACT_SYNC_DEPTH ? limits.depth - W4_FACT_SYNC_DEPTH : 1;
    return text.len <= room && w4_json_read_canonical(doc, text, &limits, NULL) == 0 &&
           w4_json_string_equal(
               w4_json_at_pointer(w4_json_root(doc), w4_bytes_from_text("/receiver/fingerprint")),
               "*");
}

typedef struct giving {
    w4_json_document doc;
    w4_buffer text; /* of one envelope */
    w4_json_writer *w;
    size_t room, used;
    uint32_t count;
} giving;

/* From word *skip on. 0 all, 1 there is no room for the one at *skip, -ENOMEM. What can't be passed
 * on, or is not here any more, is passed over. */
static int give_words(const w4_protocol *p, giving *g, const word *words, uint32_t count,
                      uint64_t *skip) {
    for (; *skip < count; (*skip)++) {
        const word *at = &words[*skip];
        int r = w4_evidence_get(p->store, at->msg_id, at->sender, &g->text);
        w4_bytes text = w4_buffer_bytes(&g->text);
        if (r < 0) {
            return r;
        }
        if (r > 0 || !is_fit(p, &g->doc, text, g->room)) {
            continue;
        }
        if (g->count == W4_FACT_SYNC_ENVELOPES_MAX || g->used + text.len > g->room) {
            return 1;
        }
        w4_json_raw(g->w, text);
        g->used += text.len + 1;
        g->count++;
    }
    *skip = 0;
    return 0;
}

int w4_fact_give_votes(const w4_protocol *p, w4_json request, w4_buffer *out) {
    int64_t bytes = 0, skip_wanted = 0;
    (void)w4_json_integer(w4_json_get(request, "bytes"), &bytes);
    (void)w4_json_integer(w4_json_get(request, "skip"), &skip_wanted);
    w4_json_writer w;
    giving g = {.w = &w, .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
    g.room = (size_t)bytes < W4_FACT_SYNC_BYTES_MAX ? (size_t)bytes : W4_FACT_SYNC_BYTES_MAX;
    uint64_t skip = (uint64_t)skip_wanted;
    uint32_t done = 0;
    w4_buffer list = W4_BUFFER_INIT(W4_FACT_SYNC_BYTES_MAX * 2);
    w4_json_writer_init(&w, &list);
    w4_json_begin_array(&w);
    int r = 0;
    for (w4_json_iterator i = w4_json_first(w4_json_get(request, "wanted"));
         r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        word words[WORDS_MAX];
        char id[37];
        const w4_fact *fact =
            w4_json_string_copy(i.value, id, sizeof id) ? w4_facts_find(p->facts, id) : NULL;
        uint32_t count = fact && fact->counted ? collect(p, fact, words) : 0;
        r = give_words(p, &g, words, count, &skip);
        done += r == 0 ? 1 : 0;
    }
    w4_json_end_array(&w);
    r = r < 0 ? r : w.error;
    if (r == 0) {
        w4_json_writer_init(&w, out);
        w4_json_begin_object(&w);
        w4_json_member_unsigned(&w, "done", done);
        w4_json_name(&w, "envelopes");
        w4_json_raw(&w, w4_buffer_bytes(&list));
        w4_json_member_unsigned(&w, "skip", skip);
        w4_json_end_object(&w);
        r = w.error;
    }
    w4_buffer_deinit(&list);
    w4_buffer_deinit(&g.text);
    w4_json_document_deinit(&g.doc);
    return r;
}
