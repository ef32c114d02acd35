#include "protocol/pipeline/explain.h"

#include "envelope/members.h"
#include "protocol/pipeline/foresight.h"
#include "protocol/pipeline/pipeline_words.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct walk {
    const w4_protocol *p;
    w4_inbound in;
    w4_json_document document; /* of the envelope on its way */
    w4_json_writer *w;
    bool all;
    w4_explain_way way; /* how it is judged */
    const char *ended;  /* the gate that refused first; NULL: none yet */
    w4_sight ended_at;  /* what it could see */
    w4_envelope_fault end;
    w4_words reason; /* of that gate, or of the delivery */
    bool waits;      /* it passes, and somebody gets it later */
} walk;

/* What a gate says. */
typedef enum verdict {
    VERDICT_PASSES,
    VERDICT_REFUSES,
    VERDICT_WAITS,
    VERDICT_NOT_ASKED,   /* not of what comes this way */
    VERDICT_NOT_REACHED, /* it ended before */
} verdict;

static const char *const verdict_names[] = {"passes", "refuses", "waits", "not_asked",
                                            "not_reached"};

static void write_gate(walk *k, const w4_gate *gate, const char *stage, verdict said,
                       const char *why) {
    w4_json_begin_object(k->w);
    w4_json_member_string(k->w, "gate", gate->name);
    w4_json_member_string(k->w, "stage", stage);
    w4_json_member_string(k->w, "verdict", verdict_names[said]);
    w4_json_member_string(k->w, "asks", gate->help);
    w4_json_member_string(k->w, "why", why);
    if (said == VERDICT_REFUSES) {
        w4_json_member_string(k->w, "code", w4_refusal_name(k->in.fault.code));
        w4_json_member_string(k->w, "pointer", k->in.fault.detail.pointer);
        w4_json_member_string(k->w, "expected", k->in.fault.detail.expected);
    }
    w4_json_end_object(k->w);
}

static void end_at(walk *k, const w4_gate *gate, const w4_stage *stage, const w4_words *words) {
    if (!k->ended) {
        k->reason = *words;
        k->ended = gate->name;
        k->ended_at = stage->sight;
        k->end = k->in.fault;
    }
}

/* 0 or a fatal error. */
static int ask_gate(walk *k, const w4_gate *gate, const w4_stage *stage) {
    w4_words words = {.len = 0};
    k->in.fault = (w4_envelope_fault){.code = W4_REFUSAL_NONE};
    int r = gate->look ? gate->look(k->p, &k->in) : 0;
    if (r < 0) {
        return r;
    }
    if (gate->tell) {
        gate->tell(k->p, &k->in, &words);
    }
    write_gate(k, gate, stage->gate.name, r == 0 ? VERDICT_PASSES : VERDICT_REFUSES, words.text);
    if (r != 0) {
        end_at(k, gate, stage, &words);
    }
    return 0;
}

static int ask_delivery(walk *k, const w4_stage *stage) {
    w4_words words = {.len = 0};
    bool waits = false;
    k->in.fault = (w4_envelope_fault){.code = W4_REFUSAL_NONE};
    int r = w4_foresee_delivery(k->p, &k->in, &words, &waits);
    if (r < 0) {
        return r;
    }
    write_gate(k, &stage->gate, stage->gate.name,
               r > 0   ? VERDICT_REFUSES
               : waits ? VERDICT_WAITS
                       : VERDICT_PASSES,
               words.text);
    k->waits = r == 0 && waits;
    if (r == 0 && !k->ended) {
        k->reason = words;
    }
    if (r > 0) {
        end_at(k, &stage->gate, stage, &words);
    }
    return 0;
}

/* Behind a refusal only what needs no more than an envelope that was read, and is genuine. */
static bool is_open(const walk *k, const w4_stage *stage) {
    return !k->ended ||
           (k->all && k->ended_at == W4_SIGHT_PROVEN && stage->sight == W4_SIGHT_PROVEN);
}

static void pass_over(walk *k, const w4_gate *gate, const char *stage, bool asked) {
    write_gate(k, gate, stage, asked ? VERDICT_NOT_REACHED : VERDICT_NOT_ASKED,
               asked ? "it ended before" : "not of what comes this way");
}

static int ask_family(walk *k, const w4_stage *stage) {
    const w4_family_rules *family = k->in.family;
    int r = 0;
    if (family->gate_count == 0) {
        write_gate(k, &stage->gate, stage->gate.name, VERDICT_PASSES, "its family has none");
    }
    for (size_t i = 0; r == 0 && i < family->gate_count; i++) {
        if (is_open(k, stage)) {
            r = ask_gate(k, &family->gates[i], stage);
        } else {
            pass_over(k, &family->gates[i], stage->gate.name, true);
        }
    }
    return r;
}

static int walk_stage(walk *k, const w4_stage *stage) {
    bool asked = (stage->origins & 1u << k->in.origin) != 0;
    if (!asked || !is_open(k, stage)) {
        pass_over(k, &stage->gate, stage->gate.name, asked);
        if (stage->delivers && !k->ended) { /* that was the sentence for the whole */
            w4_words_say(&k->reason, "%s; no agent is handed it, since it was said some time ago",
                         k->in.rule->effect);
        }
        return 0;
    }
    if (stage->of_family && k->in.family->preview_size > 0) {
        k->in.preview = calloc(1, k->in.family->preview_size);
        if (!k->in.preview) {
            return -ENOMEM;
        }
    }
    return stage->delivers    ? ask_delivery(k, stage)
           : stage->of_family ? ask_family(k, stage)
                              : ask_gate(k, &stage->gate, stage);
}

