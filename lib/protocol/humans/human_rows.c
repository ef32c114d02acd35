#include "protocol/humans/human_rows.h"

#include "base/clock.h"
#include "envelope/members.h"
#include "envelope/schema.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void write_fingerprint(w4_json_writer *w, const char *name, const w4_fingerprint *of) {
    if (!w4_fingerprint_is_zero(of)) {
        w4_member_fingerprint(w, name, of);
    }
}

static bool read_fingerprint(w4_json object, const char *name, w4_fingerprint *ret_fingerprint) {
    w4_json value = w4_json_get(object, name);
    return !w4_json_exists(value) ||
           w4_fingerprint_parse(w4_json_string_raw(value), ret_fingerprint);
}

/* To the microsecond: what is older is not taken. */
static void write_said_value(w4_json_writer *w, const w4_human_said *said) {
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "at_us", said->at_us);
    w4_json_member_string(w, "msg_id", said->msg_id);
    write_fingerprint(w, "to", &said->to);
    w4_json_end_object(w);
}

static void write_said(w4_json_writer *w, const char *name, const w4_human_said *said) {
    if (said->at_us != 0) {
        w4_json_name(w, name);
        write_said_value(w, said);
    }
}

static void write_asides(w4_json_writer *w, const w4_human *human) {
    if (human->asides_count == 0) {
        return;
    }
    w4_json_name(w, "asides");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < human->asides_count; i++) {
        write_said_value(w, &human->asides[i]);
    }
    w4_json_end_array(w);
}

static bool read_us(w4_json object, const char *name, uint64_t *ret_us) {
    w4_json value = w4_json_get(object, name);
    int64_t us;
    if (!w4_json_exists(value)) {
        return true;
    }
    bool good = w4_json_integer(value, &us) && us >= 0;
    *ret_us = good ? (uint64_t)us : *ret_us;
    return good;
}

static bool read_said(w4_json said, w4_human_said *ret_said) {
    return !w4_json_exists(said) ||
           (w4_json_string_copy(w4_json_get(said, "msg_id"), ret_said->msg_id,
                                sizeof ret_said->msg_id) &&
            read_us(said, "at_us", &ret_said->at_us) &&
            read_fingerprint(said, "to", &ret_said->to));
}

/* 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_asides(w4_json root, w4_human *human) {
    w4_json list = w4_json_get(root, "asides");
    uint32_t count = w4_json_count(list);
    if (count == 0) {
        return 0;
    }
    human->asides =
        count <= W4_HUMAN_ASIDES_MAX ? calloc(W4_HUMAN_ASIDES_MAX, sizeof *human->asides) : NULL;
    if (!human->asides) {
        return count <= W4_HUMAN_ASIDES_MAX ? -ENOMEM : W4_STORE_E_CORRUPT;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!read_said(i.value, &human->asides[human->asides_count++])) {
            return W4_STORE_E_CORRUPT;
        }
    }
    return 0;
}

static bool read_time(w4_json object, const char *name, uint64_t *ret_wall_us) {
    w4_json value = w4_json_get(object, name);
    return !w4_json_exists(value) || w4_timestamp_parse(w4_json_string_raw(value), ret_wall_us);
}

static void write_validates(w4_json_writer *w, const w4_human *human) {
    if (human->validates_count == 0) {
        return;
    }
    w4_json_name(w, "validates");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < human->validates_count; i++) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&human->validates[i], text);
        w4_json_string_text(w, text);
    }
    w4_json_end_array(w);
}

/* 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_validates(w4_json root, w4_human *human) {
    w4_json list = w4_json_get(root, "validates");
    uint32_t count = w4_json_count(list);
    if (count == 0) {
        return 0;
    }
    human->validates = count <= W4_HUMAN_VALIDATES_MAX
                           ? malloc(W4_HUMAN_VALIDATES_MAX * sizeof *human->validates)
                           : NULL;
    if (!human->validates) {
        return count <= W4_HUMAN_VALIDATES_MAX ? -ENOMEM : W4_STORE_E_CORRUPT;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!w4_fingerprint_parse(w4_json_string_raw(i.value),
                                  &human->validates[human->validates_count++])) {
            return W4_STORE_E_CORRUPT;
        }
    }
    return 0;
}

int w4_human_row_write(const w4_human *human, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "affect", w4_names_affect[human->affect]);
    w4_json_member_string(&w, "agent_id", human->agent_id);
    write_asides(&w, human);
    w4_json_member_unsigned(&w, "clarity", human->clarity);
    w4_json_member_string(&w, "consent", w4_consent_name(human->consent));
    w4_member_time_if_any(&w, "corrected_at", human->corrected_us[0]);
    w4_member_time_if_any(&w, "corrected_before_at", human->corrected_us[1]);
    write_said(&w, "greeting", &human->greeting);
    w4_json_member_bool(&w, "here", human->here);
    w4_json_member_unsigned(&w, "latest_us", human->latest_us);
    w4_json_member_string(&w, "msg_id", human->msg_id);
    if (human->overtaken) {
        w4_json_member_bool(&w, "overtaken", true);
    }
    w4_json_member_string(&w, "presence", w4_names_presence[human->presence]);
    w4_json_member_unsigned(&w, "pressure", human->pressure);
    w4_member_time_if_any(&w, "said_at", human->said_us);
    if (human->scope.len > 0) {
        w4_json_name(&w, "scope");
        w4_json_raw(&w, w4_buffer_bytes(&human->scope));
    }
    w4_json_member_unsigned(&w, "since_us", human->since_us);
    w4_member_time_if_any(&w, "taken_at", human->taken_us);
    write_fingerprint(&w, "told_by", &human->told_by);
    write_validates(&w, human);
    write_said(&w, "word", &human->word);
    w4_json_end_object(&w);
    return w.error;
}

/* Rows of before words were passed on have none of this. */
static bool read_origin(w4_json root, w4_human *h) {
    h->here = w4_json_is_true(w4_json_get(root, "here"));
    h->overtaken = w4_json_is_true(w4_json_get(root, "overtaken"));
    h->latest_us = h->said_us;
    bool good = read_us(root, "latest_us", &h->latest_us) &&
                read_said(w4_json_get(root, "greeting"), &h->greeting) &&
                read_said(w4_json_get(root, "word"), &h->word) &&
                read_fingerprint(root, "told_by", &h->told_by);
    h->since_us = h->word.at_us;
    return good && read_us(root, "since_us", &h->since_us);
}

/* In the order of its row: what is wrong with one part makes the others worth nothing. */
int w4_human_row_read(w4_json row, w4_human *human) {
    w4_json scope = w4_json_get(row, "scope");
    bool good =
        w4_human_read_state(row, human) && human->clarity <= 100 && human->pressure <= 100 &&
        w4_json_string_copy(w4_json_get(row, "agent_id"), human->agent_id,
                            sizeof human->agent_id) &&
        w4_json_string_copy(w4_json_get(row, "msg_id"), human->msg_id, sizeof human->msg_id) &&
        read_time(row, "said_at", &human->said_us) &&
        read_time(row, "taken_at", &human->taken_us) &&
        read_time(row, "corrected_at", &human->corrected_us[0]) &&
        read_time(row, "corrected_before_at", &human->corrected_us[1]) && read_origin(row, human);
    int r = good ? 0 : W4_STORE_E_CORRUPT;
    if (r == 0 && w4_json_exists(scope)) {
        r = w4_buffer_append(&human->scope, w4_json_text(scope));
    }
    r = r == 0 ? read_validates(row, human) : r;
    return r == 0 ? read_asides(row, human) : r;
}
