/* What the targets that play a neighbour of one protocol have in common. */
#pragma once

#include "protocol/protocol.h"
#include "target.h"

#include <stdio.h>
#include <string.h>

#define WALL_US (UINT64_C(1790000000) * 1000000)
#define HOUR_US (UINT64_C(3600) * 1000000)

/* Looks at all that the node says. How many envelopes it sends. */
static inline unsigned fuzz_pop_events(w4_protocol *protocol) {
    w4_protocol_event event;
    unsigned sent = 0;
    while (w4_protocol_pop_event(protocol, &event)) {
        if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT) {
            sent++;
            FUZZ_REQUIRE(event.envelope.len > 0 && event.envelope.len <= W4_ENVELOPE_BYTES_MAX);
        }
        if (event.kind == W4_PROTOCOL_EVENT_REJECTED) {
            FUZZ_REQUIRE(event.code != W4_REFUSAL_NONE && event.code != W4_REFUSAL_INTERNAL);
        }
    }
    return sent;
}

/* The canonical form of an object; false: it is none. */
static inline bool fuzz_payload(w4_bytes text, w4_buffer *payload) {
    return w4_json_canonical(payload, text, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0 &&
           payload->data[0] == '{';
}

/* Takes up to seven digits off the front, and the spaces behind them. 0 where there are none. */
static inline uint64_t fuzz_number(w4_bytes *text) {
    uint64_t value = 0;
    size_t i = 0;
    for (; i < text->len && i < 7 && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        value = value * 10 + (uint64_t)(text->data[i] - '0');
    }
    while (i < text->len && text->data[i] == ' ') {
        i++;
    }
    *text = w4_bytes_of(text->data + i, text->len - i);
    return value;
}

/* Another time than was signed, in the member of that name. */
static inline void fuzz_redate(w4_buffer *text, const char *member) {
    char front[32];
    int len = snprintf(front, sizeof front, "\"%s\":\"20", member);
    uint8_t *at = memmem(text->data, text->len, front, (size_t)len);
    FUZZ_REQUIRE(at != NULL);
    at[len + 1] = at[len + 1] == '1' ? '2' : '1';
}