static const char *const way_names[W4_EXPLAIN_WAY_COUNT] = {
    [W4_EXPLAIN_USUAL] = "",        [W4_EXPLAIN_AGENT] = "agent",     [W4_EXPLAIN_NODE] = "node",
    [W4_EXPLAIN_SHARED] = "shared", [W4_EXPLAIN_ARCHIVE] = "archive",
};

const char *w4_explain_way_name(w4_explain_way way) {
    return way_names[way];
}

/* Its sender is an agent that is attached here, or NULL. */
static w4_agent *find_sender(const walk *k, const w4_envelope *view) {
    w4_agent *agent = w4_agents_find(&k->p->agents, &view->sender.fingerprint);
    return agent && agent->attached ? agent : NULL;
}

/* The node that brings what that sender says: its own, as far as that is known. */
static void find_carrier(walk *k, const w4_envelope *view) {
    const w4_fingerprint *sender = &view->sender.fingerprint;
    w4_fingerprint home;
    if (view->family == W4_FAMILY_MESH) {
        k->in.from_node = *sender;
    } else if ((w4_router_home(k->p, sender, NULL, &home) ||
                w4_router_is_behind(k->p, sender, &home)) &&
               !w4_fingerprint_equal(&home, &k->p->self)) {
        k->in.from_node = home;
    }
}

/* Whose it is, of what can be read of it: an agent here hands it over, a node brings what is of
 * others. 0, -ENOMEM, or 1 with *ret_refused. */
static int set_out(walk *k, const w4_explain_request *request, w4_refused *ret_refused) {
    static const w4_origin origins[W4_EXPLAIN_WAY_COUNT] = {
        [W4_EXPLAIN_AGENT] = W4_ORIGIN_SUBMIT,
        [W4_EXPLAIN_NODE] = W4_ORIGIN_NODE,
        [W4_EXPLAIN_SHARED] = W4_ORIGIN_SHARED,
        [W4_EXPLAIN_ARCHIVE] = W4_ORIGIN_ARCHIVE,
    };
    w4_inbound *in = &k->in;
    w4_envelope view;
    w4_envelope_fault fault;
    int r = w4_envelope_read_any(&k->document, request->bytes, &k->p->config.limits, true, &view,
                                 &fault);
    if (r < 0) {
        return r;
    }
    bool read = r == 0;
    w4_agent *agent = read ? find_sender(k, &view) : NULL;
    k->way = request->way != W4_EXPLAIN_USUAL ? request->way
             : agent                          ? W4_EXPLAIN_AGENT
                                              : W4_EXPLAIN_NODE;
    if (k->way == W4_EXPLAIN_AGENT && read && !agent) {
        *ret_refused = (w4_refused){.code = W4_REFUSAL_NOT_FOUND, .pointer = "/as"};
        snprintf(ret_refused->text, sizeof ret_refused->text,
                 "its sender is no agent that is attached to this node");
        return 1;
    }
    in->origin = origins[k->way];
    in->agent = k->way == W4_EXPLAIN_AGENT ? agent : NULL;
    if (request->from && (k->way == W4_EXPLAIN_NODE || k->way == W4_EXPLAIN_SHARED)) {
        in->from_node = *request->from;
    } else if (read && k->way == W4_EXPLAIN_NODE) {
        find_carrier(k, &view);
    }
    in->bytes = request->bytes;
    in->deadline_us = W4_NEVER;
    return 0;
}

static void write_end(walk *k) {
    w4_json_writer *w = k->w;
    const w4_inbound *in = &k->in;
    w4_json_member_string(w, "as", w4_explain_way_name(k->way));
    if (!w4_fingerprint_is_zero(&in->from_node)) {
        w4_member_fingerprint(w, "from", &in->from_node);
    }
    if (in->rule) {
        w4_json_member_string(w, "type", w4_type_row_of(in->envelope.type)->name);
        w4_json_member_string(w, "msg_id", in->envelope.msg_id);
        w4_json_member_string(w, "agent_id", in->envelope.sender.agent_id);
        w4_member_fingerprint(w, "sender", &in->envelope.sender.fingerprint);
    }
    w4_json_member_string(w, "outcome",
                          k->ended               ? "refused"
                          : k->waits || in->held ? "waits"
                                                 : "passes");
    w4_json_member_string(w, "reason", k->reason.text);
    if (k->ended) {
        w4_json_member_string(w, "ended", k->ended);
        w4_json_member_string(w, "code", w4_refusal_name(k->end.code));
        w4_json_member_string(w, "help", w4_refusal_help(k->end.code));
        w4_json_member_string(w, "pointer", k->end.detail.pointer);
        w4_json_member_string(w, "expected", k->end.detail.expected);
    }
}

int w4_protocol_explain(const w4_protocol *p, const w4_explain_request *request, uint64_t now_us,
                        w4_json_writer *w, w4_refused *ret_refused) {
    walk k = {.p = p, .w = w, .all = request->all};
    w4_inbound *in = &k.in;
    in->now_us = now_us;
    in->wall_us = w4_router_wall(p, now_us);
    int r = set_out(&k, request, ret_refused);
    in->document = &k.document;
    if (r == 0) {
        size_t count;
        const w4_stage *stages = w4_pipeline_stages(&count);
        w4_json_begin_object(w);
        w4_json_name(w, "gates");
        w4_json_begin_array(w);
        for (size_t i = 0; r == 0 && i < count; i++) {
            r = walk_stage(&k, &stages[i]);
        }
        w4_json_end_array(w);
        write_end(&k);
        w4_json_end_object(w);
    }
    free(in->preview);
    w4_json_document_deinit(&k.document);
    return r;
}
