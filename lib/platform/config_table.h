/* The table of the configuration and what it is bound to. Private to this folder. */
#pragma once

#include "platform/config.h"
#include "json/writer.h"

#define W4_CONFIG_DEPTH_MAX 8

/* Where a default comes from that is no constant. */
typedef enum w4_config_base {
    W4_CONFIG_BASE_NAME,    /* the host's */
    W4_CONFIG_BASE_STATE,   /* paths.state_dir */
    W4_CONFIG_BASE_RUNTIME, /* paths.runtime_dir */
    W4_CONFIG_BASE_GROUP,   /* a system group; nobody's for a plain user */
    W4_CONFIG_BASE_COUNT
} w4_config_base;

typedef struct w4_config_derived {
    const char *object, *member;
    w4_config_base base;
    const char *suffix;
} w4_config_derived;

/* Sorted by object and member; ends with a NULL object. */
extern const w4_config_derived w4_config_derived_rows[];

typedef enum w4_config_kind {
    W4_CONFIG_U32,
    W4_CONFIG_U64,
    W4_CONFIG_BOOL,
    W4_CONFIG_TEXT, /* const char * */
    W4_CONFIG_LIST, /* array of const char *, and its uint32_t count right at count_offset */
    W4_CONFIG_KIND_COUNT
} w4_config_kind;

/* Where a member goes in w4_config. */
typedef struct w4_config_binding {
    const char *pointer;
    w4_config_kind kind;
    size_t offset, count_offset;
    uint32_t list_max;
} w4_config_binding;

extern const w4_config_binding w4_config_bindings[]; /* ends with a NULL pointer */
extern const w4_schema w4_config_table;
extern const char *const w4_config_overflows[]; /* as they may be spelled; ends with NULL */

/* Writes the document as it is, but each name of a policy in its own spelling. */
void w4_config_respell(w4_json_writer *w, w4_json effective);

/* A fault at the pointer that format makes. */
void w4_config_blame(w4_faults *faults, const char *expected, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* config_sla.c: what is left out stays as it was. */
extern const w4_sla_contract w4_config_sla_default;
void w4_config_fill_sla(w4_sla_contract *contract, w4_json sla);
void w4_config_check_sla(w4_json session, w4_faults *faults);

/* What spans members: adds every fault of a document that the table found good. */
void w4_config_check_whole(w4_json effective, w4_faults *faults);
