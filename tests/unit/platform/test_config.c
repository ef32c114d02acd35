#include "platform/config_table.h"
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FP "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const w4_config_place user = {
    .home = "/home/ada", .xdg_runtime_dir = "/run/user/7", .host_name = "ada-host"};
static w4_config_faults faults;

static w4_config *load(const char *text) {
    w4_config *config = NULL;
    w4_config_text one = {"web4d.json", w4_bytes_from_text(text)};
    int r = w4_config_load(&one, 1, &user, &config, &faults);
    ck_assert_msg(r == 0, "%s: %s", faults.items[0].fault.pointer, faults.items[0].fault.expected);
    return config;
}

/* At once: each check that Check makes costs a write. */
static void fill(w4_buffer *b, char with, size_t len) {
    ck_assert_int_eq(w4_buffer_reserve(b, len - b->len), 0);
    memset(b->data + b->len, with, len - b->len);
    b->len = len;
}

START_TEST(has_defaults) {
    w4_config *c = load("{}");
    w4_config *none;
    ck_assert_int_eq(w4_config_load(NULL, 0, &user, &none, &faults), 0);
    ck_assert_str_eq(w4_config_digest(c), w4_config_digest(none));
    ck_assert_int_eq((int)strlen(w4_config_digest(c)), 64);
    ck_assert_str_eq(c->node.name, "ada-host");
    ck_assert_str_eq(c->node.identity, "/home/ada/.local/state/web4/identity.pem");
    ck_assert_str_eq(c->paths.store, "/home/ada/.local/state/web4/web4.db");
    ck_assert_str_eq(c->paths.agents_dir, "/home/ada/.local/state/web4/agents");
    ck_assert_str_eq(c->paths.control_socket, "/run/user/7/web4/control.sock");
    ck_assert_str_eq(c->paths.agent_socket, "/run/user/7/web4/agent.sock");
    ck_assert_str_eq(c->access.control_group, "");
    ck_assert_uint_eq(c->listen_count, 1);
    ck_assert_str_eq(c->listen[0], "tcp:0.0.0.0:7474");
    ck_assert_uint_eq(c->advertise_count + c->seeds_count + c->trust.anchors_count, 0);
    ck_assert_uint_eq(c->mesh.beacons.interfaces_count, 0);
    ck_assert_uint_eq(c->session.heartbeat_ms, 5000);
    ck_assert_uint_eq(c->session.timeout_ms, 15000);
    ck_assert_uint_eq(c->session.every.queue_bytes, 8388608);
    ck_assert_uint_eq(c->session.rekey_bytes, 1073741824);
    ck_assert_uint_eq(c->session.channels_max, 64);
    ck_assert_uint_eq(c->session.peer_bytes, 67108864);
    ck_assert_uint_eq(c->session.node_bytes, 268435456);
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        ck_assert_int_eq(c->session.channels[kind].overflow, W4_OVERFLOW_ERROR);
        ck_assert_uint_eq(c->session.channels[kind].queue_messages, 1024);
        ck_assert_uint_eq(c->session.channels[kind].queue_bytes, 8388608);
        ck_assert_uint_eq(c->session.channels[kind].block_timeout_ms, 100);
    }
    ck_assert_uint_eq(c->session.peers_count, 0);
    ck_assert_uint_eq(c->cip.quorum, 2);
    ck_assert(c->cip.distinct_nodes);
    ck_assert_uint_eq(c->limits.envelope_bytes, 262144);
    ck_assert_int_eq(c->log.level, W4_LOG_INFO);
    w4_config_free(c);
    w4_config_free(none);
}
END_TEST

