/* SPDX-License-Identifier: Apache-2.0 */
/* test_s3.c - the s3 provider's pure parts: documents, targets, the sealed body, XML, what
 * differs */
#include "s3-config.h"
#include "s3-document.h"
#include "s3-rules.h"
#include "s3-seal.h"
#include "s3-xml.h"
#include "polled-cases.h"

#include <errno.h>
#include <stdlib.h>

extern const struct provider provider_s3;

static void documents_get_canonical_names(void **state) {
        cleanup_(json_freep) json_t *b = polled_json("{'type':'bucket','name':'ml-flow.1'}");
        cleanup_(json_freep) json_t *u =
                polled_json("{'type':'user','name':'KEY','secret-key':'{{secret}}','policy':'p'}");
        struct identity id = { 0 };

        assert_int_equal(provider_s3.identify(b, "model", &id, NULL), 0);
        assert_string_equal(id.type, "bucket");
        assert_string_equal(id.path, "ml-flow.1");
        assert_true(id.data && id.remake);
        assert_int_equal(id.count, 0);
        identity_free(&id);
        assert_int_equal(provider_s3.identify(u, "model", &id, NULL), 0);
        assert_string_equal(id.path, "KEY");
        assert_false(id.data || id.remake);
        assert_int_equal(id.count, 1);
        assert_string_equal(id.needs[0].type, "policy");
        assert_string_equal(id.needs[0].path, "p");
        identity_free(&id);
}

static void bad_documents_say_what_is_wrong(void **state) {
        static const struct polled_case table[] = {
                { "{'type':'object','name':'x'}", "type" },
                { "{'type':'bucket','name':'ab'}", "name" },
                { "{'type':'bucket','name':'Upper'}", "lower-case" },
                { "{'type':'bucket','name':'a_b'}", "lower-case" },
                { "{'type':'bucket','name':'-ab'}", "lower-case" },
                { "{'type':'bucket','name':'a..b'}", "host name" },
                { "{'type':'bucket','name':'192.168.1.1'}", "host name" },
                { "{'type':'bucket','name':'xn--abc'}", "store itself" },
                { "{'type':'bucket','name':'abc','versioning':'on'}", "enabled or suspended" },
                { "{'type':'bucket','name':'abc','lifecycle':[{'prefix':'a/'}]}", "lifecycle[0]" },
                { "{'type':'bucket','name':'abc','lifecycle':[{'expire-days':0}]}", "expire-days" },
                { "{'type':'bucket','name':'abc','lifecycle':[{'expire':1}]}", "expire" },
                { "{'type':'policy','name':'readwrite','document':{'Statement':[]}}",
                  "store itself" },
                { "{'type':'policy','name':'a/b','document':{'Statement':[]}}", "letters" },
                { "{'type':'policy','name':'p','document':{}}", "Statement" },
                { "{'type':'user','name':'a&b=c','secret-key':'12345678','policy':'p'}",
                  "access key" },
                { "{'type':'user','name':'123456789012345678901','secret-key':'12345678','policy':'"
                  "p'}",
                  "name" },
                { "{'type':'user','name':'KEY','secret-key':'12345678'}", "policy" },
        };

        polled_check_documents(&provider_s3, table, ARRAY_SIZE(table));
}

