#include "protocol/durable/receipts.h"

#include "base/text.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/parcels.h"
#include "protocol/durable/durable.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct receipt {
    w4_fingerprint sender, receiver; /* receiver zero: all */
    char msg_id[37];
    w4_refusal code;
    w4_receipt_stage stage;
} receipt;

static const char *const stages[W4_RECEIPT_STAGE_COUNT] = {
    [W4_RECEIPT_PLAIN] = NULL,
    [W4_RECEIPT_HELD] = "held",
    [W4_RECEIPT_ENDED] = "ended",
};

typedef struct receipt_box {
    w4_fingerprint node;
    receipt *items;
    uint32_t count, cap;
    uint64_t again_us; /* after its session took no more; what is for others goes on */
    UT_hash_handle hh;
} receipt_box;

typedef struct receipt_batch {
    uint64_t ticket;
    w4_fingerprint node;
    uint32_t count;
    UT_hash_handle hh;
    receipt items[];
} receipt_batch;

static void drop_box(w4_receipts *receipts, receipt_box *box) {
    receipts->count -= box->count;
    HASH_DEL(receipts->boxes, box);
    free(box->items);
    free(box);
}

static void drop_batch(w4_receipts *receipts, receipt_batch *batch) {
    HASH_DEL(receipts->batches, batch);
    free(batch);
}

void w4_receipts_deinit(w4_receipts *receipts) {
    while (receipts->boxes) {
        drop_box(receipts, receipts->boxes);
    }
    while (receipts->batches) {
        drop_batch(receipts, receipts->batches);
    }
}

static receipt_box *get_box(w4_receipts *receipts, const w4_fingerprint *node) {
    receipt_box *box = NULL;
    HASH_FIND(hh, receipts->boxes, node, sizeof *node, box);
    if (box) {
        return box;
    }
    box = calloc(1, sizeof *box);
    if (!box) {
        return NULL;
    }
    box->node = *node;
    HASH_ADD(hh, receipts->boxes, node, sizeof box->node, box);
    if (!box->hh.tbl) {
        free(box);
        return NULL;
    }
    return box;
}

static int push(w4_receipts *receipts, const w4_fingerprint *node, const receipt *item) {
    receipt_box *box = get_box(receipts, node);
    if (!box) {
        return -ENOMEM;
    }
    if (box->count == box->cap && box->cap < W4_RECEIPTS_MAX) {
        uint32_t cap = box->cap == 0 ? 8 : box->cap * 2;
        receipt *items = realloc(box->items, cap * sizeof *items);
        if (!items) {
            return -ENOMEM;
        }
        box->items = items;
        box->cap = cap;
    }
    if (box->count == W4_RECEIPTS_MAX) {
        box->count--;
        receipts->count--;
        memmove(&box->items[0], &box->items[1], box->count * sizeof *box->items);
    }
    box->items[box->count++] = *item;
    receipts->count++;
    return 0;
}

/* What its sender has to hear. A repeat of what is durable has come before, so it is not refused.
 * Of what is not durable, for one agent, and may have been taken by an earlier process, nobody
 * knows whether that agent was given it before that process ended. */
static w4_refusal code_for(const w4_protocol *p, const w4_inbound *in, bool refused) {
    const w4_envelope *e = &in->envelope;
    if (!refused || in->repeat) {
        return in->untaken;
    }
    return in->fault.code == W4_REFUSAL_REPLAY && !in->durable && !e->broadcast &&
                   w4_seen_before(&p->seen, e->timestamp_us)
               ? W4_REFUSAL_DISCONNECTED
               : in->fault.code;
}

/* What nobody has proved is not answered, unless it is durable: that would be brought again and
 * again. */
int w4_receipts_give(w4_protocol *p, const w4_inbound *in, bool refused) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &in->from_node);
    w4_refusal code = code_for(p, in, refused);
    bool wanted = in->durable || (in->proven && in->family->local && code != W4_REFUSAL_NONE &&
                                  code != W4_REFUSAL_REPLAY);
    receipt item = {.sender = in->envelope.sender.fingerprint,
                    .receiver = in->envelope.receiver.fingerprint,
                    .code = code};
    memcpy(item.msg_id, in->envelope.msg_id, sizeof item.msg_id);
    if (!in->durable && !refused && in->waits && !in->envelope.broadcast) {
        item.stage = W4_RECEIPT_HELD;
        wanted = true;
    }
    wanted = wanted && neighbour && neighbour->receipts;
    if (wanted && in->durable && code == W4_REFUSAL_NONE) {
        wanted = w4_durable_stage(p, in, &item.stage);
    }
    return wanted ? push(&p->receipts, &in->from_node, &item) : 0;
}

