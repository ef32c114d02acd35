#include "protocol/facts/fact_sync.h"

#include "crypto/primitives.h"
#include "envelope/schema.h"
#include "protocol/facts/knowledge.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (W4_FACT_LINKS_MAX + 1u + 3u * W4_FACT_VOTERS_MAX) /* of a fact */
#define EFFECTS_MAX 16u                                              /* given before it falls */
#define EFFECTS_LOOKED_MAX 1024u
#define EFFECT_WORDS_MAX 500u

_Static_assert(W4_FACT_DIGEST_LEN == W4_EXCHANGE_DIGEST_LEN, "one digest");
_Static_assert(W4_DECISIONS_MAX + WORDS_MAX + EFFECT_WORDS_MAX <= W4_WORDS_OF_ID,
               "all of an id can be skipped");

/* ---- what was tried */

/* A state of an id at a neighbour that could not be made the one here with what that one gave.
 * Another one may give more: nobody can keep a node from asking the others. */
typedef struct sync_tried {
    struct {
        w4_fingerprint node;
        char id[36];
        uint8_t digest[W4_FACT_DIGEST_LEN];
    } key;
    UT_hash_handle hh;
} sync_tried;

static void clear_tried(w4_fact_sync *sync) {
    sync_tried *tried, *next;
    HASH_ITER (hh, sync->tried, tried, next) {
        HASH_DEL(sync->tried, tried);
        free(tried);
    }
}

static sync_tried *find_tried(const w4_fact_sync *sync, const w4_fingerprint *node,
                              const w4_exchange_item *item) {
    sync_tried probe, *found = NULL;
    probe.key.node = *node;
    memcpy(probe.key.id, item->key, sizeof probe.key.id);
    memcpy(probe.key.digest, item->digest, sizeof probe.key.digest);
    HASH_FIND(hh, sync->tried, &probe.key, sizeof probe.key, found);
    return found;
}

uint32_t w4_fact_sync_tried(const w4_fact_sync *sync) {
    return HASH_COUNT(sync->tried);
}

static int add_tried(w4_fact_sync *sync, const w4_fingerprint *node, const w4_exchange_item *item) {
    if (find_tried(sync, node, item)) {
        return 0;
    }
    if (HASH_COUNT(sync->tried) >= W4_FACT_SYNC_TRIED_MAX) {
        sync_tried *oldest = sync->tried;
        HASH_DEL(sync->tried, oldest);
        free(oldest);
    }
    sync_tried *tried = calloc(1, sizeof *tried);
    if (!tried) {
        return -ENOMEM;
    }
    tried->key.node = *node;
    memcpy(tried->key.id, item->key, sizeof tried->key.id);
    memcpy(tried->key.digest, item->digest, sizeof tried->key.digest);
    HASH_ADD(hh, sync->tried, key, sizeof tried->key, tried);
    if (!tried->hh.tbl) {
        free(tried);
        return -ENOMEM;
    }
    return 0;
}

/* ---- the set: under one id there may be a fact, decisions, or both */

static int refresh(w4_protocol *p) {
    w4_sums_join(w4_facts_sums(p->facts), w4_decisions_sums(p->decisions), &p->fact_sync.sums);
    return 0;
}

static uint32_t count(const w4_protocol *p) {
    return (uint32_t)(w4_facts_count(p->facts) + w4_decisions_count(p->decisions));
}

static void sum(const w4_protocol *p, uint8_t ret_sum[static W4_EXCHANGE_DIGEST_LEN]) {
    w4_sums_total(&p->fact_sync.sums, ret_sum);
}

static const uint8_t *part_of(const w4_protocol *p, unsigned part) {
    return p->fact_sync.sums.parts[part];
}

/* The lowest ids of a part behind one, in their order. */
typedef struct id_list {
    const char *ids[W4_EXCHANGE_LIST_MAX];
    uint32_t count;
    bool more; /* there are others behind them */
} id_list;

