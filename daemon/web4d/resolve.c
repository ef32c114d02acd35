#include "web4d/call.h"

#include "protocol/humans/hcp.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define CHOICE_MAX 3u     /* of those that a name may mean, as many are told */
#define CHOICE_DIGITS 12u /* of the fingerprint of each */

typedef struct choice {
    w4_fingerprint fingerprint;
    w4_trust_kind kind;
} choice;

/* What has been found so far for a name: nothing, one, or several different ones. */
typedef struct match {
    const w4_trust_book *book; /* knows which keys are of one identity */
    uint32_t count;
    choice first[CHOICE_MAX];
} match;

/* More than are told may be counted twice: they are too many anyway. */
static void found(match *m, const w4_fingerprint *fingerprint, w4_trust_kind kind) {
    for (uint32_t i = 0; i < m->count && i < CHOICE_MAX; i++) {
        if (w4_trust_book_same(m->book, &m->first[i].fingerprint, fingerprint)) {
            return;
        }
    }
    if (m->count < CHOICE_MAX) {
        m->first[m->count] = (choice){*fingerprint, kind};
    }
    m->count++;
}

static bool is_prefix(const char *name) {
    size_t len = strlen(name);
    if (len < W4_PREFIX_MIN || len > W4_FINGERPRINT_TEXT_LEN) {
        return false;
    }
    return strspn(name, "0123456789abcdef") == len;
}

static bool has_prefix(const w4_fingerprint *fingerprint, const char *prefix) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(fingerprint, text);
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void consider(match *m, const char *name, const char *known_as,
                     const w4_fingerprint *fingerprint, w4_trust_kind kind) {
    if (strcmp(name, known_as) == 0 || (is_prefix(name) && has_prefix(fingerprint, name))) {
        found(m, fingerprint, kind);
    }
}

static void consider_agents(w4d_call *call, match *m, const char *name) {
    w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_agent_info info;
    for (size_t cursor = 0; w4_protocol_agent_next(protocol, &cursor, &info);) {
        consider(m, name, info.agent_id, &info.fingerprint, W4_TRUST_AGENT);
    }
    w4_graph *graph = w4_node_graph(call->app->node);
    const w4_record *record = NULL;
    for (size_t cursor = 0; (record = w4_graph_next(graph, &cursor)) != NULL;) {
        for (uint32_t i = 0; i < record->agent_count; i++) {
            consider(m, name, record->agents[i].agent_id, &record->agents[i].fingerprint,
                     W4_TRUST_AGENT);
        }
    }
}

static void consider_nodes(w4d_call *call, match *m, const char *name) {
    const w4_fingerprint *self = w4_identity_fingerprint(call->app->identity);
    consider(m, name, call->app->config->node.name, self, W4_TRUST_NODE);
    w4_mesh *mesh = w4_node_mesh(call->app->node);
    w4_mesh_peer_info info;
    for (size_t cursor = 0; w4_mesh_peer_next(mesh, &cursor, &info);) {
        if (w4_fingerprint_is_zero(&info.node)) {
            continue;
        }
        consider(m, name, info.name, &info.node, W4_TRUST_NODE);
        for (uint32_t i = 0; i < info.address_count; i++) {
            if (strcmp(name, info.addresses[i].address) == 0) {
                found(m, &info.node, W4_TRUST_NODE);
            }
        }
    }
}

static void consider_book(w4d_call *call, match *m, const char *name, w4_trust_kind kind,
                          bool revoked) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_trust_entry entry;
    for (size_t cursor = 0; w4_trust_book_next(m->book, &cursor, &entry);) {
        const char *known_as = w4_trust_book_name(m->book, entry.kind, &entry.subject);
        bool fits = kind == W4_TRUST_KIND_COUNT || kind == entry.kind;
        if (fits && strcmp(name, known_as) == 0) {
            w4_refusal code = w4_protocol_key_refused(protocol, &entry.subject);
            fits = (code == W4_REFUSAL_KEY_REVOKED) == revoked;
        }
        if (fits) {
            consider(m, name, known_as, &entry.subject, entry.kind);
        }
    }
}

/* Those who stand in the trust book, under the name last known of them: they may be away. Whose key
 * was revoked is meant by it only when nobody else is: that name may have gone to another key. */
static void consider_trusted(w4d_call *call, match *m, const char *name, w4_trust_kind kind) {
    consider_book(call, m, name, kind, false);
    if (m->count == 0) {
        consider_book(call, m, name, kind, true);
    }
}

