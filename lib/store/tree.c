#include "store/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An AA tree: a left child is one level lower, a right child at most as high as its parent, a
 * right grandchild lower. So the depth, and with it each recursion here, is at most twice the
 * logarithm of the count. */

static uint32_t level_of(const w4_store_node *node) {
    return node ? node->level : 0;
}

static w4_store_node *skew(w4_store_node *node) {
    if (node->left && node->left->level == node->level) {
        w4_store_node *left = node->left;
        node->left = left->right;
        left->right = node;
        return left;
    }
    return node;
}

static w4_store_node *split(w4_store_node *node) {
    if (node->right && node->right->right && node->right->right->level == node->level) {
        w4_store_node *right = node->right;
        node->right = right->left;
        right->left = node;
        right->level++;
        return right;
    }
    return node;
}

static w4_store_node *insert(w4_store_tree *tree, w4_store_node *at, w4_store_node *added) {
    if (!at) {
        tree->count++;
        return added;
    }
    int order = w4_bytes_compare(w4_store_node_key(added), w4_store_node_key(at));
    if (order == 0) {
        added->left = at->left;
        added->right = at->right;
        added->level = at->level;
        tree->bytes -= w4_store_node_bytes(at->key_len, at->value_len);
        free(at);
        return added;
    }
    if (order < 0) {
        at->left = insert(tree, at->left, added);
    } else {
        at->right = insert(tree, at->right, added);
    }
    return split(skew(at));
}

int w4_store_tree_put(w4_store_tree *tree, w4_bytes key, w4_bytes value, bool removed) {
    size_t bytes = w4_store_node_bytes(key.len, value.len);
    w4_store_node *node = malloc(bytes);
    if (!node) {
        return -ENOMEM;
    }
    *node =
        (w4_store_node){.level = 1, .removed = removed, .key_len = key.len, .value_len = value.len};
    if (key.len > 0) {
        memcpy(node->bytes, key.data, key.len);
    }
    if (value.len > 0) {
        memcpy(node->bytes + key.len, value.data, value.len);
    }
    tree->bytes += bytes;
    tree->root = insert(tree, tree->root, node);
    return 0;
}

/* Restores the levels of a node one of whose children became lower. */
static w4_store_node *rebalance(w4_store_node *node) {
    uint32_t left = level_of(node->left), right = level_of(node->right);
    uint32_t should = (left < right ? left : right) + 1;
    if (node->level > should) {
        node->level = should;
        if (right > should) {
            node->right->level = should;
        }
    }
    node = skew(node);
    if (node->right) {
        node->right = skew(node->right);
        if (node->right->right) {
            node->right->right = skew(node->right->right);
        }
    }
    node = split(node);
    if (node->right) {
        node->right = split(node->right);
    }
    return node;
}

/* Takes the smallest out of the tree under at. */
static w4_store_node *detach_first(w4_store_node *at, w4_store_node **ret_first) {
    if (!at->left) {
        *ret_first = at;
        return at->right;
    }
    at->left = detach_first(at->left, ret_first);
    return rebalance(at);
}

static w4_store_node *take(w4_store_node *at, w4_bytes key, w4_store_node **ret_taken) {
    if (!at) {
        return NULL;
    }
    int order = w4_bytes_compare(key, w4_store_node_key(at));
    if (order < 0) {
        at->left = take(at->left, key, ret_taken);
    } else if (order > 0) {
        at->right = take(at->right, key, ret_taken);
    } else {
        *ret_taken = at;
        if (!at->right) {
            return at->left;
        }
        w4_store_node *heir;
        w4_store_node *rest = detach_first(at->right, &heir);
        heir->left = at->left;
        heir->right = rest;
        heir->level = at->level;
        at = heir;
    }
    return rebalance(at);
}

bool w4_store_tree_remove(w4_store_tree *tree, w4_bytes key) {
    w4_store_node *taken = NULL;
    tree->root = take(tree->root, key, &taken);
    if (!taken) {
        return false;
    }
    tree->count--;
    tree->bytes -= w4_store_node_bytes(taken->key_len, taken->value_len);
    free(taken);
    return true;
}

w4_store_node *w4_store_tree_find(const w4_store_tree *tree, w4_bytes key) {
    w4_store_node *at = tree->root;
    while (at) {
        int order = w4_bytes_compare(key, w4_store_node_key(at));
        if (order == 0) {
            return at;
        }
        at = order < 0 ? at->left : at->right;
    }
    return NULL;
}

const w4_store_node *w4_store_tree_next(const w4_store_tree *tree, w4_bytes from, bool inclusive) {
    const w4_store_node *best = NULL;
    for (const w4_store_node *at = tree->root; at;) {
        int order = w4_bytes_compare(w4_store_node_key(at), from);
        if (order > 0 || (order == 0 && inclusive)) {
            best = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    return best;
}

static void absorb_all(w4_store_tree *tree, w4_store_node *node) {
    if (!node) {
        return;
    }
    w4_store_node *left = node->left, *right = node->right;
    absorb_all(tree, left);
    absorb_all(tree, right);
    if (node->removed) {
        (void)w4_store_tree_remove(tree, w4_store_node_key(node));
        free(node);
        return;
    }
    node->left = NULL;
    node->right = NULL;
    node->level = 1;
    tree->bytes += w4_store_node_bytes(node->key_len, node->value_len);
    tree->root = insert(tree, tree->root, node);
}

void w4_store_tree_absorb(w4_store_tree *tree, w4_store_tree *other) {
    absorb_all(tree, other->root);
    *other = (w4_store_tree){0};
}

static void free_all(w4_store_node *node) {
    if (node) {
        free_all(node->left);
        free_all(node->right);
        free(node);
    }
}

void w4_store_tree_clear(w4_store_tree *tree) {
    free_all(tree->root);
    *tree = (w4_store_tree){0};
}
