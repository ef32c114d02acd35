#include "transport/address.h"

#include "transport/transport.h"

#include <string.h>

#define UNIX_PATH_MAX 107u /* sun_path less its NUL */
#define PORT_DIGITS_MAX 5u

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

bool w4_address_valid(const char *text) {
    if (!text) {
        return false;
    }
    size_t prefix = 0;
    while (is_lower(text[prefix]) || is_digit(text[prefix])) {
        prefix++;
    }
    if (prefix == 0 || !is_lower(text[0]) || text[prefix] != ':' || text[prefix + 1] == 0) {
        return false;
    }
    size_t len = 0;
    for (; text[len] != 0; len++) {
        if (text[len] <= ' ' || text[len] > '~' || len >= W4_ADDRESS_MAX) {
            return false;
        }
    }
    return true;
}

/* "" or ":PORT". */
static bool parse_port(const char *text, bool allow_zero, uint16_t *ret_port) {
    if (text[0] == 0) {
        *ret_port = W4_TCP_PORT_DEFAULT;
        return true;
    }
    if (text[0] != ':') {
        return false;
    }
    text++;
    size_t len = strlen(text);
    if (len == 0 || len > PORT_DIGITS_MAX || (text[0] == '0' && len > 1)) {
        return false;
    }
    uint32_t port = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) {
            return false;
        }
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port > UINT16_MAX || (port == 0 && !allow_zero)) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* What may stand between brackets: an IPv6 number, perhaps with a zone. Whether it is one is for
 * the resolver; here only that nothing else is smuggled along. */
static bool is_ipv6_text(const char *text, size_t len) {
    size_t i = 0;
    size_t colons = 0;
    for (; i < len && text[i] != '%'; i++) {
        colons += text[i] == ':';
        if (!is_hex(text[i]) && text[i] != ':' && text[i] != '.') {
            return false;
        }
    }
    if (colons < 2) {
        return false;
    }
    if (i == len) {
        return true;
    }
    if (++i == len) {
        return false;
    }
    for (; i < len; i++) {
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.') {
            return false;
        }
    }
    return true;
}

/* A name or an IPv4 number. */
static bool is_host_text(const char *text, size_t len) {
    if (len == 0 || text[0] == '-' || text[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.') {
            return false;
        }
        if (text[i] == '.' && i > 0 && text[i - 1] == '.') {
            return false;
        }
    }
    return true;
}

bool w4_tcp_address_parse(const char *text, bool allow_zero, w4_tcp_address *ret_address) {
    if (!w4_address_valid(text) || strncmp(text, "tcp:", 4) != 0) {
        return false;
    }
    text += 4;
    const char *host = text;
    size_t len;
    const char *behind;
    if (text[0] == '[') {
        host = text + 1;
        const char *end = strchr(host, ']');
        if (!end || !is_ipv6_text(host, (size_t)(end - host))) {
            return false;
        }
        len = (size_t)(end - host);
        behind = end + 1;
    } else {
        len = strcspn(text, ":");
        if (!is_host_text(host, len)) {
            return false;
        }
        behind = text + len;
    }
    w4_tcp_address address;
    if (len > W4_HOST_MAX || !parse_port(behind, allow_zero, &address.port)) {
        return false;
    }
    memcpy(address.host, host, len);
    address.host[len] = 0;
    *ret_address = address;
    return true;
}

const char *w4_unix_address_path(const char *text) {
    if (!w4_address_valid(text) || strncmp(text, "unix:/", 6) != 0) {
        return NULL;
    }
    const char *path = text + 5;
    size_t len = strlen(path);
    return len > 1 && len <= UNIX_PATH_MAX ? path : NULL;
}
