#include "session/record.h"

#include "base/wire.h"

#include <stdlib.h>
#include <string.h>

void w4_replay_window_deinit(w4_replay_window *window) {
    free(window->words);
    window->words = NULL;
}

static bool bit_of(const w4_replay_window *w, uint64_t counter) {
    return (w->words[counter / 64 % W4_REPLAY_WORDS] >> (counter % 64) & 1) != 0;
}

bool w4_replay_window_fresh(const w4_replay_window *window, uint64_t counter) {
    if (counter >= window->next) {
        return true;
    }
    return window->words && window->next - counter <= W4_REPLAY_WINDOW && !bit_of(window, counter);
}

/* All before next have been seen, and none from there on. */
static uint64_t *make_words(uint64_t next) {
    uint64_t *words = malloc(W4_REPLAY_WORDS * sizeof *words);
    if (words) {
        memset(words, 0xff, W4_REPLAY_WORDS * sizeof *words);
        words[next / 64 % W4_REPLAY_WORDS] = (UINT64_C(1) << (next % 64)) - 1;
    }
    return words;
}

void w4_replay_window_mark(w4_replay_window *window, uint64_t counter) {
    if (!window->words && counter > window->next) {
        window->words = make_words(window->next);
    }
    if (!window->words) {
        window->next = counter + 1;
        return;
    }
    if (counter >= window->next) {
        /* The words between the old top and the new one hold counters of a lap ago. */
        uint64_t top = window->next > 0 ? (window->next - 1) / 64 : 0;
        uint64_t steps = counter / 64 - top;
        if (steps > W4_REPLAY_WORDS) {
            steps = W4_REPLAY_WORDS;
        }
        for (uint64_t i = 1; i <= steps; i++) {
            window->words[(top + i) % W4_REPLAY_WORDS] = 0;
        }
        window->next = counter + 1;
    }
    window->words[counter / 64 % W4_REPLAY_WORDS] |= UINT64_C(1) << (counter % 64);
}

void w4_record_sender_init(w4_record_sender *s, const uint8_t key[static W4_AEAD_KEY_LEN],
                           uint64_t now_us) {
    memset(s, 0, sizeof *s);
    memcpy(s->key, key, sizeof s->key);
    s->since_us = now_us;
}

void w4_record_sender_deinit(w4_record_sender *s) {
    w4_wipe(s, sizeof *s);
}

static bool is_spent(const w4_record_sender *s, const w4_record_limits *limits, uint64_t now_us) {
    if (s->counter >= W4_RECORD_COUNTER_MAX) {
        return true;
    }
    bool due = s->rekey_wanted ||
               (s->counter > 0 && (s->counter >= limits->records || s->bytes >= limits->bytes ||
                                   now_us >= w4_later(s->since_us, limits->us)));
    return due && !s->unfollowed;
}

void w4_record_seal(w4_record_sender *s, const w4_record_limits *limits, uint8_t *frame, size_t len,
                    uint64_t now_us) {
    if (is_spent(s, limits, now_us)) {
        w4_aead_rekey(s->key);
        s->epoch++;
        s->rekey_wanted = false;
        s->counter = 0;
        s->bytes = 0;
        s->since_us = now_us;
        s->rekeys++;
    }
    w4_put_u64(frame, (uint64_t)s->epoch << 56 | s->counter);
    uint8_t *plain = frame + W4_RECORD_HEADER;
    w4_aead_seal(s->key, s->counter, w4_bytes_of(frame, W4_RECORD_HEADER),
                 w4_bytes_of(plain, len - W4_RECORD_OVERHEAD), plain);
    s->counter++;
    s->bytes += len;
}

void w4_record_receiver_init(w4_record_receiver *r, const uint8_t key[static W4_AEAD_KEY_LEN]) {
    memset(r, 0, sizeof *r);
    memcpy(r->key, key, sizeof r->key);
}