/* Each of those that are meant, as far as there is room: 1a2b3c4d5e6f (trusted), ... */
static void write_choice(const match *m, char *ret_text, size_t size) {
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < m->count && i < CHOICE_MAX; i++) {
        const choice *one = &m->first[i];
        w4_trust_state state = w4_trust_book_state(m->book, one->kind, &one->fingerprint);
        char digits[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&one->fingerprint, digits);
        used += (size_t)snprintf(ret_text + used, size - used, "%s%.*s (%s)", i > 0 ? ", " : "",
                                 (int)CHOICE_DIGITS, digits, w4_trust_state_name(one->kind, state));
    }
    if (m->count > CHOICE_MAX) {
        (void)snprintf(ret_text + used, size - used, ", ...");
    }
}

static int decide(w4d_call *call, const match *m, const char *pointer, const char *name,
                  const char *what) {
    if (m->count == 1) {
        return 0;
    }
    w4_buffer shown = W4_BUFFER_INIT(2048);
    const char *text =
        w4_text_escape(&shown, w4_bytes_from_text(name)) == 0 ? w4_buffer_text(&shown) : NULL;
    if (m->count == 0) {
        w4d_refuse(call, W4_REFUSAL_NOT_FOUND, pointer, "no %s is known as %.100s", what,
                   text == NULL ? "that" : text);
    } else {
        char meant[CHOICE_MAX * (CHOICE_DIGITS + 20) + 8];
        write_choice(m, meant, sizeof meant);
        w4d_refuse(call, W4_REFUSAL_NOT_FOUND, pointer,
                   "%.60s means different ones: %s; give the fingerprint, or enough of it",
                   text == NULL ? "that" : text, meant);
    }
    w4_buffer_deinit(&shown);
    return 1;
}

static int resolve_agent(w4d_call *call, const char *name, const char *pointer, const char *what,
                         w4_fingerprint *ret_agent) {
    match m = {.book = w4_node_trust(call->app->node)};
    consider_agents(call, &m, name);
    consider_trusted(call, &m, name, W4_TRUST_AGENT);
    if (m.count == 0 && w4_fingerprint_parse(w4_bytes_from_text(name), ret_agent)) {
        return 0;
    }
    int r = decide(call, &m, pointer, name, what);
    if (r == 0) {
        *ret_agent = m.first[0].fingerprint;
    }
    return r;
}

int w4d_resolve_agent(w4d_call *call, const char *name, const char *pointer,
                      w4_fingerprint *ret_agent) {
    return resolve_agent(call, name, pointer, "agent", ret_agent);
}

static void consider_humans(w4d_call *call, match *m, const char *name) {
    const w4_humans *humans = w4_hcp_humans(w4_node_protocol(call->app->node));
    void *cursor = NULL;
    const w4_human *human;
    while ((human = w4_humans_next(humans, &cursor)) != NULL) {
        consider(m, name, human->agent_id, &human->fingerprint, W4_TRUST_HUMAN);
    }
}

int w4d_resolve_human(w4d_call *call, const char *name, w4_fingerprint *ret_human) {
    match m = {.book = w4_node_trust(call->app->node)};
    consider_humans(call, &m, name);
    if (m.count == 0) {
        return resolve_agent(call, name, "/human", "human", ret_human);
    }
    int r = decide(call, &m, "/human", name, "human");
    if (r == 0) {
        *ret_human = m.first[0].fingerprint;
    }
    return r;
}

int w4d_resolve_node(w4d_call *call, const char *name, w4_fingerprint *ret_node) {
    match m = {.book = w4_node_trust(call->app->node)};
    consider_nodes(call, &m, name);
    if (m.count == 0 || is_prefix(name)) {
        consider_trusted(call, &m, name, W4_TRUST_NODE);
    }
    if (m.count == 0 && w4_fingerprint_parse(w4_bytes_from_text(name), ret_node)) {
        return 0;
    }
    int r = decide(call, &m, "/peer", name, "node");
    if (r == 0) {
        *ret_node = m.first[0].fingerprint;
    }
    return r;
}