int w4_receipts_end(w4_protocol *p, const w4_waited *waited, w4_refusal code) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, waited->from_node);
    receipt item = {.sender = *waited->sender,
                    .receiver = *waited->named,
                    .code = code,
                    .stage = W4_RECEIPT_ENDED};
    memcpy(item.msg_id, waited->msg_id, sizeof item.msg_id);
    bool told =
        !w4_fingerprint_is_zero(waited->named) && neighbour && neighbour->up && neighbour->receipts;
    return told ? push(&p->receipts, waited->from_node, &item) : 0;
}

/* What is to be said to that node of that message, and would say that it was given. */
static receipt *find_given(const w4_receipts *receipts, const w4_waited *waited) {
    receipt_box *box = NULL;
    HASH_FIND(hh, receipts->boxes, waited->from_node, sizeof *waited->from_node, box);
    for (uint32_t i = 0; box && i < box->count; i++) {
        receipt *item = &box->items[i];
        if (item->code == W4_REFUSAL_NONE && item->stage != W4_RECEIPT_HELD &&
            strcmp(item->msg_id, waited->msg_id) == 0 &&
            w4_fingerprint_equal(&item->sender, waited->sender)) {
            return item;
        }
    }
    return NULL;
}

int w4_receipts_recall(w4_protocol *p, const w4_waited *waited, w4_refusal code) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, waited->from_node);
    const w4_end *end = w4_ends_find(&p->owed, waited->sender, waited->msg_id);
    receipt *said = find_given(&p->receipts, waited);
    receipt item = {.sender = *waited->sender, .receiver = *waited->named, .code = code};
    memcpy(item.msg_id, waited->msg_id, sizeof item.msg_id);
    if (said) {
        said->code = code;
        return 0;
    }
    if (end) {
        w4_end draft = *end;
        draft.code = code;
        return end->queued ? 0 : w4_ends_add(&p->owed, &draft);
    }
    return neighbour && neighbour->up && neighbour->receipts
               ? push(&p->receipts, waited->from_node, &item)
               : 0;
}

/* ---- what is owed */

/* The end of that, if it is still owed to that node. */
static w4_end *find_owed(const w4_protocol *p, const w4_fingerprint *node, const receipt *item) {
    w4_end *end = item->stage == W4_RECEIPT_ENDED
                      ? w4_ends_find(&p->owed, &item->sender, item->msg_id)
                      : NULL;
    return end && end->queued && w4_fingerprint_equal(&end->node, node) ? end : NULL;
}

void w4_receipts_owe_again(w4_protocol *p, const w4_fingerprint *node) {
    w4_end *end;
    TAILQ_FOREACH (end, &p->owed.list, link) {
        if (w4_fingerprint_equal(&end->node, node)) {
            end->queued = false;
            p->owed.news = true;
        }
    }
}

/* Ends that are owed to neighbours who are here join what is said to them; where there is too much
 * of it, in a later turn. One that knows no receipts is told none. */
static int gather_owed(w4_protocol *p) {
    w4_end *end, *next;
    int r = 0;
    if (!p->owed.news) {
        return 0;
    }
    p->owed.news = false;
    for (end = TAILQ_FIRST(&p->owed.list); r == 0 && end; end = next) {
        next = TAILQ_NEXT(end, link);
        const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &end->node);
        if (end->queued || !neighbour || !neighbour->up) {
            continue;
        }
        if (!neighbour->receipts) {
            r = w4_ends_remove(&p->owed, end);
            r = r > 0 ? 0 : r;
            continue;
        }
        receipt_box *box = get_box(&p->receipts, &end->node);
        if (!box || box->count == W4_RECEIPTS_MAX) {
            r = box ? 0 : -ENOMEM;
            p->owed.news = true;
            continue;
        }
        receipt item = {.sender = end->sender,
                        .receiver = end->receiver,
                        .code = end->code,
                        .stage = W4_RECEIPT_ENDED};
        memcpy(item.msg_id, end->msg_id, sizeof item.msg_id);
        end->queued = true;
        r = push(&p->receipts, &end->node, &item);
    }
    return r;
}

