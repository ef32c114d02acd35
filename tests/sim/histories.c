#include "histories.h"

#include "protocol/evidence/trust_history.h"

void sim_histories_check(const sim_node *node) {
    const w4_trust_book *book = w4_node_trust(node->node);
    w4_trust_entry entry;
    for (size_t cursor = 0; w4_trust_book_next(book, &cursor, &entry);) {
        w4_trust_replay replay;
        int r = w4_trust_history_replay(node->store, book, entry.kind, &entry.subject, &replay);
        char subject[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&entry.subject, subject);
        if (r != 0 || !replay.agrees) {
            sim_fail(node->world, "3: %s takes the %s %.8s for %s, and its %u moves give %s (%d)",
                     node->name, w4_trust_kind_name(entry.kind), subject,
                     w4_trust_state_name(entry.kind, entry.state), r == 0 ? replay.moves : 0,
                     r == 0 ? w4_trust_state_name(entry.kind, replay.state) : "nothing", r);
        }
    }
}
