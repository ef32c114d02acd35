#include "web4-transport-check/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 32u

/* What is missing, or NULL. */
static const char *fault_of(const w4_transport_backend *b) {
    if (!b->name || b->name[0] == 0 || strlen(b->name) > NAME_MAX_LEN) {
        return "its name is empty or too long";
    }
    if (!b->prefix || b->prefix[0] == 0 || b->prefix[strlen(b->prefix) - 1] != ':' ||
        strlen(b->prefix) > NAME_MAX_LEN) {
        return "its prefix does not end with a colon, or is too long";
    }
    if (!b->open || !b->free || !b->listen || !b->unlisten || !b->dial || !b->send || !b->close ||
        !b->pop || !b->deadline || !b->expire) {
        return "it lacks a function";
    }
    return NULL;
}

const w4_transport_backend *tc_plugin_load(const char *path, char ret_why[TC_PLUGIN_TEXT_MAX]) {
    char beside[TC_PLUGIN_TEXT_MAX];
    /* A name without a slash is a file here, not one of the system's libraries. */
    (void)snprintf(beside, sizeof beside, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *object = dlopen(beside, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        (void)snprintf(ret_why, TC_PLUGIN_TEXT_MAX, "%s", dlerror());
        return NULL;
    }
    w4_transport_plugin *symbol;
    void *found = dlsym(object, W4_TRANSPORT_PLUGIN_SYMBOL);
    memcpy(&symbol, &found, sizeof symbol);
    if (!symbol) {
        (void)snprintf(ret_why, TC_PLUGIN_TEXT_MAX, "%s has no %s", path,
                       W4_TRANSPORT_PLUGIN_SYMBOL);
        return NULL;
    }
    const w4_transport_backend *backend = symbol(W4_TRANSPORT_ABI);
    if (!backend) {
        (void)snprintf(ret_why, TC_PLUGIN_TEXT_MAX,
                       "%s was built for another version of the transport contract than %u", path,
                       W4_TRANSPORT_ABI);
        return NULL;
    }
    const char *fault = fault_of(backend);
    if (fault) {
        (void)snprintf(ret_why, TC_PLUGIN_TEXT_MAX, "%s: %s", path, fault);
        return NULL;
    }
    return backend;
}