static void targets_are_checked(void **state) {
        static const struct polled_case table[] = {
                { "{'engine':'minio','endpoint':'https://"
                  "s:9000','access-key':'a','secret-key':'b'}",
                  NULL },
                { "{'engine':'s3','endpoint':'https://s3.eu-west-1.amazonaws.com/"
                  "','region':'eu-west-1',"
                  "'access-key':'a','secret-key':'b'}",
                  NULL },
                { "{'engine':'minio','via':'ns/"
                  "minio-0','access-key':'a','secret-key':'b','tls':{'mode':'plain'}}",
                  NULL },
                { "{'engine':'minio','via':'ns/minio-0','access-key':'a','secret-key':'b',"
                  "'tls':{'mode':'verify-ca','ca':'x'}}",
                  NULL },
                { "{'engine':'minio','via':'ns/minio-0','access-key':'a','secret-key':'b',"
                  "'tls':{'mode':'verify-ca'}}",
                  "tls.ca" },
                { "{'engine':'minio','endpoint':'https://s','access-key':'a','secret-key':'b',"
                  "'tls':{'mode':'verify-ca','ca':'x'}}",
                  "only through the API server" },
                { "{'engine':'minio','via':'ns/minio-0','endpoint':'https://"
                  "minio','access-key':'a',"
                  "'secret-key':'b'}",
                  NULL },
                { "{'engine':'minio','endpoint':'http://s:9000','access-key':'a','secret-key':'b'}",
                  "https" },
                { "{'engine':'minio','endpoint':'https://','access-key':'a','secret-key':'b'}",
                  "https" },
                { "{'engine':'minio','endpoint':'https://s/"
                  "path','access-key':'a','secret-key':'b'}",
                  "path" },
                { "{'engine':'minio','endpoint':'https://u@s','access-key':'a','secret-key':'b'}",
                  "https" },
                { "{'engine':'minio','access-key':'a','secret-key':'b'}", "endpoint or via" },
                { "{'engine':'minio','endpoint':'https://"
                  "s','access-key':'a','secret-key':'b','tls':{'mode':'plain'}}",
                  "only through the API server" },
                { "{'engine':'minio','via':'ns/minio-0','access-key':'a','secret-key':'b'}",
                  "name in the cert" },
                { "{'engine':'minio','endpoint':'https://s','region':'a "
                  "b','access-key':'a','secret-key':'b'}",
                  "region" },
        };

        polled_check_targets(&provider_s3, table, ARRAY_SIZE(table));
}

static void hosts_are_cut_out_of_endpoints(void **state) {
        static const char *const table[][2] = { { "https://a.b:9000", "a.b" },
                                                { "https://a.b/", "a.b" },
                                                { "https://[::1]:9000", "::1" } };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                cleanup_(freep) char *host = s3_config_host(table[i][0]);

                assert_string_equal(host, table[i][1]);
        }
}

/* Made by an independent program (Python's hashlib and cryptography) from the description in
 * s3-seal.c. */
static void the_sealed_body_is_as_another_program_makes_it(void **state) {
        static const char want[] =
                "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f02a0a1a2a3a4a5a6a7"
                "c7f0e5dc2f972ba9693e5d8373271bd87c7dcf1ca526cd3dcb1552ceb2aa1db36a1bdb5ee26d0cdc44"
                "96b4601708a4cd9e494241a657f14dcd68d2";
        uint8_t nonce[S3_SEAL_NONCE];
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct s3_seal_key key;
        char hex[2 * 256 + 1];

        for (int i = 0; i < S3_SEAL_SALT; i++)
                key.salt[i] = (uint8_t)i;
        for (int i = 0; i < S3_SEAL_NONCE; i++)
                nonce[i] = (uint8_t)(0xa0 + i);
        s3_seal_derive("minio secret key", &key);
        s3_seal(&key, nonce, "{\"secretKey\":\"abcdefgh\",\"status\":\"enabled\"}", &out);
        assert_true(out.len <= 256);
        assert_string_equal(digest_hex((const uint8_t *)out.data, out.len, hex), want);
}

static void elements_are_found_by_their_whole_name(void **state) {
        static const char text[] =
                "<?xml version=\"1.0\"?><R xmlns=\"http://x\"><KeyCount>2</KeyCount><Empty/>"
                "<Contents a=\"b\"><Key>a&amp;b&lt;&#10;&#x41;&unknown;</Key></Contents>"
                "<Contents><Key>second</Key></Contents></R>";
        struct s3_xml in = s3_xml_of(text, sizeof(text) - 1), item;
        cleanup_(freep) char *first = NULL, *second = NULL, *count = NULL, *none = NULL,
                             *empty = NULL;
        size_t at = 0;

        assert_true(s3_xml_next(in, "Contents", &at, &item));
        first = s3_xml_text(item, "Key");
        assert_string_equal(first, "a&b<\nA&unknown;");
        assert_true(s3_xml_next(in, "Contents", &at, &item));
        second = s3_xml_text(item, "Key");
        assert_string_equal(second, "second");
        assert_false(s3_xml_next(in, "Contents", &at, &item));
        count = s3_xml_text(in, "KeyCount");
        assert_string_equal(count, "2");
        none = s3_xml_text(in, "Version");
        assert_null(none);
        empty = s3_xml_text(in, "Empty");
        assert_string_equal(empty, "");
}

