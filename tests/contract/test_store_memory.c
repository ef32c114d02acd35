#include "store_contract.h"

#include "store/memory.h"

static w4_store *make(void) {
    w4_store *store = NULL;
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    return store;
}

static w4_store *crash(w4_store *store) {
    w4_store_memory_crash(store);
    return store;
}

int main(void) {
    static const w4_store_backend memory = {.name = "memory", .make = make, .crash = crash};
    return w4_test_run(w4_store_contract(&memory));
}
