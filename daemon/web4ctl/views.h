/* What is shown of each answer. */
#pragma once

#include "web4ctl/view.h"

extern const ctl_view ctl_view_status;
extern const ctl_view ctl_view_peers;
extern const ctl_view ctl_view_peer;
extern const ctl_view ctl_view_peer_added;
extern const ctl_view ctl_view_peer_removed;
extern const ctl_view ctl_view_sessions;
extern const ctl_view ctl_view_session;
extern const ctl_view ctl_view_session_closed;
extern const ctl_view ctl_view_session_rekeyed;
extern const ctl_view ctl_view_channels;
extern const ctl_view ctl_view_sla;
extern const ctl_view ctl_view_trust_list;
extern const ctl_view ctl_view_claims;
extern const ctl_view ctl_view_claim;
extern const ctl_view ctl_view_sources;
extern const ctl_view ctl_view_source;
extern const ctl_view ctl_view_source_why;
extern const ctl_view ctl_view_consents;
extern const ctl_view ctl_view_consent;
extern const ctl_view ctl_view_trust_entry;
extern const ctl_view ctl_view_trust_why;
extern const ctl_view ctl_view_agents;
extern const ctl_view ctl_view_facts;
extern const ctl_view ctl_view_fact;
extern const ctl_view ctl_view_fact_why;
extern const ctl_view ctl_view_graph;
extern const ctl_view ctl_view_event;
extern const ctl_view ctl_view_message;
extern const ctl_view ctl_view_sent;
extern const ctl_view ctl_view_explained;
extern const ctl_view ctl_view_verdict; /* its first part */
extern const ctl_view ctl_view_keys;
extern const ctl_view ctl_view_key_rotated;
extern const ctl_view ctl_view_key;
extern const ctl_view ctl_view_key_standing;
extern const ctl_view ctl_view_key_taken;
extern const ctl_view ctl_view_config;
extern const ctl_view ctl_view_reload;
extern const ctl_view ctl_view_check;
extern const ctl_view ctl_view_stop;
extern const ctl_view ctl_view_memory;
extern const ctl_view ctl_view_memory_import;
extern const ctl_view ctl_view_store_check;
extern const ctl_view ctl_view_store_backup;