/* Nobody of that kind: who is asked for without a kind may have meant another. */
static int refuse_kind(w4d_call *call, const char *name, w4_trust_kind kind) {
    match none = {.book = w4_node_trust(call->app->node)}, nodes = none, humans = none;
    consider_nodes(call, &nodes, name);
    consider_trusted(call, &nodes, name, W4_TRUST_NODE);
    consider_humans(call, &humans, name);
    consider_trusted(call, &humans, name, W4_TRUST_HUMAN);
    const char *other = kind != W4_TRUST_NODE && nodes.count > 0     ? "node"
                        : kind != W4_TRUST_HUMAN && humans.count > 0 ? "human"
                                                                     : NULL;
    const char *what = w4_trust_kind_name(kind);
    if (other == NULL) {
        return decide(call, &none, "/subject", name, what);
    }
    char shown[128];
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_from_text(name));
    return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/subject",
                      "no %s is known as %s, but a %s is: ask with the kind %s", what, shown, other,
                      other);
}

int w4d_resolve_subject(w4d_call *call, const char *name, w4_trust_kind kind,
                        w4_fingerprint *ret_subject, w4_trust_kind *ret_kind) {
    match m = {.book = w4_node_trust(call->app->node)};
    if (kind != W4_TRUST_NODE) {
        consider_agents(call, &m, name);
    }
    if (kind == W4_TRUST_NODE || kind == W4_TRUST_KIND_COUNT) {
        consider_nodes(call, &m, name);
    }
    if (kind == W4_TRUST_HUMAN) {
        consider_humans(call, &m, name);
    }
    consider_trusted(call, &m, name, kind);
    w4_fingerprint whole;
    if (m.count == 0 && w4_fingerprint_parse(w4_bytes_from_text(name), &whole)) {
        found(&m, &whole, kind == W4_TRUST_KIND_COUNT ? W4_TRUST_AGENT : kind);
    }
    if (m.count == 0 && kind != W4_TRUST_KIND_COUNT) {
        return refuse_kind(call, name, kind);
    }
    int r = decide(call, &m, "/subject", name, "agent");
    if (r == 0) {
        *ret_subject = m.first[0].fingerprint;
        *ret_kind = kind == W4_TRUST_KIND_COUNT ? m.first[0].kind : kind;
    }
    return r;
}

static bool agent_name(w4d_app *app, const w4_fingerprint *subject, char *ret_name, size_t size) {
    w4_agent_info info;
    for (size_t cursor = 0; w4_protocol_agent_next(w4_node_protocol(app->node), &cursor, &info);) {
        if (w4_fingerprint_equal(&info.fingerprint, subject)) {
            w4_text_copy(ret_name, size, w4_bytes_from_text(info.agent_id));
            return true;
        }
    }
    w4_fingerprint node;
    const w4_record_agent *agent = w4_graph_find_agent(w4_node_graph(app->node), subject, &node);
    const w4_human *human = w4_humans_find(w4_hcp_humans(w4_node_protocol(app->node)), subject);
    if (agent == NULL && human != NULL) {
        w4_text_copy(ret_name, size, w4_bytes_from_text(human->agent_id));
        return true;
    }
    if (agent != NULL) {
        w4_text_copy(ret_name, size, w4_bytes_from_text(agent->agent_id));
    }
    return agent != NULL;
}

void w4d_name_of(w4d_app *app, w4_trust_kind kind, const w4_fingerprint *subject, char *ret_name,
                 size_t size) {
    ret_name[0] = '\0';
    if (kind != W4_TRUST_NODE) {
        (void)agent_name(app, subject, ret_name, size);
    } else if (w4_fingerprint_equal(subject, w4_identity_fingerprint(app->identity))) {
        w4_text_copy(ret_name, size, w4_bytes_from_text(app->config->node.name));
    } else {
        w4_mesh_peer_info info;
        for (size_t cursor = 0; w4_mesh_peer_next(w4_node_mesh(app->node), &cursor, &info);) {
            if (w4_fingerprint_equal(&info.node, subject)) {
                w4_text_copy(ret_name, size, w4_bytes_from_text(info.name));
                break;
            }
        }
    }
    if (ret_name[0] == '\0') {
        w4_text_copy(
            ret_name, size,
            w4_bytes_from_text(w4_trust_book_name(w4_node_trust(app->node), kind, subject)));
    }
    for (uint32_t i = 0; ret_name[0] == '\0' && i < app->config->trust.anchors_count; i++) {
        const w4_config_anchor *anchor = &app->config->trust.anchors[i];
        if (w4_fingerprint_equal(&anchor->fingerprint, subject)) {
            w4_text_copy(ret_name, size, w4_bytes_from_text(anchor->name));
        }
    }
}
