#include "protocol/internet/sources.h"

#include "base/clock.h"
#include "base/text.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ROW_BYTES_MAX 65536u

static const char row_prefix[] = "source/";
#define ROW_PREFIX_LEN (sizeof row_prefix - 1)

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

/* ---- the spelling of a URI (RFC 3986, 6.2.2 and 6.2.3) */

typedef struct spelling {
    char text[W4_SOURCE_KEY_MAX + 1];
    size_t len;
    bool cut;
} spelling;

static void put(spelling *s, uint8_t c) {
    if (s->len < W4_SOURCE_KEY_MAX && !s->cut) {
        s->text[s->len++] = (char)c;
        s->text[s->len] = '\0';
    } else {
        s->cut = true;
    }
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_letter(uint8_t c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_unreserved(uint8_t c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int hex_digit(uint8_t c) {
    if (is_digit(c)) {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of text, with an escape that stands for an unreserved one undone; *ret_raw: it is
 * escaped and has to stay so. */
static uint8_t take(w4_bytes *text, bool *ret_raw) {
    uint8_t c = text->data[0];
    *ret_raw = false;
    if (c == '%' && text->len >= 3) {
        int high = hex_digit(text->data[1]), low = hex_digit(text->data[2]);
        if (high >= 0 && low >= 0) {
            text->data += 3;
            text->len -= 3;
            c = (uint8_t)(high * 16 + low);
            *ret_raw = !is_unreserved(c);
            return c;
        }
    }
    text->data++;
    text->len--;
    return c;
}

static void put_escaped(spelling *s, uint8_t c, bool raw) {
    static const char digits[] = "0123456789ABCDEF";
    if (raw) {
        put(s, '%');
        put(s, (uint8_t)digits[c >> 4]);
        put(s, (uint8_t)digits[c & 15]);
    } else {
        put(s, c);
    }
}

static w4_bytes cut_at(w4_bytes text, const char *ends) {
    for (size_t i = 0; i < text.len; i++) {
        if (strchr(ends, text.data[i]) && text.data[i] != '\0') {
            return w4_bytes_of(text.data, i);
        }
    }
    return text;
}

static size_t scheme_len(w4_bytes uri) {
    size_t i = 0;
    while (i < uri.len &&
           (is_letter(uri.data[i]) || (i > 0 && (is_digit(uri.data[i]) || uri.data[i] == '+' ||
                                                 uri.data[i] == '-' || uri.data[i] == '.')))) {
        i++;
    }
    return i > 0 && i < uri.len && uri.data[i] == ':' ? i : 0;
}

static bool is_default_port(const char *scheme, w4_bytes port) {
    return port.len == 0 ||
           (strncmp(scheme, "https:", 6) == 0 && w4_bytes_equal_text(port, "443")) ||
           (strncmp(scheme, "http:", 5) == 0 && w4_bytes_equal_text(port, "80"));
}

static void put_authority(spelling *s, w4_bytes authority) {
    for (size_t i = authority.len; i > 0; i--) { /* whoever is in front of the last @ */
        if (authority.data[i - 1] == '@') {
            authority = w4_bytes_of(authority.data + i, authority.len - i);
            break;
        }
    }
    size_t host_len = authority.len;
    for (size_t i = authority.len;
         i > 0 && (is_digit(authority.data[i - 1]) || authority.data[i - 1] == ':'); i--) {
        if (authority.data[i - 1] == ':') {
            host_len = i - 1;
            break;
        }
    }
    w4_bytes host = w4_bytes_of(authority.data, host_len);
    w4_bytes port = host_len < authority.len
                        ? w4_bytes_of(authority.data + host_len + 1, authority.len - host_len - 1)
                        : w4_bytes_of(NULL, 0);
    size_t start = s->len;
    while (host.len > 0) {
        bool raw;
        uint8_t c = take(&host, &raw);
        put_escaped(s, raw ? c : lower(c), raw);
    }
    if (s->len > start && s->text[s->len - 1] == '.') { /* the root of the DNS */
        s->text[--s->len] = '\0';
    }
    if (!is_default_port(s->text, port)) {
        put(s, ':');
        for (size_t i = 0; i < port.len; i++) {
            put(s, port.data[i]);
        }
    }
}

/* Segments, one after the other; "." vanishes and ".." takes one back. */
static void put_path(spelling *s, w4_bytes path) {
    size_t root = s->len;
    while (path.len > 0 && !s->cut) {
        path = w4_bytes_of(path.data + 1, path.len - 1); /* the slash */
        w4_bytes segment = cut_at(path, "/");
        path = w4_bytes_of(path.data + segment.len, path.len - segment.len);
        spelling one = {.len = 0};
        while (segment.len > 0) {
            bool raw;
            uint8_t c = take(&segment, &raw);
            put_escaped(&one, c, raw);
        }
        if (strcmp(one.text, ".") == 0 && !one.cut) {
            continue;
        }
        if (strcmp(one.text, "..") == 0 && !one.cut) {
            while (s->len > root && s->text[--s->len] != '/') {
            }
            s->text[s->len] = '\0';
            continue;
        }
        size_t before = s->len;
        put(s, '/');
        for (size_t i = 0; i < one.len; i++) {
            put(s, (uint8_t)one.text[i]);
        }
        if (s->cut || one.cut) {
            s->cut = true;
            s->len = before;
            s->text[s->len] = '\0';
        }
    }
}

bool w4_source_key(w4_bytes uri, char ret_key[static W4_SOURCE_KEY_MAX + 1]) {
    size_t scheme = scheme_len(uri);
    if (scheme == 0) {
        return false;
    }
    spelling s = {.len = 0};
    for (size_t i = 0; i <= scheme; i++) {
        put(&s, lower(uri.data[i]));
    }
    w4_bytes rest = w4_bytes_of(uri.data + scheme + 1, uri.len - scheme - 1);
    rest = cut_at(rest, "?#");
    if (rest.len >= 2 && rest.data[0] == '/' && rest.data[1] == '/') {
        put(&s, '/');
        put(&s, '/');
        rest = w4_bytes_of(rest.data + 2, rest.len - 2);
        w4_bytes authority = cut_at(rest, "/\\");
        put_authority(&s, authority);
        rest = w4_bytes_of(rest.data + authority.len, rest.len - authority.len);
        put_path(&s, rest);
    } else {
        for (size_t i = 0; i < rest.len; i++) {
            put(&s, rest.data[i]);
        }
    }
    memcpy(ret_key, s.text, s.len + 1);
    return true;
}

void w4_source_origin(const char *key, char ret_origin[static W4_SOURCE_KEY_MAX + 1]) {
    const char *authority = strstr(key, "://");
    const char *path = authority ? strchr(authority + 3, '/') : NULL;
    size_t len = path ? (size_t)(path - key) : strlen(key);
    memcpy(ret_origin, key, len);
    ret_origin[len] = '\0';
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
const w4_source *w4_sources_find(const w4_sources *sources, const char *key) {
    for (size_t len = strlen(key); len > 0; len--) {
        bool border =
            key[len] == '\0' || key[len] == '/' || key[len - 1] == '/' || key[len - 1] == ':';
        entry *e = border ? find(sources, key, len) : NULL;
        if (e) {
            return &e->source;
        }
    }
    return NULL;
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

static int add(w4_sources *sources, const char *prefix, entry **ret_entry) {
    if (HASH_COUNT(sources->map) >= W4_SOURCES_MAX) {
        return -ENOSPC;
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

static void write_time(w4_json_writer *w, const char *name, uint64_t wall_us) {
    char text[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, text);
    w4_json_member_string(w, name, text);
}

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
        write_time(&w, "at", move->wall_us);
        w4_json_member_string(&w, "evidence", move->evidence);
        w4_json_member_string(&w, "from", w4_tier_name(move->from));
        w4_json_member_string(&w, "reason", move->reason);
        w4_json_member_string(&w, "to", w4_tier_name(move->to));
        w4_json_end_object(&w);
    }
    w4_json_end_array(&w);
    w4_json_member_bool(&w, "pinned", source->pinned);
    write_time(&w, "since", source->since_us);
    w4_json_member_string(&w, "tier", w4_tier_name(source->tier));
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        char key[ROW_PREFIX_LEN + W4_SOURCE_KEY_MAX + 1];
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

int w4_sources_new(w4_store *store, w4_sources **ret_sources) {
    w4_sources *sources = calloc(1, sizeof *sources);
    if (!sources) {
        return -ENOMEM;
    }
    sources->store = store;
    int r = load(sources);
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

static int get(w4_sources *sources, const char *key, uint64_t wall_us, w4_source **ret_source) {
    entry *e = (entry *)w4_sources_find(sources, key);
    if (!e) {
        char origin[W4_SOURCE_KEY_MAX + 1];
        w4_source_origin(key, origin);
        int r = add(sources, origin, &e);
        if (r != 0) {
            return r;
        }
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
        move_to(source, to[source->tier], "node", reason, evidence, wall_us);
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

int w4_sources_set(w4_sources *sources, const char *prefix, w4_tier tier, bool pinned,
                   const char *actor, const char *reason, uint64_t wall_us) {
    entry *e = find(sources, prefix, strlen(prefix));
    int r = e ? 0 : add(sources, prefix, &e);
    if (r != 0) {
        return r;
    }
    e->source.pinned = pinned;
    move_to(&e->source, tier, actor, reason, "", wall_us);
    r = save(sources, &e->source);
    return r < 0 ? r : 0;
}
