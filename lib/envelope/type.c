#include "envelope/type.h"

static const char *const channel_names[W4_CHANNEL_KIND_COUNT] = {
    [W4_CHANNEL_CONTROL] = "control",
    [W4_CHANNEL_STATE] = "state",
    [W4_CHANNEL_KNOWLEDGE] = "knowledge",
};

const w4_family_row *w4_family_row_of(w4_family family) {
    for (unsigned i = 0; w4_families[i]; i++) {
        if (i == (unsigned)family) {
            return w4_families[i];
        }
    }
    return NULL;
}

const char *w4_family_name(w4_family family) {
    const w4_family_row *row = w4_family_row_of(family);
    return row ? row->name : "?";
}

bool w4_family_from_name(w4_bytes name, w4_family *ret_family) {
    for (unsigned i = 0; w4_families[i]; i++) {
        if (w4_bytes_equal_text(name, w4_families[i]->name)) {
            *ret_family = w4_families[i]->family;
            return true;
        }
    }
    return false;
}

const char *w4_channel_kind_name(w4_channel_kind kind) {
    return (unsigned)kind < W4_CHANNEL_KIND_COUNT ? channel_names[kind] : "?";
}

bool w4_channel_kind_from_name(w4_bytes name, w4_channel_kind *ret_kind) {
    for (unsigned i = 0; i < W4_CHANNEL_KIND_COUNT; i++) {
        if (w4_bytes_equal_text(name, channel_names[i])) {
            *ret_kind = (w4_channel_kind)i;
            return true;
        }
    }
    return false;
}

const w4_type_row *w4_type_row_of(w4_type type) {
    for (unsigned i = 0; w4_families[i]; i++) {
        const w4_family_row *family = w4_families[i];
        unsigned at = (unsigned)type - (unsigned)family->types[0].type;
        if (at < family->type_count) { /* its types are numbered one after the other */
            return &family->types[at];
        }
    }
    return NULL;
}

const w4_type_row *w4_type_find(w4_family family, w4_bytes name) {
    const w4_family_row *row = w4_family_row_of(family);
    for (size_t i = 0; row && i < row->type_count; i++) {
        if (w4_bytes_equal_text(name, row->types[i].name)) {
            return &row->types[i];
        }
    }
    return NULL;
}

const w4_schema *w4_envelope_schema(w4_family family) {
    return w4_family_row_of(family)->envelope;
}
