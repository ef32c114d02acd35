#include "inside.h"

void subject_note_receipts(subject *s, w4_json payload) {
    for (w4_json_iterator i = w4_json_first(w4_json_get(payload, "receipts"));
         w4_json_exists(i.value); i = w4_json_next(i)) {
        char id[37], code[64];
        w4_json stage = w4_json_get(i.value, "stage");
        w4_json_string_copy(w4_json_get(i.value, "msg_id"), id, sizeof id);
        if (w4_json_string_equal(stage, "ended")) {
            ending *at = &s->ends[s->ended_count++];
            *at = (ending){.number = (uint32_t)strtoul(id, NULL, 16), .code = W4_REFUSAL_NONE};
            if (w4_json_exists(w4_json_get(i.value, "code"))) {
                w4_json_string_copy(w4_json_get(i.value, "code"), code, sizeof code);
                ck_assert(w4_refusal_from_name(w4_bytes_from_text(code), &at->code));
            }
        } else if (w4_json_string_equal(stage, "held")) {
            s->holds = true;
        }
    }
}

w4_refusal subject_kept(subject *s, const step *st) {
    char id[37];
    bool known = false;
    w4_refused refused = {0};
    if (st->kind == LEAVE) {
        w4_protocol_agent_detach(s->protocol, st->who + 1, NULL, s->now_us);
        s->here[st->who] = false;
    } else if (st->kind == COME && !s->here[st->who]) {
        subject_attach(s, st->who);
    } else if (st->kind == DEAL) {
        subject_id_of(st->about, id);
        int r =
            w4_protocol_agent_ack(s->protocol, st->who + 1, NULL, id, s->now_us, &known, &refused);
        ck_assert_int_ge(r, 0);
        subject_drain(s);
        return r == 1 ? refused.code : known ? W4_REFUSAL_NONE : W4_REFUSAL_NOT_FOUND;
    }
    subject_drain(s);
    return W4_REFUSAL_NONE;
}

size_t subject_ended(const subject *s, const ending **ret_ends) {
    *ret_ends = s->ends;
    return s->ended_count;
}

bool subject_holds(const subject *s) {
    return s->holds;
}