static void forget_old(w4_record_receiver *r) {
    if (r->old) {
        w4_replay_window_deinit(&r->old->window);
        w4_wipe(r->old, sizeof *r->old);
        free(r->old);
        r->old = NULL;
    }
}

void w4_record_receiver_deinit(w4_record_receiver *r) {
    forget_old(r);
    w4_replay_window_deinit(&r->window);
    w4_wipe(r, sizeof *r);
}

static void keep_old(w4_record_receiver *r, uint64_t now_us) {
    forget_old(r);
    r->old = malloc(sizeof *r->old);
    if (r->old) {
        memcpy(r->old->key, r->key, sizeof r->old->key);
        r->old->window = r->window;
        r->old->until_us = w4_later(now_us, W4_RECORD_OLD_KEY_US);
    } else {
        w4_replay_window_deinit(&r->window);
    }
}

static w4_record_verdict open_with(const uint8_t *key, w4_replay_window *window, uint64_t counter,
                                   w4_bytes frame, uint8_t *ret_plain) {
    if (!w4_replay_window_fresh(window, counter)) {
        return W4_RECORD_REPLAY;
    }
    w4_bytes header = w4_bytes_of(frame.data, W4_RECORD_HEADER);
    w4_bytes sealed = w4_bytes_of(frame.data + W4_RECORD_HEADER, frame.len - W4_RECORD_HEADER);
    if (!w4_aead_open(key, counter, header, sealed, ret_plain)) {
        return W4_RECORD_FORGED;
    }
    w4_replay_window_mark(window, counter);
    return W4_RECORD_OPENED;
}

/* A record of the next epoch: only one that authenticates moves us on. */
static w4_record_verdict open_next(w4_record_receiver *r, uint64_t counter, w4_bytes frame,
                                   uint8_t *ret_plain, uint64_t now_us) {
    uint8_t key[W4_AEAD_KEY_LEN];
    w4_replay_window window = {0};
    memcpy(key, r->key, sizeof key);
    w4_aead_rekey(key);
    w4_record_verdict verdict = open_with(key, &window, counter, frame, ret_plain);
    if (verdict == W4_RECORD_OPENED) {
        keep_old(r, now_us);
        memcpy(r->key, key, sizeof r->key);
        r->window = window;
        r->epoch++;
        r->rekeys++;
    }
    w4_wipe(key, sizeof key);
    return verdict;
}

w4_record_verdict w4_record_open(w4_record_receiver *r, w4_bytes frame, uint8_t *ret_plain,
                                 uint64_t now_us) {
    if (frame.len < W4_RECORD_OVERHEAD || frame.len > W4_RECORD_MAX) {
        return W4_RECORD_FORGED;
    }
    w4_record_receiver_expire(r, now_us);
    uint8_t epoch = frame.data[0];
    w4_reader reader;
    w4_reader_init(&reader, frame);
    uint64_t counter = w4_read_u64(&reader) & W4_RECORD_COUNTER_MAX;
    if (epoch == r->epoch) {
        return open_with(r->key, &r->window, counter, frame, ret_plain);
    }
    if (epoch == (uint8_t)(r->epoch + 1)) {
        return open_next(r, counter, frame, ret_plain, now_us);
    }
    if (epoch == (uint8_t)(r->epoch - 1) && r->old) {
        return open_with(r->old->key, &r->old->window, counter, frame, ret_plain);
    }
    return W4_RECORD_FORGED;
}

static size_t window_memory(const w4_replay_window *window) {
    return window->words ? W4_REPLAY_WORDS * sizeof *window->words : 0;
}

size_t w4_record_receiver_memory(const w4_record_receiver *r) {
    return window_memory(&r->window) +
           (r->old ? sizeof *r->old + window_memory(&r->old->window) : 0);
}

uint64_t w4_record_receiver_deadline(const w4_record_receiver *r) {
    return r->old ? r->old->until_us : W4_NEVER;
}

void w4_record_receiver_expire(w4_record_receiver *r, uint64_t now_us) {
    if (r->old && now_us >= r->old->until_us) {
        forget_old(r);
    }
}
