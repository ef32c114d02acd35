/* Keys of one identity: each of them finds the subject of the first. */
#include "trust/book_state.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static w4_alias *find(const w4_trust_book *book, const w4_fingerprint *key) {
    w4_alias *found = NULL;
    HASH_FIND(hh, book->aliases, key, sizeof *key, found);
    return found;
}

w4_fingerprint w4_trust_book_root(const w4_trust_book *book, const w4_fingerprint *key) {
    const w4_alias *alias = book->aliases ? find(book, key) : NULL;
    return alias ? alias->root : *key;
}

w4_fingerprint w4_trust_book_current(const w4_trust_book *book, const w4_fingerprint *key) {
    w4_fingerprint root = w4_trust_book_root(book, key);
    const w4_alias *alias = book->aliases ? find(book, &root) : NULL;
    return alias ? alias->last : *key;
}

bool w4_trust_book_has_others(const w4_trust_book *book, const w4_fingerprint *key) {
    return book->aliases && find(book, key) != NULL;
}

bool w4_trust_book_same(const w4_trust_book *book, const w4_fingerprint *a,
                        const w4_fingerprint *b) {
    if (w4_fingerprint_equal(a, b)) {
        return true;
    }
    if (!book->aliases) {
        return false;
    }
    w4_fingerprint of_a = w4_trust_book_root(book, a), of_b = w4_trust_book_root(book, b);
    return w4_fingerprint_equal(&of_a, &of_b);
}

static int add(w4_trust_book *book, const w4_fingerprint *key, const w4_fingerprint *root,
               w4_alias **ret_alias) {
    w4_alias *alias = find(book, key);
    if (!alias) {
        alias = calloc(1, sizeof *alias);
        if (!alias) {
            return -ENOMEM;
        }
        alias->key = *key;
        alias->last = *key;
        HASH_ADD(hh, book->aliases, key, sizeof alias->key, alias);
        if (!alias->hh.tbl) {
            free(alias);
            return -ENOMEM;
        }
    }
    alias->root = *root;
    *ret_alias = alias;
    return 0;
}

static void drop(w4_trust_book *book, w4_alias *alias) {
    HASH_DEL(book->aliases, alias);
    free(alias);
}

void w4_aliases_free(w4_trust_book *book) {
    while (book->aliases) {
        drop(book, book->aliases);
    }
}

void w4_trust_book_unfollow(w4_trust_book *book, const w4_fingerprint *key) {
    w4_fingerprint root = w4_trust_book_root(book, key);
    w4_alias *alias, *next;
    HASH_ITER (hh, book->aliases, alias, next) {
        if (w4_fingerprint_equal(&alias->root, &root)) {
            drop(book, alias);
        }
    }
}

/* What stands of the identity when both were known. */
static w4_trust_state merged(const w4_subject *of_key, const w4_subject *of_successor) {
    if (!of_key || !of_successor) {
        return of_key ? of_key->state : of_successor->state;
    }
    bool ordered = of_successor->ordered && !of_key->ordered;
    return of_successor->state == W4_TRUST_BLOCKED ? W4_TRUST_BLOCKED
           : ordered                               ? of_successor->state
                                                   : of_key->state;
}

static int merge(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *root,
                 const w4_fingerprint *successor, uint64_t wall_us, w4_trust_followed *followed) {
    w4_subject *of_key = w4_subject_find(book, kind, root);
    w4_subject *of_successor = w4_subject_find(book, kind, successor);
    if (!of_key && !of_successor) {
        return 0;
    }
    w4_trust_move move = {.kind = kind,
                          .subject = *root,
                          .from = of_key ? of_key->state : W4_TRUST_UNTRUSTED,
                          .to = merged(of_key, of_successor),
                          .cause = W4_TRUST_BY_SUCCESSION,
                          .wall_us = wall_us,
                          .actor = "node"};
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(successor, text);
    (void)snprintf(move.reason, sizeof move.reason, "its key was succeeded by %.16s...", text);
    move.summed_order = of_successor && of_successor->ordered;
    const w4_subject *stands = of_key ? of_key : of_successor;
    if (move.to == stands->state) { /* and so does what is counted, and how long it cools */
        move.counted = stands->unverifiable;
        move.cooldown_until_wall_us = stands->cooldown_until_wall_us;
    }
    char *name = NULL;
    if (of_successor) { /* the place that it leaves is there for the first key */
        name = of_successor->name;
        of_successor->name = NULL;
        w4_subject_forget(book, of_successor);
    }
    int r = of_key ? 0 : w4_subject_add(book, kind, root, wall_us, &of_key);
    if (r < 0 || of_key->name) { /* its own name stands */
        book->name_bytes -= name ? strlen(name) + 1 : 0;
        free(name);
    } else {
        of_key->name = name;
    }
    if (r < 0) {
        return r;
    }
    w4_subject_put(book, of_key, &move);
    followed->moves[followed->count++] = move;
    return 0;
}

int w4_trust_book_follow(w4_trust_book *book, const w4_fingerprint *key,
                         const w4_fingerprint *successor, uint64_t wall_us,
                         w4_trust_followed *ret_followed) {
    w4_fingerprint root = w4_trust_book_root(book, key);
    w4_fingerprint last = w4_trust_book_current(book, successor);
    w4_fingerprint below = w4_trust_book_root(book, successor);
    if (w4_fingerprint_equal(&root, &below)) {
        return -EEXIST;
    }
    w4_trust_followed followed = {.count = 0};
    w4_alias *of_root, *of_successor, *alias, *next;
    int r = add(book, &root, &root, &of_root);
    for (int kind = 0; r == 0 && ret_followed && kind < W4_TRUST_KIND_COUNT; kind++) {
        r = merge(book, (w4_trust_kind)kind, &root, &below, wall_us, &followed);
    }
    r = r == 0 ? add(book, successor, &root, &of_successor) : r;
    if (r < 0) {
        return r;
    }
    HASH_ITER (hh, book->aliases, alias, next) { /* keys that follow the successor already */
        if (w4_fingerprint_equal(&alias->root, &below)) {
            alias->root = root;
        }
    }
    of_root->last = last;
    if (ret_followed) {
        *ret_followed = followed;
    }
    return 0;
}