static void insert(id_list *list, const char *id) {
    uint32_t at = list->count;
    while (at > 0 && strcmp(list->ids[at - 1], id) > 0) {
        at--;
    }
    if (at > 0 && strcmp(list->ids[at - 1], id) == 0) {
        return; /* a fact and a decision, or decisions of two */
    }
    bool full = list->count == W4_EXCHANGE_LIST_MAX;
    list->more = list->more || full;
    if (at == W4_EXCHANGE_LIST_MAX) {
        return;
    }
    uint32_t moved = (full ? list->count - 1 : list->count) - at;
    memmove(&list->ids[at + 1], &list->ids[at], moved * sizeof list->ids[0]);
    list->ids[at] = id;
    list->count += full ? 0 : 1;
}

/* What is known here under an id and can be passed on. False: nothing is. */
static bool digest_of(const w4_protocol *p, const char *id,
                      uint8_t ret_digest[static W4_EXCHANGE_DIGEST_LEN]) {
    uint8_t decided[W4_EXCHANGE_DIGEST_LEN], hash[W4_HASH_LEN];
    const w4_fact *fact = w4_facts_find(p->facts, id);
    bool decision = w4_decisions_digest(p->decisions, id, decided);
    if (!fact || !fact->counted) {
        memcpy(ret_digest, decided, decision ? sizeof decided : 0);
        return decision;
    }
    memcpy(ret_digest, fact->digest, W4_EXCHANGE_DIGEST_LEN);
    if (decision) {
        w4_hash(w4_bytes_of(fact->digest, sizeof fact->digest),
                w4_bytes_of(decided, sizeof decided), hash);
        memcpy(ret_digest, hash, W4_EXCHANGE_DIGEST_LEN);
    }
    return true;
}

static void write_list(const w4_protocol *p, unsigned part, const char *after, w4_json_writer *w,
                       bool *ret_last) {
    id_list list = {.count = 0};
    const w4_fact *fact;
    const w4_decision *decision;
    const void *cursor = NULL;
    for (size_t i = 0; (fact = w4_facts_at(p->facts, i)) != NULL; i++) {
        if (fact->counted && w4_exchange_part(fact->id) == part && strcmp(fact->id, after) > 0) {
            insert(&list, fact->id);
        }
    }
    while ((decision = w4_decisions_next(p->decisions, &cursor)) != NULL) {
        if (!decision->aside && w4_exchange_part(decision->id) == part &&
            strcmp(decision->id, after) > 0) {
            insert(&list, decision->id);
        }
    }
    for (uint32_t i = 0; i < list.count; i++) {
        uint8_t digest[W4_EXCHANGE_DIGEST_LEN] = {0};
        char text[W4_EXCHANGE_DIGEST_TEXT_LEN + 1];
        (void)digest_of(p, list.ids[i], digest);
        w4_hex_format(w4_bytes_of(digest, sizeof digest), text);
        w4_json_begin_object(w);
        w4_json_member_string(w, "digest", text);
        w4_json_member_string(w, "id", list.ids[i]);
        w4_json_end_object(w);
    }
    *ret_last = !list.more;
}

static bool is_same_here(const w4_protocol *p, const w4_exchange_item *item) {
    uint8_t digest[W4_EXCHANGE_DIGEST_LEN];
    return digest_of(p, item->key, digest) &&
           memcmp(digest, item->digest, sizeof item->digest) == 0;
}

static bool is_wanted(const w4_protocol *p, const w4_fingerprint *node, w4_json listed,
                      const w4_exchange_item *item) {
    (void)listed;
    return !is_same_here(p, item) && !find_tried(&p->fact_sync, node, item);
}

/* ---- what was said of a fact */

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

/* Who said what a fact follows from, of what can be passed on; NULL: nothing of it is here. What is
 * a fact and a decision is a fact. */
static const w4_fingerprint *author_of(const w4_protocol *p, const w4_fact *fact,
                                       const char *link) {
    const w4_fact *cause = w4_facts_find(p->facts, link);
    if (cause) {
        return cause->counted ? &cause->proposer : NULL;
    }
    return w4_decisions_author(p->decisions, link, &fact->proposer);
}

