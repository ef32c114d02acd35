#include "protocol/humans/human_index.h"

#include "crypto/primitives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void w4_human_index_deinit(w4_human_index *index) {
    free(index->list);
    *index = (w4_human_index){0};
}

static int compare_humans(const void *a, const void *b) {
    const w4_human *const *first = a, *const *second = b;
    return w4_fingerprint_compare(&(*first)->fingerprint, &(*second)->fingerprint);
}

static void add_digest(uint8_t digest[static W4_HUMAN_DIGEST_LEN], const uint8_t *of) {
    uint8_t hash[W4_HASH_LEN];
    w4_hash(w4_bytes_of(digest, W4_HUMAN_DIGEST_LEN), w4_bytes_of(of, W4_HUMAN_DIGEST_LEN), hash);
    memcpy(digest, hash, W4_HUMAN_DIGEST_LEN);
}

/* When it was said counts in the sum: by what they consent to alone, one who gave consent and took
 * it back would be as before, and a neighbour that had all there was would not ask again. */
static void add_time(uint8_t digest[static W4_HUMAN_DIGEST_LEN], uint64_t at_us) {
    uint8_t time[W4_HUMAN_DIGEST_LEN] = {0};
    for (unsigned i = 0; i < sizeof at_us; i++) {
        time[i] = (uint8_t)(at_us >> (8 * i));
    }
    add_digest(digest, time);
}

static void fill_digests(w4_human_index *index) {
    memset(index->parts, 0, sizeof index->parts);
    memset(index->sum, 0, sizeof index->sum);
    for (uint32_t i = 0; i < index->count; i++) {
        const w4_human *human = index->list[i];
        add_digest(index->parts[w4_human_part(&human->fingerprint)], human->digest);
        add_time(index->sum, human->word.at_us);
    }
    for (unsigned i = 0; i < W4_HUMAN_PARTS; i++) {
        add_digest(index->sum, index->parts[i]);
    }
}

int w4_human_index_refresh(w4_human_index *index, const w4_humans *humans) {
    if (index->made && index->changes == w4_humans_changes(humans)) {
        return 0;
    }
    size_t room = w4_humans_count(humans);
    const w4_human **list = room > 0 ? calloc(room, sizeof *list) : NULL;
    if (room > 0 && !list) {
        return -ENOMEM;
    }
    free(index->list);
    index->list = list;
    index->count = 0;
    void *cursor = NULL;
    const w4_human *human;
    while ((human = w4_humans_next(humans, &cursor)) != NULL) {
        if (w4_human_can_be_told(human)) {
            index->list[index->count++] = human;
        }
    }
    if (index->count > 0) {
        qsort(index->list, index->count, sizeof *index->list, compare_humans);
    }
    fill_digests(index);
    index->made = true;
    index->changes = w4_humans_changes(humans);
    return 0;
}
