#include "protocol/exchange/payloads.h"

#include "crypto/primitives.h"
#include "protocol/router.h"

static void write_digest(w4_json_writer *w, const uint8_t digest[static W4_EXCHANGE_DIGEST_LEN]) {
    char text[W4_EXCHANGE_DIGEST_TEXT_LEN + 1];
    w4_hex_format(w4_bytes_of(digest, W4_EXCHANGE_DIGEST_LEN), text);
    w4_json_string_text(w, text);
}

int w4_exchange_write_sum(const w4_protocol *p, const w4_exchange_set *set, w4_buffer *out) {
    uint8_t sum[W4_EXCHANGE_DIGEST_LEN];
    set->sum(p, sum);
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_name(&w, "sum");
    write_digest(&w, sum);
    w4_json_end_object(&w);
    return w.error;
}

int w4_exchange_write_parts(const w4_protocol *p, const w4_exchange_set *set, unsigned from,
                            const char *after, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    if (after[0] != '\0') {
        w4_json_member_string(&w, "after", after);
    }
    w4_json_member_unsigned(&w, "from", from);
    w4_json_name(&w, "parts");
    w4_json_begin_array(&w);
    for (unsigned i = 0; i < W4_EXCHANGE_PARTS; i++) {
        write_digest(&w, set->part(p, i));
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

/* ---- lists */

/* The first part from `from` on that is another there; W4_EXCHANGE_PARTS: none is. */
static unsigned find_difference(const w4_protocol *p, const w4_exchange_set *set, w4_json parts,
                                unsigned from) {
    unsigned at = 0;
    for (w4_json_iterator i = w4_json_first(parts);
         at < W4_EXCHANGE_PARTS && w4_json_exists(i.value); i = w4_json_next(i), at++) {
        char text[W4_EXCHANGE_DIGEST_TEXT_LEN + 1];
        w4_hex_format(w4_bytes_of(set->part(p, at), W4_EXCHANGE_DIGEST_LEN), text);
        if (at >= from && !w4_json_string_equal(i.value, text)) {
            return at;
        }
    }
    return W4_EXCHANGE_PARTS;
}

int w4_exchange_write_list(const w4_protocol *p, const w4_exchange_set *set, w4_json request,
                           w4_buffer *out) {
    int64_t from = 0;
    char after[W4_EXCHANGE_KEY_MAX + 1] = "";
    (void)w4_json_integer(w4_json_get(request, "from"), &from);
    (void)w4_json_string_copy(w4_json_get(request, "after"), after, sizeof after);
    unsigned part = find_difference(p, set, w4_json_get(request, "parts"), (unsigned)from);
    if (part != (unsigned)from) {
        after[0] = '\0'; /* that was in another part */
    }
    bool last = true;
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_name(&w, set->list);
    w4_json_begin_array(&w);
    if (part < W4_EXCHANGE_PARTS) {
        set->write_list(p, part, after, &w, &last);
    }
    w4_json_end_array(&w);
    w4_json_member_bool(&w, "last", last);
    w4_json_member_unsigned(&w, "part", part);
    w4_json_end_object(&w);
    return w.error;
}

/* ---- envelopes */

int w4_exchange_write_wanted(const w4_protocol *p, const w4_exchange_set *set,
                             const w4_exchange_item *items, uint32_t count, uint64_t skip,
                             w4_buffer *out) {
    size_t room = p->config.limits.bytes > 8192 ? p->config.limits.bytes - 4096 : 4096;
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_unsigned(&w, "bytes", room);
    if (set->in_pieces) {
        w4_json_member_unsigned(&w, "skip", skip);
    }
    w4_json_name(&w, "wanted");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; i < count; i++) {
        w4_json_string_text(&w, items[i].key);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

/* Key after key, as long as there is room. */
static int fill_gift(const w4_protocol *p, const w4_exchange_set *set, w4_json wanted,
                     w4_gift *gift, uint32_t *ret_done) {
    uint32_t done = 0;
    int r = 0;
    for (w4_json_iterator i = w4_json_first(wanted); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        char key[W4_EXCHANGE_KEY_MAX + 1];
        if (w4_json_string_copy(i.value, key, sizeof key)) {
            r = set->give(p, key, gift);
        }
        gift->skip = r == 0 ? 0 : gift->skip;
        done += r == 0 ? 1 : 0;
    }
    *ret_done = done;
    return r < 0 ? r : 0;
}

int w4_exchange_write_words(const w4_protocol *p, const w4_exchange_set *set, w4_json request,
                            w4_buffer *out) {
    int64_t room = 0, skip = 0;
    uint32_t done = 0;
    w4_gift gift;
    w4_bytes list;
    (void)w4_json_integer(w4_json_get(request, "bytes"), &room);
    (void)w4_json_integer(w4_json_get(request, "skip"), &skip);
    w4_gift_init(&gift, p->store, &p->config.limits, (size_t)room);
    gift.skip = (uint64_t)skip;
    int r = fill_gift(p, set, w4_json_get(request, "wanted"), &gift, &done);
    r = r == 0 ? w4_gift_close(&gift, &list) : r;
    if (r == 0) {
        w4_json_writer w;
        w4_json_writer_init(&w, out);
        w4_json_begin_object(&w);
        w4_json_member_unsigned(&w, "done", done);
        w4_json_name(&w, "envelopes");
        w4_json_raw(&w, list);
        if (set->in_pieces) {
            w4_json_member_unsigned(&w, "skip", gift.skip);
        }
        w4_json_end_object(&w);
        r = w.error;
    }
    w4_gift_deinit(&gift);
    return r;
}
