#include "protocol/delivery/homes.h"

#include "base/clock.h"
#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_KIND 'a'
#define LISTED_KIND 'l'
#define KEY_LEN (1u + W4_FINGERPRINT_LEN)
#define ROW_MAX (W4_FINGERPRINT_LEN + 8u + W4_AGENT_ID_MAX)

typedef struct home_table {
    w4_home home; /* key: its agent's fingerprint */
    UT_hash_handle hh;
} home_table;

static w4_bytes make_key(const w4_homes *homes, const w4_fingerprint *agent,
                         uint8_t ret_key[static KEY_LEN]) {
    ret_key[0] = homes->kind;
    memcpy(ret_key + 1, agent->bytes, W4_FINGERPRINT_LEN);
    return w4_bytes_of(ret_key, KEY_LEN);
}

static home_table *find_row(const w4_homes *homes, const w4_fingerprint *agent) {
    home_table *found = NULL;
    HASH_FIND(hh, homes->table, agent, sizeof *agent, found);
    return found;
}

static void drop(w4_homes *homes, w4_home *home) {
    home_table *row = home->handle;
    TAILQ_REMOVE(&homes->lists[home->local], home, link);
    homes->counts[home->local]--;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
    HASH_DEL(homes->table, row);
    free(row);
}

void w4_homes_deinit(w4_homes *homes) {
    while (homes->table) {
        drop(homes, &homes->table->home);
    }
}

static int forget(w4_homes *homes, w4_home *home) {
    uint8_t key[KEY_LEN];
    int r = w4_store_remove(homes->store, W4_STORE_DURABLE,
                            make_key(homes, &home->agent.fingerprint, key));
    drop(homes, home);
    return r < 0 ? r : 0;
}

/* The one seen longest ago at that node, once it has as many as one may have. */
static w4_home *find_surplus(const w4_homes *homes, const w4_fingerprint *node) {
    w4_home *oldest = NULL, *home;
    uint32_t count = 0;
    if (homes->per_node == 0) {
        return NULL;
    }
    TAILQ_FOREACH (home, &homes->lists[false], link) {
        if (w4_fingerprint_equal(&home->node, node)) {
            oldest = oldest ? oldest : home;
            count++;
        }
    }
    return count >= homes->per_node ? oldest : NULL;
}

static int make_room(w4_homes *homes, const w4_fingerprint *node) {
    bool local = w4_fingerprint_equal(node, &homes->self);
    w4_home *surplus = local ? NULL : find_surplus(homes, node);
    int r = surplus ? forget(homes, surplus) : 0;
    while (r == 0 && homes->counts[local] >= homes->max[local]) {
        r = forget(homes, TAILQ_FIRST(&homes->lists[local]));
    }
    return r;
}

/* Behind all that were seen before it. */
static void put_in_list(w4_homes *homes, w4_home *home) {
    struct w4_home_list *list = &homes->lists[home->local];
    w4_home *before = TAILQ_LAST(list, w4_home_list);
    while (before && before->seen_us > home->seen_us) { /* only while loading */
        before = TAILQ_PREV(before, w4_home_list, link);
    }
    if (before) {
        TAILQ_INSERT_AFTER(list, before, home, link);
    } else {
        TAILQ_INSERT_HEAD(list, home, link);
    }
    homes->counts[home->local]++;
}

static int add(w4_homes *homes, const w4_home *draft, w4_home **ret_home) {
    home_table *row = calloc(1, sizeof *row);
    if (!row) {
        return -ENOMEM;
    }
    row->home = *draft;
    row->home.handle = row;
    row->home.local = w4_fingerprint_equal(&draft->node, &homes->self);
    HASH_ADD(hh, homes->table, home.agent.fingerprint, sizeof row->home.agent.fingerprint, row);
    if (!row->hh.tbl) {
        free(row);
        return -ENOMEM;
    }
    put_in_list(homes, &row->home);
    *ret_home = &row->home;
    return 0;
}

static int store_row(w4_homes *homes, const w4_home *home) {
    uint8_t key[KEY_LEN];
    w4_buffer value = W4_BUFFER_INIT(ROW_MAX);
    w4_writer w;
    w4_writer_init(&w, &value);
    w4_write_bytes(&w, w4_bytes_of(home->node.bytes, W4_FINGERPRINT_LEN));
    w4_write_u64(&w, home->seen_us);
    w4_write_bytes(&w, w4_bytes_from_text(home->agent.agent_id));
    int r = w.error != 0 ? w.error
                         : w4_store_put(homes->store, W4_STORE_DURABLE,
                                        make_key(homes, &home->agent.fingerprint, key),
                                        w4_buffer_bytes(&value));
    w4_buffer_deinit(&value);
    return r < 0 ? r : 0;
}

