#include "protocol/internet/sources.h"

#include "base/clock.h"
#include "base/text.h"
#include "envelope/members.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BYTES_MAX 65536u

static const char by_evidence[] = "node"; /* actor of such a move */
static const char row_prefix[] = "source/";
#define ROW_PREFIX_LEN (sizeof row_prefix - 1)
#define ROW_KEY_MAX (ROW_PREFIX_LEN + W4_SOURCE_KEY_MAX + 1)

static const char *const tier_names[W4_TIER_COUNT] = {
    [W4_TIER_UNKNOWN] = "unknown", [W4_TIER_LOW] = "low",         [W4_TIER_MEDIUM] = "medium",
    [W4_TIER_HIGH] = "high",       [W4_TIER_BLOCKED] = "blocked",
};

/* What evidence does to a tier; a blocked one is moved by operators only. */
static const w4_tier raised[W4_TIER_COUNT] = {
    [W4_TIER_UNKNOWN] = W4_TIER_LOW,     [W4_TIER_LOW] = W4_TIER_MEDIUM,
    [W4_TIER_MEDIUM] = W4_TIER_HIGH,     [W4_TIER_HIGH] = W4_TIER_HIGH,
    [W4_TIER_BLOCKED] = W4_TIER_BLOCKED,
};
static const w4_tier lowered[W4_TIER_COUNT] = {
    [W4_TIER_UNKNOWN] = W4_TIER_LOW,     [W4_TIER_LOW] = W4_TIER_LOW,
    [W4_TIER_MEDIUM] = W4_TIER_LOW,      [W4_TIER_HIGH] = W4_TIER_MEDIUM,
    [W4_TIER_BLOCKED] = W4_TIER_BLOCKED,
};

const char *w4_tier_name(w4_tier tier) {
    return (unsigned)tier < W4_TIER_COUNT ? tier_names[tier] : "?";
}

bool w4_tier_from_name(w4_bytes name, w4_tier *ret_tier) {
    for (unsigned i = 0; i < W4_TIER_COUNT; i++) {
        if (w4_bytes_equal_text(name, tier_names[i])) {
            *ret_tier = (w4_tier)i;
            return true;
        }
    }
    return false;
}

/* ---- the table */

typedef struct entry {
    w4_source source; /* first: one is the other */
    UT_hash_handle hh;
} entry;

struct w4_sources {
    w4_store *store;
    entry *map;
};

static entry *find(const w4_sources *sources, const char *prefix, size_t len) {
    entry *e = NULL;
    HASH_FIND(hh, sources->map, prefix, (unsigned)len, e);
    return e;
}

const w4_source *w4_sources_get(const w4_sources *sources, const char *prefix) {
    entry *e = find(sources, prefix, strlen(prefix));
    return e ? &e->source : NULL;
}

/* Each border of a segment is tried, the longest first. */
static entry *find_path(const w4_sources *sources, const char *key) {
    for (size_t len = strlen(key); len > 0; len--) {
        bool border =
            key[len] == '\0' || key[len] == '/' || key[len - 1] == '/' || key[len - 1] == ':';
        entry *e = border ? find(sources, key, len) : NULL;
        if (e) {
            return e;
        }
    }
    return NULL;
}

/* Then the hosts that this one is below, the nearest first. What evidence said well of one is of no
 * use to those below it: anybody may have got a name there. */
static entry *find_entry(const w4_sources *sources, const char *uri) {
    char key[W4_SOURCE_KEY_MAX + 1], origin[W4_SOURCE_KEY_MAX + 1];
    if (!w4_source_key(w4_bytes_from_text(uri), key)) {
        return NULL;
    }
    entry *e = find_path(sources, key);
    w4_source_origin(key, origin);
    while (!e && w4_source_parent(origin, origin)) {
        e = find(sources, origin, strlen(origin));
        e = e && (e->source.named || e->source.tier == W4_TIER_LOW) ? e : NULL;
    }
    return e;
}

const w4_source *w4_sources_find(const w4_sources *sources, const char *key) {
    entry *e = find_entry(sources, key);
    return e ? &e->source : NULL;
}

const w4_source *w4_sources_next(const w4_sources *sources, const void **cursor) {
    const entry *e = *cursor ? ((const entry *)*cursor)->hh.next : sources->map;
    *cursor = e ? e : *cursor;
    return e ? &e->source : NULL;
}

w4_tier w4_sources_tier(const w4_sources *sources, const char *key) {
    const w4_source *source = w4_sources_find(sources, key);
    return source ? source->tier : W4_TIER_UNKNOWN;
}