typedef struct words { /* in the order in which they are given */
    word list[WORDS_MAX + EFFECT_WORDS_MAX];
    uint32_t count;
    const w4_fact *effects[EFFECTS_MAX];
    uint32_t effect_count;
} words;

static void add_word(words *w, const char *msg_id, const w4_fingerprint *sender, uint64_t at_us) {
    w->list[w->count++] = (word){msg_id, sender, at_us};
}

/* A fact itself; before it, what it follows from, as far as a round comes to it only behind that
 * id: without it the fact would not have been accepted. Decisions are not asked for any more under
 * their own ids then; of other facts only the votes are new there. */
static void add_proposal(const w4_protocol *p, const w4_fact *fact, const char *behind, words *w) {
    for (uint32_t i = 0; i < fact->link_count && i < W4_FACT_LINKS_MAX; i++) {
        const char *link = fact->links[i];
        const w4_fingerprint *author = strcmp(link, behind) > 0 ? author_of(p, fact, link) : NULL;
        if (author) {
            add_word(w, link, author, 0);
        }
    }
    add_word(w, fact->id, &fact->proposer, 0);
}

static void add_said(const w4_vote *vote, const w4_utterance *said, words *w) {
    if (said->at_us != 0 && !said->aside) {
        add_word(w, said->msg_id, &vote->agent, said->at_us);
    }
}

static void add_votes(const w4_fact *fact, words *w) {
    for (uint32_t i = 0; i < fact->vote_count && i < W4_FACT_VOTERS_MAX; i++) {
        const w4_vote *vote = &fact->votes[i];
        add_said(vote, &vote->formerly, w);
        add_said(vote, &vote->decided, w);
        add_said(vote, &vote->challenged, w);
    }
}

static void add_confirmations(const w4_fact *fact, words *w) {
    for (uint32_t i = 0; i < fact->vote_count && i < W4_FACT_VOTERS_MAX; i++) {
        const w4_vote *vote = &fact->votes[i];
        if (vote->former == W4_STANCE_CONFIRM) {
            add_said(vote, &vote->formerly, w);
        }
        if (vote->decision == W4_STANCE_CONFIRM) {
            add_said(vote, &vote->decided, w);
        }
    }
}

/* What follows from a fact that has fallen, and was accepted before: who learns of it only
 * afterwards would never accept it. Those that a round comes to only behind it, as many as fit. */
static void choose_effects(const w4_protocol *p, const w4_fact *fact, words *w) {
    const w4_fact *effect;
    uint32_t room = EFFECT_WORDS_MAX;
    uint32_t looked = w4_fact_has_fallen(fact) ? EFFECTS_LOOKED_MAX : 0;
    for (uint32_t i = 0; i < looked && w->effect_count < EFFECTS_MAX &&
                         (effect = w4_facts_effect(p->facts, fact->id, i)) != NULL;
         i++) {
        uint32_t needs = effect->link_count + 1 + 2 * effect->vote_count;
        if (effect->counted && effect->accepted_us != 0 && strcmp(effect->id, fact->id) > 0 &&
            needs <= room) {
            w->effects[w->effect_count++] = effect;
            room -= needs;
        }
    }
}

/* All that is known of a fact and was said to all: itself, and then the votes in the order in which
 * they were cast, so that who takes them sees how it went. */
static void collect(const w4_protocol *p, const w4_fact *fact, words *w) {
    w->count = w->effect_count = 0;
    choose_effects(p, fact, w);
    add_proposal(p, fact, fact->id, w);
    for (uint32_t i = 0; i < w->effect_count; i++) {
        add_proposal(p, w->effects[i], fact->id, w);
    }
    uint32_t first = w->count;
    add_votes(fact, w);
    for (uint32_t i = 0; i < w->effect_count; i++) {
        add_confirmations(w->effects[i], w);
    }
    qsort(&w->list[first], w->count - first, sizeof w->list[0], compare_words);
}

