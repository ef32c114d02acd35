#include "protocol/exchange/gift.h"

#include "protocol/evidence/evidence.h"

void w4_gift_init(w4_gift *gift, w4_store *store, const w4_json_limits *limits, size_t room) {
    *gift = (w4_gift){.store = store,
                      .limits = *limits,
                      .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                      .list = W4_BUFFER_INIT(W4_GIFT_BYTES_MAX * 2),
                      .room = room < W4_GIFT_BYTES_MAX ? room : W4_GIFT_BYTES_MAX};
    gift->limits.depth = limits->depth > W4_GIFT_DEPTH ? limits->depth - W4_GIFT_DEPTH : 1;
    w4_json_writer_init(&gift->w, &gift->list);
    w4_json_begin_array(&gift->w);
}

void w4_gift_deinit(w4_gift *gift) {
    w4_buffer_deinit(&gift->text);
    w4_buffer_deinit(&gift->list);
    w4_json_document_deinit(&gift->doc);
}

/* May it be passed on, and would it be taken? 0, a condition, or -ENOMEM. */
static int check_fit(w4_gift *gift, w4_bytes text, bool to_all) {
    static const char receiver[] = "/receiver/fingerprint";
    if (text.len > gift->room) {
        return 1;
    }
    int r = w4_json_read_canonical(&gift->doc, text, &gift->limits, NULL);
    if (r != 0 || !to_all) {
        return r;
    }
    w4_json to = w4_json_at_pointer(w4_json_root(&gift->doc), w4_bytes_from_text(receiver));
    return w4_json_string_equal(to, "*") ? 0 : 1;
}

int w4_gift_add(w4_gift *gift, const char *msg_id, const w4_fingerprint *sender, bool to_all) {
    int r = w4_evidence_get(gift->store, msg_id, sender, &gift->text);
    w4_bytes text = w4_buffer_bytes(&gift->text);
    r = r == 0 ? check_fit(gift, text, to_all) : r;
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    if (gift->count == W4_GIFT_ENVELOPES_MAX || gift->used + text.len > gift->room) {
        return 1;
    }
    w4_json_raw(&gift->w, text);
    gift->used += text.len + 1;
    gift->count++;
    return 0;
}

int w4_gift_close(w4_gift *gift, w4_bytes *ret_list) {
    w4_json_end_array(&gift->w);
    if (gift->w.error == 0) {
        *ret_list = w4_buffer_bytes(&gift->list);
    }
    return gift->w.error;
}
