/* Records: what is written is read, and nothing else is. */
#include "runner.h"

#include "graph/records.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>

#define AGENT_ID_LEN 255

static w4_identity *ada, *ben, *cho;
static w4_record_reader *reader;
static w4_record record;
static w4_record_fault fault;

static void setup(void) {
    ada = identity_of(1);
    ben = identity_of(2);
    cho = identity_of(3);
    ck_assert_int_eq(w4_record_reader_new(&reader), 0);
    memset(&record, 0, sizeof record);
    memset(&fault, 0, sizeof fault);
}

static void teardown(void) {
    reader = w4_record_reader_free(reader);
    ada = w4_identity_free(ada);
    ben = w4_identity_free(ben);
    cho = w4_identity_free(cho);
}

static int read_text(w4_bytes text) {
    memset(&fault, 0x5a, sizeof fault);
    return w4_record_read(reader, text, &record, &fault);
}

/* ---- round trip */

/* What was read has just the edges and agents that were written. */
static void same_lists(const w4_record_edge *edges, const w4_record_agent *agents) {
    ck_assert_uint_eq(record.edge_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_mem_eq(&record.edges[i].target, &edges[i].target, sizeof(w4_fingerprint));
        ck_assert_int_eq(record.edges[i].relation, edges[i].relation);
        ck_assert_int_eq(record.edges[i].active, edges[i].active);
        ck_assert_uint_eq(record.edges[i].latency_ms, edges[i].latency_ms);
        ck_assert(record.edges[i].weight == edges[i].weight);
        ck_assert(!record.edges[i].of_agent);
    }
    ck_assert_uint_eq(record.agent_count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(record.agents[i].agent_id, agents[i].agent_id);
        ck_assert_mem_eq(&record.agents[i].fingerprint, &agents[i].fingerprint,
                         sizeof(w4_fingerprint));
        ck_assert_mem_eq(&record.agents[i].pubkey, &agents[i].pubkey, sizeof(w4_pubkey));
    }
}

START_TEST(what_is_written_is_read) {
    w4_json_document doc = {0};
    ck_assert_int_eq(
        w4_json_read(&doc, w4_bytes_from_text("[\"fetch\",\"learn\"]"), &W4_JSON_LIMITS_LINE, NULL),
        0);
    w4_record_edge edges[] = {
        {.target = *w4_identity_fingerprint(ben),
         .relation = W4_RELATION_ROUTES,
         .weight = 1,
         .active = true,
         .latency_ms = 12},
        {.target = *w4_identity_fingerprint(cho),
         .relation = W4_RELATION_TRUSTS,
         .weight = 0.5,
         .active = false},
        {.target = *w4_identity_fingerprint(cho),
         .relation = W4_RELATION_INVOKES,
         .weight = 0,
         .active = true},
    };
    w4_record_agent agents[] = {agent_of(ben, "ben \"b\" \\"), agent_of(cho, "\xc3\xa7ho")};
    agents[0].capabilities = w4_json_root(&doc);
    w4_record own = plain_record(UINT64_C(9007199254740991), T0 + 123000);
    own.edges = edges;
    own.edge_count = 3;
    own.agents = agents;
    own.agent_count = 2;
    own.address_count = 2;
    memcpy(own.addresses[0], "tcp:[::1]:7474", 15);
    memcpy(own.addresses[1], "nats://host:4222/web4", 22);
    w4_buffer text = written(&own, ada);
    ck_assert_int_eq(read_text(w4_buffer_bytes(&text)), 0);

    ck_assert_uint_eq(record.seq, own.seq);
    ck_assert_uint_eq(record.issued_wall_us, T0 + 123000);
    ck_assert_uint_eq(record.ttl_s, W4_RECORD_TTL_S);
    ck_assert_str_eq(record.name, "ada");
    ck_assert_str_eq(record.version, "0.1.0");
    ck_assert_mem_eq(&record.id, w4_identity_fingerprint(ada), sizeof record.id);
    ck_assert_mem_eq(&record.pubkey, w4_identity_pubkey(ada), sizeof record.pubkey);
    ck_assert_uint_eq(record.address_count, 2);
    ck_assert_str_eq(record.addresses[0], "tcp:[::1]:7474");
    ck_assert_str_eq(record.addresses[1], "nats://host:4222/web4");
    same_lists(edges, agents);
    ck_assert_uint_eq(w4_json_count(record.agents[0].capabilities), 2);
    ck_assert_uint_eq(w4_json_count(record.agents[1].capabilities), 0);

    /* The copy stands when the reader has gone on, and when the text is gone. */
    w4_record_copy *copy = NULL;
    ck_assert_int_eq(w4_record_copy_new(reader, &record, &copy), 0);
    ck_assert(w4_bytes_equal(copy->text, w4_buffer_bytes(&text)));
    w4_record other = plain_record(1, T0);
    w4_buffer next = written(&other, ben);
    ck_assert_int_eq(read_text(w4_buffer_bytes(&next)), 0);
    w4_buffer_deinit(&text);
    w4_json second = w4_json_first(copy->record.agents[0].capabilities).value;
    ck_assert(w4_json_string_equal(second, "fetch"));
    ck_assert_str_eq(copy->record.agents[1].agent_id, "\xc3\xa7ho");
    ck_assert_int_eq(copy->record.edges[1].relation, W4_RELATION_TRUSTS);
    ck_assert_ptr_null(w4_record_copy_free(copy));
    ck_assert_ptr_null(w4_record_copy_free(NULL));
    w4_buffer_deinit(&next);
    w4_json_document_deinit(&doc);
}
END_TEST

