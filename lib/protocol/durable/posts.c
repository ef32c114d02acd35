#include "protocol/durable/posts.h"

#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROW_KIND 'o'
#define KEY_LEN 9u
#define ID_LEN 36u
#define CODE_MAX 64u
#define ROW_MAX (3u * W4_FINGERPRINT_LEN + 8u + 8u + 4u + 1u + 1u + ID_LEN + CODE_MAX)

typedef struct stream_table {
    w4_stream stream; /* key: sender and receiver, which stand first and side by side */
    UT_hash_handle hh;
} stream_table;

#define STREAM_KEY_LEN (2 * sizeof(w4_fingerprint))
_Static_assert(offsetof(w4_stream, receiver) == sizeof(w4_fingerprint), "the key is one piece");

typedef struct ticket_table {
    uint64_t ticket;
    w4_stream *stream;
    UT_hash_handle hh;
} ticket_table;

static w4_bytes make_key(uint64_t number, uint8_t ret_key[static KEY_LEN]) {
    ret_key[0] = ROW_KIND;
    w4_put_u64(ret_key + 1, number);
    return w4_bytes_of(ret_key, KEY_LEN);
}

/* ---- streams */

w4_stream *w4_posts_find(const w4_posts *posts, const w4_fingerprint *sender,
                         const w4_fingerprint *receiver) {
    w4_stream probe = {.sender = *sender, .receiver = *receiver};
    stream_table *found = NULL;
    HASH_FIND(hh, posts->table, &probe, STREAM_KEY_LEN, found);
    return found ? &found->stream : NULL;
}

w4_stream *w4_posts_next(const w4_posts *posts, const void **cursor) {
    const stream_table *before = *cursor;
    stream_table *row = before ? before->hh.next : posts->table;
    *cursor = row;
    return row ? &row->stream : NULL;
}

w4_stream *w4_posts_find_ticket(const w4_posts *posts, uint64_t ticket) {
    ticket_table *found = NULL;
    HASH_FIND(hh, posts->tickets, &ticket, sizeof ticket, found);
    return found ? found->stream : NULL;
}

static w4_stream *get_stream(w4_posts *posts, const w4_post *post) {
    w4_stream *known = w4_posts_find(posts, &post->sender, &post->receiver);
    if (known) {
        return known;
    }
    stream_table *row = calloc(1, sizeof *row);
    if (!row) {
        return NULL;
    }
    w4_stream *stream = &row->stream;
    stream->sender = post->sender;
    stream->receiver = post->receiver;
    stream->node = post->node;
    stream->handle = row;
    stream->again_us = W4_NEVER;
    TAILQ_INIT(&stream->list);
    HASH_ADD(hh, posts->table, stream, STREAM_KEY_LEN, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return stream;
}

void w4_stream_queue_up(w4_stream *stream, struct w4_stream_list *crowd) {
    w4_stream_leave(stream);
    stream->crowd = crowd;
    TAILQ_INSERT_TAIL(crowd, stream, crowd_link);
}

void w4_stream_leave(w4_stream *stream) {
    if (stream->crowd) {
        TAILQ_REMOVE(stream->crowd, stream, crowd_link);
        stream->crowd = NULL;
    }
}

static void land(w4_posts *posts, w4_stream *stream) {
    ticket_table *entry = stream->by_ticket;
    if (entry) {
        HASH_DEL(posts->tickets, entry);
        free(entry);
    }
    stream->by_ticket = NULL;
    stream->ticket = 0;
}

static void drop_stream_if_empty(w4_posts *posts, w4_stream *stream) {
    if (stream->count == 0) {
        stream_table *row = stream->handle;
        land(posts, stream);
        w4_stream_leave(stream);
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
        HASH_DEL(posts->table, row);
        free(row);
    }
}

int w4_posts_fly(w4_posts *posts, w4_stream *stream, uint64_t ticket) {
    land(posts, stream);
    if (ticket == 0) {
        return 0;
    }
    ticket_table *entry = calloc(1, sizeof *entry);
    if (!entry) {
        return -ENOMEM;
    }
    entry->ticket = ticket;
    entry->stream = stream;
    HASH_ADD(hh, posts->tickets, ticket, sizeof entry->ticket, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return -ENOMEM;
    }
    stream->by_ticket = entry;
    stream->ticket = ticket;
    return 0;
}

/* ---- posts */

static void drop(w4_posts *posts, w4_post *post) {
    w4_stream *stream = post->stream;
    if (stream) {
        if (post == TAILQ_FIRST(&stream->list)) {
            land(posts, stream);
        }
        TAILQ_REMOVE(&stream->list, post, link);
        stream->count--;
        stream->bytes -= post->size;
        posts->count--;
        posts->bytes -= post->size;
    } else {
        TAILQ_REMOVE(&posts->verdicts, post, link);
        posts->verdict_count--;
    }
    free(post);
    if (stream) {
        drop_stream_if_empty(posts, stream);
    }
}

void w4_posts_deinit(w4_posts *posts) {
    w4_post *post;
    while (posts->verdict_count > 0 && (post = TAILQ_FIRST(&posts->verdicts)) != NULL) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        drop(posts, post);
    }
    while (posts->table) {
        w4_stream *stream = &posts->table->stream;
        post = TAILQ_FIRST(&stream->list);
        if (post) {
            drop(posts, post);
        } else {
            drop_stream_if_empty(posts, stream);
        }
    }
}

