/* Lifecycle hooks of an agent: the engine of session/hooks.h, fed by node.event. Private to
 * libweb4. */
#pragma once

#include "web4/web4.h"
#include "json/document.h"

typedef struct web4_hooks web4_hooks;

/* hooks may be NULL where nothing was registered or heard: it is made when it is needed. */
web4_hooks *w4_web4_hooks_free(web4_hooks *hooks);
/* Takes note of an event of the node and calls whom it concerns. 0 or -ENOMEM. */
int w4_web4_hooks_event(web4_hooks **hooks, w4_json event);
/* Nothing is heard of the node any more: what was open counts as closed, as "disconnected". 0 or
 * -ENOMEM. */
int w4_web4_hooks_lost(web4_hooks *hooks);
int w4_web4_hooks_register(web4_hooks **hooks, web4_hook hook, web4_hook_function function,
                           void *context, uint64_t *ret_id);
bool w4_web4_hooks_unregister(web4_hooks *hooks, uint64_t id);
void w4_web4_hooks_clear(web4_hooks *hooks);
