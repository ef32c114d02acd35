/* What waits follows the keys of agents and nodes. */
#include "protocol/durable/durable.h"

#include "protocol/router.h"

static void follow_ends(w4_ends *ends, const w4_fingerprint *key, const w4_fingerprint *current) {
    w4_end *end;
    TAILQ_FOREACH (end, &ends->list, link) {
        if (w4_fingerprint_equal(&end->node, key)) {
            end->node = *current;
            ends->news = true;
        }
    }
}

/* Rows of posts and ends keep the node that they were made with: this is done again at each start.
 */
static int follow_key(w4_protocol *p, const w4_fingerprint *key) {
    w4_fingerprint current = w4_router_addressee(p, key);
    const void *cursor = NULL;
    w4_stream *stream;
    int r = w4_homes_follow(&p->homes, key, &current);
    r = r == 0 ? w4_homes_follow(&p->listed, key, &current) : r;
    r = r == 0 ? w4_shelves_move(&p->shelves, key, &current) : r;
    while ((stream = w4_posts_next(&p->posts, &cursor)) != NULL) {
        if (w4_fingerprint_equal(&stream->node, key)) {
            stream->node = current;
        }
    }
    follow_ends(&p->held, key, &current);
    follow_ends(&p->owed, key, &current);
    return r < 0 ? r : 0;
}

int w4_durable_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    w4_fingerprint current = w4_router_addressee(p, key);
    w4_agent *agent = w4_agents_find(&p->agents, &current);
    int r = follow_key(p, key);
    r = r == 0 ? w4_durable_peer_changed(p, &current, now_us) : r;
    return r == 0 && agent && agent->attached ? w4_durable_offer(p, agent, now_us) : r;
}

int w4_durable_follow_keys(w4_protocol *p) {
    const void *cursor = NULL;
    w4_key_info info;
    int r = 0;
    while (r == 0 && w4_keyring_next(p->keyring, &cursor, &info)) {
        r = info.replaced ? follow_key(p, &info.key) : 0;
    }
    return r;
}
