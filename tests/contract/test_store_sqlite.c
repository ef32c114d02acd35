#include "store_contract.h"
#include "store_folder.h"

static char path[512];
static unsigned generation;

static w4_store *make(void) {
    folder_make();
    generation = 0;
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    return store_open(path);
}

/* What a power cut would leave: the files as they are now, under another name. */
static w4_store *crash(w4_store *store) {
    char name[64], after[512], wal[600], after_wal[600];
    (void)snprintf(name, sizeof(name), "web4-%u.db", ++generation);
    (void)snprintf(after, sizeof(after), "%s", folder_path(name));
    (void)snprintf(wal, sizeof(wal), "%s-wal", path);
    (void)snprintf(after_wal, sizeof(after_wal), "%s-wal", after);
    file_copy(path, after);
    file_copy(wal, after_wal);
    w4_store_free(store);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(access(wal, F_OK), -1);
    memcpy(path, after, sizeof(path));
    return store_open(path);
}

int main(void) {
    static const w4_store_backend sqlite = {
        .name = "sqlite", .make = make, .crash = crash, .clean = folder_remove};
    return w4_test_run(w4_store_contract(&sqlite));
}