static int compare_prefix(const entry *a, const entry *b) {
    return strcmp(a->source.prefix, b->source.prefix);
}

/* Its row too. 0, -ENOMEM, or a store condition. */
static int drop(w4_sources *sources, entry *e) {
    char key[ROW_KEY_MAX];
    snprintf(key, sizeof key, "%s%s", row_prefix, e->source.prefix);
    HASH_DEL(sources->map, e);
    free(e);
    return w4_store_remove(sources->store, W4_STORE_META, w4_bytes_from_text(key));
}

/* One that nobody named and that is worth no more than one that is not known makes room; of those
 * the one that stands so for the longest. Names are for nothing below a domain of one's own: they
 * must not fill the table. */
static int make_room(w4_sources *sources) {
    entry *e, *next, *oldest = NULL;
    if (HASH_COUNT(sources->map) < W4_SOURCES_MAX) {
        return 0;
    }
    HASH_ITER (hh, sources->map, e, next) {
        bool may_go = !e->source.named && e->source.tier <= W4_TIER_LOW;
        oldest = may_go && (!oldest || e->source.since_us < oldest->source.since_us) ? e : oldest;
    }
    return oldest ? drop(sources, oldest) : -ENOSPC;
}

static int add(w4_sources *sources, const char *prefix, entry **ret_entry) {
    int r = make_room(sources);
    if (r < 0) {
        return r;
    }
    entry *e = calloc(1, sizeof *e);
    if (!e) {
        return -ENOMEM;
    }
    memcpy(e->source.prefix, prefix, strlen(prefix) + 1);
    HASH_ADD_INORDER(hh, sources->map, source.prefix[0], (unsigned)strlen(prefix), e,
                     compare_prefix);
    if (!e->hh.tbl) {
        free(e);
        return -ENOMEM;
    }
    *ret_entry = e;
    return 0;
}

/* ---- rows */

