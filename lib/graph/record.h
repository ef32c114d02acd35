/* Node records (mesh.md 1): what a node signs about itself, its edges and its agents. Canonical
 * JSON, Ed25519 over the record without its sign member; the id is the key's fingerprint. */
#pragma once

#include "crypto/sign.h"
#include "json/document.h"

#define W4_RECORD_BYTES_MAX (16u * 1024u)
#define W4_RECORD_ADDRESSES_MAX 8u
#define W4_RECORD_AGENTS_MAX 64u
#define W4_RECORD_EDGES_MAX 64u
#define W4_RECORD_TTL_S 3600u
#define W4_RECORD_TTL_MAX_S 604800u

typedef enum w4_relation {
    W4_RELATION_ROUTES,
    W4_RELATION_TRUSTS,
    W4_RELATION_INVOKES,
    W4_RELATION_COUNT
} w4_relation;
const char *w4_relation_name(w4_relation relation);

typedef struct w4_record_agent {
    char agent_id[256];
    w4_fingerprint fingerprint;
    w4_pubkey pubkey;
    w4_json capabilities; /* array of strings or none; when writing: none is [] */
} w4_record_agent;

typedef struct w4_record_edge {
    w4_fingerprint target;
    w4_relation relation;
    double weight;
    bool active;
    bool of_agent;       /* the source is an agent of the author; else the author itself */
    uint32_t latency_ms; /* routes; 0: not known */
} w4_record_edge;

/* To write from, and to read into (then strings are borrowed from the document). */
typedef struct w4_record {
    uint64_t seq;
    uint64_t issued_wall_us;
    uint32_t ttl_s; /* 0: withdrawn */
    w4_fingerprint id;
    w4_pubkey pubkey;
    char name[64];
    char version[32];
    char addresses[W4_RECORD_ADDRESSES_MAX][256];
    uint32_t address_count;
    const w4_record_edge *edges;
    uint32_t edge_count;
    const w4_record_agent *agents;
    uint32_t agent_count;
} w4_record;

/* Appends the signed record. 0, -ENOMEM, -EMSGSIZE (over W4_RECORD_BYTES_MAX). */
int w4_record_write(const w4_record *record, const w4_identity *identity, w4_buffer *out);

typedef struct w4_record_fault {
    char pointer[192];
    char expected[160];
    bool author_proven; /* the signature was good: the author is to blame, not who brought it */
} w4_record_fault;

/* Reads and verifies. edges and agents point into memory of the reader, good until its next use.
 * 0, -ENOMEM, or 1 with *ret_fault. */
typedef struct w4_record_reader w4_record_reader;
int w4_record_reader_new(w4_record_reader **ret_reader);
w4_record_reader *w4_record_reader_free(w4_record_reader *reader);
int w4_record_read(w4_record_reader *reader, w4_bytes text, w4_record *ret_record,
                   w4_record_fault *ret_fault);
/* The same in two steps: the form, and then what costs much. parse tells who claims to be the
 * author; nothing is proven before verify has returned 0. The text must live until then. */
int w4_record_parse(w4_record_reader *reader, w4_bytes text, w4_fingerprint *ret_id,
                    w4_record_fault *ret_fault);
int w4_record_verify(w4_record_reader *reader, w4_record *ret_record, w4_record_fault *ret_fault);

/* What a reader holds after w4_record_read or _verify, in memory of its own and no more of it than
 * needed. */
typedef struct w4_record_copy {
    w4_record record;
    w4_bytes text;
    w4_json_document document; /* only where agents have capabilities in it */
} w4_record_copy;
int w4_record_copy_new(const w4_record_reader *reader, const w4_record *record,
                       w4_record_copy **ret_copy); /* 0 or -ENOMEM */
w4_record_copy *w4_record_copy_free(w4_record_copy *copy);
size_t w4_record_copy_memory(const w4_record_copy *copy); /* NULL: 0 */
