#include "protocol/humans/human.h"

#include "crypto/primitives.h"
#include "envelope/schema.h"

#include <string.h>

#define TOPIC_PREFIX "topic:"

const char *w4_consent_name(w4_consent consent) {
    if (consent == W4_CONSENT_UNKNOWN || (unsigned)consent >= W4_CONSENT_COUNT) {
        return "unknown";
    }
    return w4_names_consent[consent - 1];
}

void w4_human_set_digest(w4_human *human) {
    uint8_t about[W4_FINGERPRINT_LEN + 1], hash[W4_HASH_LEN];
    memcpy(about, human->fingerprint.bytes, W4_FINGERPRINT_LEN);
    about[W4_FINGERPRINT_LEN] = (uint8_t)human->consent;
    w4_hash(w4_bytes_of(about, sizeof about), w4_buffer_bytes(&human->scope), hash);
    memcpy(human->digest, hash, sizeof human->digest);
}

/* ---- what they say */

static uint32_t place_of(const char *const *names, w4_json value, uint32_t count) {
    uint32_t i = 0;
    while (i < count && !w4_json_string_equal(value, names[i])) {
        i++;
    }
    return i;
}

bool w4_human_read_state(w4_json object, w4_human *human) {
    uint32_t consent = place_of(w4_names_consent, w4_json_get(object, "consent"), 3);
    uint32_t affect = place_of(w4_names_affect, w4_json_get(object, "affect"), W4_AFFECT_COUNT);
    uint32_t presence = place_of(w4_names_presence, w4_json_get(object, "presence"), 4);
    int64_t clarity, pressure;
    if (consent == 3 || affect == W4_AFFECT_COUNT || presence == 4 ||
        !w4_json_integer(w4_json_get(object, "clarity"), &clarity) ||
        !w4_json_integer(w4_json_get(object, "pressure"), &pressure)) {
        return false;
    }
    human->consent = (w4_consent)(consent + 1);
    human->affect = (w4_affect)affect;
    human->presence = presence;
    human->clarity = (uint32_t)clarity;
    human->pressure = (uint32_t)pressure;
    return true;
}

w4_json w4_human_state_of(const w4_envelope *envelope) {
    return envelope->type == W4_TYPE_HCP_STATE_UPDATE ? envelope->payload
                                                      : w4_json_get(envelope->state, "human");
}

/* ---- what it means */

bool w4_human_is_fresh(const w4_human *human, uint64_t wall_us) {
    /* A clock that was put back must not make it young for ever. */
    uint64_t age =
        wall_us >= human->taken_us ? wall_us - human->taken_us : human->taken_us - wall_us;
    return age <= W4_HUMAN_STATE_LIFE_US;
}

bool w4_human_is_strained(const w4_human *human, uint64_t wall_us) {
    return w4_human_is_fresh(human, wall_us) &&
           (human->pressure >= W4_HUMAN_PRESSURE_HIGH || human->clarity <= W4_HUMAN_CLARITY_LOW);
}

bool w4_human_is_tense(const w4_human *human, uint64_t wall_us) {
    return w4_human_is_fresh(human, wall_us) &&
           (human->affect == W4_AFFECT_TENSE || human->affect == W4_AFFECT_ANXIOUS);
}

static w4_bytes bare_topic(w4_bytes topic) {
    size_t len = sizeof TOPIC_PREFIX - 1;
    bool prefixed = topic.len > len && memcmp(topic.data, TOPIC_PREFIX, len) == 0;
    return prefixed ? w4_bytes_of(topic.data + len, topic.len - len) : topic;
}

static bool names_topic(w4_json scope, w4_bytes topic) {
    for (w4_json_iterator i = w4_json_first(scope); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (w4_bytes_equal(bare_topic(w4_json_string_raw(i.value)), bare_topic(topic))) {
            return true;
        }
    }
    return false;
}

static bool read_scope(const w4_human *human, w4_json_document *doc) {
    return human->scope.len > 0 && w4_json_read_canonical(doc, w4_buffer_bytes(&human->scope),
                                                          &W4_JSON_LIMITS_LINE, NULL) == 0;
}

bool w4_human_in_scope(const w4_human *human, w4_bytes topic) {
    w4_json_document doc = {0};
    bool found = topic.len > 0 && read_scope(human, &doc) && names_topic(w4_json_root(&doc), topic);
    w4_json_document_deinit(&doc);
    return found;
}

bool w4_human_scope_is_wider(const w4_human *human, w4_json scope) {
    w4_json_document doc = {0};
    bool known = read_scope(human, &doc), wider = false;
    for (w4_json_iterator i = w4_json_first(scope); w4_json_exists(i.value) && !wider;
         i = w4_json_next(i)) {
        wider = !known || !names_topic(w4_json_root(&doc), w4_json_string_raw(i.value));
    }
    w4_json_document_deinit(&doc);
    return wider;
}