static json_t *rules_of(const char *text) {
        return s3_rules_read(s3_xml_of(text, strlen(text)));
}

static void rules_come_back_as_they_were_written(void **state) {
        cleanup_(json_freep) json_t *rules = polled_json(
                "[{'prefix':'a<b>/','expire-days':7},{'prefix':'','noncurrent-expire-days':30,"
                "'noncurrent-expire-newer':3}]");
        cleanup_(freep) char *text = s3_rules_write(rules);
        cleanup_(json_freep) json_t *back = rules_of(text);

        assert_non_null(strstr(text, "<ID>mooring-2</ID>"));
        assert_true(json_equal(rules, back));
}

/* As MinIO and S3 answer what others have set. */
static void what_others_have_in_a_rule_is_seen(void **state) {
        cleanup_(json_freep) json_t *rules = rules_of(
                "<LifecycleConfiguration><Rule><ID>x</ID><Status>Disabled</Status><Filter><And>"
                "<Prefix>p/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>"
                "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
                "</Expiration></Rule></LifecycleConfiguration>");
        cleanup_(json_freep) json_t *want = polled_json(
                "[{'prefix':'p/','status':'Disabled','other':['Tag','ExpiredObjectDeleteMarker']"
                "}]");

        assert_true(json_equal(rules, want));
}

static void broken_xml_is_simply_not_there(void **state) {
        static const char *const texts[] = {
                "",       "<Key",        "<Key>",          "<Key>a", "<Key>a</Ke",
                "<Key a", "</Key><Key>", "<Keys>a</Keys>", "&",      "<Key>a<Key>"
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                cleanup_(freep) char *copy = mem_dup(texts[i], strlen(texts[i]) + 1);
                cleanup_(freep) char *found = s3_xml_text(s3_xml_of(copy, strlen(copy)), "Key");

                assert_null(found);
        }
}

static void what_is_put_comes_back(void **state) {
        static const char text[] = "a&b<c>\"d'\te\xc3\xa9";
        cleanup_(buf_free) struct buf b = BUF_INIT;
        cleanup_(freep) char *back = NULL;

        buf_puts(&b, "<Key>");
        s3_xml_put(&b, text);
        buf_puts(&b, "</Key>");
        back = s3_xml_text(s3_xml_of(b.data, b.len), "Key");
        assert_string_equal(back, text);
}

static void differences_are_told_field_by_field(void **state) {
        static const struct polled_difference table[] = {
                { "{'a':{'b':[1]}}", "{'a':{'b':[1]}}", "" },
                { "{'status':'enabled'}", "{'status':'disabled'}",
                  "status:\"enabled\":\"disabled\" " },
                { "{'d':{'S':[{'A':['x','y']}]}}", "{'d':{'S':[{'A':['y','z']}]}}",
                  "d.S[0].A[x]:\"x\":- d.S[0].A[z]:-:\"z\" " },
                { "{'d':{'S':[{'E':1}]}}", "{'d':{'S':[{'E':1},{'E':2}]}}", "d.S[1]:-:{\"E\":2} " },
                { "{'b':'x'}", "{'b':'x','public':{}}", "public:-:{} " },
        };

        polled_check_differences(&provider_s3, table, ARRAY_SIZE(table));
}

static void secrets_stand_at_the_keys_only(void **state) {
        assert_true(provider_s3.secret_place(NULL, "/secret-key"));
        assert_true(provider_s3.secret_place(NULL, "/access-key"));
        assert_false(provider_s3.secret_place(NULL, "/endpoint"));
        assert_false(provider_s3.secret_place(NULL, "/document/Id"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(documents_get_canonical_names),
                cmocka_unit_test(bad_documents_say_what_is_wrong),
                cmocka_unit_test(targets_are_checked),
                cmocka_unit_test(hosts_are_cut_out_of_endpoints),
                cmocka_unit_test(the_sealed_body_is_as_another_program_makes_it),
                cmocka_unit_test(elements_are_found_by_their_whole_name),
                cmocka_unit_test(rules_come_back_as_they_were_written),
                cmocka_unit_test(what_others_have_in_a_rule_is_seen),
                cmocka_unit_test(broken_xml_is_simply_not_there),
                cmocka_unit_test(what_is_put_comes_back),
                cmocka_unit_test(differences_are_told_field_by_field),
                cmocka_unit_test(secrets_stand_at_the_keys_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
