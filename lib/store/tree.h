/* An ordered map from bytes to bytes: what a store keeps in memory. Balanced whatever the order
 * of the keys, so that nobody who picks keys can slow it down. */
#pragma once

#include "base/bytes.h"

typedef struct w4_store_node w4_store_node;
struct w4_store_node {
    w4_store_node *left, *right;
    uint32_t level; /* of an AA tree: leaves are 1 */
    bool removed;   /* says that the key is gone (store/gathered.h) */
    bool damaged;   /* for tests (store/memory.h) */
    size_t key_len, value_len;
    uint8_t bytes[]; /* key, then value */
};

typedef struct w4_store_tree {
    w4_store_node *root;
    size_t count;
    size_t bytes; /* of all nodes, with what they cost themselves */
} w4_store_tree;

static inline w4_bytes w4_store_node_key(const w4_store_node *node) {
    return w4_bytes_of(node->bytes, node->key_len);
}
static inline w4_bytes w4_store_node_value(const w4_store_node *node) {
    return w4_bytes_of(node->bytes + node->key_len, node->value_len);
}
static inline size_t w4_store_node_bytes(size_t key_len, size_t value_len) {
    return sizeof(w4_store_node) + key_len + value_len;
}

/* Adds or replaces. 0 or -ENOMEM. Nodes found before are gone after any change of their key. */
int w4_store_tree_put(w4_store_tree *tree, w4_bytes key, w4_bytes value, bool removed);
bool w4_store_tree_remove(w4_store_tree *tree, w4_bytes key); /* true: it was there */
w4_store_node *w4_store_tree_find(const w4_store_tree *tree, w4_bytes key);
/* The first with a key >= from (inclusive) or > from, or NULL. */
const w4_store_node *w4_store_tree_next(const w4_store_tree *tree, w4_bytes from, bool inclusive);
/* Moves all nodes of another tree into this one, as puts and removals; needs no memory and cannot
 * fail. The other one is empty then. */
void w4_store_tree_absorb(w4_store_tree *tree, w4_store_tree *other);
void w4_store_tree_clear(w4_store_tree *tree);