int w4_homes_note(w4_homes *homes, const w4_party *agent, const w4_fingerprint *node,
                  uint64_t wall_us) {
    home_table *row = find_row(homes, &agent->fingerprint);
    bool same = row && w4_fingerprint_equal(&row->home.node, node) &&
                strcmp(row->home.agent.agent_id, agent->agent_id) == 0;
    if (same) {
        w4_home *home = &row->home;
        TAILQ_REMOVE(&homes->lists[home->local], home, link);
        TAILQ_INSERT_TAIL(&homes->lists[home->local], home, link);
        if (wall_us < w4_later(home->seen_us, W4_HOMES_RENEW_US) && wall_us >= home->seen_us) {
            return 0;
        }
        home->seen_us = wall_us;
        return store_row(homes, home);
    }
    if (row) {
        drop(homes, &row->home);
    }
    w4_home draft = {.agent = *agent, .node = *node, .seen_us = wall_us}, *home;
    int r = make_room(homes, node);
    r = r == 0 ? add(homes, &draft, &home) : r;
    return r == 0 ? store_row(homes, home) : r;
}

static w4_home *find_at(const w4_homes *homes, const w4_fingerprint *node) {
    home_table *row = homes->table;
    while (row && !w4_fingerprint_equal(&row->home.node, node)) {
        row = row->hh.next;
    }
    return row ? &row->home : NULL;
}

int w4_homes_follow(w4_homes *homes, const w4_fingerprint *key, const w4_fingerprint *current) {
    home_table *row = find_row(homes, key);
    w4_home *home;
    int r = 0;
    if (row) {
        w4_home kept = row->home;
        kept.agent.fingerprint = *current;
        r = forget(homes, &row->home);
        r = r == 0 && !find_row(homes, current)
                ? w4_homes_note(homes, &kept.agent, &kept.node, kept.seen_us)
                : r;
    }
    while (r == 0 && (home = find_at(homes, key)) != NULL) {
        w4_home kept = *home;
        r = w4_homes_note(homes, &kept.agent, current, kept.seen_us);
    }
    return r;
}

const w4_home *w4_homes_find(const w4_homes *homes, const w4_fingerprint *agent) {
    const home_table *row = find_row(homes, agent);
    return row ? &row->home : NULL;
}

const w4_home *w4_homes_find_named(const w4_homes *homes, w4_bytes agent_id, uint32_t *ret_count) {
    const w4_home *found = NULL;
    *ret_count = 0;
    for (const home_table *row = homes->table; row; row = row->hh.next) {
        if (w4_bytes_equal_text(agent_id, row->home.agent.agent_id)) {
            found = &row->home;
            (*ret_count)++;
        }
    }
    return found;
}

const w4_home *w4_homes_next(const w4_homes *homes, const void **cursor) {
    const home_table *row = *cursor;
    row = row ? row->hh.next : homes->table;
    *cursor = row;
    return row ? &row->home : NULL;
}

static int load_row(w4_homes *homes, w4_bytes key, w4_bytes value) {
    w4_home draft = {0}, *home;
    w4_reader r;
    w4_reader_init(&r, value);
    w4_bytes node = w4_read_bytes(&r, W4_FINGERPRINT_LEN);
    draft.seen_us = w4_read_u64(&r);
    w4_bytes agent_id = w4_read_bytes(&r, w4_reader_left(&r));
    if (r.failed || key.len != KEY_LEN || agent_id.len == 0 || agent_id.len > W4_AGENT_ID_MAX) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(draft.node.bytes, node.data, W4_FINGERPRINT_LEN);
    memcpy(draft.agent.fingerprint.bytes, key.data + 1, W4_FINGERPRINT_LEN);
    memcpy(draft.agent.agent_id, agent_id.data, agent_id.len);
    return add(homes, &draft, &home);
}

static int load(w4_homes *homes) {
    w4_store_cursor cursor;
    TAILQ_INIT(&homes->lists[0]);
    TAILQ_INIT(&homes->lists[1]);
    int r = w4_store_cursor_init(&cursor, W4_STORE_DURABLE, w4_bytes_of(&homes->kind, 1));
    while (r == 0 && (r = w4_store_next(homes->store, &cursor)) == 0) {
        r = load_row(homes, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_homes_init(w4_homes *homes, w4_store *store, const w4_fingerprint *self) {
    *homes = (w4_homes){.store = store,
                        .self = *self,
                        .max = {W4_HOMES_REMOTE_MAX, W4_HOMES_LOCAL_MAX},
                        .kind = KNOWN_KIND};
    return load(homes);
}

int w4_homes_init_listed(w4_homes *homes, w4_store *store, const w4_fingerprint *self) {
    *homes = (w4_homes){.store = store,
                        .self = *self,
                        .max = {W4_HOMES_LISTED_MAX, 1},
                        .per_node = W4_HOMES_LISTED_PER_NODE,
                        .kind = LISTED_KIND};
    return load(homes);
}
