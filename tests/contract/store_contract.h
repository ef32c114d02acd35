/* What every store does alike. A backend's test says how to make one and how to crash it. */
#pragma once

#include "runner.h"

#include "store/store.h"

typedef struct w4_store_backend {
    const char *name;
    w4_store *(*make)(void);             /* an empty one */
    w4_store *(*crash)(w4_store *store); /* what is left after a power cut; takes the old one */
    void (*clean)(void);                 /* after each test, the store is freed; may be NULL */
} w4_store_backend;

Suite *w4_store_contract(const w4_store_backend *backend);
TCase *w4_store_search_contract(const w4_store_backend *backend); /* a part of it */