bool w4_posts_has(const w4_posts *posts, const w4_fingerprint *sender, const char *msg_id) {
    const void *cursor = NULL;
    const w4_stream *stream;
    while ((stream = w4_posts_next(posts, &cursor)) != NULL) {
        const w4_post *post;
        if (!w4_fingerprint_equal(&stream->sender, sender)) {
            continue;
        }
        TAILQ_FOREACH (post, &stream->list, link) {
            if (strcmp(post->msg_id, msg_id) == 0) {
                return true;
            }
        }
    }
    return false;
}

const char *w4_posts_full(const w4_posts *posts, const w4_durable_limits *limits,
                          const w4_fingerprint *sender, const w4_fingerprint *receiver, size_t size,
                          uint32_t held_of_sender, uint32_t held) {
    uint32_t of_sender = held_of_sender, of_receiver = 0, streams = 0;
    size_t sender_bytes = size, receiver_bytes = size;
    bool known = false;
    const void *cursor = NULL;
    const w4_stream *stream;
    while ((stream = w4_posts_next(posts, &cursor)) != NULL) {
        bool is_sender = w4_fingerprint_equal(&stream->sender, sender);
        bool is_receiver = w4_fingerprint_equal(&stream->receiver, receiver);
        of_sender += is_sender ? stream->count : 0;
        sender_bytes += is_sender ? stream->bytes : 0;
        of_receiver += is_receiver ? stream->count : 0;
        receiver_bytes += is_receiver ? stream->bytes : 0;
        known = known || (is_sender && is_receiver);
        streams++;
    }
    if (of_sender >= limits->sender_messages || sender_bytes > limits->sender_bytes) {
        return "fewer durable messages of this agent that wait to be taken";
    }
    if (of_receiver >= limits->receiver_messages || receiver_bytes > limits->receiver_bytes) {
        return "fewer durable messages that wait for this receiver";
    }
    return posts->count + held >= W4_POSTS_MAX || posts->bytes + size > limits->bytes ||
                   (!known && streams >= W4_STREAMS_MAX)
               ? "fewer durable messages that wait here"
               : NULL;
}

