#include "graph/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

/* One record that names an agent. */
typedef struct place {
    struct place *next, *previous;
    const w4_record *record;
    const w4_record_agent *agent;
} place;

typedef struct w4_directory_agent {
    UT_hash_handle hh;
    w4_fingerprint fingerprint;
    place *places;
} agent;

/* A key under a name, and how many records say so. */
typedef struct bearer {
    UT_hash_handle hh;
    w4_fingerprint fingerprint;
    uint32_t places;
} bearer;

typedef struct w4_directory_name {
    UT_hash_handle hh;
    bearer *bearers; /* by fingerprint */
    char agent_id[256];
} name;

static agent *find_agent(const w4_directory *directory, const w4_fingerprint *fingerprint) {
    agent *found = NULL;
    HASH_FIND(hh, directory->agents, fingerprint, sizeof *fingerprint, found);
    return found;
}

static name *find_name(const w4_directory *directory, w4_bytes agent_id) {
    name *found = NULL;
    HASH_FIND(hh, directory->names, agent_id.data, (unsigned)agent_id.len, found);
    return found;
}

static bearer *find_bearer(const name *of, const w4_fingerprint *fingerprint) {
    bearer *found = NULL;
    HASH_FIND(hh, of->bearers, fingerprint, sizeof *fingerprint, found);
    return found;
}

/* ---- by key */

static int agent_get(w4_directory *directory, const w4_fingerprint *fingerprint,
                     agent **ret_agent) {
    agent *a = find_agent(directory, fingerprint);
    if (a == NULL) {
        a = (agent *)calloc(1, sizeof *a);
        if (a == NULL) {
            return -ENOMEM;
        }
        a->fingerprint = *fingerprint;
        HASH_ADD(hh, directory->agents, fingerprint, sizeof a->fingerprint, a);
        if (a->hh.tbl == NULL) {
            free(a);
            return -ENOMEM;
        }
    }
    *ret_agent = a;
    return 0;
}

static void agent_tidy(w4_directory *directory, agent *a) {
    if (a->places == NULL) {
        HASH_DEL(directory->agents, a);
        free(a);
    }
}

static int place_add(w4_directory *directory, const w4_record *record,
                     const w4_record_agent *named) {
    agent *a = NULL;
    int r = agent_get(directory, &named->fingerprint, &a);
    if (r < 0) {
        return r;
    }
    place *p = (place *)calloc(1, sizeof *p);
    if (p == NULL) {
        agent_tidy(directory, a);
        return -ENOMEM;
    }
    p->record = record;
    p->agent = named;
    /* A newer record of the same author stands where the older one, which is about to go, stood. */
    place *older = a->places;
    while (older != NULL && !w4_fingerprint_equal(&older->record->id, &record->id)) {
        older = older->next;
    }
    if (older != NULL) {
        DL_APPEND_ELEM2(a->places, older, p, previous, next);
    } else {
        DL_APPEND2(a->places, p, previous, next);
    }
    return 0;
}

static void place_remove(w4_directory *directory, const w4_record *record,
                         const w4_record_agent *named) {
    agent *a = find_agent(directory, &named->fingerprint);
    for (place *p = a->places; p != NULL; p = p->next) {
        if (p->record == record) {
            DL_DELETE2(a->places, p, previous, next);
            free(p);
            break;
        }
    }
    agent_tidy(directory, a);
}

/* ---- by name */

static int name_get(w4_directory *directory, w4_bytes agent_id, name **ret_name) {
    name *n = find_name(directory, agent_id);
    if (n == NULL) {
        n = (name *)calloc(1, sizeof *n);
        if (n == NULL) {
            return -ENOMEM;
        }
        memcpy(n->agent_id, agent_id.data, agent_id.len);
        HASH_ADD(hh, directory->names, agent_id[0], (unsigned)agent_id.len, n);
        if (n->hh.tbl == NULL) {
            free(n);
            return -ENOMEM;
        }
    }
    *ret_name = n;
    return 0;
}

static void name_tidy(w4_directory *directory, name *n) {
    if (n->bearers == NULL) {
        HASH_DEL(directory->names, n);
        free(n);
    }
}

static int bearer_add(w4_directory *directory, const w4_record_agent *named) {
    name *n = NULL;
    int r = name_get(directory, w4_bytes_from_text(named->agent_id), &n);
    if (r < 0) {
        return r;
    }
    bearer *b = find_bearer(n, &named->fingerprint);
    if (b == NULL) {
        b = (bearer *)calloc(1, sizeof *b);
        if (b != NULL) {
            b->fingerprint = named->fingerprint;
            HASH_ADD(hh, n->bearers, fingerprint, sizeof b->fingerprint, b);
        }
        if (b == NULL || b->hh.tbl == NULL) {
            free(b);
            name_tidy(directory, n);
            return -ENOMEM;
        }
    }
    b->places++;
    return 0;
}

static void bearer_remove(w4_directory *directory, const w4_record_agent *named) {
    name *n = find_name(directory, w4_bytes_from_text(named->agent_id));
    bearer *b = find_bearer(n, &named->fingerprint);
    if (--b->places == 0) {
        HASH_DEL(n->bearers, b);
        free(b);
    }
    name_tidy(directory, n);
}

/* ---- both */

static void remove_first(w4_directory *directory, const w4_record *record, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        place_remove(directory, record, &record->agents[i]);
        bearer_remove(directory, &record->agents[i]);
    }
}

int w4_directory_add(w4_directory *directory, const w4_record *record) {
    for (uint32_t i = 0; i < record->agent_count; i++) {
        const w4_record_agent *named = &record->agents[i];
        int r = place_add(directory, record, named);
        if (r == 0) {
            r = bearer_add(directory, named);
            if (r < 0) {
                place_remove(directory, record, named);
            }
        }
        if (r < 0) {
            remove_first(directory, record, i);
            return r;
        }
    }
    return 0;
}

void w4_directory_remove(w4_directory *directory, const w4_record *record) {
    remove_first(directory, record, record->agent_count);
}

const w4_record_agent *w4_directory_find(const w4_directory *directory, const w4_fingerprint *key,
                                         const w4_record **ret_record) {
    const void *cursor = NULL;
    return w4_directory_next_place(directory, key, &cursor, ret_record);
}

const w4_record_agent *w4_directory_next_place(const w4_directory *directory,
                                               const w4_fingerprint *key, const void **cursor,
                                               const w4_record **ret_record) {
    const place *last = (const place *)*cursor;
    const agent *a = last == NULL ? find_agent(directory, key) : NULL;
    const place *next = last != NULL ? last->next : a != NULL ? a->places : NULL;
    if (next == NULL) {
        return NULL;
    }
    *cursor = next;
    *ret_record = next->record;
    return next->agent;
}

uint32_t w4_directory_find_name(const w4_directory *directory, w4_bytes agent_id,
                                w4_fingerprint *ret_agent) {
    const name *n = find_name(directory, agent_id);
    if (n == NULL) {
        return 0;
    }
    *ret_agent = n->bearers->fingerprint;
    return HASH_COUNT(n->bearers);
}
