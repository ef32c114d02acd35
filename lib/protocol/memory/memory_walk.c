#include "protocol/memory/memory_walk.h"

#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER 8u
#define STARTS_MAX ((size_t)W4_MEMORY_SAME_ID_MAX * W4_MEMORY_KIND_COUNT)

const char *const w4_memory_cuts[] = {
    [W4_MEMORY_CUT_NOT] = "",
    [W4_MEMORY_CUT_DEPTH] = "depth",
    [W4_MEMORY_CUT_ENTRIES] = "entries",
};

typedef struct place {
    uint64_t number;
    uint32_t steps;
    bool hidden;       /* it is as though it were not there */
    UT_hash_handle hh; /* in the order in which they were found */
} place;

typedef struct walker {
    w4_store *store;
    bool back;
    uint32_t depth, step; /* step: of what is found now */
    w4_memory_gate gate;
    void *context;
    place *places;
    uint32_t seen, hidden; /* places of each kind */
    w4_buffer row, found_row;
    w4_json_document doc, found; /* the one it goes on from, and the one it found */
    w4_memory_reach reach;
} walker;

int w4_memory_find_id(w4_store *store, const char *id, const w4_fingerprint *by, size_t max,
                      uint64_t *numbers, size_t *count) {
    int r = 0;
    for (size_t k = 0; r == 0 && k < W4_MEMORY_KIND_COUNT && *count < max; k++) {
        w4_memory_kind kind = (w4_memory_kind)k;
        size_t found = 0, left = max - *count;
        size_t room = left < W4_MEMORY_SAME_ID_MAX ? left : W4_MEMORY_SAME_ID_MAX;
        r = W4_STORE_E_NOT_FOUND;
        if (by && kind == W4_MEMORY_DECISION) {
            r = w4_memory_number_of(store, kind, id, by, &numbers[*count]);
            found = r == 0 ? 1 : 0;
        }
        if (r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT) {
            r = w4_memory_numbers_of(store, kind, id, room, &numbers[*count], &found);
        }
        *count += found;
    }
    return r;
}

static bool is_ended(const walker *k) {
    return k->reach.cut != W4_MEMORY_CUT_NOT;
}

static int only_failures(int r) {
    return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
}

/* *ret_there: it is there, and can be read. */
static int read_entry(w4_store *store, uint64_t number, w4_buffer *row, w4_json_document *doc,
                      bool *ret_there) {
    uint8_t key[NUMBER];
    w4_put_u64(key, number);
    int r = w4_store_get(store, W4_STORE_MEMORY, w4_bytes_of(key, sizeof key), row);
    r = r == 0 ? w4_json_read(doc, w4_buffer_bytes(row), &W4_JSON_LIMITS_FILE, NULL) : r;
    *ret_there = r == 0;
    return only_failures(r);
}

static int look_whether_hidden(walker *k, uint64_t number, bool *ret_hidden) {
    bool there = false, shown = false;
    if (!k->gate) {
        *ret_hidden = false;
        return 0;
    }
    int r = read_entry(k->store, number, &k->found_row, &k->found, &there);
    r = r == 0 && there ? k->gate(k->context, w4_json_root(&k->found), &shown) : r;
    *ret_hidden = !shown;
    return r;
}

static int add_place(walker *k, uint64_t number, bool hidden) {
    place *added = calloc(1, sizeof *added);
    if (!added) {
        return -ENOMEM;
    }
    *added = (place){.number = number, .steps = k->step, .hidden = hidden};
    HASH_ADD(hh, k->places, number, sizeof added->number, added);
    if (!added->hh.tbl) {
        free(added);
        return -ENOMEM;
    }
    *(hidden ? &k->hidden : &k->seen) += 1;
    return 0;
}

/* One step further than the depth nothing is taken: that there is something is all. Of what is
 * hidden nothing tells: neither that it is there, nor how far away. */
static int find(walker *k, uint64_t number) {
    place *known = NULL;
    bool hidden = false;
    HASH_FIND(hh, k->places, &number, sizeof number, known);
    if (known || is_ended(k)) {
        return 0;
    }
    int r = look_whether_hidden(k, number, &hidden);
    if (r != 0) {
        return r;
    }
    if (!hidden && k->step > k->depth) {
        k->reach.cut = W4_MEMORY_CUT_DEPTH;
        return 0;
    }
    if (hidden ? k->hidden >= W4_MEMORY_LOOKED_AT_MAX : k->seen >= W4_MEMORY_WALK_MAX) {
        k->reach.cut = W4_MEMORY_CUT_ENTRIES;
        return 0;
    }
    k->reach.steps = hidden ? k->reach.steps : k->step;
    return add_place(k, number, hidden);
}

