#include "protocol/delivery/mail.h"

#include "base/clock.h"
#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_LEN 8u
#define KEY_LEN (W4_FINGERPRINT_LEN + NUMBER_LEN)
#define MARK_KEY_LEN (KEY_LEN + W4_FINGERPRINT_LEN)
#define ROW_BYTES_MAX (W4_ENVELOPE_BYTES_MAX + 1u)

typedef struct letter_table {
    w4_letter letter; /* key: its number */
    UT_hash_handle hh;
} letter_table;

static void make_key(const w4_letter *letter, uint8_t ret_key[static KEY_LEN]) {
    memcpy(ret_key, letter->node.bytes, W4_FINGERPRINT_LEN);
    w4_put_u64(ret_key + W4_FINGERPRINT_LEN, letter->number);
}

static void make_mark_key(const w4_letter *letter, const w4_fingerprint *node,
                          uint8_t ret_key[static MARK_KEY_LEN]) {
    make_key(letter, ret_key);
    memcpy(ret_key + KEY_LEN, node->bytes, W4_FINGERPRINT_LEN);
}

static int add_letter(w4_mail *mail, const w4_letter *draft, w4_letter **ret_letter) {
    letter_table *row = calloc(1, sizeof *row);
    if (!row) {
        return -ENOMEM;
    }
    row->letter = *draft;
    row->letter.handle = row;
    HASH_ADD(hh, mail->table, letter.number, sizeof row->letter.number, row);
    if (!row->hh.tbl) {
        free(row);
        return -ENOMEM;
    }
    w4_letter *before = TAILQ_LAST(&mail->list, w4_letter_list);
    while (before && before->number > draft->number) { /* only while loading */
        before = TAILQ_PREV(before, w4_letter_list, link);
    }
    if (before) {
        TAILQ_INSERT_AFTER(&mail->list, before, &row->letter, link);
    } else {
        TAILQ_INSERT_HEAD(&mail->list, &row->letter, link);
    }
    mail->count++;
    *ret_letter = &row->letter;
    return 0;
}

static void drop_letter(w4_mail *mail, w4_letter *letter) {
    letter_table *row = letter->handle;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
    HASH_DEL(mail->table, row);
    TAILQ_REMOVE(&mail->list, letter, link);
    mail->count--;
    free(letter->nodes);
    free(row);
}

void w4_mail_deinit(w4_mail *mail) {
    w4_letter *letter;
    while (mail->count > 0 && (letter = TAILQ_FIRST(&mail->list)) != NULL) {
        drop_letter(mail, letter);
    }
}

w4_letter *w4_mail_find(const w4_mail *mail, uint64_t number) {
    letter_table *found = NULL;
    HASH_FIND(hh, mail->table, &number, sizeof number, found);
    return found ? &found->letter : NULL;
}

/* What ended between two numbers may be many times what is kept: it is looked for from where the
 * gap begins and from both ends of the list at once, so no gap costs more than the list is long. */
w4_letter *w4_mail_from(const w4_mail *mail, uint64_t number) {
    w4_letter *found = w4_mail_find(mail, number);
    w4_letter *after = TAILQ_FIRST(&mail->list);
    w4_letter *from = TAILQ_LAST(&mail->list, w4_letter_list);
    if (found || !from || from->number < number) {
        return found;
    }
    while (!found && after->number < number) {
        w4_letter *before = TAILQ_PREV(from, w4_letter_list, link);
        if (!before || before->number < number) {
            return from;
        }
        from = before;
        after = TAILQ_NEXT(after, link);
        found = w4_mail_find(mail, ++number);
    }
    return found ? found : after;
}

/* ---- marks */

w4_letter_mark w4_letter_mark_of(const w4_letter *letter, const w4_fingerprint *node) {
    for (uint32_t i = 0; i < letter->node_count; i++) {
        if (w4_fingerprint_equal(&letter->nodes[i].node, node)) {
            return letter->nodes[i].mark;
        }
    }
    return W4_LETTER_OPEN;
}

static int set_mark(w4_letter *letter, const w4_fingerprint *node, w4_letter_mark mark) {
    for (uint32_t i = 0; i < letter->node_count; i++) {
        if (w4_fingerprint_equal(&letter->nodes[i].node, node)) {
            letter->nodes[i].mark = mark;
            return 0;
        }
    }
    if (letter->node_count >= W4_LETTER_NODES_MAX) {
        return 0; /* it may go there again; the receiver knows a repeat */
    }
    w4_letter_node *nodes =
        realloc(letter->nodes, (letter->node_count + 1) * sizeof(w4_letter_node));
    if (!nodes) {
        return -ENOMEM;
    }
    letter->nodes = nodes;
    letter->nodes[letter->node_count++] = (w4_letter_node){*node, mark};
    return 0;
}

static int take_out(w4_mail *mail, w4_letter *letter) {
    uint8_t key[MARK_KEY_LEN];
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < letter->node_count; i++) {
        if (letter->nodes[i].mark == W4_LETTER_DONE) {
            make_mark_key(letter, &letter->nodes[i].node, key);
            r = w4_store_remove(mail->store, W4_STORE_OUTBOX, w4_bytes_of(key, sizeof key));
        }
    }
    if (r == 0) {
        make_key(letter, key);
        r = w4_store_remove(mail->store, W4_STORE_OUTBOX, w4_bytes_of(key, KEY_LEN));
    }
    if (r == 0) {
        drop_letter(mail, letter);
    }
    return r;
}

