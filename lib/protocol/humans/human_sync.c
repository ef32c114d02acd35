#include "protocol/humans/human_sync.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "protocol/humans/hcp.h"
#include "protocol/router.h"

#include <string.h>

_Static_assert(W4_HUMAN_DIGEST_LEN == W4_EXCHANGE_DIGEST_LEN, "one digest");
_Static_assert(W4_HUMAN_PARTS == W4_EXCHANGE_PARTS, "the same parts");

/* ---- the set */

static int refresh(w4_protocol *p) {
    return w4_human_index_refresh(&p->human_sync.index, w4_hcp_humans(p));
}

static uint32_t count_humans(const w4_protocol *p) {
    return p->human_sync.index.count;
}

static void sum_humans(const w4_protocol *p, uint8_t ret_sum[static W4_EXCHANGE_DIGEST_LEN]) {
    memcpy(ret_sum, p->human_sync.index.sum, W4_EXCHANGE_DIGEST_LEN);
}

static const uint8_t *part_of_humans(const w4_protocol *p, unsigned part) {
    return p->human_sync.index.parts[part];
}

static void write_human(w4_json_writer *w, const w4_human *human) {
    char digest[W4_EXCHANGE_DIGEST_TEXT_LEN + 1];
    w4_hex_format(w4_bytes_of(human->digest, W4_HUMAN_DIGEST_LEN), digest);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "agent", &human->fingerprint);
    w4_json_member_unsigned(w, "at", human->word.at_us);
    w4_json_member_string(w, "digest", digest);
    if (human->greeting.msg_id[0] != '\0') {
        w4_json_member_unsigned(w, "greeted", human->greeting.at_us);
    }
    w4_json_end_object(w);
}

static void write_list(const w4_protocol *p, unsigned part, const char *after, w4_json_writer *w,
                       bool *ret_last) {
    const w4_human_index *index = &p->human_sync.index;
    w4_fingerprint behind;
    bool goes_on = w4_fingerprint_parse(w4_bytes_from_text(after), &behind), last = true;
    uint32_t given = 0;
    for (uint32_t i = 0; last && i < index->count; i++) {
        const w4_human *human = index->list[i];
        if (w4_human_part(&human->fingerprint) != part ||
            (goes_on && w4_fingerprint_compare(&human->fingerprint, &behind) <= 0)) {
            continue;
        }
        last = given < W4_EXCHANGE_LIST_MAX;
        if (last) {
            write_human(w, human);
            given++;
        }
    }
    *ret_last = last;
}

/* Is there more to learn of that human than is known here? What can be told to nobody here is asked
 * for also where the other one has a word that says no more than is known. */
static bool is_wanted(const w4_protocol *p, const w4_fingerprint *node, w4_json listed,
                      const w4_exchange_item *item) {
    w4_fingerprint agent;
    int64_t at_us = 0, greeted_us = 0;
    (void)node;
    (void)w4_json_integer(w4_json_get(listed, "at"), &at_us);
    (void)w4_json_integer(w4_json_get(listed, "greeted"), &greeted_us);
    if (!w4_fingerprint_parse(w4_bytes_from_text(item->key), &agent)) {
        return false;
    }
    const w4_human *human = w4_humans_find(w4_hcp_humans(p), &agent);
    if (!human) {
        return true;
    }
    bool same = memcmp(human->digest, item->digest, sizeof item->digest) == 0;
    if (!w4_human_can_be_told(human) && (same || (uint64_t)at_us > human->latest_us)) {
        return true;
    }
    return !same && ((uint64_t)at_us >= human->latest_us ||
                     (w4_human_can_be_told(human) && (uint64_t)at_us > human->word.at_us) ||
                     (uint64_t)greeted_us > human->greeting.at_us);
}

/* ---- words */

static int give_said(w4_gift *gift, const w4_human *human, const w4_human_said *said) {
    return said->msg_id[0] != '\0' ? w4_gift_add(gift, said->msg_id, &human->fingerprint, false)
                                   : 0;
}

static bool is_told_to_all(const w4_human_said *said) {
    return w4_fingerprint_is_zero(&said->to);
}

/* The word first, which says what holds, then the greeting. A word that has its place is not taken
 * back when there is none for the greeting: both are given again then. Where the two of one human
 * never fit together the word goes alone. */
static int give(const w4_protocol *p, const char *key, w4_gift *gift) {
    w4_fingerprint agent;
    const w4_human *human = w4_fingerprint_parse(w4_bytes_from_text(key), &agent)
                                ? w4_humans_find(w4_hcp_humans(p), &agent)
                                : NULL;
    if (!human || !w4_human_can_be_told(human)) {
        return 0;
    }
    bool first = gift->count == 0;
    int r = give_said(gift, human, &human->word);
    if (r == 0 && is_told_to_all(&human->greeting) &&
        strcmp(human->word.msg_id, human->greeting.msg_id) != 0) {
        r = give_said(gift, human, &human->greeting);
        r = r == 1 && first ? 0 : r;
    }
    return r;
}

/* What a word moves takes effect at once, and w4_human_sync_moved hears of it. */
static int taken(w4_protocol *p, w4_inbound *in, int r, bool *ret_new) {
    *ret_new = false;
    return r > 0 ? w4_router_tell_rejected(p, in) : 0;
}

static const w4_exchange_set human_set = {
    .asks = W4_TYPE_MESH_HUMANS,
    .gives = W4_TYPE_MESH_HUMANS,
    .list = "humans",
    .place = "/payload/humans",
    .lead = "humans of that part, in the order of their fingerprints",
    .key = "agent",
    .refresh = refresh,
    .count = count_humans,
    .sum = sum_humans,
    .part = part_of_humans,
    .write_list = write_list,
    .is_wanted = is_wanted,
    .give = give,
    .taken = taken,
};