/* What was given before is passed over. */
static int give_word(w4_gift *gift, uint64_t place, const char *msg_id,
                     const w4_fingerprint *sender) {
    if (place < gift->skip) {
        return 0;
    }
    int r = w4_gift_add(gift, msg_id, sender, true);
    gift->skip += r == 0 ? 1 : 0;
    return r;
}

static int give(const w4_protocol *p, const char *key, w4_gift *gift) {
    words said = {.count = 0};
    const w4_fact *fact = w4_facts_find(p->facts, key);
    const w4_decision *decision = NULL;
    uint64_t place = 0;
    int r = 0;
    while (r == 0 && (decision = w4_decisions_shared_as(p->decisions, key, decision)) != NULL) {
        r = give_word(gift, place++, decision->id, &decision->agent);
    }
    if (r == 0 && fact && fact->counted) {
        collect(p, fact, &said);
    }
    for (uint32_t i = 0; r == 0 && i < said.count; i++) {
        r = give_word(gift, place++, said.list[i].msg_id, said.list[i].sender);
    }
    return r;
}

/* It is judged before the next comes: as it went where they were cast. */
static int taken(w4_protocol *p, w4_inbound *in, int r, bool *ret_new) {
    *ret_new = r == 0 && in->took_effect;
    if (r > 0 && in->fault.code != W4_REFUSAL_UNTRUSTED &&
        in->fault.code != W4_REFUSAL_UNKNOWN_REFERENCE) {
        r = w4_router_tell_rejected(p, in);
    }
    return r < 0 ? r : w4_knowledge_judge(p, in->now_us);
}

static int covered(w4_protocol *p, const w4_fingerprint *node, const w4_exchange_item *item) {
    return is_same_here(p, item) ? 0 : add_tried(&p->fact_sync, node, item);
}

/* What is new here may be new to the other neighbours too. */
static void finished(w4_protocol *p, const w4_fingerprint *node, bool moved, uint64_t now_us) {
    if (moved) {
        w4_exchange_moved(p, &p->fact_sync.exchange, node, now_us);
    }
}

static const w4_exchange_set fact_set = {
    .asks = W4_TYPE_MESH_FACTS,
    .gives = W4_TYPE_MESH_VOTES,
    .list = "facts",
    .place = "/payload/facts",
    .lead = "facts and decisions of that part, in the order of their ids",
    .key = "id",
    .in_pieces = true,
    .greet_us = W4_EXCHANGE_SPREAD_US,
    .refresh = refresh,
    .count = count,
    .sum = sum,
    .part = part_of,
    .write_list = write_list,
    .is_wanted = is_wanted,
    .give = give,
    .taken = taken,
    .covered = covered,
    .finished = finished,
};

/* ---- */

void w4_fact_sync_init(w4_fact_sync *sync) {
    *sync = (w4_fact_sync){.tried = NULL};
    w4_exchange_init(&sync->exchange, &fact_set);
}

void w4_fact_sync_deinit(w4_fact_sync *sync) {
    w4_exchange_deinit(&sync->exchange);
    clear_tried(sync);
}

void w4_fact_sync_trust_moved(w4_protocol *p) {
    if (!p->fact_sync.trust_moved) {
        p->fact_sync.trust_moved = true;
        w4_router_wake(p, 0);
    }
}

int w4_fact_sync_take(w4_protocol *p, w4_inbound *in) {
    return w4_exchange_take(p, &p->fact_sync.exchange, in);
}

int w4_fact_sync_take_votes(w4_protocol *p, w4_inbound *in) {
    return w4_exchange_take_words(p, &p->fact_sync.exchange, in);
}

int w4_fact_sync_expire(w4_protocol *p, uint64_t now_us) {
    w4_fact_sync *sync = &p->fact_sync;
    int r = 0;
    if (sync->trust_moved) {
        sync->trust_moved = false;
        clear_tried(sync);
        r = w4_exchange_start_over(p, &sync->exchange, now_us);
    }
    return r == 0 ? w4_exchange_expire(p, &sync->exchange, now_us) : r;
}
