#include "envelope/replay.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/primitives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A table that cannot grow is worse off, not broken: the entry is not added. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define ID_LEN 16       /* a UUID in binary */
#define KEY_LEN 32      /* a fingerprint; or whose message it is, and its id */
#define SHARE_DIVISOR 8 /* one sender holds at most an eighth of the table ... */
#define SHARE_MIN 16    /* ... but at least so many */
#define AGED_PER_ADD 8  /* entries that are dropped by age in one add */
#define RECLAIM_SCAN 16 /* senders looked at to make room for a new one */

typedef struct key {
    uint8_t bytes[KEY_LEN];
} key;

/* What is found by its key; the first member of those that are. */
typedef struct item {
    key key;
    UT_hash_handle hh;
} item;

typedef struct sender sender;

typedef struct entry {
    item item;
    sender *from;
    uint64_t timestamp_us;
    TAILQ_ENTRY(entry) of_sender;
    TAILQ_ENTRY(entry) of_all;
} entry;

TAILQ_HEAD(entry_list, entry);
TAILQ_HEAD(sender_list, sender);

struct sender {
    item item;
    struct entry_list entries; /* in order of arrival */
    size_t count;
    uint64_t floor_us;  /* latest time of what was dropped; has_floor */
    uint64_t latest_us; /* latest time of all that was ever added */
    bool has_floor;
    TAILQ_ENTRY(sender) by_use; /* least recently heard of first */
};

struct w4_replay {
    size_t entries_max;
    size_t share_max;
    uint64_t window_us;
    uint64_t secret[4]; /* nobody outside can choose what collides */
    item *entries;
    item *senders;
    struct entry_list all; /* in order of arrival */
    struct sender_list by_use;
    uint64_t floor_us; /* of senders that are not in the table; has_floor */
    bool has_floor;
};

/* ---- the two hash tables */

static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static unsigned hash_of(const w4_replay *replay, const key *k) {
    uint64_t words[4];
    memcpy(words, k->bytes, sizeof words);
    uint64_t first = mix(words[0] ^ replay->secret[0], words[1] ^ replay->secret[1]);
    uint64_t second = mix(words[2] ^ replay->secret[2], words[3] ^ replay->secret[3]);
    uint64_t h = mix(first ^ replay->secret[2], second ^ replay->secret[0]);
    return (unsigned)(h ^ h >> 32);
}

static item *find(const w4_replay *replay, item *table, const key *k) {
    item *found = NULL;
    HASH_FIND_BYHASHVALUE(hh, table, k->bytes, KEY_LEN, hash_of(replay, k), found);
    return found;
}

static int insert(const w4_replay *replay, item **table, item *added) {
    unsigned hashv = hash_of(replay, &added->key);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, *table, added->key.bytes, KEY_LEN, hashv, added);
    return added->hh.tbl ? 0 : -ENOMEM;
}

static void take_out(item **table, item *old) {
    HASH_DEL(*table, old); /* NOLINT(clang-analyzer-core.NullDereference): it is in the table */
}

static void forget_all(item **table) {
    HASH_CLEAR(hh, *table); /* the items themselves stay */
}

static bool id_parse(const char *msg_id, uint8_t ret_id[static ID_LEN]) {
    w4_bytes text = w4_bytes_from_text(msg_id);
    if (!w4_uuid_v4_valid(text)) {
        return false;
    }
    unsigned digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '-') {
            continue;
        }
        uint8_t nibble = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        uint8_t *at = &ret_id[digits / 2];
        *at = (uint8_t)(digits % 2 == 0 ? nibble << 4 : *at | nibble);
        digits++;
    }
    return true;
}

static key key_of_sender(const w4_fingerprint *fingerprint) {
    key k;
    memcpy(k.bytes, fingerprint->bytes, KEY_LEN);
    return k;
}

static key key_of_entry(const sender *from, const uint8_t id[static ID_LEN]) {
    uintptr_t address = (uintptr_t)from;
    key k = {{0}};
    memcpy(k.bytes, &address, sizeof address);
    memcpy(k.bytes + sizeof address, id, ID_LEN);
    return k;
}

static void raise_floor(bool *has_floor, uint64_t *floor_us, uint64_t to_us) {
    if (!*has_floor || to_us > *floor_us) {
        *floor_us = to_us;
    }
    *has_floor = true;
}

/* Forgets an entry; its time becomes the floor of its sender, so it still counts as seen. */
static void drop_entry(w4_replay *replay, entry *e) {
    sender *from = e->from;
    raise_floor(&from->has_floor, &from->floor_us, e->timestamp_us);
    TAILQ_REMOVE(&from->entries, e, of_sender);
    TAILQ_REMOVE(&replay->all, e, of_all);
    from->count--;
    take_out(&replay->entries, &e->item);
    free(e);
}

static bool is_aged(const w4_replay *replay, uint64_t timestamp_us, uint64_t wall_us) {
    return w4_later(timestamp_us, replay->window_us) < wall_us;
}

/* Forgets a sender of whom nothing is within the window. Whatever it ever sent stays refused by
 * the floor for strangers, which so never rises into the window. */
static void drop_sender(w4_replay *replay, sender *s) {
    for (size_t left = s->count; left > 0; left--) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        drop_entry(replay, TAILQ_FIRST(&s->entries));
    }
    raise_floor(&replay->has_floor, &replay->floor_us, s->latest_us);
    TAILQ_REMOVE(&replay->by_use, s, by_use);
    take_out(&replay->senders, &s->item);
    free(s);
}

