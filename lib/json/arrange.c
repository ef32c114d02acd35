/* Canonical form of what was read the loose way: what is marked is written anew, member by member,
 * the rest is copied as it stands. */
#include "json/escape.h"
#include "json/scan.h"

#include <errno.h>
#include <stdlib.h>

#define MEMBERS_FEW 16u /* are sorted without memory of their own */

typedef struct member {
    w4_bytes name;
    uint32_t index; /* node of the name; the value is behind it */
    bool escaped;
} member;

static w4_bytes text_of(const w4_json_document *doc, const w4_json_node *node) {
    return w4_bytes_of(doc->text.data + node->start, node->end - node->start);
}

static int compare_members(const void *a, const void *b) {
    const member *x = a, *y = b;
    return x->escaped || y->escaped ? w4_json_order_escaped(x->name, y->name)
                                    : w4_json_order_raw(x->name, y->name);
}

static int copy_value(const w4_json_document *doc, const w4_json_node *node, w4_buffer *out) {
    uint32_t quote = node->kind == W4_JSON_STRING ? 1 : 0;
    return w4_buffer_append(out, w4_bytes_of(doc->text.data + node->start - quote,
                                             node->end - node->start + 2 * quote));
}

static int write_value(const w4_json_document *doc, uint32_t index, w4_buffer *out);

static int write_array(const w4_json_document *doc, uint32_t index, w4_buffer *out) {
    int r = w4_buffer_append_byte(out, '[');
    uint32_t at = index + 1;
    for (uint32_t i = 0; r == 0 && i < doc->nodes[index].count; i++) {
        if (i > 0)
            r = w4_buffer_append_byte(out, ',');
        if (r == 0)
            r = write_value(doc, at, out);
        at = doc->nodes[at].next;
    }
    return r == 0 ? w4_buffer_append_byte(out, ']') : r;
}

static int write_members(const w4_json_document *doc, const member *members, uint32_t count,
                         w4_buffer *out) {
    int r = w4_buffer_append_byte(out, '{');
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        if (i > 0)
            r = w4_buffer_append_byte(out, ',');
        if (r == 0)
            r = copy_value(doc, &doc->nodes[members[i].index], out);
        if (r == 0)
            r = w4_buffer_append_byte(out, ':');
        if (r == 0)
            r = write_value(doc, members[i].index + 1, out);
    }
    return r == 0 ? w4_buffer_append_byte(out, '}') : r;
}

static int write_object(const w4_json_document *doc, uint32_t index, w4_buffer *out) {
    uint32_t count = doc->nodes[index].count;
    member few[MEMBERS_FEW];
    member *members = count <= MEMBERS_FEW ? few : calloc(count, sizeof *members);
    if (!members)
        return -ENOMEM;
    uint32_t at = index + 1;
    for (uint32_t i = 0; i < count; i++) {
        const w4_json_node *name = &doc->nodes[at];
        members[i] = (member){text_of(doc, name), at, name->escaped};
        at = doc->nodes[at + 1].next;
    }
    qsort(members, count, sizeof *members, compare_members);
    int r = write_members(doc, members, count, out);
    if (members != few)
        free(members);
    return r;
}

/* Recursion is as deep as the document, which its limits have bounded. */
static int write_value(const w4_json_document *doc, uint32_t index, w4_buffer *out) {
    const w4_json_node *node = &doc->nodes[index];
    if (node->kind == W4_JSON_OBJECT && node->escaped)
        return write_object(doc, index, out);
    if (node->kind == W4_JSON_ARRAY && node->escaped)
        return write_array(doc, index, out);
    return copy_value(doc, node, out);
}

int w4_json_arrange(const w4_json_document *doc, w4_buffer *out) {
    return doc->count == 0 ? -EINVAL : write_value(doc, 0, out);
}
