#include "base/text.h"
#include "session/state.h"

#include <stdlib.h>
#include <string.h>

/* An owner that does not drain loses the oldest notices, never the last word (CLOSED is not one of
 * them). */
void w4_session_tell(w4_session *s, w4_notice notice) {
    unsigned last = (unsigned)(s->notice_first + s->notice_count + W4_NOTICES_MAX - 1);
    last %= W4_NOTICES_MAX;
    if (!s->notices && !(s->notices = malloc(W4_NOTICES_MAX * sizeof *s->notices))) {
        return; /* as one that was not drained */
    }
    if (s->notice_count > 0 && notice.kind == W4_SESSION_EVENT_REKEYED &&
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it is among those */
        s->notices[last].kind == notice.kind && s->notices[last].by_peer == notice.by_peer) {
        return; /* told already */
    }
    if (s->notice_count == W4_NOTICES_MAX) {
        s->notice_first = (uint8_t)((s->notice_first + 1) % W4_NOTICES_MAX);
        s->notice_count--;
    }
    s->notices[(s->notice_first + s->notice_count) % W4_NOTICES_MAX] = notice;
    s->notice_count++;
}

void w4_session_free_notices(w4_session *s) {
    free(s->notices);
    s->notices = NULL;
    s->notice_first = s->notice_count = 0;
}

void w4_session_free_incoming(w4_session *s) {
    for (size_t i = s->incoming_first; i < s->incoming_count; i++) {
        free(s->incoming[i].owned);
    }
    free(s->incoming);
    s->incoming = NULL;
    s->incoming_first = s->incoming_count = s->incoming_cap = 0;
    free(s->plain);
    s->plain = NULL;
    s->plain_cap = 0;
}

void w4_session_take_back_lent(w4_session *s) {
    free(s->lent);
    s->lent = NULL;
    /* All was taken. The next record's memory costs little beside opening it, and thousands of
     * sessions that were busy once would each keep the height of their busiest moment. */
    if (s->plain && s->incoming_first == s->incoming_count) {
        w4_session_free_incoming(s);
    }
}

static bool pop_notice(w4_session *s, w4_session_event *ret_event) {
    if (s->notice_count == 0) {
        return false;
    }
    w4_notice n = s->notices[s->notice_first];
    s->notice_first = (uint8_t)((s->notice_first + 1) % W4_NOTICES_MAX);
    if (--s->notice_count == 0) {
        w4_session_free_notices(s);
    }
    *ret_event = (w4_session_event){
        .kind = n.kind,
        .code = n.code,
        .resumed = n.resumed,
        .by_peer = n.by_peer,
        .unread = n.unread,
    };
    if (n.kind == W4_SESSION_EVENT_LINK_LOST) {
        w4_text_copy(ret_event->text, sizeof ret_event->text,
                     w4_bytes_from_text(w4_session_end_text(s)));
    }
    return true;
}

static w4_session_event_kind kind_of(const w4_outcome *outcome) {
    if (outcome->admitted) {
        return W4_SESSION_EVENT_ADMITTED;
    }
    return outcome->code == W4_REFUSAL_NONE ? W4_SESSION_EVENT_DELIVERED : W4_SESSION_EVENT_FAILED;
}

bool w4_session_pop_outcome(w4_session *session, w4_session_event *ret_event) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(session, &i)) != NULL;) {
        w4_outcome outcome;
        if (w4_outbox_pop_outcome(&c->out, &outcome)) {
            *ret_event = (w4_session_event){
                .kind = kind_of(&outcome),
                .channel = c->kind,
                .channel_id = c->id,
                .token = outcome.token,
                .latency_us = outcome.took_us,
                .code = outcome.code,
                .policy = outcome.policy,
            };
            return true;
        }
    }
    return false;
}

static bool pop_incoming(w4_session *s, w4_session_event *ret_event) {
    if (s->incoming_first == s->incoming_count) {
        return false;
    }
    const w4_incoming *item = &s->incoming[s->incoming_first++];
    *ret_event = (w4_session_event){.kind = W4_SESSION_EVENT_MESSAGE,
                                    .channel = item->channel->kind,
                                    .channel_id = item->channel->id,
                                    .message = item->message};
    s->lent = item->owned;
    return true;
}

static bool pop_writable(w4_session *s, w4_session_event *ret_event) {
    w4_channel *c;
    uint32_t room;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (s->phase != W4_PHASE_CLOSED && c->state != W4_CHANNEL_CLOSING &&
            w4_outbox_pop_writable(&c->out, &room)) {
            *ret_event = (w4_session_event){.kind = W4_SESSION_EVENT_WRITABLE,
                                            .channel = c->kind,
                                            .channel_id = c->id,
                                            .room = room};
            return true;
        }
    }
    return false;
}

static bool pop_end(w4_session *s, w4_session_event *ret_event) {
    if (s->phase != W4_PHASE_CLOSED || s->end_told) {
        return false;
    }
    s->end_told = true;
    *ret_event = (w4_session_event){
        .kind = W4_SESSION_EVENT_CLOSED, .code = s->end_code, .by_peer = s->end_by_peer};
    w4_text_copy(ret_event->text, sizeof ret_event->text,
                 w4_bytes_from_text(w4_session_end_text(s)));
    return true;
}

bool w4_session_pop_event(w4_session *session, w4_session_event *ret_event) {
    w4_session_take_back_lent(session);
    /* What a record says of messages comes before what it acknowledges: a word on why one of ours
     * was refused is heard before that it arrived. */
    return pop_notice(session, ret_event) || w4_session_channels_pop_open(session, ret_event) ||
           pop_incoming(session, ret_event) || w4_session_pop_outcome(session, ret_event) ||
           w4_session_channels_pop_closed(session, ret_event) || pop_writable(session, ret_event) ||
           pop_end(session, ret_event);
}