START_TEST(takes_what_is_set) {
    w4_config *c =
        load("{\"node\":{\"name\":\"b\u00e9n\"},\"paths\":{\"state_dir\":\"/s/\\\"q\\\"\"},"
             "\"listen\":[\"tcp:[::1]:0\",\"unix:/s/mesh.sock\"],\"advertise\":[\"tcp:h:1\"],"
             "\"seeds\":[\"tcp:a:1\",\"tcp:b:2\"],"
             "\"mesh\":{\"pins\":{\"tcp:b:2\":\"" FP "\"},\"max_peers\":3,"
             "\"beacons\":{\"interfaces\":[\"eth0\",\"lo\"]}},"
             "\"trust\":{\"anchors\":[{\"kind\":\"node\",\"fingerprint\":\"" FP "\"},"
             "{\"kind\":\"agent\",\"fingerprint\":\"" FP "\",\"name\":\"ada\"}]},"
             "\"cip\":{\"distinct_nodes\":false,\"quorum\":3.0},\"log\":{\"level\":\"debug\"}}");
    ck_assert_str_eq(c->node.name, "b\u00e9n");
    ck_assert_str_eq(c->paths.state_dir, "/s/\"q\"");
    ck_assert_str_eq(c->node.identity, "/s/\"q\"/identity.pem");
    ck_assert_str_eq(c->paths.runtime_dir, "/run/user/7/web4");
    ck_assert_uint_eq(c->listen_count, 2);
    ck_assert_str_eq(c->listen[1], "unix:/s/mesh.sock");
    ck_assert_str_eq(c->advertise[0], "tcp:h:1");
    ck_assert_uint_eq(c->seeds_count, 2);
    ck_assert_str_eq(c->seeds[0].address, "tcp:a:1");
    ck_assert(!c->seeds[0].pinned);
    ck_assert(c->seeds[1].pinned);
    ck_assert_uint_eq(c->seeds[1].fingerprint.bytes[1], 0x11);
    ck_assert_str_eq(c->mesh.beacons.interfaces[1], "lo");
    ck_assert_uint_eq(c->trust.anchors_count, 2);
    ck_assert_int_eq(c->trust.anchors[0].kind, W4_CONFIG_ANCHOR_NODE);
    ck_assert_str_eq(c->trust.anchors[0].name, "");
    ck_assert_str_eq(c->trust.anchors[1].name, "ada");
    ck_assert(!c->cip.distinct_nodes);
    ck_assert_uint_eq(c->cip.quorum, 3);
    ck_assert_int_eq(c->log.level, W4_LOG_DEBUG);
    w4_config_free(c);
}
END_TEST

#define FP2 "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What one channel, or one peer, does not say is what holds for all. */
START_TEST(inherits_channels) {
    w4_config *c = load(
        "{\"session\":{\"overflow\":\"dropoldest\",\"queue_messages\":7,\"block_timeout_ms\":9,"
        "\"channels\":{\"state\":{\"overflow\":\"dropnewest\"},"
        "\"control\":{\"queue_messages\":3,\"overflow\":\"block\"}},"
        "\"peers\":{\"" FP2 "\":{\"control\":{\"block_timeout_ms\":1}},"
        "\"" FP "\":{\"knowledge\":{\"overflow\":\"error\",\"queue_bytes\":2097152}}}}}");
    static const struct {
        const char *node; /* NULL: any other */
        w4_channel_kind kind;
        w4_config_channel want;
    } rows[] = {
        {NULL, W4_CHANNEL_CONTROL, {W4_OVERFLOW_BLOCK, 3, 9, 8388608, {0}}},
        {NULL, W4_CHANNEL_STATE, {W4_OVERFLOW_DROP_NEWEST, 7, 9, 8388608, {0}}},
        {NULL, W4_CHANNEL_KNOWLEDGE, {W4_OVERFLOW_DROP_OLDEST, 7, 9, 8388608, {0}}},
        {FP, W4_CHANNEL_CONTROL, {W4_OVERFLOW_BLOCK, 3, 9, 8388608, {0}}},
        {FP, W4_CHANNEL_KNOWLEDGE, {W4_OVERFLOW_ERROR, 7, 9, 2097152, {0}}},
        {FP2, W4_CHANNEL_CONTROL, {W4_OVERFLOW_BLOCK, 3, 1, 8388608, {0}}},
        {FP2, W4_CHANNEL_STATE, {W4_OVERFLOW_DROP_NEWEST, 7, 9, 8388608, {0}}},
    };
    ck_assert_uint_eq(c->session.peers_count, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_fingerprint node = {{0}};
        ck_assert(rows[i].node == NULL ||
                  w4_fingerprint_parse(w4_bytes_from_text(rows[i].node), &node));
        const w4_config_channel *have = &w4_config_channels(c, &node)[rows[i].kind];
        ck_assert_int_eq(have->overflow, rows[i].want.overflow);
        ck_assert_uint_eq(have->queue_messages, rows[i].want.queue_messages);
        ck_assert_uint_eq(have->block_timeout_ms, rows[i].want.block_timeout_ms);
        ck_assert_uint_eq(have->queue_bytes, rows[i].want.queue_bytes);
    }
    w4_config_free(c);
}
END_TEST

#define SLA_WINDOW 60000