/* ---- asides */

static bool lives_there(const w4_protocol *p, const w4_fingerprint *node,
                        const w4_fingerprint *agent) {
    const w4_home *home = w4_homes_find(&p->homes, agent);
    return w4_router_has(p, node, agent) || (home && w4_fingerprint_equal(&home->node, node));
}

static int give_aside(const w4_protocol *p, const w4_fingerprint *node, w4_gift *gift,
                      const w4_human *human, const w4_human_said *said) {
    return !is_told_to_all(said) && lives_there(p, node, &said->to) ? give_said(gift, human, said)
                                                                    : 0;
}

/* What does not fit in is left to the next session. */
static int fill_asides(const w4_protocol *p, const w4_fingerprint *node, w4_gift *gift) {
    void *cursor = NULL;
    const w4_human *human;
    int r = 0;
    while (r == 0 && (human = w4_humans_next(w4_hcp_humans(p), &cursor)) != NULL) {
        bool other = strcmp(human->word.msg_id, human->greeting.msg_id) != 0;
        bool narrow = human->here && human->consent != W4_CONSENT_GRANTED;
        r = narrow ? give_aside(p, node, gift, human, &human->word) : 0;
        r = r == 0 && narrow && other ? give_aside(p, node, gift, human, &human->greeting) : r;
        for (uint32_t i = 0; r == 0 && narrow && i < human->asides_count; i++) {
            r = give_aside(p, node, gift, human, &human->asides[i]);
        }
    }
    return r < 0 ? r : 0;
}

/* Unasked. */
static int say_words(w4_protocol *p, const w4_fingerprint *node, w4_gift *gift, uint64_t now_us) {
    w4_bytes list;
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_gift_close(gift, &list);
    if (r == 0 && gift->count > 0) {
        w4_json_writer w;
        w4_json_writer_init(&w, &payload);
        w4_json_begin_object(&w);
        w4_json_name(&w, "envelopes");
        w4_json_raw(&w, list);
        w4_json_end_object(&w);
        r = w.error == 0 ? w4_router_say(p, node, W4_TYPE_MESH_HUMANS, w4_buffer_bytes(&payload),
                                         W4_EXCHANGE_ANSWER_US, now_us)
                         : w.error;
    }
    w4_buffer_deinit(&payload);
    return r;
}

static int tell_asides(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_gift gift;
    w4_gift_init(&gift, p->store, &p->config.limits, W4_GIFT_BYTES_MAX);
    int r = fill_asides(p, node, &gift);
    r = r == 0 ? say_words(p, node, &gift, now_us) : r;
    w4_gift_deinit(&gift);
    return r;
}

int w4_human_sync_tell_asides(w4_protocol *p, uint64_t now_us) {
    void *cursor = NULL;
    const w4_neighbour *neighbour;
    int r = 0;
    while (r == 0 && (neighbour = w4_neighbour_next(&p->parcels, &cursor)) != NULL) {
        r = neighbour->up && neighbour->tells ? tell_asides(p, &neighbour->node, now_us) : 0;
    }
    return r;
}

/* A node whose store failed may have forgotten what its human said last, and others do not take
 * what is said there with an older time stamp. */
int w4_human_sync_answer(w4_protocol *p, const w4_inbound *in, const w4_human *human) {
    const w4_envelope *e = &in->envelope;
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &in->from_node);
    bool tells = e->type == W4_TYPE_HCP_HELLO || e->type == W4_TYPE_HCP_STATE_UPDATE;
    if (in->origin != W4_ORIGIN_NODE || !tells || !neighbour || !neighbour->tells ||
        !w4_human_can_be_told(human) || human->word.at_us <= e->timestamp_us) {
        return 0;
    }
    w4_gift gift;
    char key[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&human->fingerprint, key);
    w4_gift_init(&gift, p->store, &p->config.limits, W4_GIFT_BYTES_MAX);
    int r = give(p, key, &gift);
    r = r >= 0 ? say_words(p, &in->from_node, &gift, in->now_us) : r;
    w4_gift_deinit(&gift);
    return r;
}

/* ---- */

void w4_human_sync_init(w4_human_sync *sync) {
    *sync = (w4_human_sync){.changes = 0};
    w4_exchange_init(&sync->exchange, &human_set);
}

void w4_human_sync_deinit(w4_human_sync *sync) {
    w4_exchange_deinit(&sync->exchange);
    w4_human_index_deinit(&sync->index);
}

int w4_human_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    int r = tell_asides(p, node, now_us);
    return r == 0 ? w4_exchange_peer_up(p, &p->human_sync.exchange, node, now_us) : r;
}

int w4_human_sync_attached(w4_protocol *p, const w4_fingerprint *agent, uint64_t now_us) {
    const w4_human *human = w4_humans_find(w4_hcp_humans(p), agent);
    return human && human->here ? w4_exchange_start_over(p, &p->human_sync.exchange, now_us) : 0;
}

int w4_human_sync_take(w4_protocol *p, w4_inbound *in) {
    return w4_exchange_take(p, &p->human_sync.exchange, in);
}

void w4_human_sync_moved(w4_protocol *p, uint64_t now_us) {
    uint64_t changes = w4_humans_changes(w4_hcp_humans(p));
    if (p->human_sync.changes != changes) {
        p->human_sync.changes = changes;
        w4_exchange_moved(p, &p->human_sync.exchange, NULL, now_us);
    }
}