static bool reclaim_sender(w4_replay *replay, uint64_t wall_us) {
    sender *s = TAILQ_FIRST(&replay->by_use);
    for (unsigned i = 0; s && i < RECLAIM_SCAN; i++) {
        if (is_aged(replay, s->latest_us, wall_us)) {
            drop_sender(replay, s);
            return true;
        }
        s = TAILQ_NEXT(s, by_use);
    }
    return false;
}

/* 0, -ENOMEM, or 1: there is no room for another sender. */
static int add_sender(w4_replay *replay, const key *k, uint64_t wall_us, sender **ret_sender) {
    if (HASH_COUNT(replay->senders) >= replay->entries_max && !reclaim_sender(replay, wall_us)) {
        return 1;
    }
    sender *s = calloc(1, sizeof *s);
    if (!s) {
        return -ENOMEM;
    }
    s->item.key = *k;
    s->has_floor = replay->has_floor;
    s->floor_us = s->latest_us = replay->floor_us;
    TAILQ_INIT(&s->entries);
    int r = insert(replay, &replay->senders, &s->item);
    if (r < 0) {
        free(s);
        return r;
    }
    TAILQ_INSERT_TAIL(&replay->by_use, s, by_use);
    *ret_sender = s;
    return 0;
}

static int add_entry(w4_replay *replay, sender *from, const uint8_t *id, uint64_t timestamp_us) {
    entry *e = calloc(1, sizeof *e);
    if (!e) {
        return -ENOMEM;
    }
    e->item.key = key_of_entry(from, id);
    e->from = from;
    e->timestamp_us = timestamp_us;
    int r = insert(replay, &replay->entries, &e->item);
    if (r < 0) {
        free(e);
        return r;
    }
    TAILQ_INSERT_TAIL(&from->entries, e, of_sender);
    TAILQ_INSERT_TAIL(&replay->all, e, of_all);
    from->count++;
    if (timestamp_us > from->latest_us) {
        from->latest_us = timestamp_us;
    }
    return 0;
}

int w4_replay_new(size_t entries_max, uint64_t window_us, w4_replay **ret_replay) {
    w4_replay *replay = calloc(1, sizeof *replay);
    if (!replay) {
        return -ENOMEM;
    }
    replay->entries_max = entries_max > 0 ? entries_max : 1;
    replay->share_max = replay->entries_max / SHARE_DIVISOR;
    if (replay->share_max < SHARE_MIN) {
        replay->share_max = SHARE_MIN;
    }
    replay->window_us = window_us;
    w4_random(replay->secret, sizeof replay->secret);
    TAILQ_INIT(&replay->all);
    TAILQ_INIT(&replay->by_use);
    *ret_replay = replay;
    return 0;
}

w4_replay *w4_replay_free(w4_replay *replay) {
    if (!replay) {
        return NULL;
    }
    forget_all(&replay->entries);
    forget_all(&replay->senders);
    entry *e;
    while ((e = TAILQ_FIRST(&replay->all))) {
        TAILQ_REMOVE(&replay->all, e, of_all);
        free(e);
    }
    sender *s;
    while ((s = TAILQ_FIRST(&replay->by_use))) {
        TAILQ_REMOVE(&replay->by_use, s, by_use);
        free(s);
    }
    w4_wipe(replay->secret, sizeof replay->secret);
    free(replay);
    return NULL;
}

static bool is_seen(const w4_replay *replay, const sender *from, const uint8_t *id,
                    uint64_t timestamp_us) {
    if (!from) {
        return replay->has_floor && timestamp_us <= replay->floor_us;
    }
    key k = key_of_entry(from, id);
    return (from->has_floor && timestamp_us <= from->floor_us) ||
           find(replay, replay->entries, &k) != NULL;
}

bool w4_replay_seen(const w4_replay *replay, const w4_fingerprint *from, const char *msg_id,
                    uint64_t timestamp_us) {
    uint8_t id[ID_LEN];
    key k = key_of_sender(from);
    return !id_parse(msg_id, id) ||
           is_seen(replay, (const sender *)find(replay, replay->senders, &k), id, timestamp_us);
}

static void drop_aged(w4_replay *replay, uint64_t wall_us) {
    for (unsigned i = 0; i < AGED_PER_ADD; i++) {
        entry *oldest = TAILQ_FIRST(&replay->all);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        if (!oldest || !is_aged(replay, oldest->timestamp_us, wall_us)) {
            break;
        }
        drop_entry(replay, oldest);
    }
}

/* Room for one more entry of this sender. Over its share it pays itself; else the oldest does. */
static void make_room(w4_replay *replay, sender *from) {
    if (from->count >= replay->share_max) {
        drop_entry(replay, TAILQ_FIRST(&from->entries));
    } else if (HASH_COUNT(replay->entries) >= replay->entries_max) {
        drop_entry(replay, TAILQ_FIRST(&replay->all));
    }
}

int w4_replay_add(w4_replay *replay, const w4_fingerprint *from, const char *msg_id,
                  uint64_t timestamp_us, uint64_t wall_us) {
    uint8_t id[ID_LEN];
    if (!id_parse(msg_id, id)) {
        return 1;
    }
    drop_aged(replay, wall_us); /* first: who has nothing left makes room for another */
    key k = key_of_sender(from);
    sender *s = (sender *)find(replay, replay->senders, &k);
    if (is_seen(replay, s, id, timestamp_us)) {
        return 1;
    }
    if (!s) {
        int r = add_sender(replay, &k, wall_us, &s);
        if (r != 0) {
            return r;
        }
    } else {
        TAILQ_REMOVE(&replay->by_use, s, by_use);
        TAILQ_INSERT_TAIL(&replay->by_use, s, by_use);
    }
    make_room(replay, s);
    return add_entry(replay, s, id, timestamp_us);
}

size_t w4_replay_count(const w4_replay *replay) {
    return HASH_COUNT(replay->entries);
}
