/* From the document to the struct. Every member is there and good when this runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/config_table.h"
#include "platform/config_whole.h"

/* Hands out pieces of one block that is as large as the document: no string is longer decoded,
 * with its NUL, than in the document, with its quotes. */
typedef struct arena {
    char *next;
    size_t left;
} arena;

static const char *take(arena *a, w4_json string) {
    char *text = a->next;
    if (!w4_json_string_copy(string, text, a->left)) {
        return "";
    }
    size_t len = strlen(text) + 1;
    a->next += len;
    a->left -= len;
    return text;
}

static void fill_list(arena *a, const w4_config_binding *binding, w4_json array, char *base) {
    const char **list = (const char **)(void *)(base + binding->offset);
    uint32_t count = 0;
    for (w4_json_iterator i = w4_json_first(array);
         w4_json_exists(i.value) && count < binding->list_max; i = w4_json_next(i)) {
        list[count++] = take(a, i.value);
    }
    memcpy(base + binding->count_offset, &count, sizeof count);
}

static void fill_member(arena *a, const w4_config_binding *binding, w4_json value, char *base) {
    int64_t integer = 0;
    char *at = base + binding->offset;
    switch (binding->kind) {
    case W4_CONFIG_U32: {
        (void)w4_json_integer(value, &integer);
        uint32_t number = (uint32_t)integer;
        memcpy(at, &number, sizeof number);
        break;
    }
    case W4_CONFIG_U64: {
        (void)w4_json_integer(value, &integer);
        uint64_t number = (uint64_t)integer;
        memcpy(at, &number, sizeof number);
        break;
    }
    case W4_CONFIG_BOOL: {
        bool truth = w4_json_is_true(value);
        memcpy(at, &truth, sizeof truth);
        break;
    }
    case W4_CONFIG_TEXT: {
        const char *text = take(a, value);
        memcpy(at, &text, sizeof text);
        break;
    }
    case W4_CONFIG_LIST:
        fill_list(a, binding, value, base);
        break;
    case W4_CONFIG_KIND_COUNT:
        break;
    }
}

static int fill_seeds(w4_config_whole *whole, arena *a, w4_json seeds, w4_json pins) {
    uint32_t count = 0;
    whole->seeds = calloc((size_t)w4_json_count(seeds) + 1, sizeof *whole->seeds);
    if (whole->seeds == NULL) {
        return -ENOMEM;
    }
    for (w4_json_iterator i = w4_json_first(seeds); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_config_seed *seed = &whole->seeds[count++];
        seed->address = take(a, i.value);
        w4_json pin = w4_json_get(pins, seed->address);
        seed->pinned = w4_fingerprint_parse(w4_json_string_raw(pin), &seed->fingerprint);
    }
    whole->config.seeds = whole->seeds;
    whole->config.seeds_count = count;
    return 0;
}

static int fill_anchors(w4_config_whole *whole, arena *a, w4_json anchors) {
    uint32_t count = 0;
    whole->anchors = calloc((size_t)w4_json_count(anchors) + 1, sizeof *whole->anchors);
    if (whole->anchors == NULL) {
        return -ENOMEM;
    }
    for (w4_json_iterator i = w4_json_first(anchors); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        w4_config_anchor *anchor = &whole->anchors[count++];
        bool is_node = w4_json_string_equal(w4_json_get(i.value, "kind"), "node");
        w4_json name = w4_json_get(i.value, "name");
        anchor->kind = is_node ? W4_CONFIG_ANCHOR_NODE : W4_CONFIG_ANCHOR_AGENT;
        anchor->name = w4_json_exists(name) ? take(a, name) : "";
        (void)w4_fingerprint_parse(w4_json_string_raw(w4_json_get(i.value, "fingerprint")),
                                   &anchor->fingerprint);
    }
    whole->config.trust.anchors = whole->anchors;
    whole->config.trust.anchors_count = count;
    return 0;
}

/* ---- channels of sessions */

static void fill_channel(w4_config_channel *channel, w4_json object) {
    int64_t integer;
    (void)w4_overflow_from_name(w4_json_string_raw(w4_json_get(object, "overflow")),
                                &channel->overflow);
    if (w4_json_integer(w4_json_get(object, "queue_messages"), &integer)) {
        channel->queue_messages = (uint32_t)integer;
    }
    if (w4_json_integer(w4_json_get(object, "queue_bytes"), &integer)) {
        channel->queue_bytes = (uint64_t)integer;
    }
    if (w4_json_integer(w4_json_get(object, "block_timeout_ms"), &integer)) {
        channel->block_timeout_ms = (uint32_t)integer;
    }
    w4_config_fill_sla(&channel->sla, w4_json_get(object, "sla"));
}

static void fill_channels(w4_config_channel channels[static W4_CHANNEL_KIND_COUNT],
                          w4_json object) {
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        fill_channel(&channels[kind],
                     w4_json_get(object, w4_channel_kind_name((w4_channel_kind)kind)));
    }
}

static int fill_session(w4_config_whole *whole, w4_json session) {
    w4_config *config = &whole->config;
    config->session.every.sla = w4_config_sla_default;
    fill_channel(&config->session.every, session);
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        config->session.channels[kind] = config->session.every;
    }
    fill_channels(config->session.channels, w4_json_get(session, "channels"));
    w4_json peers = w4_json_get(session, "peers");
    whole->peers = calloc((size_t)w4_json_count(peers) + 1, sizeof *whole->peers);
    if (whole->peers == NULL) {
        return -ENOMEM;
    }
    uint32_t count = 0;
    /* Canonical: members are sorted, so fingerprints are. */
    for (w4_json_iterator i = w4_json_first(peers); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_config_peer *peer = &whole->peers[count++];
        (void)w4_fingerprint_parse(w4_json_string_raw(i.name), &peer->node);
        memcpy(peer->channels, config->session.channels, sizeof peer->channels);
        fill_channels(peer->channels, i.value);
    }
    config->session.peers = whole->peers;
    config->session.peers_count = count;
    return 0;
}

static int compare_peer(const void *node, const void *peer) {
    return w4_fingerprint_compare(node, &((const w4_config_peer *)peer)->node);
}

const w4_config_channel *w4_config_channels(const w4_config *config, const w4_fingerprint *node) {
    const w4_config_peer *peer =
        config->session.peers_count == 0
            ? NULL
            : bsearch(node, config->session.peers, config->session.peers_count,
                      sizeof *config->session.peers, compare_peer);
    return peer != NULL ? peer->channels : config->session.channels;
}

static w4_json at(w4_json root, const char *pointer) {
    return w4_json_at_pointer(root, w4_bytes_from_text(pointer));
}

int w4_config_fill(w4_config_whole *whole) {
    w4_json root = w4_json_root(&whole->effective);
    size_t size = w4_json_text(root).len + 1;
    whole->texts = malloc(size);
    if (whole->texts == NULL) {
        return -ENOMEM;
    }
    arena a = {whole->texts, size};
    for (const w4_config_binding *b = w4_config_bindings; b->pointer != NULL; b++) {
        fill_member(&a, b, at(root, b->pointer), (char *)&whole->config);
    }
    w4_bytes level = w4_json_string_raw(at(root, "/log/level"));
    (void)w4_log_level_from_name(level, &whole->config.log.level);
    int r = fill_seeds(whole, &a, at(root, "/seeds"), at(root, "/mesh/pins"));
    r = r < 0 ? r : fill_session(whole, at(root, "/session"));
    return r < 0 ? r : fill_anchors(whole, &a, at(root, "/trust/anchors"));
}