static int save(const w4_sources *sources, const w4_source *source) {
    w4_buffer text = W4_BUFFER_INIT(ROW_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_unsigned(&w, "conflicts", source->conflicts);
    w4_json_member_unsigned(&w, "conflicts_total", source->conflicts_total);
    w4_json_member_unsigned(&w, "corroborated", source->corroborated);
    w4_json_member_unsigned(&w, "corroborated_total", source->corroborated_total);
    w4_json_name(&w, "moves");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; i < source->move_count; i++) {
        const w4_source_move *move = &source->moves[i];
        w4_json_begin_object(&w);
        w4_json_member_string(&w, "actor", move->actor);
        w4_member_time(&w, "at", move->wall_us);
        w4_json_member_string(&w, "evidence", move->evidence);
        w4_json_member_string(&w, "from", w4_tier_name(move->from));
        w4_json_member_string(&w, "reason", move->reason);
        w4_json_member_string(&w, "to", w4_tier_name(move->to));
        w4_json_end_object(&w);
    }
    w4_json_end_array(&w);
    w4_json_member_bool(&w, "named", source->named);
    w4_json_member_bool(&w, "pinned", source->pinned);
    w4_member_time(&w, "since", source->since_us);
    w4_json_member_string(&w, "tier", w4_tier_name(source->tier));
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        char key[ROW_KEY_MAX];
        snprintf(key, sizeof key, "%s%s", row_prefix, source->prefix);
        r = w4_store_put(sources->store, W4_STORE_META, w4_bytes_from_text(key),
                         w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

static bool read_tier(w4_json object, const char *name, w4_tier *ret_tier) {
    return w4_tier_from_name(w4_json_string_raw(w4_json_get(object, name)), ret_tier);
}

static bool read_time(w4_json object, const char *name, uint64_t *ret_wall_us) {
    return w4_timestamp_parse(w4_json_string_raw(w4_json_get(object, name)), ret_wall_us);
}

static bool read_count(w4_json object, const char *name, uint64_t *ret_count) {
    int64_t value;
    if (!w4_json_integer(w4_json_get(object, name), &value) || value < 0) {
        return false;
    }
    *ret_count = (uint64_t)value;
    return true;
}

static bool read_move(w4_json object, w4_source_move *move) {
    return read_tier(object, "from", &move->from) && read_tier(object, "to", &move->to) &&
           read_time(object, "at", &move->wall_us) &&
           w4_json_string_copy(w4_json_get(object, "actor"), move->actor, sizeof move->actor) &&
           w4_json_string_copy(w4_json_get(object, "reason"), move->reason, sizeof move->reason) &&
           w4_json_string_copy(w4_json_get(object, "evidence"), move->evidence,
                               sizeof move->evidence);
}

static bool read_source(w4_json root, w4_source *source) {
    uint64_t corroborated, conflicts;
    w4_json moves = w4_json_get(root, "moves");
    bool good = read_tier(root, "tier", &source->tier) &&
                read_time(root, "since", &source->since_us) &&
                read_count(root, "corroborated", &corroborated) &&
                read_count(root, "conflicts", &conflicts) &&
                read_count(root, "corroborated_total", &source->corroborated_total) &&
                read_count(root, "conflicts_total", &source->conflicts_total) &&
                w4_json_count(moves) <= W4_SOURCE_MOVES_MAX;
    for (w4_json_iterator i = w4_json_first(moves); good && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        good = read_move(i.value, &source->moves[source->move_count++]);
    }
    if (good) {
        source->corroborated = (uint32_t)corroborated;
        source->conflicts = (uint32_t)conflicts;
        source->pinned = w4_json_is_true(w4_json_get(root, "pinned"));
        source->named = source->pinned || w4_json_is_true(w4_json_get(root, "named"));
        for (uint32_t i = 0; i < source->move_count;
             i++) { /* rows of before there was that member */
            source->named = source->named || strcmp(source->moves[i].actor, by_evidence) != 0;
        }
    }
    return good;
}

static int load_row(w4_sources *sources, w4_json_document *doc, w4_bytes key, w4_bytes value) {
    int r = w4_json_read(doc, value, &W4_JSON_LIMITS_LINE, NULL);
    key = w4_bytes_of(key.data + ROW_PREFIX_LEN, key.len - ROW_PREFIX_LEN);
    if (r != 0 || key.len > W4_SOURCE_KEY_MAX) {
        return r < 0 ? r : W4_STORE_E_CORRUPT;
    }
    char prefix[W4_SOURCE_KEY_MAX + 1];
    memcpy(prefix, key.data, key.len);
    prefix[key.len] = '\0';
    entry *e;
    r = strlen(prefix) == key.len ? add(sources, prefix, &e) : W4_STORE_E_CORRUPT;
    return r != 0 ? r : read_source(w4_json_root(doc), &e->source) ? 0 : W4_STORE_E_CORRUPT;
}

static int load(w4_sources *sources) {
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_META, w4_bytes_from_text(row_prefix));
    while (r == 0 && (r = w4_store_next(sources->store, &cursor)) == 0) {
        r = load_row(sources, &doc, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* What speaks against a source weighs more, and what an operator said more than evidence. */
static int compare_weight(const w4_source *a, const w4_source *b) {
    static const int weights[W4_TIER_COUNT] = {[W4_TIER_UNKNOWN] = 2,
                                               [W4_TIER_LOW] = 3,
                                               [W4_TIER_MEDIUM] = 1,
                                               [W4_TIER_HIGH] = 0,
                                               [W4_TIER_BLOCKED] = 4};
    return a->named != b->named ? (a->named ? 1 : -1) : weights[a->tier] - weights[b->tier];
}

/* Rows from when there were more spellings: those that are one now become the weightier of them. */
static int respell(w4_sources *sources) {
    entry *e, *next;
    int r = 0;
    HASH_ITER (hh, sources->map, e, next) {
        char prefix[W4_SOURCE_KEY_MAX + 1];
        if (r < 0 || !w4_source_key(w4_bytes_from_text(e->source.prefix), prefix) ||
            strcmp(prefix, e->source.prefix) == 0) {
            continue;
        }
        w4_source was = e->source;
        entry *same = find(sources, prefix, strlen(prefix));
        r = drop(sources, e);
        r = r >= 0 && !same ? add(sources, prefix, &same) : r;
        if (r >= 0 && (same->source.move_count == 0 || compare_weight(&was, &same->source) > 0)) {
            memcpy(was.prefix, prefix, sizeof was.prefix);
            same->source = was;
            r = save(sources, &same->source);
        }
    }
    return r < 0 ? r : 0;
}

int w4_sources_new(w4_store *store, w4_sources **ret_sources) {
    w4_sources *sources = calloc(1, sizeof *sources);
    if (!sources) {
        return -ENOMEM;
    }
    sources->store = store;
    int r = load(sources);
    r = r == 0 ? respell(sources) : r;
    if (r != 0) {
        w4_sources_free(sources);
        return r;
    }
    *ret_sources = sources;
    return 0;
}

w4_sources *w4_sources_free(w4_sources *sources) {
    if (sources) {
        entry *e, *next;
        HASH_ITER (hh, sources->map, e, next) {
            HASH_DEL(sources->map, e);
            free(e);
        }
        free(sources);
    }
    return NULL;
}

/* ---- moves */

static void move_to(w4_source *source, w4_tier tier, const char *actor, const char *reason,
                    const char *evidence, uint64_t wall_us) {
    if (source->move_count == W4_SOURCE_MOVES_MAX) {
        source->move_count--;
        memmove(&source->moves[0], &source->moves[1], source->move_count * sizeof source->moves[0]);
    }
    w4_source_move *move = &source->moves[source->move_count++];
    *move = (w4_source_move){.wall_us = wall_us, .from = source->tier, .to = tier};
    w4_text_escape_cut(move->actor, sizeof move->actor, w4_bytes_from_text(actor));
    w4_text_escape_cut(move->reason, sizeof move->reason, w4_bytes_from_text(reason));
    snprintf(move->evidence, sizeof move->evidence, "%s", evidence);
    source->tier = tier;
    source->since_us = wall_us;
    source->corroborated = source->conflicts = 0;
}

/* Whose evidence is that of the key: of a prefix that an operator named, else of its origin, which
 * begins with what is thought of it already. */
static int get(w4_sources *sources, const char *key, uint64_t wall_us, w4_source **ret_source) {
    char origin[W4_SOURCE_KEY_MAX + 1];
    if (!w4_source_key(w4_bytes_from_text(key), origin)) {
        return -ENOSPC; /* of a claim kept from when that was a URI */
    }
    w4_source_origin(origin, origin);
    entry *e = find_entry(sources, key);
    if (!e || (!e->source.named && strcmp(e->source.prefix, origin) != 0)) {
        w4_tier tier = e ? e->source.tier : W4_TIER_UNKNOWN;
        int r = add(sources, origin, &e);
        if (r != 0) {
            return r;
        }
        e->source.tier = tier;
        e->source.since_us = wall_us;
    }
    *ret_source = &e->source;
    return 0;
}

/* After a count: does the tier move? */
static int settle(const w4_sources *sources, w4_source *source, uint32_t *count, uint32_t after,
                  const w4_tier to[static W4_TIER_COUNT], const char *reason, const char *evidence,
                  uint64_t wall_us) {
    bool moves = *count >= after && !source->pinned && to[source->tier] != source->tier;
    if (moves) {
        move_to(source, to[source->tier], by_evidence, reason, evidence, wall_us);
    }
    int r = save(sources, source);
    return r < 0 ? r : moves;
}

int w4_sources_corroborated(w4_sources *sources, const char *key, const w4_source_limits *limits,
                            const char *evidence, uint64_t wall_us) {
    w4_source *source;
    int r = get(sources, key, wall_us, &source);
    if (r != 0) {
        return r;
    }
    source->corroborated++;
    source->corroborated_total++;
    return settle(sources, source, &source->corroborated, limits->raise_after, raised,
                  "claims from there were corroborated", evidence, wall_us);
}

int w4_sources_conflicted(w4_sources *sources, const char *key, const w4_source_limits *limits,
                          const char *evidence, uint64_t wall_us) {
    w4_source *source;
    int r = get(sources, key, wall_us, &source);
    if (r != 0) {
        return r;
    }
    source->conflicts++;
    source->conflicts_total++;
    return settle(sources, source, &source->conflicts, limits->lower_after, lowered,
                  "claims from there conflict", evidence, wall_us);
}

/* What evidence made of parts of a prefix that an operator speaks of now is part of that. */
static int absorb(w4_sources *sources, const w4_source *whole) {
    entry *e, *next;
    int r = 0;
    HASH_ITER (hh, sources->map, e, next) {
        if (r >= 0 && !e->source.named && w4_source_is_below(e->source.prefix, whole->prefix)) {
            r = drop(sources, e);
        }
    }
    return r < 0 ? r : 0;
}

int w4_sources_set(w4_sources *sources, const char *prefix, w4_tier tier, bool pinned,
                   const char *actor, const char *reason, uint64_t wall_us) {
    entry *e = find(sources, prefix, strlen(prefix));
    int r = e ? 0 : add(sources, prefix, &e);
    if (r != 0) {
        return r;
    }
    e->source.named = true;
    e->source.pinned = pinned;
    move_to(&e->source, tier, actor, reason, "", wall_us);
    r = save(sources, &e->source);
    r = r < 0 ? r : absorb(sources, &e->source);
    return r < 0 ? r : 0;
}