int w4_mail_mark(w4_mail *mail, w4_letter *letter, const w4_fingerprint *node,
                 w4_letter_mark mark) {
    if (!w4_fingerprint_is_zero(&letter->node) && mark == W4_LETTER_DONE) {
        return take_out(mail, letter);
    }
    int r = set_mark(letter, node, mark);
    if (r != 0 || mark != W4_LETTER_DONE) {
        return r;
    }
    uint8_t key[MARK_KEY_LEN];
    make_mark_key(letter, node, key);
    return w4_store_put(mail->store, W4_STORE_OUTBOX, w4_bytes_of(key, sizeof key),
                        w4_bytes_of(NULL, 0));
}

int w4_mail_remove(w4_mail *mail, w4_letter *letter) {
    mail->gone++;
    return take_out(mail, letter);
}

/* ---- adding and reading */

int w4_mail_add(w4_mail *mail, const w4_envelope *envelope, w4_channel_kind channel,
                const w4_fingerprint *node, w4_letter **ret_letter) {
    if (mail->count >= W4_LETTERS_MAX) {
        int r = w4_mail_remove(mail, TAILQ_FIRST(&mail->list));
        if (r != 0) {
            return r;
        }
    }
    w4_letter draft = {.number = mail->last_number + 1,
                       .sender = envelope->sender.fingerprint,
                       .receiver = envelope->receiver.fingerprint,
                       .type = envelope->type,
                       .channel = channel,
                       .timestamp_us = envelope->timestamp_us};
    if (node) {
        draft.node = *node;
    }
    memcpy(draft.msg_id, envelope->msg_id, sizeof draft.msg_id);
    uint8_t key[KEY_LEN];
    make_key(&draft, key);
    w4_buffer row = W4_BUFFER_INIT(ROW_BYTES_MAX);
    int r = w4_buffer_append_byte(&row, (uint8_t)channel);
    r = r == 0 ? w4_buffer_append(&row, envelope->text) : r;
    if (r == 0) {
        r = w4_store_put(mail->store, W4_STORE_OUTBOX, w4_bytes_of(key, sizeof key),
                         w4_buffer_bytes(&row));
    }
    w4_buffer_deinit(&row);
    if (r == 0) {
        r = add_letter(mail, &draft, ret_letter);
    }
    if (r == 0) {
        mail->last_number = draft.number;
    }
    return r;
}

int w4_mail_read(const w4_mail *mail, const w4_letter *letter, w4_buffer *ret_envelope) {
    uint8_t key[KEY_LEN];
    make_key(letter, key);
    int r = w4_store_get(mail->store, W4_STORE_OUTBOX, w4_bytes_of(key, sizeof key), ret_envelope);
    if (r == 0 && ret_envelope->len < 1) {
        return W4_STORE_E_CORRUPT;
    }
    if (r == 0) {
        w4_buffer_consume(ret_envelope, 1);
    }
    return r;
}

/* ---- loading */

static int load_letter(w4_mail *mail, w4_json_document *doc, w4_bytes key, w4_bytes value) {
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (key.len != KEY_LEN || value.len < 1 || value.data[0] >= W4_CHANNEL_KIND_COUNT) {
        return W4_STORE_E_CORRUPT;
    }
    int r = w4_envelope_read(doc, w4_bytes_of(value.data + 1, value.len - 1),
                             &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault);
    if (r != 0) {
        return r < 0 ? r : W4_STORE_E_CORRUPT;
    }
    w4_reader reader;
    w4_reader_init(&reader, w4_bytes_of(key.data + W4_FINGERPRINT_LEN, NUMBER_LEN));
    w4_letter draft = {.number = w4_read_u64(&reader),
                       .sender = envelope.sender.fingerprint,
                       .receiver = envelope.receiver.fingerprint,
                       .type = envelope.type,
                       .channel = (w4_channel_kind)value.data[0],
                       .timestamp_us = envelope.timestamp_us};
    memcpy(draft.node.bytes, key.data, W4_FINGERPRINT_LEN);
    memcpy(draft.msg_id, envelope.msg_id, sizeof draft.msg_id);
    w4_letter *letter;
    r = add_letter(mail, &draft, &letter);
    if (r == 0 && draft.number > mail->last_number) {
        mail->last_number = draft.number;
    }
    return r;
}

/* A mark stands right behind its letter in the order of the keys. One without a letter is what a
 * full store left behind: it goes. */
static int load_mark(w4_mail *mail, w4_bytes key) {
    w4_reader reader;
    w4_reader_init(&reader, w4_bytes_of(key.data + W4_FINGERPRINT_LEN, NUMBER_LEN));
    w4_letter *letter = w4_mail_find(mail, w4_read_u64(&reader));
    if (!letter) {
        return w4_store_remove(mail->store, W4_STORE_OUTBOX, key);
    }
    w4_fingerprint node;
    memcpy(node.bytes, key.data + KEY_LEN, W4_FINGERPRINT_LEN);
    return set_mark(letter, &node, W4_LETTER_DONE);
}

static int drop_stale(w4_mail *mail, uint64_t wall_us) {
    w4_letter *letter = TAILQ_FIRST(&mail->list);
    int r = 0;
    while (r == 0 && letter) {
        w4_letter *next = TAILQ_NEXT(letter, link);
        if (w4_later(letter->timestamp_us, W4_LETTER_KEEP_US) <= wall_us) {
            r = w4_mail_remove(mail, letter);
        }
        letter = next;
    }
    return r;
}

int w4_mail_init(w4_mail *mail, w4_store *store, uint64_t wall_us) {
    *mail = (w4_mail){.store = store};
    TAILQ_INIT(&mail->list);
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_OUTBOX, (w4_bytes){NULL, 0});
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        w4_bytes key = w4_buffer_bytes(&cursor.key);
        r = key.len == MARK_KEY_LEN ? load_mark(mail, key)
                                    : load_letter(mail, &doc, key, w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r == W4_STORE_E_NOT_FOUND ? drop_stale(mail, wall_us) : r;
}