static int go_back(walker *k) {
    w4_fingerprint who;
    w4_json entry = w4_json_root(&k->doc);
    w4_bytes author = w4_json_string_raw(w4_json_get(entry, "author"));
    const w4_fingerprint *by = w4_fingerprint_parse(author, &who) ? &who : NULL;
    int r = 0;
    w4_json_iterator i = w4_json_first(w4_json_get(entry, "causes"));
    for (; r == 0 && !is_ended(k) && w4_json_exists(i.value); i = w4_json_next(i)) {
        char id[W4_UUID_LEN + 1];
        uint64_t numbers[STARTS_MAX];
        size_t count = 0;
        if (w4_json_string_copy(i.value, id, sizeof id) && strlen(id) == W4_UUID_LEN) {
            r = w4_memory_find_id(k->store, id, by, STARTS_MAX, numbers, &count);
        }
        for (size_t n = 0; r == 0 && n < count; n++) {
            r = find(k, numbers[n]);
        }
    }
    return r;
}

static int go_forth(walker *k, const char *id) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_MEMORY_LINK, w4_bytes_from_text(id));
    while (r == 0 && !is_ended(k)) {
        r = w4_store_next(k->store, &cursor);
        if (r == 0 && cursor.key.len == W4_MEMORY_LINK_KEY) {
            w4_reader reader;
            w4_reader_init(&reader, w4_bytes_of(cursor.key.data + W4_UUID_LEN, NUMBER));
            r = find(k, w4_read_u64(&reader));
        } else if (r == W4_STORE_E_CORRUPT && cursor.key.len > 0) {
            r = 0;
        }
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

static int go_on(walker *k, const place *at) {
    char id[W4_UUID_LEN + 1];
    bool there = false;
    k->step = at->steps + 1;
    int r = at->hidden ? 0 : read_entry(k->store, at->number, &k->row, &k->doc, &there);
    if (r != 0 || !there) {
        return r;
    }
    if (k->back) {
        return go_back(k);
    }
    w4_json name = w4_json_get(w4_json_root(&k->doc), "id");
    return w4_json_string_copy(name, id, sizeof id) && strlen(id) == W4_UUID_LEN ? go_forth(k, id)
                                                                                 : 0;
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = ((const w4_memory_step *)a)->number, y = ((const w4_memory_step *)b)->number;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* All but those where it began. */
static int list(const walker *k, w4_memory_walk *ret_walk) {
    size_t count = HASH_COUNT(k->places), used = 0;
    w4_memory_step *found = calloc(count > 0 ? count : 1, sizeof *found);
    if (!found) {
        return -ENOMEM;
    }
    for (const place *at = k->places; at; at = at->hh.next) {
        if (at->steps > 0 && !at->hidden) {
            found[used++] = (w4_memory_step){at->number, at->steps};
        }
    }
    qsort(found, used, sizeof *found, compare_numbers);
    *ret_walk = (w4_memory_walk){.found = found, .count = used, .reach = k->reach};
    return 0;
}

int w4_memory_go(w4_store *store, const char *id, bool back, uint32_t depth, w4_memory_gate gate,
                 void *context, w4_memory_walk *ret_walk) {
    walker k = {.store = store,
                .back = back,
                .depth = depth,
                .gate = gate,
                .context = context,
                .row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                .found_row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
    uint64_t starts[STARTS_MAX];
    size_t count = 0;
    int r = w4_memory_find_id(store, id, NULL, STARTS_MAX, starts, &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = find(&k, starts[i]);
    }
    if (r == 0 && k.seen == 0 && !back) { /* what follows from it may be here without it */
        k.step = 1;
        r = go_forth(&k, id);
    }
    for (const place *at = k.places; r == 0 && at && !is_ended(&k); at = at->hh.next) {
        r = go_on(&k, at);
    }
    r = r == 0 ? list(&k, ret_walk) : r;
    place *at, *next;
    HASH_ITER (hh, k.places, at, next) {
        HASH_DEL(k.places, at);
        free(at);
    }
    w4_buffer_deinit(&k.row);
    w4_buffer_deinit(&k.found_row);
    w4_json_document_deinit(&k.doc);
    w4_json_document_deinit(&k.found);
    return r;
}
