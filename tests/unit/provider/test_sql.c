/* SPDX-License-Identifier: Apache-2.0 */
/* test_sql.c - the sql provider's pure parts: what may be wanted, what it is called, what
 * differs */
#include "sql-document.h"
#include "sql-act.h"
#include "sql-engine.h"
#include "polled-cases.h"

#include <errno.h>
#include <stdlib.h>

extern const struct provider provider_sql;

static void documents_get_canonical_names(void **state) {
        static const struct {
                const char *text, *type, *path;
                bool data;
        } table[] = {
                { "{'type':'database','name':'mlflow'}", "database", "mlflow", true },
                { "{'type':'database','name':'a b`c'}", "database", "a b`c", true },
                { "{'type':'user','name':'u','password':'x'}", "user", "u@%", false },
                { "{'type':'user','name':'u','host':'10.0.0.0/255.0.0.0','password':'x'}", "user",
                  "u@10.0.0.0/255.0.0.0", false },
                { "{'type':'grant','user':'u','database':'d','privileges':['SELECT']}", "grant",
                  "u@%/d", false },
                { "{'type':'certificate','name':'server','certificate':'x'}", "certificate",
                  "server", false },
                { "{'type':'replication','name':'server','role':'primary','id':1,'user':'u',"
                  "'password':'x'}",
                  "replication", "server", false },
                { "{'type':'replication','name':'server','role':'replica','id':2,'user':'u',"
                  "'password':'x','source':'db-0.db.m.svc'}",
                  "replication", "server", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                cleanup_(json_freep) json_t *j = polled_json(table[i].text);
                cleanup_(sql_document_free) struct sql_document d = { 0 };
                cleanup_(freep) char *again = NULL;
                struct identity id = { 0 };

                assert_int_equal(provider_sql.identify(j, "model", &id, NULL), 0);
                assert_string_equal(id.type, table[i].type);
                assert_string_equal(id.path, table[i].path);
                assert_int_equal(id.data, table[i].data);
                assert_false(id.remake);
                assert_int_equal(sql_document_at(id.type, id.path, &d, NULL), 0);
                again = sql_document_path(&d);
                assert_string_equal(again, table[i].path);
                identity_free(&id);
        }
}

static void a_grant_needs_its_user_and_its_database(void **state) {
        cleanup_(json_freep) json_t *j = polled_json(
                "{'type':'grant','user':'u','host':'h','database':'d','privileges':['ALL']}");
        struct identity id = { 0 };

        assert_int_equal(provider_sql.identify(j, "model", &id, NULL), 0);
        assert_int_equal(id.count, 2);
        assert_string_equal(id.needs[0].type, "user");
        assert_string_equal(id.needs[0].path, "u@h");
        assert_string_equal(id.needs[1].type, "database");
        assert_string_equal(id.needs[1].path, "d");
        identity_free(&id);
}

static void a_user_is_locked_only_where_its_document_says_so(void **state) {
        cleanup_(json_freep) json_t *open =
                polled_json("{'type':'user','name':'u','password':'x'}");
        cleanup_(json_freep) json_t *shut =
                polled_json("{'type':'user','name':'u','password':'x','locked':true}");
        cleanup_(sql_document_free) struct sql_document a = { 0 }, b = { 0 };

        assert_int_equal(sql_document_parse(open, &a, NULL), 0);
        assert_int_equal(sql_document_parse(shut, &b, NULL), 0);
        assert_false(a.locked);
        assert_null(json_get(a.json, "locked"));
        assert_true(b.locked);
        assert_true(json_get_bool(b.json, "locked", false));
}

static void bad_documents_say_what_is_wrong(void **state) {
        static const struct polled_case table[] = {
                { "{'type':'table','name':'x'}", "type" },
                { "{'type':'database'}", "name" },
                { "{'type':'database','name':'x','nmae':'y'}", "nmae" },
                { "{'type':'database','name':'mysql'}", "server itself" },
                { "{'type':'database','name':'Information_Schema'}", "server itself" },
                { "{'type':'database','name':'a/b'}", "character 2" },
                { "{'type':'database','name':'a@b'}", "character 2" },
                { "{'type':'database','name':'a\\\\b'}", "character 2" },
                { "{'type':'database','name':'a\\u0001'}", "character 2" },
                { "{'type':'database','name':'\\ud83d\\ude00'}", "character 1" },
                { "{'type':'database','name':'a '}", "blank" },
                { "{'type':'database','name':'a','charset':'utf8; DROP'}", "charset" },
                { "{'type':'user','name':'root','password':'x'}", "server itself" },
                { "{'type':'user','name':'123456789012345678901234567890123','password':'x'}",
                  "32" },
                { "{'type':'user','name':'u','host':'a b','password':'x'}", "host" },
                { "{'type':'user','name':'u'}", "password" },
                { "{'type':'certificate','name':'server'}", "certificate" },
                { "{'type':'replication','name':'s','role':'replica','id':2,'user':'u',"
                  "'password':'x'}",
                  "source" },
                { "{'type':'replication','name':'s','role':'leader','id':2,'user':'u',"
                  "'password':'x'}",
                  "role" },
                { "{'type':'replication','name':'s','role':'primary','id':0,'user':'u',"
                  "'password':'x'}",
                  "id" },
                { "{'type':'replication','name':'s','role':'primary','id':1,'user':'u'}",
                  "password" },
                { "{'type':'replication','name':'s','role':'primary','id':1,'user':'root',"
                  "'password':'x'}",
                  "belongs to the server" },
                { "{'type':'certificate','name':'a@b','certificate':'x'}", "character 2" },
                { "{'type':'grant','user':'u','database':'d','privileges':[]}", "privileges" },
                { "{'type':'grant','user':'u','database':'d','privileges':[1]}", "privileges" },
                { "{'type':'grant','user':'u','database':'d','privileges':['SELECT ON *.* TO x; "
                  "--']}",
                  "letters" },
                { "{'type':'grant','user':'u','database':'d','privileges':['grant option']}",
                  "GRANT OPTION" },
        };

        polled_check_documents(&provider_sql, table, ARRAY_SIZE(table));
}

static void a_message_never_holds_the_password(void **state) {
        cleanup_(json_freep) json_t *j =
                polled_json("{'type':'user','name':'u','password':['hunter2']}");
        struct identity id = { 0 };
        struct err err = { 0 };

        assert_int_equal(provider_sql.identify(j, "model", &id, &err), -EINVAL);
        assert_null(strstr(err.text, "hunter2"));
}

static void equal_privileges_have_one_form(void **state) {
        static const char *const texts[] = { "['select','INSERT','Select']",
                                             "['INSERT','SELECT']" };
        char *forms[2];

        for (int i = 0; i < 2; i++) {
                cleanup_(freep) char *text = str_format(
                        "{'type':'grant','user':'u','database':'d','privileges':%s}", texts[i]);
                cleanup_(json_freep) json_t *j = polled_json(text);
                cleanup_(sql_document_free) struct sql_document d = { 0 };

                assert_int_equal(sql_document_parse(j, &d, NULL), 0);
                assert_false(sql_document_everything(&d));
                forms[i] = json_text(d.privileges);
        }
        assert_string_equal(forms[0], "[\"INSERT\",\"SELECT\"]");
        assert_string_equal(forms[0], forms[1]);
        free(forms[0]);
        free(forms[1]);
}

static void all_stands_alone(void **state) {
        cleanup_(json_freep) json_t *j = polled_json(
                "{'type':'grant','user':'u','database':'d','privileges':['SELECT','all']}");
        cleanup_(sql_document_free) struct sql_document d = { 0 };

        assert_int_equal(sql_document_parse(j, &d, NULL), 0);
        assert_true(sql_document_everything(&d));
        assert_int_equal(json_array_size(d.privileges), 1);
}

static void secrets_stand_at_password_and_certificate_only(void **state) {
        assert_true(provider_sql.secret_place(NULL, "/password"));
        assert_true(provider_sql.secret_place(NULL, "/certificate"));
        assert_false(provider_sql.secret_place(NULL, "/name"));
        assert_false(provider_sql.secret_place(NULL, "/user"));
        assert_false(provider_sql.secret_place(NULL, "/password/0"));
        assert_false(provider_sql.secret_place(NULL, "/tls/ca"));
}

static void targets_are_checked(void **state) {
        static const struct polled_case table[] = {
                { "{'engine':'mysql','host':'db','user':'root','password':'{{secret}}'}", NULL },
                { "{'engine':'mysql','via':'ns/"
                  "pod','user':'root','password':'x','tls':{'mode':'encrypt'}}",
                  NULL },
                { "{'engine':'mysql','via':'ns/"
                  "pod','user':'root','password':'x','tls':{'mode':'plain'}}",
                  NULL },
                { "{'engine':'mysql','via':'ns/"
                  "pod','user':'root','password':'x','tls':{'mode':'verify-ca','ca':'x'}}",
                  NULL },
                { "{'engine':'postgresql','via':'ns/pod','host':'db','user':'a','password':'x'}",
                  NULL },
                { "{'engine':'oracle','host':'db','user':'root','password':'x'}", "engine" },
                { "{'engine':'mysql','user':'root','password':'x'}", "host or via" },
                { "{'engine':'mysql','host':'db','user':'root','password':'x','tls':{'mode':'"
                  "encrypt'}}",
                  "only through the API server" },
                { "{'engine':'mysql','host':'db','user':'root','password':'x','tls':{'mode':'"
                  "verify-ca','ca':'x'}}",
                  "only through the API server" },
                { "{'engine':'mysql','via':'ns/pod','user':'root','password':'x'}", "verify-full" },
                { "{'engine':'postgresql','via':'ns/pod','user':'root','password':'x'}",
                  "name in the certificate" },
                { "{'engine':'mysql','via':'ns/"
                  "pod','user':'root','password':'x','tls':{'mode':'verify-ca'}}",
                  "tls.ca" },
                { "{'engine':'mysql','via':'pod','user':'root','password':'x','tls':{'mode':'"
                  "encrypt'}}",
                  "NAMESPACE/POD" },
                { "{'engine':'mysql','host':'db','port':70000,'user':'root','password':'x'}",
                  "port" },
                { "{'engine':'mysql','host':'db','user':'root','password':'x','tls':{'mode':'off'}"
                  "}",
                  "tls.mode" },
        };

        polled_check_targets(&provider_sql, table, ARRAY_SIZE(table));
}

static void differences_are_told_field_by_field(void **state) {
        static const struct polled_difference table[] = {
                { "{'a':1,'b':'x'}", "{'b':'x','a':1}", "" },
                { "{'charset':'utf8mb4'}", "{'charset':'latin1'}",
                  "charset:\"utf8mb4\":\"latin1\" " },
                { "{'privileges':['A','B']}", "{'privileges':['B','C']}",
                  "privileges[A]:\"A\":- privileges[C]:-:\"C\" " },
                { "{'password':'0011','locked':false}", "{'password':'2233','locked':false}",
                  "password:\"(hidden)\":\"(hidden, differs)\" " },
                { "{}", "{'auth_or':'4455'}", "auth_or:-:\"(hidden, differs)\" " },
                { "{'expired':false}", "{}", "expired:false:- " },
        };

        polled_check_differences(&provider_sql, table, ARRAY_SIZE(table));
}

static void only_our_own_field_set_is_read_back(void **state) {
        struct projection *p = NULL;

        assert_int_equal(provider_sql.projection_parse("sql/1", &p, NULL), 0);
        provider_sql.projection_free(p);
        assert_int_equal(provider_sql.projection_parse("sql/2", &p, NULL), -EINVAL);
}

static void marks_are_read_back_and_told_from_others(void **state) {
        struct sql_task t = { .mark = "uuid-1 mlflow" }, other = { .mark = "uuid-1 mlflow-2" };
        char mark[256], id[64] = "";
        bool ours = false;

        sql_engine_mark(&t, "abc", mark, sizeof(mark));
        assert_true(sql_engine_marked(&t, mark, &ours, id));
        assert_true(ours);
        assert_string_equal(id, "abc");
        assert_true(sql_engine_marked(&other, mark, &ours, id));
        assert_false(ours);
        assert_false(sql_engine_marked(&t, "a remark of somebody", &ours, id));
        assert_false(sql_engine_marked(&t, "mooring ", &ours, id));
        assert_false(sql_engine_marked(&t, NULL, &ours, id));
}

static void hashes_depend_on_key_user_and_text(void **state) {
        struct sql_config a = { .hash_key = { 1 } }, b = { .hash_key = { 2 } };
        char one[DIGEST_HEX_SIZE], two[DIGEST_HEX_SIZE];

        sql_engine_hash(&a, "u@%", "x", 1, one);
        sql_engine_hash(&a, "u@%", "x", 1, two);
        assert_string_equal(one, two);
        sql_engine_hash(&b, "u@%", "x", 1, two);
        assert_string_not_equal(one, two);
        sql_engine_hash(&a, "v@%", "x", 1, two);
        assert_string_not_equal(one, two);
        sql_engine_hash(&a, "u@%", "y", 1, two);
        assert_string_not_equal(one, two);
}

static void quote(struct sql_session *s, const char *text, bool identifier, struct buf *out) {
        buf_printf(out, identifier ? "<%s>" : "[%s]", text);
}

static void values_are_put_where_they_belong(void **state) {
        static const struct {
                const char *statement, *written; /* NULL: refused */
        } cases[] = {
                { "{'sql':'SELECT 1'}", "SELECT 1" },
                { "{'sql':'a ? b ?','params':['x',7]}", "a [x] b 7" },
                { "{'sql':'? ? ? ?','params':[null,true,false,1.5]}", "NULL TRUE FALSE 1.5" },
                { "{'sql':'\\u0027?\\u0027 `?` ?','params':['x']}", "'?' `?` [x]" },
                { "{'sql':'\\u0027a\\\\\\u0027?\\u0027 ?','params':['x']}", "'a\\'?' [x]" },
                { "{'sql':'\\u0027a\\u0027\\u0027?\\u0027 ?','params':['x']}", "'a''?' [x]" },
                { "{'sql':':\\u0027a\\u0027@:\\\"b\\\"','values':{'a':'x','b':'y'}}", "[x]@<y>" },
                { "{'sql':'?','params':['?']}", "[?]" }, /* what was put in is not read again */
                { "{'sql':'SELECT 1 ? 2'}", "SELECT 1 ? 2" }, /* an operator of PostgreSQL's */
                { "{'sql':'x::text'}", "x::text" },
                { "{'sql':'?','params':[]}", NULL },
                { "{'sql':'?','params':['x','y']}", NULL },
                { "{'sql':'?','params':[['x']]}", NULL },
                { "{'sql':':\\u0027a\\u0027'}", NULL },
                { "{'sql':':\\\"a\\\"','values':{'a':1}}", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *j = polled_json(cases[i].statement);
                cleanup_(buf_free) struct buf out = BUF_INIT;
                struct err err = { 0 };
                int r = sql_act_write(j, quote, NULL, &out, &err);

                assert_int_equal(r, cases[i].written ? 0 : -EINVAL);
                if (cases[i].written)
                        assert_string_equal(buf_str(&out), cases[i].written);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_put_where_they_belong),
                cmocka_unit_test(documents_get_canonical_names),
                cmocka_unit_test(a_grant_needs_its_user_and_its_database),
                cmocka_unit_test(a_user_is_locked_only_where_its_document_says_so),
                cmocka_unit_test(bad_documents_say_what_is_wrong),
                cmocka_unit_test(a_message_never_holds_the_password),
                cmocka_unit_test(equal_privileges_have_one_form),
                cmocka_unit_test(all_stands_alone),
                cmocka_unit_test(secrets_stand_at_password_and_certificate_only),
                cmocka_unit_test(targets_are_checked),
                cmocka_unit_test(differences_are_told_field_by_field),
                cmocka_unit_test(only_our_own_field_set_is_read_back),
                cmocka_unit_test(marks_are_read_back_and_told_from_others),
                cmocka_unit_test(hashes_depend_on_key_user_and_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
