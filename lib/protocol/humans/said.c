#include "protocol/humans/said.h"

#include "protocol/evidence/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int w4_said_remove(w4_store *store, const w4_human *human, const w4_human_said *said) {
    return said->msg_id[0] != '\0' ? w4_evidence_remove(store, said->msg_id, &human->fingerprint)
                                   : 0;
}

bool w4_said_is_kept(const w4_human_word *word) {
    const w4_envelope *envelope = word->envelope;
    return (envelope->broadcast || word->here) &&
           (envelope->type == W4_TYPE_HCP_HELLO || envelope->type == W4_TYPE_HCP_STATE_UPDATE);
}

int w4_said_keep(w4_store *store, const w4_human_word *word, w4_human_said *ret_said) {
    const w4_envelope *envelope = word->envelope;
    const w4_fingerprint *sender = &envelope->sender.fingerprint;
    w4_buffer kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    *ret_said = (w4_human_said){.at_us = envelope->timestamp_us};
    int r = w4_said_is_kept(word) ? w4_evidence_get(store, envelope->msg_id, sender, &kept)
                                  : W4_STORE_E_CORRUPT;
    bool same = r == 0 && w4_bytes_equal(w4_buffer_bytes(&kept), envelope->text);
    if (r == W4_STORE_E_NOT_FOUND) {
        r = w4_evidence_put(store, envelope->msg_id, sender, envelope->text);
        same = r == 0;
    } else {
        r = r > 0 ? 0 : r;
    }
    w4_buffer_deinit(&kept);
    if (r == 0 && same) {
        memcpy(ret_said->msg_id, envelope->msg_id, sizeof ret_said->msg_id);
        ret_said->to = envelope->broadcast ? ret_said->to : envelope->receiver.fingerprint;
    }
    return r;
}

static bool is_said_in(const w4_human_said *said, const w4_human *human) {
    for (uint32_t i = 0; i < human->asides_count; i++) {
        if (strcmp(said->msg_id, human->asides[i].msg_id) == 0) {
            return true;
        }
    }
    return said->msg_id[0] == '\0' || strcmp(said->msg_id, human->word.msg_id) == 0 ||
           strcmp(said->msg_id, human->greeting.msg_id) == 0;
}

int w4_said_drop(w4_store *store, const w4_human *before, const w4_human *now) {
    int r = is_said_in(&before->word, now) ? 0 : w4_said_remove(store, before, &before->word);
    bool twice = strcmp(before->word.msg_id, before->greeting.msg_id) == 0;
    return r == 0 && !twice && !is_said_in(&before->greeting, now)
               ? w4_said_remove(store, before, &before->greeting)
               : r;
}

/* ---- what was said to several, one by one */

static int drop_aside(w4_store *store, w4_human *human, uint32_t at) {
    w4_human_said gone = human->asides[at];
    human->asides_count--;
    memmove(&human->asides[at], &human->asides[at + 1],
            (human->asides_count - at) * sizeof *human->asides);
    return is_said_in(&gone, human) ? 0 : w4_said_remove(store, human, &gone);
}

static int add_aside(w4_store *store, w4_human *human, const w4_human_said *said) {
    int r = 0;
    if (!human->asides) {
        human->asides = calloc(W4_HUMAN_ASIDES_MAX, sizeof *human->asides);
        if (!human->asides) {
            return -ENOMEM;
        }
    }
    for (uint32_t i = 0; r == 0 && i < human->asides_count; i++) {
        if (w4_fingerprint_equal(&human->asides[i].to, &said->to)) {
            r = drop_aside(store, human, i);
            break;
        }
    }
    if (r == 0 && human->asides_count == W4_HUMAN_ASIDES_MAX) {
        r = drop_aside(store, human, 0);
    }
    if (r == 0) {
        human->asides[human->asides_count++] = *said;
    }
    return r;
}

int w4_said_note_aside(w4_store *store, w4_human *human, const w4_human_word *word,
                       bool *ret_moved) {
    w4_human_said said;
    bool moved = false;
    int r = 0;
    if (human->consent == W4_CONSENT_GRANTED || word->envelope->broadcast) {
        moved = human->asides_count > 0;
        while (r == 0 && human->asides_count > 0) {
            r = drop_aside(store, human, human->asides_count - 1);
        }
    } else if (word->here && w4_said_is_kept(word) &&
               strcmp(human->word.msg_id, word->envelope->msg_id) != 0) {
        r = w4_said_keep(store, word, &said);
        r = r == 0 && said.msg_id[0] != '\0' ? add_aside(store, human, &said) : r;
        moved = true;
    }
    if (r == 0) {
        *ret_moved = moved;
    }
    return r;
}