/* Contracts are inherited member by member too; one that promises nothing is none. */
START_TEST(inherits_contracts) {
    w4_config *c =
        load("{\"session\":{\"channels\":{\"state\":{\"sla\":{\"p99_ms\":50,\"max_drop_rate\":0.01,"
             "\"min_availability\":0.999}},\"control\":{\"sla\":{\"window_ms\":1000}}},"
             "\"peers\":{\"" FP2 "\":{\"state\":{\"sla\":{\"p99_ms\":0,\"max_drop_rate\":1}},"
             "\"control\":{\"sla\":{\"max_drop_rate\":0}}},"
             "\"" FP "\":{\"state\":{\"sla\":{\"p99_ms\":0,\"max_drop_rate\":1.0,"
             "\"min_availability\":0}}}}}}");
    static const struct {
        const char *node; /* NULL: any other */
        w4_channel_kind kind;
        w4_sla_contract want;
    } rows[] = {
        {NULL, W4_CHANNEL_CONTROL, {0, 0, W4_SLA_PPM, 0}},
        {NULL, W4_CHANNEL_STATE, {SLA_WINDOW, 50, 10000, 999000}},
        {NULL, W4_CHANNEL_KNOWLEDGE, {0, 0, W4_SLA_PPM, 0}},
        {FP, W4_CHANNEL_STATE, {0, 0, W4_SLA_PPM, 0}},
        {FP2, W4_CHANNEL_STATE, {SLA_WINDOW, 0, W4_SLA_PPM, 999000}},
        {FP2, W4_CHANNEL_CONTROL, {1000, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_fingerprint node = {{0}};
        ck_assert(rows[i].node == NULL ||
                  w4_fingerprint_parse(w4_bytes_from_text(rows[i].node), &node));
        w4_sla_contract have = w4_config_contract(&w4_config_channels(c, &node)[rows[i].kind].sla);
        ck_assert_uint_eq(have.window_ms, rows[i].want.window_ms);
        ck_assert_uint_eq(have.p99_ms, rows[i].want.p99_ms);
        ck_assert_uint_eq(have.max_drop_ppm, rows[i].want.max_drop_ppm);
        ck_assert_uint_eq(have.min_availability_ppm, rows[i].want.min_availability_ppm);
    }
    w4_config_free(c);
}
END_TEST

/* Both spellings are one policy: in the effective form, in its digest, and in what changes. */
START_TEST(respells_policies) {
    w4_config *ours = load("{\"session\":{\"overflow\":\"drop_oldest\",\"channels\":{\"state\":"
                           "{\"overflow\":\"drop_newest\"}},\"peers\":{\"" FP "\":{\"control\":"
                           "{\"overflow\":\"drop_oldest\"}}}}}");
    w4_config *theirs = load("{\"session\":{\"overflow\":\"dropoldest\",\"channels\":{\"state\":"
                             "{\"overflow\":\"dropnewest\"}},\"peers\":{\"" FP "\":{\"control\":"
                             "{\"overflow\":\"dropoldest\"}}}}}");
    ck_assert_str_eq(w4_config_digest(ours), w4_config_digest(theirs));
    w4_bytes text = w4_json_text(w4_config_effective(theirs));
    ck_assert_ptr_null(memmem(text.data, text.len, "dropoldest", 10));
    w4_config_changes changes;
    w4_config_compare(ours, theirs, &changes);
    ck_assert_uint_eq(changes.count, 0);
    w4_config_free(theirs);

    /* Live, and so is taking a row back that was inherited before. */
    theirs = load("{}");
    w4_config_compare(ours, theirs, &changes);
    ck_assert_uint_eq(changes.count, 3);
    ck_assert_uint_eq(changes.restart_count, 0);
    w4_config *carried;
    ck_assert_int_eq(w4_config_carry(ours, theirs, &carried), 0);
    ck_assert_str_eq(w4_config_digest(carried), w4_config_digest(theirs));
    w4_config_free(carried);
    w4_config_free(theirs);
    w4_config_free(ours);
}
END_TEST

/* Fragments: objects merge, all else replaces. */
START_TEST(merges_fragments) {
    const w4_config_text texts[] = {
        {"web4d.json", w4_bytes_from_text("{\"seeds\":[\"tcp:a:1\"],\"cip\":{\"quorum\":4}}")},
        {"10.json", w4_bytes_from_text("{\"seeds\":[\"tcp:b:1\",\"tcp:c:1\"]}")},
        {"20.json", w4_bytes_from_text("{\"cip\":{\"distinct_nodes\":false}}")},
    };
    w4_config *c;
    ck_assert_int_eq(w4_config_load(texts, 3, &user, &c, &faults), 0);
    ck_assert_uint_eq(c->seeds_count, 2);
    ck_assert_str_eq(c->seeds[0].address, "tcp:b:1");
    ck_assert_uint_eq(c->cip.quorum, 4);
    ck_assert(!c->cip.distinct_nodes);
    w4_config_free(c);
}
END_TEST

/* ---- faults */

static const char *format(uint32_t i) {
    static w4_buffer line;
    line.max = 4096;
    w4_buffer_clear(&line);
    ck_assert_int_eq(w4_config_fault_format(&faults.items[i], &line), 0);
    static char text[4096];
    snprintf(text, sizeof text, "%s", w4_buffer_text(&line));
    w4_buffer_deinit(&line);
    return text;
}

static void check_bad(const char *config, const char *line) {
    w4_config *c = NULL;
    w4_config_text text = {"f", w4_bytes_from_text(config)};
    ck_assert_msg(w4_config_load(&text, 1, &user, &c, &faults) == 1, "%s", config);
    ck_assert_ptr_null(c);
    ck_assert_str_eq(format(0), line);
    ck_assert_msg(faults.count == 1, "%s: %u faults", config, faults.count);
}

START_TEST(names_one_fault) {
    static const struct {
        const char *text, *line;
    } bad[] = {
        {"{\"listn\":[]}", "f: /listn: no such member; did you mean \"listen\"?"},
        {"{\"session\":{\"heartbeat\":1}}",
         "f: /session/heartbeat: no such member; did you mean \"heartbeat_ms\"?"},
        {"{\"session\":{\"heartbeat_ms\":0}}",
         "f: /session/heartbeat_ms: expected an integer from 100 to 3600000"},
        {"{\"session\":{\"heartbeat_ms\":1000000000}}",
         "f: /session/heartbeat_ms: expected an integer from 100 to 3600000"},
        {"{\"session\":{\"heartbeat_ms\":\"5000\"}}",
         "f: /session/heartbeat_ms: expected an integer from 100 to 3600000"},
        {"{\"session\":{\"timeout_ms\":9999}}",
         "f: /session/timeout_ms: expected at least twice /session/heartbeat_ms"},
        {"{\"cip\":{\"quorum\":1}}", "f: /cip/quorum: expected an integer from 2 to 64"},
        {"{\"cip\":{\"distinct_nodes\":1}}", "f: /cip/distinct_nodes: expected true or false"},
        {"{\"log\":{\"level\":\"loud\"}}",
         "f: /log/level: expected one of error, warning, info, debug"},
        {"{\"seeds\":[\"tcp:a:0\"]}", "f: /seeds/0: expected tcp:HOST:PORT with a port from 1 to "
                                      "65535, or unix:/PATH of at most 107 bytes"},
        {"{\"seeds\":[\"tcp:a:70000\"]}", "f: /seeds/0: expected tcp:HOST:PORT with a port from 1 "
                                          "to 65535, or unix:/PATH of at most 107 bytes"},
        {"{\"listen\":[\"tcp:a:-1\"]}", "f: /listen/0: expected tcp:HOST:PORT with a port from 0 "
                                        "(any) to 65535, or unix:/PATH of at most 107 bytes"},
        {"{\"listen\":\"tcp:a:1\"}", "f: /listen: expected an array of at most 8 elements"},
        {"{\"listen\":[\"memory:a\"]}", "f: /listen/0: expected tcp:HOST:PORT with a port from 0 "
                                        "(any) to 65535, or unix:/PATH of at most 107 bytes"},
        {"{\"seeds\":[\"tcp:a:1\",\"tcp:b:1\",\"tcp:a:1\"]}",
         "f: /seeds/2: expected what is not in the list already"},
        {"{\"mesh\":{\"pins\":{\"tcp:a:1\":\"" FP "\"}}}",
         "f: /mesh/pins/tcp:a:1: expected an address of /seeds, as it is spelled there"},
        {"{\"node\":{\"identity\":\"key.pem\"}}",
         "f: /node/identity: expected an absolute path without control characters, and without a "
         "slash at its end"},
        {"{\"node\":{\"name\":\"a\\u0000b\"}}",
         "f: /node/name: expected a string without control characters"},
        {"{\"paths\":{\"store\":\"/a\",\"agents_dir\":\"/a\"}}",
         "f: /paths/agents_dir: expected a path that nothing else has"},
        {"{\"access\":{\"control_group\":\"web4 admin\"}}",
         "f: /access/control_group: expected the name of a group, or \"\" for none"},
        {"{\"mesh\":{\"beacons\":{\"interfaces\":[\"../eth0\"]}}}",
         "f: /mesh/beacons/interfaces/0: expected the name of a network interface"},
        {"{\"trust\":{\"anchors\":[{\"kind\":\"human\",\"fingerprint\":\"" FP "\"}]}}",
         "f: /trust/anchors/0/kind: expected one of agent, node"},
        {"[]", "f: expected an object"},
        {"null", "f: expected an object"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_bad(bad[i].text, bad[i].line);
    }
}
END_TEST

START_TEST(names_one_fault_of_channels) {
    static const struct {
        const char *text, *line;
    } bad[] = {
        {"{\"session\":{\"overflow\":\"drop\"}}",
         "f: /session/overflow: expected one of error, drop_oldest, drop_newest, block, "
         "dropoldest, dropnewest"},
        {"{\"session\":{\"channels\":{\"knowlege\":{}}}}",
         "f: /session/channels/knowlege: no such member; did you mean \"knowledge\"?"},
        {"{\"session\":{\"channels\":{\"state\":{\"sla\":{\"p99ms\":5}}}}}",
         "f: /session/channels/state/sla/p99ms: no such member; did you mean \"p99_ms\"?"},
        {"{\"session\":{\"channels\":{\"state\":{\"sla\":{\"max_drop_rate\":1.5}}}}}",
         "f: /session/channels/state/sla/max_drop_rate: expected a number from 0 to 1"},
        {"{\"session\":{\"channels\":{\"state\":{\"sla\":{\"p99_ms\":60001}}}}}",
         "f: /session/channels/state/sla/p99_ms: expected at most the window_ms of the contract, "
         "60000"},
        {"{\"session\":{\"channels\":{\"state\":{\"sla\":{\"p99_ms\":5000}}},\"peers\":{"
         "\"" FP "\":{\"state\":{\"sla\":{\"window_ms\":4000}}}}}}",
         "f: /session/peers/" FP "/state/sla/window_ms: expected at least the p99_ms of the "
         "contract, 5000"},
        {"{\"session\":{\"channels\":{\"state\":{\"queue_bytes\":65536}}}}",
         "f: /session/channels/state/queue_bytes: expected at least /session/max_message"},
        {"{\"session\":{\"channels_max\":2}}",
         "f: /session/channels_max: expected an integer from 3 to 64"},
        {"{\"session\":{\"channels_max\":65}}",
         "f: /session/channels_max: expected an integer from 3 to 64"},
        {"{\"session\":{\"peer_bytes\":4194303}}",
         "f: /session/peer_bytes: expected at least four times /session/max_message"},
        {"{\"session\":{\"node_bytes\":67108863}}",
         "f: /session/node_bytes: expected at least /session/peer_bytes"},
        {"{\"session\":{\"peers\":{\"ada\":{}}}}",
         "f: /session/peers/ada: expected the fingerprint of a node, 64 lower-case hex digits"},
        {"{\"session\":{\"peers\":{\"" FP "\":{\"state\":{\"queue_messages\":0}}}}}",
         "f: /session/peers/" FP "/state/queue_messages: expected an integer from 1 to 1048576"},
        {"{\"session\":{\"peers\":{\"" FP "\":{\"state\":{\"queue_bytes\":65536}}}}}",
         "f: /session/peers/" FP "/state/queue_bytes: expected at least /session/max_message"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_bad(bad[i].text, bad[i].line);
    }
}
END_TEST

START_TEST(names_place_of_bad_syntax) {
    static const char *const bad[] = {
        "",          "{\"a\":1,}", "\xEF\xBB\xBF{}",     "{\"log\":{},\"log\":{}}",
        "{'log':1}", "{}}",        "{\"log\":\"\xff\"}", "// hi\n{}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w4_config *c = NULL;
        w4_config_text text = {"dir/\x1b[1mf", w4_bytes_from_text(bad[i])};
        ck_assert_msg(w4_config_load(&text, 1, &user, &c, &faults) == 1, "%s", bad[i]);
        ck_assert_msg(strncmp(format(0), "dir/\\x1b[1mf:1:", 15) == 0, "%s", format(0));
        ck_assert_int_gt((int)strlen(format(0)), 20);
    }
    w4_config *c = NULL;
    w4_config_text text = {"f", w4_bytes_from_text("{\n  \"log\": {\n    oops\n")};
    ck_assert_int_eq(w4_config_load(&text, 1, &user, &c, &faults), 1);
    ck_assert_uint_eq(faults.items[0].line, 3);
}
END_TEST

/* Every one is listed, each with the file that is to blame. */
START_TEST(names_every_fault) {
    const w4_config_text texts[] = {
        {"a", w4_bytes_from_text("{\"x\":1,\"log\":{\"level\":1}}")},
        {"b", w4_bytes_from_text("{")},
        {"c", w4_bytes_from_text("{\"seeds\":[1,2]}")},
    };
    w4_config *c = NULL;
    ck_assert_int_eq(w4_config_load(texts, 3, &user, &c, &faults), 1);
    ck_assert_uint_eq(faults.count, 5);
    static const char *const names[] = {"a", "a", "b", "c", "c"};
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(faults.items[i].name, names[i]);
    }

    const w4_config_text spanning[] = {
        {"a", w4_bytes_from_text("{\"session\":{\"timeout_ms\":6000}}")},
        {"b", w4_bytes_from_text("{\"session\":{\"queue_bytes\":65536}}")},
        {"c", w4_bytes_from_text("{\"limits\":{\"depth\":9}}")},
    };
    ck_assert_int_eq(w4_config_load(spanning, 3, &user, &c, &faults), 1);
    ck_assert_uint_eq(faults.count, 2);
    ck_assert_str_eq(format(0), "a: /session/timeout_ms: expected at least twice "
                                "/session/heartbeat_ms");
    ck_assert_str_eq(format(1), "b: /session/queue_bytes: expected at least /session/max_message");

    /* More than are kept are still counted. */
    w4_buffer many = W4_BUFFER_INIT(1u << 20);
    ck_assert_int_eq(w4_buffer_append_text(&many, "{\"seeds\":[0"), 0);
    for (int i = 1; i < 200; i++) {
        ck_assert_int_eq(w4_buffer_append_text(&many, ",0"), 0);
    }
    ck_assert_int_eq(w4_buffer_append_text(&many, "]}"), 0);
    w4_config_text text = {"f", w4_buffer_bytes(&many)};
    ck_assert_int_eq(w4_config_load(&text, 1, &user, &c, &faults), 1);
    ck_assert_uint_ge(faults.count, W4_FAULTS_MAX);
    w4_buffer_deinit(&many);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(is_bounded) {
    w4_config *c = NULL;
    w4_buffer big = W4_BUFFER_INIT(2 * W4_CONFIG_BYTES_MAX);
    fill(&big, ' ', W4_CONFIG_BYTES_MAX + 1);
    w4_config_text text = {"f", w4_buffer_bytes(&big)};
    ck_assert_int_eq(w4_config_load(&text, 1, &user, &c, &faults), 1);
    ck_assert_uint_eq(faults.count, 1);
    w4_buffer_deinit(&big);
    w4_config_text many[W4_CONFIG_TEXTS_MAX + 1];
    for (size_t i = 0; i < W4_CONFIG_TEXTS_MAX + 1; i++) {
        many[i] = (w4_config_text){"f", w4_bytes_from_text("{}")};
    }
    ck_assert_int_eq(w4_config_load(many, W4_CONFIG_TEXTS_MAX + 1, &user, &c, &faults), 1);
    ck_assert_int_eq(w4_config_load(many, W4_CONFIG_TEXTS_MAX, &user, &c, &faults), 0);
    w4_config_free(c);
}
END_TEST

/* ---- places */

START_TEST(knows_places) {
    w4_config_paths paths;
    w4_config_place place = {.is_root = true, .home = "/root", .xdg_config_home = "/x"};
    ck_assert(w4_config_paths_default(&place, &paths));
    ck_assert_str_eq(paths.file, "/etc/web4/web4d.json");
    ck_assert_str_eq(paths.fragments, "/etc/web4/conf.d");
    ck_assert_str_eq(paths.state_dir, "/var/lib/web4");
    ck_assert_str_eq(paths.runtime_dir, "/run/web4");

    place = (w4_config_place){.home = "/home/ada/",
                              .xdg_config_home = "/c",
                              .xdg_state_home = "relative",
                              .xdg_runtime_dir = ""};
    ck_assert(w4_config_paths_default(&place, &paths));
    ck_assert_str_eq(paths.file, "/c/web4/web4d.json");
    ck_assert_str_eq(paths.state_dir, "/home/ada/.local/state/web4");
    ck_assert_str_eq(paths.runtime_dir, "/home/ada/.local/state/web4/run");

    place = (w4_config_place){.state_directory = "/var/lib/web4-a:/var/lib/b",
                              .runtime_directory = "/run/web4-a",
                              .configuration_directory = "/etc/web4-a",
                              .home = "/"};
    ck_assert(w4_config_paths_default(&place, &paths));
    ck_assert_str_eq(paths.file, "/etc/web4-a/web4d.json");
    ck_assert_str_eq(paths.state_dir, "/var/lib/web4-a");
    ck_assert_str_eq(paths.runtime_dir, "/run/web4-a");
    w4_config *c;
    ck_assert_int_eq(w4_config_load(NULL, 0, &place, &c, &faults), 0);
    ck_assert_str_eq(c->access.control_group, "web4-admin");
    ck_assert_str_eq(c->access.agent_group, "web4");
    ck_assert_str_eq(c->node.name, "node");
    w4_config_free(c);

    char long_home[W4_CONFIG_PATH_MAX + 10];
    memset(long_home, 'x', sizeof long_home - 1);
    long_home[0] = '/';
    long_home[sizeof long_home - 1] = 0;
    const char *const bad[] = {NULL, "", "home", "/", "/a\nb", "/\xff", long_home};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        place = (w4_config_place){.home = bad[i]};
        ck_assert(!w4_config_paths_default(&place, &paths));
    }
}
END_TEST

START_TEST(says_when_nothing_says_where) {
    w4_config_place nowhere = {0};
    w4_config *c = NULL;
    ck_assert_int_eq(w4_config_load(NULL, 0, &nowhere, &c, &faults), 1);
    ck_assert_uint_ge(faults.count, 2);
    ck_assert_str_eq(format(0), "/node/identity: expected it to be set: neither the environment "
                                "nor a home says where");
    w4_config_text text = {"f", w4_bytes_from_text("{\"paths\":{\"state_dir\":\"/s\","
                                                   "\"runtime_dir\":\"/r\"}}")};
    ck_assert_int_eq(w4_config_load(&text, 1, &nowhere, &c, &faults), 0);
    ck_assert_str_eq(c->paths.control_socket, "/r/control.sock");
    w4_config_free(c);
    /* A socket below a long folder has no path at all. */
    w4_config_text deep = {
        "f",
        w4_bytes_from_text("{\"paths\":{\"runtime_dir\":\"/rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
                           "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\"}}")};
    ck_assert_int_eq(w4_config_load(&deep, 1, &user, &c, &faults), 1);
    ck_assert_str_eq(format(0), "/paths/control_socket: expected a string of 2 to 107 bytes");
}
END_TEST

/* ---- reload */

START_TEST(tells_changes) {
    w4_config *from = load("{}");
    w4_config *to = load("{\"seeds\":[\"tcp:a:1\"],\"log\":{\"level\":\"debug\"},"
                         "\"node\":{\"name\":\"x\"},\"session\":{\"heartbeat_ms\":5000}}");
    w4_config_changes changes;
    w4_config_compare(from, to, &changes);
    ck_assert_uint_eq(changes.count, 3);
    ck_assert_uint_eq(changes.restart_count, 1);
    ck_assert_str_eq(changes.items[0].pointer, "/node/name");
    ck_assert(changes.items[0].restart);
    ck_assert_str_eq(changes.items[1].pointer, "/seeds");
    ck_assert(!changes.items[1].restart);
    ck_assert_str_eq(changes.items[2].pointer, "/log/level");
    w4_config *carried;
    ck_assert_int_eq(w4_config_carry(from, to, &carried), 0);
    ck_assert_str_eq(carried->node.name, "ada-host");
    ck_assert_uint_eq(carried->seeds_count, 1);
    ck_assert_int_eq(carried->log.level, W4_LOG_DEBUG);
    w4_config_compare(carried, to, &changes);
    ck_assert_uint_eq(changes.count, 1);
    w4_config_free(carried);
    ck_assert_int_eq(w4_config_carry(from, from, &carried), 0);
    ck_assert_str_eq(w4_config_digest(carried), w4_config_digest(from));
    w4_config_free(carried);
    w4_config_free(from);
    w4_config_free(to);
}
END_TEST

/* The effective document is a valid configuration, and gives the same one. */
START_TEST(reads_what_it_tells) {
    w4_config *c = load("{\"seeds\":[\"tcp:a:1\"],\"node\":{\"name\":\"q\\\"\\\\\"}}");
    w4_bytes text = w4_json_text(w4_config_effective(c));
    w4_config_text again = {"effective", text};
    w4_config *same;
    ck_assert_int_eq(w4_config_load(&again, 1, NULL, &same, &faults), 0);
    ck_assert_str_eq(w4_config_digest(c), w4_config_digest(same));
    ck_assert_str_eq(same->node.name, "q\"\\");
    w4_config_free(same);
    w4_config_free(c);
}
END_TEST

/* ---- the table itself */

static bool is_bound(const char *pointer) {
    static const char *const own[] = {"/seeds",     "/mesh/pins",        "/trust/anchors",
                                      "/log/level", "/session/overflow", "/session/peers"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(own[i], pointer) == 0) {
            return true;
        }
    }
    for (const w4_config_binding *b = w4_config_bindings; b->pointer != NULL; b++) {
        if (strcmp(b->pointer, pointer) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_derived(const char *pointer) {
    for (const w4_config_derived *d = w4_config_derived_rows; d->object != NULL; d++) {
        char name[64];
        snprintf(name, sizeof name, "/%s/%s", d->object, d->member);
        if (strcmp(name, pointer) == 0) {
            return true;
        }
    }
    return false;
}

/* A member of a channel of its own: bound where all channels are, and has its default from there.
 */
static bool is_inherited(const char *pointer) {
    return strncmp(pointer, "/session/channels/", 18) == 0;
}

static void check_inherited(const char *pointer, const char *name) {
    for (const w4_schema_row *row = w4_config_table.rows; row->name != NULL; row++) {
        if (strcmp(row->name, "session") != 0) {
            continue;
        }
        bool found = strstr(pointer, "/sla/") != NULL; /* a whole of its own, see config_sla.c */
        for (row = row->object->rows; row->name != NULL; row++) {
            found = found || (strcmp(row->name, name) == 0 && row->fallback != NULL);
        }
        ck_assert_msg(found, "%s: from where?", pointer);
        return;
    }
}

static unsigned check_rows(const w4_schema *schema, const char *of) {
    unsigned leaves = 0;
    ck_assert(schema->closed);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        char pointer[128];
        snprintf(pointer, sizeof pointer, "%s/%s", of, row->name);
        ck_assert_msg(row->help != NULL && row->help[0] != 0, "%s", pointer);
        if (row->kind == W4_SCHEMA_OBJECT) {
            leaves += check_rows(row->object, pointer);
            continue;
        }
        if (is_inherited(pointer)) {
            ck_assert_ptr_null(row->fallback);
            check_inherited(pointer, row->name);
            continue;
        }
        leaves++;
        ck_assert_msg(is_bound(pointer), "%s goes nowhere", pointer);
        ck_assert_msg((row->fallback != NULL) != is_derived(pointer), "%s: default?", pointer);
        bool bounded = row->kind == W4_SCHEMA_BOOL || row->kind == W4_SCHEMA_ENUM || row->max > 0;
        ck_assert_msg(bounded, "%s has no bounds", pointer);
    }
    return leaves;
}

START_TEST(rows_are_whole) {
    unsigned bindings = 0;
    for (const w4_config_binding *b = w4_config_bindings; b->pointer != NULL; b++) {
        bindings++;
    }
    ck_assert_ptr_eq(w4_config_schema(), &w4_config_table);
    ck_assert_uint_eq(check_rows(&w4_config_table, ""), bindings + 6);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("platform/config");
    TCase *tcase = tcase_create("config");
    tcase_add_test(tcase, rows_are_whole);
    tcase_add_test(tcase, has_defaults);
    tcase_add_test(tcase, takes_what_is_set);
    tcase_add_test(tcase, inherits_channels);
    tcase_add_test(tcase, inherits_contracts);
    tcase_add_test(tcase, respells_policies);
    tcase_add_test(tcase, merges_fragments);
    tcase_add_test(tcase, names_one_fault);
    tcase_add_test(tcase, names_one_fault_of_channels);
    tcase_add_test(tcase, names_place_of_bad_syntax);
    tcase_add_test(tcase, names_every_fault);
    tcase_add_test(tcase, is_bounded);
    tcase_add_test(tcase, knows_places);
    tcase_add_test(tcase, says_when_nothing_says_where);
    tcase_add_test(tcase, tells_changes);
    tcase_add_test(tcase, reads_what_it_tells);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
