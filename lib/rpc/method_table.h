/* The schemas behind the rows of method.c, one pair a method. Private to this folder. */
#pragma once

#include "rpc/method.h"

#define W4_METHOD_SCHEMA(NAME)                                                                     \
    extern const w4_schema w4_params_##NAME;                                                       \
    extern const w4_schema w4_result_##NAME

W4_METHOD_SCHEMA(status_get);
W4_METHOD_SCHEMA(peers_list);
W4_METHOD_SCHEMA(peers_show);
W4_METHOD_SCHEMA(peers_add);
W4_METHOD_SCHEMA(peers_remove);
W4_METHOD_SCHEMA(peers_block);
W4_METHOD_SCHEMA(sessions_list);
W4_METHOD_SCHEMA(sessions_show);
W4_METHOD_SCHEMA(sessions_close);
W4_METHOD_SCHEMA(sessions_rekey);
W4_METHOD_SCHEMA(channels_list);
W4_METHOD_SCHEMA(sla_list);
W4_METHOD_SCHEMA(trust_list);
W4_METHOD_SCHEMA(trust_show);
W4_METHOD_SCHEMA(trust_set);
W4_METHOD_SCHEMA(trust_reset);
W4_METHOD_SCHEMA(trust_why);
W4_METHOD_SCHEMA(consent_list);
W4_METHOD_SCHEMA(consent_show);
W4_METHOD_SCHEMA(agents_list);
W4_METHOD_SCHEMA(facts_list);
W4_METHOD_SCHEMA(facts_show);
W4_METHOD_SCHEMA(facts_why);
W4_METHOD_SCHEMA(facts_settle);
W4_METHOD_SCHEMA(claims_list);
W4_METHOD_SCHEMA(claims_show);
W4_METHOD_SCHEMA(sources_list);
W4_METHOD_SCHEMA(sources_set);
W4_METHOD_SCHEMA(sources_why);
W4_METHOD_SCHEMA(graph_show);
W4_METHOD_SCHEMA(events_watch);
W4_METHOD_SCHEMA(keys_show);
W4_METHOD_SCHEMA(keys_revoke);
W4_METHOD_SCHEMA(keys_take);
W4_METHOD_SCHEMA(envelope_explain);
W4_METHOD_SCHEMA(config_show);
W4_METHOD_SCHEMA(config_reload);
W4_METHOD_SCHEMA(node_stop);
W4_METHOD_SCHEMA(memory_query);
W4_METHOD_SCHEMA(memory_export);
W4_METHOD_SCHEMA(memory_import);
W4_METHOD_SCHEMA(store_check);
W4_METHOD_SCHEMA(store_backup);
W4_METHOD_SCHEMA(store_export);
W4_METHOD_SCHEMA(agent_attach);
W4_METHOD_SCHEMA(agent_detach);
W4_METHOD_SCHEMA(agent_send);
W4_METHOD_SCHEMA(agent_submit);
W4_METHOD_SCHEMA(agent_state);
W4_METHOD_SCHEMA(agent_human_state);
W4_METHOD_SCHEMA(agent_ack);
W4_METHOD_SCHEMA(peers_find);