/* The neighbour has them in its store. */
static int settle_owed(w4_protocol *p, const receipt_batch *batch) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < batch->count; i++) {
        w4_end *end = find_owed(p, &batch->node, &batch->items[i]);
        if (end && end->code == batch->items[i].code) {
            r = w4_ends_remove(&p->owed, end);
            r = r > 0 ? 0 : r; /* said once more after a restart */
        }
    }
    return r;
}

/* ---- saying */

static void write_payload(w4_json_writer *w, const receipt *items, uint32_t count) {
    w4_json_begin_object(w);
    w4_json_name(w, "receipts");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < count; i++) {
        char sender[W4_FINGERPRINT_TEXT_LEN + 1], receiver[W4_FINGERPRINT_TEXT_LEN + 1] = "*";
        w4_fingerprint_format(&items[i].sender, sender);
        if (!w4_fingerprint_is_zero(&items[i].receiver)) {
            w4_fingerprint_format(&items[i].receiver, receiver);
        }
        w4_json_begin_object(w);
        if (items[i].code != W4_REFUSAL_NONE) {
            w4_json_member_string(w, "code", w4_refusal_name(items[i].code));
        }
        w4_json_member_string(w, "msg_id", items[i].msg_id);
        w4_json_member_string(w, "receiver", receiver);
        w4_json_member_string(w, "sender", sender);
        if (stages[items[i].stage]) {
            w4_json_member_string(w, "stage", stages[items[i].stage]);
        }
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_end_object(w);
}

/* The signed envelope of them. 0, -ENOMEM, or -EMSGSIZE. */
static int write_word(w4_protocol *p, const receipt *items, uint32_t count,
                      const w4_fingerprint *node, uint64_t now_us, w4_blob **ret_word) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &payload);
    write_payload(&w, items, count);
    int r = w.error != 0 ? w.error
                         : w4_router_word(p, node, W4_TYPE_MESH_RECEIPT, w4_buffer_bytes(&payload),
                                          now_us, ret_word);
    w4_buffer_deinit(&payload);
    return r;
}

static int add_batch(w4_receipts *receipts, const receipt_box *box, uint32_t count,
                     uint64_t ticket) {
    receipt_batch *batch = malloc(sizeof *batch + count * sizeof batch->items[0]);
    if (!batch) {
        return -ENOMEM;
    }
    batch->ticket = ticket;
    batch->node = box->node;
    batch->count = count;
    memcpy(batch->items, box->items, count * sizeof batch->items[0]);
    HASH_ADD(hh, receipts->batches, ticket, sizeof batch->ticket, batch);
    if (!batch->hh.tbl) {
        free(batch);
        return -ENOMEM;
    }
    return 0;
}

/* Says the first of them. 0, -ENOMEM, or 1: there is no room for it now. */
static int say_some(w4_protocol *p, receipt_box *box, uint64_t now_us) {
    uint32_t count = box->count < W4_RECEIPTS_PER_WORD ? box->count : W4_RECEIPTS_PER_WORD;
    w4_blob *word = NULL;
    int r = write_word(p, box->items, count, &box->node, now_us, &word);
    if (r != 0) {
        return r;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_TRANSMIT,
                               .node = box->node,
                               .channel = W4_CHANNEL_CONTROL,
                               .sender = p->self,
                               .deadline_us = W4_NEVER,
                               .ticket = w4_parcels_ticket(&p->parcels),
                               .type = W4_TYPE_COUNT};
    r = w4_event_queue_push(&p->events, &event, word);
    w4_blob_unref(word);
    r = r == 0 ? add_batch(&p->receipts, box, count, event.ticket) : r;
    if (r == 0) {
        box->count -= count;
        p->receipts.count -= count;
        memmove(&box->items[0], &box->items[count], box->count * sizeof *box->items);
    }
    return r;
}

int w4_receipts_say(w4_protocol *p, uint64_t now_us) {
    int r = now_us < p->receipts.again_us ? 0 : gather_owed(p);
    if (r != 0 || p->receipts.count == 0 || now_us < p->receipts.again_us) {
        return r;
    }
    receipt_box *box = p->receipts.boxes, *next;
    for (; r == 0 && box; box = next) {
        next = box->hh.next;
        const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &box->node);
        bool up = neighbour && neighbour->up;
        if (up && now_us < box->again_us) {
            continue;
        }
        while (r == 0 && up && box->count > 0) {
            r = say_some(p, box, now_us);
        }
        if (r == 0) {
            drop_box(&p->receipts, box);
        }
    }
    if (r > 0) {
        p->receipts.again_us = w4_later(now_us, W4_RECEIPTS_PAUSE_US);
        w4_router_wake(p, p->receipts.again_us);
    }
    return r < 0 ? r : 0;
}

