#include "transport/source_limit.h"

#include "base/clock.h"
#include "transport/address.h"

#include <arpa/inet.h>
#include <string.h>

#define IPV6_NETWORK_LEN 8u

void w4_source_limit_init(w4_source_limit *limit, const w4_env *env, uint32_t per_s) {
    *limit = (w4_source_limit){
        .per_s = per_s < W4_SOURCE_LIMIT_PER_S_MAX ? per_s : W4_SOURCE_LIMIT_PER_S_MAX};
    env->random(env->context, &limit->key, sizeof limit->key);
}

static uint64_t mix(uint64_t v) {
    v ^= v >> 33;
    v *= UINT64_C(0xff51afd7ed558ccd);
    v ^= v >> 29;
    v *= UINT64_C(0xc4ceb9fe1a85ec53);
    v ^= v >> 32;
    return v;
}

/* Keyed, so that nobody outside can aim at the set of somebody else. */
static uint64_t hash(const w4_source_limit *limit, w4_bytes source) {
    uint64_t h = mix(limit->key ^ source.len);
    for (size_t i = 0; i < source.len; i++) {
        h = mix(h ^ limit->key ^ source.data[i]);
    }
    return h;
}

/* The entry of the source, or the one to forget for it. */
static w4_source_limit_entry *entry_for(w4_source_limit *limit, uint64_t source) {
    w4_source_limit_entry *set = limit->entries[source % W4_SOURCE_LIMIT_SETS];
    w4_source_limit_entry *least = &set[0];
    for (unsigned i = 0; i < W4_SOURCE_LIMIT_WAYS; i++) {
        if (set[i].full_us > 0 && set[i].source == source) {
            return &set[i];
        }
        if (set[i].full_us < least->full_us) {
            least = &set[i];
        }
    }
    *least = (w4_source_limit_entry){.source = source};
    return least;
}

bool w4_source_limit_allow(w4_source_limit *limit, w4_bytes source, uint64_t now_us) {
    if (limit->per_s == 0) {
        return true;
    }
    w4_source_limit_entry *entry = entry_for(limit, hash(limit, source));
    uint64_t interval = W4_US_PER_S / limit->per_s;
    uint64_t full_us = entry->full_us > now_us ? entry->full_us : now_us;
    if (full_us - now_us > interval * (limit->per_s - 1)) {
        limit->refused++;
        return false;
    }
    entry->full_us = w4_later(full_us, interval);
    return true;
}

bool w4_source_limit_allow_address(w4_source_limit *limit, const char *remote, uint64_t now_us) {
    uint8_t source[W4_SOURCE_MAX];
    size_t len = w4_source_of_address(remote, source);
    return w4_source_limit_allow(limit, w4_bytes_of(source, len), now_us);
}

size_t w4_source_of_address(const char *remote, uint8_t ret_source[static W4_SOURCE_MAX]) {
    size_t len = strlen(remote);
    w4_tcp_address address;
    if (w4_tcp_address_parse(remote, true, &address)) {
        struct in6_addr number;
        address.host[strcspn(address.host, "%")] = 0;
        if (inet_pton(AF_INET6, address.host, &number) == 1) {
            memcpy(ret_source, number.s6_addr, IPV6_NETWORK_LEN);
            return IPV6_NETWORK_LEN;
        }
        remote = address.host;
        len = strlen(remote);
    } else if (strncmp(remote, "unix:", 5) == 0) {
        len = strcspn(remote, ",");
    }
    if (len > W4_SOURCE_MAX) {
        len = W4_SOURCE_MAX;
    }
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes with a length, no text */
    memcpy(ret_source, remote, len);
    return len;
}