/* At the end of its stream, or of the verdicts: rows are loaded by number. */
static int put_in_list(w4_posts *posts, const w4_post *draft, w4_post **ret_post) {
    w4_post *post = malloc(sizeof *post);
    w4_stream *stream = post && draft->size > 0 ? get_stream(posts, draft) : NULL;
    if (!post || (draft->size > 0 && !stream)) {
        free(post);
        return -ENOMEM;
    }
    *post = *draft;
    post->stream = stream;
    if (stream) {
        TAILQ_INSERT_TAIL(&stream->list, post, link);
        stream->count++;
        stream->bytes += post->size;
        stream->newest_us = post->timestamp_us;
        posts->count++;
        posts->bytes += post->size;
    } else {
        TAILQ_INSERT_TAIL(&posts->verdicts, post, link);
        posts->verdict_count++;
    }
    if (post->number > posts->last_number) {
        posts->last_number = post->number;
    }
    posts->until_us = w4_earlier(posts->until_us, post->until_us);
    *ret_post = post;
    return 0;
}

static int store_row(const w4_posts *posts, const w4_post *post) {
    uint8_t key[KEY_LEN];
    w4_buffer row = W4_BUFFER_INIT(ROW_MAX);
    w4_writer w;
    w4_writer_init(&w, &row);
    w4_write_bytes(&w, w4_bytes_of(post->sender.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(post->receiver.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(post->node.bytes, W4_FINGERPRINT_LEN));
    w4_write_u64(&w, post->timestamp_us);
    w4_write_u64(&w, post->until_us);
    w4_write_u32(&w, post->size);
    w4_write_u8(&w, (uint8_t)post->channel);
    w4_write_u8(&w, post->greets);
    w4_write_bytes(&w, w4_bytes_of(post->msg_id, ID_LEN));
    w4_write_bytes(&w, w4_bytes_from_text(w4_refusal_name(post->code)));
    int r = w.error != 0 ? w.error
                         : w4_store_put(posts->store, W4_STORE_DURABLE, make_key(post->number, key),
                                        w4_buffer_bytes(&row));
    w4_buffer_deinit(&row);
    return r;
}

int w4_posts_add(w4_posts *posts, const w4_post *draft, w4_bytes envelope, w4_post **ret_post) {
    uint8_t key[KEY_LEN];
    w4_post post = *draft;
    post.number = posts->last_number + 1;
    post.size = (uint32_t)envelope.len;
    post.code = W4_REFUSAL_NONE;
    w4_bytes name = make_key(post.number, key);
    int r = w4_store_put(posts->store, W4_STORE_MAIL, name, envelope);
    if (r == 0) {
        r = store_row(posts, &post);
        if (r > 0) { /* an envelope without its row would never be found */
            w4_store_remove(posts->store, W4_STORE_MAIL, name);
        }
    }
    return r != 0 ? r : put_in_list(posts, &post, ret_post);
}

int w4_posts_read(const w4_posts *posts, const w4_post *post, w4_buffer *ret_envelope) {
    uint8_t key[KEY_LEN];
    return w4_store_get(posts->store, W4_STORE_MAIL, make_key(post->number, key), ret_envelope);
}

/* The first in a list that is over; else *until_us is when one will be, at the earliest. */
static w4_post *find_over(const struct w4_post_list *list, uint64_t wall_us, uint64_t *until_us) {
    w4_post *post;
    TAILQ_FOREACH (post, list, link) {
        if (post->until_us < wall_us) {
            return post;
        }
        *until_us = w4_earlier(*until_us, post->until_us);
    }
    return NULL;
}

w4_post *w4_posts_over(w4_posts *posts, uint64_t wall_us) {
    if (posts->until_us >= wall_us) {
        return NULL;
    }
    uint64_t until_us = W4_NEVER;
    const void *cursor = NULL;
    const w4_stream *stream;
    w4_post *over = find_over(&posts->verdicts, wall_us, &until_us);
    while (!over && (stream = w4_posts_next(posts, &cursor)) != NULL) {
        over = find_over(&stream->list, wall_us, &until_us);
    }
    posts->until_us = over ? posts->until_us : until_us;
    return over;
}

static int remove_rows(const w4_posts *posts, const w4_post *post) {
    uint8_t key[KEY_LEN];
    w4_bytes name = make_key(post->number, key);
    int r = post->size > 0 ? w4_store_remove(posts->store, W4_STORE_MAIL, name) : 0;
    return r != 0 ? r : w4_store_remove(posts->store, W4_STORE_DURABLE, name);
}

static int put_verdict(w4_posts *posts, const w4_post *verdict) {
    w4_post *kept;
    int r = put_in_list(posts, verdict, &kept);
    if (r == 0 && posts->verdict_count > W4_VERDICTS_MAX) {
        w4_post *oldest = TAILQ_FIRST(&posts->verdicts);
        r = remove_rows(posts, oldest);
        drop(posts, oldest);
    }
    return r;
}

/* Its row becomes one without an envelope. */
static int make_verdict(w4_posts *posts, const w4_post *post, w4_refusal code, uint64_t until_us) {
    uint8_t key[KEY_LEN];
    w4_post verdict = *post;
    verdict.size = 0;
    verdict.code = code;
    verdict.until_us = until_us;
    int r = store_row(posts, &verdict);
    r = r != 0 ? r : w4_store_remove(posts->store, W4_STORE_MAIL, make_key(post->number, key));
    return r != 0 ? r : put_verdict(posts, &verdict);
}

int w4_posts_add_verdict(w4_posts *posts, const w4_post *draft) {
    w4_post verdict = *draft;
    verdict.number = posts->last_number + 1;
    verdict.size = 0;
    int r = store_row(posts, &verdict);
    return r == 0 ? put_verdict(posts, &verdict) : r;
}

int w4_posts_remove(w4_posts *posts, w4_post *post, w4_refusal verdict, uint64_t until_us) {
    int r = verdict == W4_REFUSAL_NONE ? remove_rows(posts, post)
                                       : make_verdict(posts, post, verdict, until_us);
    if (r == 0) {
        drop(posts, post);
    }
    return r;
}

/* ---- loading */

static int load_row(w4_posts *posts, w4_bytes key, w4_bytes value) {
    w4_post post = {0}, *kept;
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(key.data + 1, key.len - 1));
    post.number = w4_read_u64(&r);
    if (r.failed || w4_reader_left(&r) != 0) {
        return W4_STORE_E_CORRUPT;
    }
    w4_reader_init(&r, value);
    w4_fingerprint *who[] = {&post.sender, &post.receiver, &post.node};
    for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
        w4_bytes bytes = w4_read_bytes(&r, W4_FINGERPRINT_LEN);
        if (bytes.len != W4_FINGERPRINT_LEN) {
            return W4_STORE_E_CORRUPT;
        }
        memcpy(who[i]->bytes, bytes.data, W4_FINGERPRINT_LEN);
    }
    post.timestamp_us = w4_read_u64(&r);
    post.until_us = w4_read_u64(&r);
    post.size = w4_read_u32(&r);
    uint8_t channel = w4_read_u8(&r);
    post.channel = (w4_channel_kind)channel;
    post.greets = w4_read_u8(&r) != 0;
    w4_bytes msg_id = w4_read_bytes(&r, ID_LEN);
    if (r.failed || channel >= W4_CHANNEL_KIND_COUNT ||
        !w4_refusal_from_name(w4_read_bytes(&r, w4_reader_left(&r)), &post.code)) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(post.msg_id, msg_id.data, ID_LEN);
    return put_in_list(posts, &post, &kept);
}

int w4_posts_init(w4_posts *posts, w4_store *store) {
    static const uint8_t kind[] = {ROW_KIND};
    *posts = (w4_posts){.store = store, .until_us = W4_NEVER};
    TAILQ_INIT(&posts->verdicts);
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DURABLE, w4_bytes_of(kind, sizeof kind));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(posts, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}
