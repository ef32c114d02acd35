#include "protocol/internet/origin.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX 200u /* so that a scheme fits in front of it */

typedef struct spelling {
    char text[W4_SOURCE_KEY_MAX + 1];
    size_t len;
    bool cut;
} spelling;

static void put(spelling *s, uint8_t c) {
    if (s->len < W4_SOURCE_KEY_MAX && !s->cut) {
        s->text[s->len++] = (char)c;
        s->text[s->len] = '\0';
    } else {
        s->cut = true;
    }
}

static void put_text(spelling *s, const char *text) {
    for (; *text != '\0'; text++) {
        put(s, (uint8_t)*text);
    }
}

static uint8_t lower(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_letter(uint8_t c) {
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_unreserved(uint8_t c) {
    return is_letter(c) || is_digit(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

/* What may stand in a path beside those, and means something else when it is escaped. */
static bool is_delimiter(uint8_t c) {
    return c != '\0' && strchr("!$&'()*+,;=:@/", c) != NULL;
}

static int hex_digit(uint8_t c) {
    if (is_digit(c)) {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of text, escaped or not; *ret_escaped: it was. */
static uint8_t take(w4_bytes *text, bool *ret_escaped) {
    uint8_t c = text->data[0];
    *ret_escaped = false;
    if (c == '%' && text->len >= 3) {
        int high = hex_digit(text->data[1]), low = hex_digit(text->data[2]);
        if (high >= 0 && low >= 0) {
            *text = w4_bytes_of(text->data + 3, text->len - 3);
            *ret_escaped = true;
            return (uint8_t)(high * 16 + low);
        }
    }
    *text = w4_bytes_of(text->data + 1, text->len - 1);
    return c;
}

/* Whole, or nothing of it. */
static void put_next(spelling *s, w4_bytes *text) {
    static const char digits[] = "0123456789ABCDEF";
    size_t before = s->len;
    bool escaped;
    uint8_t c = take(text, &escaped);
    if (is_unreserved(c) || (!escaped && is_delimiter(c))) {
        put(s, c);
    } else {
        put(s, '%');
        put(s, (uint8_t)digits[c >> 4]);
        put(s, (uint8_t)digits[c & 15]);
    }
    s->len = s->cut ? before : s->len;
    s->text[s->len] = '\0';
}

static w4_bytes cut_at(w4_bytes text, const char *ends) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '\0' && strchr(ends, text.data[i])) {
            return w4_bytes_of(text.data, i);
        }
    }
    return text;
}

static w4_bytes after(w4_bytes text, size_t len) {
    return w4_bytes_of(text.data + len, text.len - len);
}

/* ---- hosts */

/* A label that is a number makes an address of the host, or nothing. */
static bool is_number(const char *label) {
    bool hex = label[0] == '0' && label[1] == 'x';
    const char *digits = hex ? label + 2 : label;
    return (hex || label[0] != '\0') &&
           digits[strspn(digits, hex ? "0123456789abcdef" : "0123456789")] == '\0';
}

/* One part of an IPv4 address: decimal, 0octal or 0xhex. False: it is none of that. */
static bool read_part(const char *label, size_t len, uint64_t *ret_value) {
    unsigned base = 10;
    if (len >= 2 && label[0] == '0') {
        base = label[1] == 'x' ? 16 : 8;
        label += base == 16 ? 2 : 1;
        len -= base == 16 ? 2 : 1;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit((uint8_t)label[i]);
        if (digit < 0 || (unsigned)digit >= base || value > UINT32_MAX) {
            return false;
        }
        value = value * base + (unsigned)digit;
    }
    *ret_value = value;
    return len > 0 || base == 16;
}

/* 127.1, 0x7f000001 and 2130706433 are 127.0.0.1. False: it is no address. */
static bool rewrite_ipv4(char host[static HOST_MAX + 1]) {
    uint64_t address = 0;
    unsigned parts = 0;
    for (const char *at = host; at; parts++) {
        size_t len = strcspn(at, ".");
        bool last = at[len] == '\0';
        uint64_t value;
        if (parts == 4 || !read_part(at, len, &value) ||
            value >> (last ? 8 * (4 - parts) : 8) != 0) {
            return false;
        }
        address = last ? address | value : address | value << (8 * (3 - parts));
        at = last ? NULL : at + len + 1;
    }
    snprintf(host, HOST_MAX + 1, "%u.%u.%u.%u", (unsigned)(address >> 24) & 255,
             (unsigned)(address >> 16) & 255, (unsigned)(address >> 8) & 255,
             (unsigned)address & 255);
    return true;
}

/* [...]; one that holds an IPv4 address is that. False: it is no address. */
static bool rewrite_ipv6(char host[static HOST_MAX + 1]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct in6_addr address;
    size_t len = strlen(host);
    char text[INET6_ADDRSTRLEN];
    if (host[len - 1] != ']') {
        return false;
    }
    host[len - 1] = '\0';
    host[1 + strcspn(host + 1, "%")] = '\0'; /* the zone is the sender's own */
    if (inet_pton(AF_INET6, host + 1, &address) != 1) {
        return false;
    }
    if (memcmp(address.s6_addr, mapped, sizeof mapped) == 0) {
        const uint8_t *b = address.s6_addr + sizeof mapped;
        snprintf(host, HOST_MAX + 1, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return true;
    }
    (void)inet_ntop(AF_INET6, &address, text, sizeof text);
    snprintf(host, HOST_MAX + 1, "[%s]", text);
    return true;
}

/* A name of labels that are not empty, in lower case; or an address. */
static bool rewrite_host(char host[static HOST_MAX + 1]) {
    if (host[0] == '[') {
        return rewrite_ipv6(host);
    }
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.') { /* the root of the DNS */
        host[--len] = '\0';
    }
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._")] != '\0' || host[0] == '.' ||
        strstr(host, "..") || host[len - 1] == '.') {
        return false;
    }
    const char *dot = strrchr(host, '.');
    return is_number(dot ? dot + 1 : host) ? rewrite_ipv4(host) : true;
}

/* The host without what is around it. False: none that can be read. */
static bool read_host(w4_bytes authority, char ret_host[static HOST_MAX + 1]) {
    for (size_t i = authority.len; i > 0; i--) { /* whoever is in front of the last @ */
        if (authority.data[i - 1] == '@') {
            authority = after(authority, i);
            break;
        }
    }
    w4_bytes host = authority.len > 0 && authority.data[0] == '[' ? cut_at(authority, "]")
                                                                  : cut_at(authority, ":");
    size_t end = host.len;
    if (end < authority.len && authority.data[end] == ']') {
        host = w4_bytes_of(authority.data, ++end);
    }
    w4_bytes port = after(authority, end);
    for (size_t i = 0; i < port.len; i++) {
        if (i == 0 ? port.data[i] != ':' : !is_digit(port.data[i])) {
            return false;
        }
    }
    size_t len = 0;
    while (host.len > 0) {
        bool escaped;
        uint8_t c = lower(take(&host, &escaped));
        if (len == HOST_MAX || c == '\0') {
            return false;
        }
        ret_host[len++] = (char)c;
    }
    ret_host[len] = '\0';
    return len == 0 || rewrite_host(ret_host);
}

/* ---- paths: segments, one after the other; "." vanishes and ".." takes one back */

static void put_path(spelling *s, w4_bytes path, const char *slashes) {
    size_t root = s->len;
    while (path.len > 0 && !s->cut) {
        path = after(path, 1); /* the slash */
        w4_bytes segment = cut_at(path, slashes);
        path = after(path, segment.len);
        spelling one = {.len = 0};
        while (segment.len > 0) {
            put_next(&one, &segment);
        }
        if (one.len == 0 || (strcmp(one.text, ".") == 0 && !one.cut)) {
            continue;
        }
        if (strcmp(one.text, "..") == 0 && !one.cut) {
            while (s->len > root && s->text[--s->len] != '/') {
            }
            s->text[s->len] = '\0';
            continue;
        }
        size_t before = s->len;
        put(s, '/');
        put_text(s, one.text);
        if (s->cut || one.cut) {
            s->cut = true;
            s->len = before;
            s->text[s->len] = '\0';
        }
    }
}

/* ---- the whole */

static size_t scheme_len(w4_bytes uri) {
    size_t i = 0;
    while (i < uri.len && (is_letter(uri.data[i]) ||
                           (i > 0 && (is_digit(uri.data[i]) ||
                                      (uri.data[i] != '\0' && strchr("+-.", uri.data[i])))))) {
        i++;
    }
    return i > 0 && i < uri.len && uri.data[i] == ':' ? i : 0;
}

static bool put_scheme(spelling *s, w4_bytes scheme) {
    for (size_t i = 0; i < scheme.len; i++) {
        put(s, lower(scheme.data[i]));
    }
    if (strcmp(s->text, "http") == 0) {
        put(s, 's');
    }
    put(s, ':');
    return !s->cut;
}

static bool put_hierarchy(spelling *s, w4_bytes rest, bool web) {
    const char *slashes = web ? "/\\" : "/";
    w4_bytes authority = cut_at(rest, slashes);
    char host[HOST_MAX + 1];
    bool file = strcmp(s->text, "file:") == 0;
    if (!read_host(authority, host) || (host[0] == '\0' && !file)) {
        return false;
    }
    put_text(s, "//");
    put_text(s, file && strcmp(host, "localhost") == 0 ? "" : host);
    if (s->cut) {
        return false;
    }
    put_path(s, after(rest, authority.len), slashes);
    return true;
}

static void put_opaque(spelling *s, w4_bytes rest) {
    bool name = strcmp(s->text, "urn:") == 0; /* of the namespace case says nothing */
    while (rest.len > 0) {
        size_t before = s->len;
        put_next(s, &rest);
        for (; name && before < s->len; before++) {
            name = s->text[before] != ':';
            s->text[before] = (char)lower((uint8_t)s->text[before]);
        }
    }
}

bool w4_source_key(w4_bytes uri, char ret_key[static W4_SOURCE_KEY_MAX + 1]) {
    size_t scheme = scheme_len(uri);
    spelling s = {.len = 0};
    if (scheme == 0 || !put_scheme(&s, w4_bytes_of(uri.data, scheme))) {
        return false;
    }
    bool web = strcmp(s.text, "https:") == 0;
    w4_bytes rest = cut_at(after(uri, scheme + 1), "?#");
    bool slashes = rest.len >= 2 && rest.data[0] == '/' && rest.data[1] == '/';
    size_t skip = slashes ? 2 : 0;
    while (web && skip < rest.len && (rest.data[skip] == '/' || rest.data[skip] == '\\')) {
        skip++;
    }
    if (!web && !slashes) {
        put_opaque(&s, rest);
    } else if (!put_hierarchy(&s, after(rest, skip), web)) {
        return false;
    }
    memcpy(ret_key, s.text, s.len + 1);
    return true;
}

void w4_source_origin(const char *key, char ret_origin[static W4_SOURCE_KEY_MAX + 1]) {
    const char *authority = strstr(key, "://");
    const char *path = authority ? strchr(authority + 3, '/') : NULL;
    size_t len = path ? (size_t)(path - key) : strlen(key);
    memmove(ret_origin, key, len);
    ret_origin[len] = '\0';
}

bool w4_source_parent(const char *origin, char ret_parent[static W4_SOURCE_KEY_MAX + 1]) {
    const char *host = strstr(origin, "://");
    const char *dot = host ? strchr(host + 3, '.') : NULL;
    const char *last = dot ? strrchr(dot, '.') + 1 : NULL;
    if (!dot || strchr(dot, '/') || host[3] == '[' || is_number(last)) {
        return false;
    }
    size_t scheme = (size_t)(host + 3 - origin);
    memmove(ret_parent, origin, scheme);
    memmove(ret_parent + scheme, dot + 1, strlen(dot + 1) + 1);
    return true;
}

bool w4_source_is_below(const char *key, const char *prefix) {
    size_t len = strlen(prefix);
    char end = len > 0 ? prefix[len - 1] : '\0';
    if (strncmp(key, prefix, len) == 0 &&
        (key[len] == '\0' || key[len] == '/' || end == '/' || end == ':')) {
        return true;
    }
    char at[W4_SOURCE_KEY_MAX + 1];
    w4_source_origin(key, at);
    while (w4_source_parent(at, at)) {
        if (strcmp(at, prefix) == 0) {
            return true;
        }
    }
    return false;
}
