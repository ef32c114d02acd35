/* Params and results of store.*: looking after what the node keeps. */
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

/* ---- store.check */
static const w4_schema_row fault_rows[] = {
    RPC_TEXT("text", R_, 8192, "where, and what"),
    W4_SCHEMA_END};
static const w4_schema fault = {fault_rows, true, NULL};
static const w4_schema_row fault_item = RPC_ITEM(&fault);
static const w4_schema_row store_check_params[] = {W4_SCHEMA_END};
PARAMS(store_check);
static const w4_schema_row store_check_result[] = {
    RPC_BOOL("sound", R_, "no fault was found"),
    RPC_TEXT("path", O_, 4096, "of the store"),
    RPC_COUNT("records", R_, "that were looked at"),
    RPC_COUNT("faults", R_, "that were found"),
    RPC_COUNT("proven", R_, "signatures that are good"),
    RPC_COUNT("unproven", R_, "signatures of keys that are not in the store"),
    RPC_ARRAY("found", R_, 256, &fault_item, "the first of them"),
    W4_SCHEMA_END};
RESULT(store_check);

/* ---- store.backup */
static const w4_schema_row store_backup_params[] = {
    RPC_TEXT("path", R_, 4095, "absolute; where the copy goes; nothing is replaced"),
    W4_SCHEMA_END};
PARAMS(store_backup);
static const w4_schema_row store_backup_result[] = {
    RPC_TEXT("path", R_, 4095, "of the copy"),
    RPC_COUNT("bytes", R_, "of the copy"),
    W4_SCHEMA_END};
RESULT(store_backup);

/* ---- store.export */
static const w4_schema_row stored_rows[] = {
    RPC_LABEL("table", R_, "it stands in"),
    RPC_TEXT("key", O_, 255, "of the row, if it is printable"),
    RPC_TEXT("key_hex", O_, 510, "of the row, if it is not"),
    RPC_ANY("value", O_, "of the row, if it is JSON"),
    RPC_TEXT("value_base64", O_, W4_RPC_INTEGER_MAX, "of the row, if it is not"),
    RPC_BOOL("damaged", O_, "true: the value cannot be read"),
    RPC_COUNT("bytes", O_, "of a value too long for a line"),
    W4_SCHEMA_END};
static const w4_schema stored = {stored_rows, true, NULL};
static const w4_schema_row stored_item = RPC_ITEM(&stored);
static const w4_schema_row store_export_params[] = {
    RPC_LABEL("table", O_, "rows of that table only"),
    RPC_TEXT("from", O_, 1024, "next of the answer before"),
    W4_SCHEMA_END};
PARAMS(store_export);
static const w4_schema_row store_export_result[] = {
    RPC_ARRAY("rows", R_, W4_RPC_LIST_MAX, &stored_item, "in the order of tables and keys"),
    RPC_COUNT("missing", R_, "of them: without their value"),
    RPC_TEXT("next", O_, 1024, "where to go on; absent: that was all"),
    W4_SCHEMA_END};
RESULT(store_export);
/* clang-format on */