int w4_receipts_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                            bool *ret_known) {
    receipt_batch *batch = NULL;
    HASH_FIND(hh, p->receipts.batches, &ticket, sizeof ticket, batch);
    *ret_known = batch != NULL;
    if (!batch) {
        return 0;
    }
    int r = outcome == W4_REFUSAL_NONE ? settle_owed(p, batch) : 0;
    if (outcome != W4_REFUSAL_NONE) {
        for (uint32_t i = 0; r == 0 && i < batch->count; i++) {
            r = push(&p->receipts, &batch->node, &batch->items[i]);
        }
        receipt_box *box = r == 0 ? get_box(&p->receipts, &batch->node) : NULL;
        if (box) {
            box->again_us = w4_later(now_us, W4_RECEIPTS_PAUSE_US);
            w4_router_wake(p, box->again_us);
        }
    }
    drop_batch(&p->receipts, batch);
    return r;
}

void w4_receipts_peer_down(w4_protocol *p, const w4_fingerprint *node) {
    w4_receipts *receipts = &p->receipts;
    receipt_box *box = NULL;
    w4_receipts_owe_again(p, node);
    HASH_FIND(hh, receipts->boxes, node, sizeof *node, box);
    if (box) {
        drop_box(receipts, box);
    }
    receipt_batch *batch = receipts->batches, *next;
    for (; batch; batch = next) {
        next = batch->hh.next;
        if (w4_fingerprint_equal(&batch->node, node)) {
            drop_batch(receipts, batch);
        }
    }
}

uint64_t w4_receipts_deadline(const w4_receipts *receipts, uint64_t now_us) {
    bool waits = receipts->count > 0 && receipts->again_us > now_us;
    uint64_t at_us = waits ? receipts->again_us : W4_NEVER;
    for (const receipt_box *box = receipts->boxes; box; box = box->hh.next) {
        at_us = box->again_us > now_us ? w4_earlier(at_us, box->again_us) : at_us;
    }
    return at_us;
}

/* ---- taking */

static int take_answer(w4_protocol *p, const w4_answer *answer, uint64_t now_us) {
    bool known;
    int r = w4_durable_answered(p, answer, now_us, &known);
    if (r != 0 || known) {
        return r;
    }
    switch (answer->stage) {
    case W4_RECEIPT_PLAIN:
        return answer->code != W4_REFUSAL_NONE ? w4_deliveries_refused(p, answer, now_us) : 0;
    case W4_RECEIPT_HELD:
        return answer->code == W4_REFUSAL_NONE ? w4_deliveries_wait(p, answer) : 0;
    case W4_RECEIPT_ENDED:
        return w4_deliveries_ended(p, answer, now_us);
    case W4_RECEIPT_STAGE_COUNT:
        break;
    }
    return 0;
}

int w4_receipts_take(w4_protocol *p, w4_inbound *in) {
    w4_json list = w4_json_get(in->envelope.payload, "receipts");
    int r = 0;
    for (w4_json_iterator i = w4_json_first(list); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        char msg_id[W4_UUID_LEN + 1];
        w4_fingerprint sender, receiver = {{0}};
        w4_refusal code = W4_REFUSAL_NONE;
        w4_receipt_stage stage = W4_RECEIPT_PLAIN;
        w4_json said = w4_json_get(i.value, "code");
        for (size_t s = 1; s < W4_RECEIPT_STAGE_COUNT; s++) {
            if (w4_json_string_equal(w4_json_get(i.value, "stage"), stages[s])) {
                stage = (w4_receipt_stage)s;
            }
        }
        if (w4_json_exists(said) && !w4_refusal_from_name(w4_json_string_raw(said), &code)) {
            code = W4_REFUSAL_INTERNAL; /* one of a later version */
        }
        if (w4_json_string_copy(w4_json_get(i.value, "msg_id"), msg_id, sizeof msg_id) &&
            w4_fingerprint_parse(w4_json_string_raw(w4_json_get(i.value, "sender")), &sender)) {
            (void)w4_fingerprint_parse(w4_json_string_raw(w4_json_get(i.value, "receiver")),
                                       &receiver); /* "*" is none */
            w4_answer answer = {&in->from_node, &sender, &receiver, msg_id, code, stage};
            r = take_answer(p, &answer, in->now_us);
        }
    }
    in->consumed = true;
    return r;
}