/* The greatest that fits, and one that does not: nothing is added then. */
START_TEST(size_is_bounded) {
    static w4_record_agent agents[W4_RECORD_AGENTS_MAX];
    w4_identity *identities[W4_RECORD_AGENTS_MAX];
    for (uint8_t i = 0; i < W4_RECORD_AGENTS_MAX; i++) {
        char id[AGENT_ID_LEN + 1];
        memset(id, 'a' + i % 26, AGENT_ID_LEN);
        id[AGENT_ID_LEN] = '\0';
        identities[i] = identity_of((uint8_t)(100 + i));
        agents[i] = agent_of(identities[i], id);
    }
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_record own = plain_record(7, T0);
    own.agents = agents;
    own.agent_count = W4_RECORD_AGENTS_MAX;
    ck_assert_int_eq(w4_record_write(&own, ada, &out), -EMSGSIZE);
    ck_assert_uint_eq(out.len, 0);
    while (w4_record_write(&own, ada, &out) == -EMSGSIZE) {
        own.agent_count--;
    }
    ck_assert_uint_gt(own.agent_count, 30);
    ck_assert_uint_le(out.len, W4_RECORD_BYTES_MAX);
    ck_assert_int_eq(read_text(w4_buffer_bytes(&out)), 0);
    ck_assert_uint_eq(record.agent_count, own.agent_count);
    for (uint8_t i = 0; i < W4_RECORD_AGENTS_MAX; i++) {
        w4_identity_free(identities[i]);
    }
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(cut_anywhere_it_is_none) {
    w4_record own = plain_record(7, T0);
    w4_buffer text = written(&own, ada);
    for (size_t len = 0; len < text.len; len++) {
        ck_assert_int_eq(read_text(w4_bytes_of(text.data, len)), 1);
        ck_assert(!fault.author_proven);
        ck_assert_uint_gt(strlen(fault.expected), 0);
    }
    ck_assert_int_eq(read_text(w4_buffer_bytes(&text)), 0);
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(each_bit_counts) {
    w4_record own = plain_record(7, T0);
    w4_record_edge edge = {.target = *w4_identity_fingerprint(ben), .weight = 1, .active = true};
    own.edges = &edge;
    own.edge_count = 1;
    w4_buffer text = written(&own, ada);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t bit = (uint8_t)(1u << (i % 8));
        text.data[i] ^= bit;
        ck_assert_msg(read_text(w4_buffer_bytes(&text)) == 1, "bit at %zu", i);
        ck_assert(!fault.author_proven);
        text.data[i] ^= bit;
    }
    w4_buffer_deinit(&text);
}
END_TEST

/* ---- the form, member by member */

static const char template[] =
    "{\"graph\":\"1.0\",\"seq\":5,\"issued_at\":\"2026-11-23T10:12:12.000Z\",\"ttl\":3600,"
    "\"node\":{\"id\":\"ADA\",\"kind\":\"router\",\"address\":[\"tcp:h:1\"],\"capabilities\":["
    "\"c\"],\"metadata\":{\"name\":\"ada\",\"version\":\"1\"}},"
    "\"edges\":[{\"id\":\"e\",\"source\":\"ADA\",\"target\":\"BEN\",\"relation\":\"routes\","
    "\"weight\":1,\"state\":\"active\",\"metadata\":{\"latency_ms\":1}}],"
    "\"agents\":[{\"agent_id\":\"b\",\"fingerprint\":\"BEN\",\"pubkey\":\"BENKEY\","
    "\"capabilities\":[\"x\"]}],"
    "\"services\":[{\"name\":\"s\",\"version\":\"1\"}],\"domain\":null,\"pubkey\":\"ADAKEY\"}";

/* The template with names of people turned into their keys. Owned by the caller. */
static char *filled(const char *text) {
    const struct {
        const char *name;
        const w4_identity *identity;
        bool pubkey;
    } words[] = {{"ADAKEY", ada, true}, {"BENKEY", ben, true}, {"ADA", ada, false},
                 {"BEN", ben, false},   {"CHOKEY", cho, true}, {"CHO", cho, false}};
    char *out = strdup(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *value = text_of(words[i].identity, words[i].pubkey);
        while (strstr(out, words[i].name) != NULL) {
            char *next = replaced(out, words[i].name, value);
            free(out);
            out = next;
        }
        free(value);
    }
    return out;
}

static int read_changed(const char *from, const char *to) {
    char *changed = replaced(template, from, to);
    char *json = filled(changed);
    w4_buffer text = signed_json(ada, json);
    int r = read_text(w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    free(json);
    free(changed);
    return r;
}

START_TEST(the_template_is_good) {
    ck_assert_int_eq(read_changed("\"seq\":5", "\"seq\":6"), 0);
    ck_assert_uint_eq(record.seq, 6);
    ck_assert_uint_eq(record.agent_count, 1);
    ck_assert_uint_eq(record.edge_count, 1);
}
END_TEST

#define LONG64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static const struct {
    const char *from, *to, *pointer;
} faults[] = {
    {"\"graph\":\"1.0\"", "\"graph\":\"2.0\"", "/graph"},
    {"\"graph\":\"1.0\",", "", "/graph"},
    {"\"seq\":5", "\"seq\":0", "/seq"},
    {"\"seq\":5", "\"seq\":-1", "/seq"},
    {"\"seq\":5", "\"seq\":5.5", "/seq"},
    {"\"seq\":5", "\"seq\":9007199254740992", "/seq"},
    {"\"seq\":5", "\"seq\":\"5\"", "/seq"},
    {"\"seq\":5,", "", "/seq"},
    {"T10:12:12.000Z", "t10:12:12.000z", "/issued_at"},
    {"T10:12:12.000Z", "T10:12:12.000+01:00", "/issued_at"},
    {"\"issued_at\":\"2026-11-23T10:12:12.000Z\",", "", "/issued_at"},
    {"\"ttl\":3600", "\"ttl\":-1", "/ttl"},
    {"\"ttl\":3600", "\"ttl\":604801", "/ttl"},
    {"\"ttl\":3600,", "", "/ttl"},
    {"\"node\":{\"id\":\"ADA\"", "\"node\":{\"id\":\"BEN\"", "/node/id"},
    {"\"node\":{\"id\":\"ADA\"", "\"node\":{\"id\":\"ada\"", "/node/id"},
    {"\"node\":{\"id\":\"ADA\",", "\"node\":{", "/node/id"},
    {"\"kind\":\"router\"", "\"kind\":\"king\"", "/node/kind"},
    {"[\"tcp:h:1\"]", "\"tcp:h:1\"", "/node/address"},
    {"[\"tcp:h:1\"]", "[\"tcp\"]", "/node/address/0"},
    {"[\"tcp:h:1\"]", "[\"tcp:h 1\"]", "/node/address/0"},
    {"[\"tcp:h:1\"]", "[\"tcp:h\\u00071\"]", "/node/address/0"},
    {"[\"tcp:h:1\"]", "[\"tcp:\\u202e1\"]", "/node/address/0"},
    {"[\"tcp:h:1\"]", "[\"tcp:" LONG256 "\"]", "/node/address/0"},
    {"[\"tcp:h:1\"]", "[\"t:1\",\"t:2\",\"t:3\",\"t:4\",\"t:5\",\"t:6\",\"t:7\",\"t:8\",\"t:9\"]",
     "/node/address"},
    {"\"name\":\"ada\"", "\"name\":\"" LONG64 "\"", "/node/metadata/name"},
    {"\"name\":\"ada\"", "\"name\":\"a\\u0000\"", "/node/metadata/name"},
    {"\"name\":\"ada\"", "\"name\":\"a\\u001b[31m\"", "/node/metadata/name"},
    {"\"version\":\"1\"}}", "\"version\":\"" LONG64 "\"}}", "/node/metadata/version"},
    {"\"version\":\"1\"}}", "\"version\":1}}", "/node/metadata/version"},
    {",\"metadata\":{\"name\":\"ada\",\"version\":\"1\"}}", "}", "/node/metadata"},
    {"\"id\":\"e\"", "\"id\":\"\"", "/edges/0/id"},
    {"\"target\":\"BEN\"", "\"target\":\"*\"", "/edges/0/target"},
    {"\"relation\":\"routes\"", "\"relation\":\"loves\"", "/edges/0/relation"},
    {"\"weight\":1", "\"weight\":-1", "/edges/0/weight"},
    {"\"weight\":1", "\"weight\":1e7", "/edges/0/weight"},
    {"\"weight\":1,", "", "/edges/0/weight"},
    {"\"state\":\"active\"", "\"state\":\"ACTIVE\"", "/edges/0/state"},
    {"\"latency_ms\":1", "\"latency_ms\":-1", "/edges/0/metadata/latency_ms"},
    {"\"latency_ms\":1", "\"latency_ms\":1e300", "/edges/0/metadata/latency_ms"},
    {"\"agent_id\":\"b\"", "\"agent_id\":\"\"", "/agents/0/agent_id"},
    {"\"agent_id\":\"b\"", "\"agent_id\":\"*\"", "/agents/0/agent_id"},
    {"\"agent_id\":\"b\"", "\"agent_id\":\"admin\\u0000x\"", "/agents/0/agent_id"},
    {"\"agent_id\":\"b\"", "\"agent_id\":\"" LONG256 "\"", "/agents/0/agent_id"},
    {"\"fingerprint\":\"BEN\"", "\"fingerprint\":\"BEN0\"", "/agents/0/fingerprint"},
    {"\"pubkey\":\"BENKEY\"", "\"pubkey\":\"BENKEY=\"", "/agents/0/pubkey"},
    {"\"capabilities\":[\"x\"]", "\"capabilities\":[1]", "/agents/0/capabilities/0"},
    {"\"services\":[", "\"services\":[1,", "/services/0"},
    {"\"domain\":null", "\"domain\":1", "/domain"},
    {",\"domain\":null", "", "/domain"},
    {"\"pubkey\":\"ADAKEY\"", "\"pubkey\":\"BENKEY\"", "/node/id"},
    {",\"pubkey\":\"ADAKEY\"", "", "/pubkey"},
};

START_TEST(each_fault_of_form_is_named) {
    ck_assert_msg(read_changed(faults[_i].from, faults[_i].to) == 1, "%s", faults[_i].to);
    ck_assert_msg(strcmp(fault.pointer, faults[_i].pointer) == 0, "%s: %s, wanted %s",
                  faults[_i].to, fault.pointer, faults[_i].pointer);
    ck_assert(!fault.author_proven);
}
END_TEST

START_TEST(lists_are_bounded) {
    w4_buffer many = W4_BUFFER_INIT(1u << 20);
    ck_assert_int_eq(w4_buffer_append_text(&many, "\"edges\":["), 0);
    for (int i = 0; i < 65; i++) {
        ck_assert_int_eq(w4_buffer_append_text(
                             &many, "{\"id\":\"e\",\"source\":\"ADA\",\"target\":\"BEN\",\"relation"
                                    "\":\"routes\",\"weight\":1,\"state\":\"active\"},"),
                         0);
    }
    ck_assert_int_eq(read_changed("\"edges\":[", w4_buffer_text(&many)), 1);
    w4_buffer_deinit(&many);
    ck_assert_str_eq(fault.pointer, "/edges");
}
END_TEST

/* ---- what is proven and still wrong: the author pays */

static const struct {
    const char *from, *to, *pointer;
} lies[] = {
    {"\"source\":\"ADA\"", "\"source\":\"CHO\"", "/edges"},
    {"\"fingerprint\":\"BEN\",\"pubkey\":\"BENKEY\"",
     "\"fingerprint\":\"BEN\",\"pubkey\":\"CHOKEY\"", "/agents"},
    {"\"agents\":[",
     "\"agents\":[{\"agent_id\":\"c\",\"fingerprint\":\"BEN\",\"pubkey\":\"BENKEY\","
     "\"capabilities\":[]},",
     "/agents"},
};

START_TEST(a_lie_falls_on_its_author) {
    ck_assert_int_eq(read_changed(lies[_i].from, lies[_i].to), 1);
    ck_assert_str_eq(fault.pointer, lies[_i].pointer);
    ck_assert(fault.author_proven);
}
END_TEST

/* An agent of the author may be the source of an edge; it is then no edge of the node. */
START_TEST(edges_of_own_agents) {
    ck_assert_int_eq(read_changed("\"source\":\"ADA\",\"target\":\"BEN\"",
                                  "\"source\":\"BEN\",\"target\":\"CHO\""),
                     0);
    ck_assert(record.edges[0].of_agent);
}
END_TEST

START_TEST(unknown_members_are_signed_and_ignored) {
    ck_assert_int_eq(read_changed("\"seq\":5", "\"zeta\":[{}],\"seq\":5"), 0);
    ck_assert_int_eq(read_changed("\"kind\":", "\"alpha\":null,\"kind\":"), 0);
}
END_TEST

/* ---- signatures */

START_TEST(signed_by_another) {
    char *json = filled(template);
    w4_buffer text = signed_json(ben, json);
    ck_assert_int_eq(read_text(w4_buffer_bytes(&text)), 1);
    ck_assert_str_eq(fault.pointer, "/sign/signature");
    ck_assert(!fault.author_proven);
    w4_buffer_deinit(&text);
    free(json);
}
END_TEST

static const struct {
    const char *from, *to, *pointer;
} signs[] = {
    {"\"algo\":\"ed25519\"", "\"algo\":\"none\"", "/sign/algo"},
    {"\"algo\":\"ed25519\"", "\"algo\":\"ED25519\"", "/sign/algo"},
    {"\"algo\":\"ed25519\"", "\"algo\":null", "/sign/algo"},
    {"\"sign\":{", "\"sigm\":{", "/sign"},
    {"\"signature\":\"", "\"signature\":\"A", "/sign/signature"},
};

START_TEST(forms_of_sign) {
    char *json = filled(template);
    w4_buffer text = signed_json(ada, json);
    char *changed = replaced(w4_buffer_text(&text), signs[_i].from, signs[_i].to);
    ck_assert_int_eq(read_text(w4_bytes_from_text(changed)), 1);
    ck_assert_str_eq(fault.pointer, signs[_i].pointer);
    ck_assert(!fault.author_proven);
    free(changed);
    w4_buffer_deinit(&text);
    free(json);
}
END_TEST

/* Good JSON in another form than the canonical one is no record. */
START_TEST(only_canonical_form) {
    char *json = filled(template);
    w4_buffer text = signed_json(ada, json);
    char *spaced = replaced(w4_buffer_text(&text), ",\"sign\":", ", \"sign\":");
    ck_assert_int_eq(read_text(w4_bytes_from_text(spaced)), 1);
    ck_assert_str_eq(fault.pointer, "");
    free(spaced);
    w4_buffer_deinit(&text);
    free(json);
    ck_assert_int_eq(read_text(w4_bytes_from_text("[]")), 1);
    ck_assert_int_eq(read_text(w4_bytes_from_text("{}")), 1);
    ck_assert_int_eq(read_text(w4_bytes_from_text("")), 1);
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(w4_relation_name(W4_RELATION_ROUTES), "routes");
    ck_assert_str_eq(w4_relation_name(W4_RELATION_INVOKES), "invokes");
    ck_assert_str_eq(w4_relation_name(W4_RELATION_COUNT), "unknown");
    ck_assert_ptr_null(w4_record_reader_free(NULL));
}
END_TEST

#define COUNT(ROWS) ((int)(sizeof(ROWS) / sizeof *(ROWS)))

int main(void) {
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, size_is_bounded);
    tcase_add_test(tc, cut_anywhere_it_is_none);
    tcase_add_test(tc, each_bit_counts);
    tcase_add_test(tc, the_template_is_good);
    tcase_add_loop_test(tc, each_fault_of_form_is_named, 0, COUNT(faults));
    tcase_add_test(tc, lists_are_bounded);
    tcase_add_loop_test(tc, a_lie_falls_on_its_author, 0, COUNT(lies));
    tcase_add_test(tc, edges_of_own_agents);
    tcase_add_test(tc, unknown_members_are_signed_and_ignored);
    tcase_add_test(tc, signed_by_another);
    tcase_add_loop_test(tc, forms_of_sign, 0, COUNT(signs));
    tcase_add_test(tc, only_canonical_form);
    tcase_add_test(tc, names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
