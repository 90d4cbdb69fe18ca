/* SPDX-License-Identifier: Apache-2.0 */
/* test_worker_plan.c - the functions of charm.h as charm code calls them, in one process: views,
 * objects, plans, mistakes */
#include "charm-dir.h"
#include "charm.h"
#include "host-fixture.h"
#include "object.h"
#include "plan-out.h"
#include "plan.h"
#include "view.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char meta_text[] = "name: web\n"
                                "provides: { site: { interface: http } }\n"
                                "requires: { db: { interface: mysql_client } }\n"
                                "config:\n"
                                "  options:\n"
                                "    port: { type: int, default: 80 }\n"
                                "    name: { type: string }\n"
                                "    on: { type: boolean, default: true }\n"
                                "resources:\n"
                                "  image: { type: oci-image, upstream-source: img:1 }\n"
                                "  crds: { type: file, path: files/crds.yaml }\n"
                                "storage: { data: { type: filesystem } }\n";

static const char view_text_json[] =
        "{\"application\":\"shop\",\"config\":{\"name\":null},\"constraints\":{\"mem\":\"1024\"},"
        "\"model\":\"m\",\"ready\":[\"short\"],"
        "\"relations\":["
        "{\"application\":\"b\",\"endpoint\":\"db\",\"id\":12,\"interface\":\"mysql_client\","
        "\"told\":{}},"
        "{\"application\":\"a\",\"endpoint\":\"db\",\"id\":3,\"interface\":\"mysql_client\","
        "\"told\":{\"endpoints\":\"h:1\",\"list\":[1,{\"a\":true}],\"n\":5,\"no\":false,\"null\":"
        "null}}],"
        "\"scale\":4,\"secrets\":{\"db/password\":\"{{secret:abc:2:plain}}\"},"
        "\"seen\":{\"pod\":{\"exists\":true,\"fields\":{\"/spec/ip\":\"10.0.0.1\",\"/spec/"
        "n\":[1]},\"ready\":false,\"reason\":\"0/1\"}},"
        "\"storage\":{\"data\":{\"class\":null,\"size\":1073741824}}}";

static struct yaml_stream yaml;
static struct arena arena;
static struct charm_view view;
static struct charm_plan plan;
static struct object_set *objects;
static struct buf out;
static char folder[64];

static void write_object(const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/objects/%s", folder, name);
        cleanup_(fclosep) FILE *f = fopen(path, "we");

        assert_non_null(f);
        fputs(text, f);
}

static int load_objects(struct err *err) {
        cleanup_(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;

        assert_int_equal(charm_dir_read(fd, -1, NULL, &d, NULL), 0);
        objects = object_free(objects);
        return object_load(fd, d, yaml.documents[0].root, &objects, err);
}

static void load(void) {
        struct err err = {};

        if (load_objects(&err) < 0)
                fail_msg("%s", err_text(&err));
        plan.objects = objects;
}

static int setup(void **state) {
        cleanup_(freep) char *sub = NULL;
        cleanup_(freep) char *path = NULL;
        FILE *f;

        str_copy(folder, sizeof(folder), "/tmp/mooring-plan-XXXXXX");
        assert_non_null(mkdtemp(folder));
        sub = str_format("%s/objects", folder);
        assert_int_equal(mkdir(sub, 0755), 0);
        path = str_format("%s/charm.yaml", folder);
        f = fopen(path, "we");
        fputs(meta_text, f);
        fclose(f);
        assert_int_equal(
                yaml_parse(meta_text, strlen(meta_text), "charm.yaml", YAML_CORE, &yaml, NULL), 0);
        assert_int_equal(view_open(&view, view_text_json, strlen(view_text_json),
                                   yaml.documents[0].root, &arena, NULL),
                         0);
        plan_out_begin(&plan, &view, NULL, &arena);
        view.plan = &plan;
        return 0;
}

static int teardown(void **state) {
        plan_out_deinit(&plan);
        view_close(&view);
        arena_reset(&arena);
        objects = object_free(objects);
        yaml_stream_free(&yaml);
        buf_free(&out);
        fixture_remove(folder);
        return 0;
}

static void assert_mistake(const char *part) {
        if (!strstr(plan.mistake, part) || !*part)
                fail_msg("\"%s\" does not say \"%s\"", plan.mistake, part);
        plan.mistake[0] = '\0';
}

/* Ends the plan and reads it as the daemon does. */
static struct plan *ended(void) {
        cleanup_(buf_free) struct buf frames = BUF_INIT;
        struct plan_reader r;
        struct plan *p = NULL;
        struct err err = {};
        int result;

        frame_put(&frames, PLAN_FRAME_READY, NULL, 0);
        plan_out_end(&plan, &frames);
        plan_reader_init(&r);
        plan_reader_feed(&r, frames.data, frames.len);
        assert_int_equal(plan_reader_next(&r, &p, &err), PLAN_READY);
        result = plan_reader_next(&r, &p, &err);
        plan_reader_deinit(&r);
        if (result != PLAN_WHOLE)
                fail_msg("%s", err_text(&err));
        return p;
}

/* ---- reading */

static void options_have_their_types_and_defaults(void **state) {
        assert_string_equal(charm_option(&view, "port"), "80");
        assert_int_equal(charm_option_int(&view, "port"), 80);
        assert_true(charm_option_bool(&view, "on"));
        assert_string_equal(charm_option(&view, "on"), "true");
        assert_true(charm_option_set(&view, "port"));
        assert_false(charm_option_set(&view, "name"));
        assert_string_equal(charm_option(&view, "name"), "");
        assert_string_equal(plan.mistake, "");
        charm_option(&view, "prot");
        assert_mistake("charm_option: charm.yaml has no \"prot\" under options");
        charm_option_int(&view, "on");
        assert_mistake("option on is");
        charm_option_bool(&view, "port");
        assert_mistake("option port is");
}

static void the_rest_of_the_view_reads_as_it_is(void **state) {
        assert_string_equal(charm_application(&view), "shop");
        assert_string_equal(charm_model(&view), "m");
        assert_int_equal(charm_scale(&view), 4);
        assert_string_equal(charm_image(&view, "image"), "img:1");
        assert_string_equal(charm_constraint(&view, "mem"), "1024");
        assert_string_equal(charm_constraint(&view, "cores"), "");
        assert_string_equal(charm_storage_class(&view, "data"), "");
        assert_int_equal(charm_storage_size(&view, "data"), 1073741824);
        assert_true(charm_exists(&view, "pod"));
        assert_false(charm_ready(&view, "pod"));
        assert_string_equal(charm_reason(&view, "pod"), "0/1");
        assert_true(charm_exists(&view, "short"));
        assert_true(charm_ready(&view, "short"));
        assert_false(charm_exists(&view, "other"));
        assert_string_equal(charm_reason(&view, "other"), "");
        assert_string_equal(charm_seen(&view, "pod", "/spec/ip"), "10.0.0.1");
        assert_string_equal(charm_seen(&view, "pod", "/spec/n"), "[1]");
        assert_null(charm_seen(&view, "pod", "/spec"));
        assert_string_equal(plan.mistake, "");
        charm_image(&view, "crds");
        assert_mistake("resource crds is no image");
        charm_storage_size(&view, "nothing");
        assert_mistake("\"nothing\" under storage");
}

static void relations_come_by_rising_id(void **state) {
        const struct charm_relation *r = charm_relation(&view, "db", 0);

        assert_int_equal(charm_relations(&view, "db"), 2);
        assert_int_equal(r->id, 3);
        assert_string_equal(r->application, "a");
        assert_int_equal(charm_relation(&view, "db", 1)->id, 12);
        assert_null(charm_relation(&view, "db", 2));
        assert_null(charm_relation(&view, "site", 0));
        assert_string_equal(charm_told(r, "endpoints"), "h:1");
        assert_string_equal(charm_told(r, "n"), "5");
        assert_string_equal(charm_told(r, "no"), "false");
        assert_string_equal(charm_told(r, "list"), "[1,{\"a\":true}]");
        assert_null(charm_told(r, "null"));
        assert_null(charm_told(r, "password"));
        assert_null(charm_told(NULL, "x"));
        charm_relation(&view, "dbs", 0);
        assert_mistake("\"dbs\" under endpoints");
}

/* ---- objects */

static void placeholders_keep_their_types(void **state) {
        struct plan *p;

        write_object("a.yaml", "port: ${config.port}\nname: ${application}\nmodel: "
                               "${model}\nscale: ${scale}\n\"on\": ${config.on}\n"
                               "image: ${image.image}\nmem: ${constraint.mem}\nsize: "
                               "${storage.data.size}\ntext: ${hole.text}\n"
                               "number: ${hole.number}\nflag: ${hole.flag}\njson: "
                               "${hole.json}\npassword: ${secret.db.password}\n"
                               "plain: [1, \"two\", null]\nscript: echo ${HOME}\n");
        load();
        charm_secret(&plan, "db", "password", 20, NULL);
        charm_want(&plan, "a", "a.yaml",
                   CHARM_HOLES({ "text", CHARM_TEXT, "5" }, { "number", CHARM_INT, .number = -7 },
                               { "flag", CHARM_BOOL, .number = 1 },
                               { "json", CHARM_JSON, "{\"b\": 1, \"a\": [ ]}" }));
        p = ended();
        assert_string_equal(p->docs[0].text,
                            "{\"flag\":true,\"image\":\"img:1\",\"json\":{\"a\":[],\"b\":1},"
                            "\"mem\":\"1024\",\"model\":\"m\","
                            "\"name\":\"shop\",\"number\":-7,\"on\":true,\"password\":\"{{secret:"
                            "abc:2:plain}}\",\"plain\":[1,\"two\",null],"
                            "\"port\":80,\"scale\":4,\"script\":\"echo "
                            "${HOME}\",\"size\":\"1073741824\",\"text\":\"5\"}");
        plan_free(p);
}

static void what_is_absent_takes_its_place_along(void **state) {
        struct plan *p;

        write_object("a.yaml", "a: ${config.name}\nb: [1, \"${hole.x}\", 2]\nc: { d: "
                               "\"${constraint.cores}\" }\ne: ${storage.data.class}\n"
                               "f: [\"${hole.x}\"]\n");
        load();
        charm_want(&plan, "a", "a.yaml", CHARM_HOLES({ "x", CHARM_NONE }));
        p = ended();
        assert_string_equal(p->docs[0].text, "{\"b\":[1,2],\"c\":{},\"f\":[]}");
        plan_free(p);
}

static void text_is_never_spliced_or_broken_out_of(void **state) {
        struct plan *p;

        write_object("a.yaml", "a: ${hole.x}\n");
        load();
        charm_want(&plan, "a", "a.yaml",
                   CHARM_HOLES({ "x", CHARM_TEXT, "\"},\"b\":{\"${config.port}\n" }));
        p = ended();
        assert_string_equal(p->docs[0].text, "{\"a\":\"\\\"},\\\"b\\\":{\\\"${config.port}\\n\"}");
        plan_free(p);
}

static void assert_load_fails(const char *text, const char *part) {
        struct err err = {};

        write_object("a.yaml", text);
        if (load_objects(&err) >= 0 || !strstr(err_text(&err), part))
                fail_msg("%s: \"%s\" does not say \"%s\"", text, err_text(&err), part);
}

static void bad_object_files_are_refused_by_name(void **state) {
        assert_load_fails(
                "a: ${config.prot}",
                "objects/a.yaml: ${config.prot}: charm.yaml has no \"prot\" under options");
        assert_load_fails("a: ${image.img}", "has no \"img\" under resources");
        assert_load_fails("a: ${storage.dat.size}", "has no \"dat\" under storage");
        assert_load_fails("a: ${storage.data}", "ends neither in .size nor in .class");
        assert_load_fails("a: ${secret.x}", "is not ${secret.LABEL.FIELD}");
        assert_load_fails("a: ${nothing}", "no such placeholder: ${nothing}");
        assert_load_fails("a: x-${application}", "${application} stands inside a longer text");
        assert_load_fails("a: \"${application}-x\"", "${application} stands inside a longer text");
        assert_load_fails("a: \"${config.port}${config.port}\"", "stands inside a longer text");
        assert_load_fails("a: \"${HOME}/${config.port}\"",
                          "${config.port} stands inside a longer text");
        assert_load_fails("\"${hole.x}\": 1", "a member's name takes no placeholder");
        assert_load_fails("a: 1\n---\nb: 2\n", "wants exactly one object");
        assert_load_fails("[1]", "wants exactly one object");
        assert_load_fails("a: [", "objects/a.yaml");
}

static void mistakes_in_holes_are_told(void **state) {
        write_object("a.yaml", "a: ${hole.x}\n");
        write_object("s.yaml", "a: ${secret.db.password}\n");
        load();
        charm_want(&plan, "a", "b.yaml", NULL);
        assert_mistake("there is no objects/b.yaml");
        charm_want(&plan, "a", "a.yaml", NULL);
        assert_mistake("a.yaml: nothing was given for ${hole.x}");
        charm_want(&plan, "a", "a.yaml", CHARM_HOLES({ "x", CHARM_JSON, "{" }));
        assert_mistake("hole x");
        charm_want(&plan, "a", "a.yaml", CHARM_HOLES({ "x", CHARM_TEXT, "\xff" }));
        assert_mistake("not UTF-8");
        charm_want(&plan, "s", "s.yaml", NULL);
        assert_mistake("${secret.db.password} before charm_secret asked for it");
        charm_want(&plan, "not a label", "a.yaml", CHARM_HOLES({ "x", CHARM_INT }));
        assert_mistake("is no label");
}

/* ---- the plan */

static void digests_follow_the_document(void **state) {
        const char *first, *second;
        struct plan *p;
        char hex[DIGEST_HEX_SIZE];

        write_object("a.yaml", "a: ${hole.x}\n");
        load();
        charm_want(&plan, "a", "a.yaml", CHARM_HOLES({ "x", CHARM_INT, .number = 1 }));
        first = charm_digest(&plan, "a");
        charm_want(&plan, "b", "a.yaml", CHARM_HOLES({ "x", CHARM_INT, .number = 2 }));
        second = charm_digest(&plan, "b");
        assert_string_not_equal(first, second);
        p = ended();
        assert_string_equal(digest_hex(p->docs[0].sha256, DIGEST_SIZE, hex), first);
        plan_free(p);
        charm_digest(&plan, "later");
        assert_mistake("no document later was wanted before");
}

static void secrets_are_tokens_and_drafts_until_they_are_made(void **state) {
        const char *known = charm_secret(&plan, "db", "password", 20, NULL);
        const char *fresh = charm_secret(&plan, "db", "admin", 32, "abc");
        struct plan *p;

        assert_string_equal(known, "{{secret:abc:2:plain}}");
        assert_string_equal(fresh, "{{want:db/admin:plain}}");
        assert_string_equal(charm_secret(&plan, "db", "admin", 32, "abc"), fresh);
        assert_string_equal(charm_form(&plan, known, "base64"), "{{secret:abc:2:base64}}");
        assert_string_equal(charm_form(&plan, fresh, "bcrypt"), "{{want:db/admin:bcrypt}}");
        p = ended();
        assert_int_equal(json_get_int(json_object_get(p->secrets, "db/admin"), "length", 0), 32);
        assert_string_equal(json_get_str(json_object_get(p->secrets, "db/admin"), "alphabet", ""),
                            "abc");
        assert_null(json_object_get(json_object_get(p->secrets, "db/admin"), "token"));
        plan_free(p);
        charm_secret(&plan, "db", "admin", 31, "abc");
        assert_mistake("with another length or alphabet");
        charm_secret(&plan, "db", "a/b", 31, NULL);
        assert_mistake("is not LABEL/FIELD");
        charm_secret(&plan, "db", "x", 0, NULL);
        assert_mistake("a length of 1 to 4096");
        charm_form(&plan, known, "hex");
        assert_mistake("no such form: \"hex\"");
        charm_form(&plan, "text", "base64");
        assert_mistake("not one token of a secret or an output");
}

static void certificates_are_two_secrets_and_a_bundle(void **state) {
        const struct charm_certificate hook = { .names = CHARM_TEXTS("shop.m.svc", "10.0.0.1") };
        const json_t *spec;
        struct plan *p;

        write_object("a.yaml", "key: ${certificate.hook.key}\ncrt: ${certificate.hook.crt}\n"
                               "ca: ${certificate.hook.ca}\nbundle: "
                               "${certificate.hook.ca-base64}\n");
        load();
        charm_want(&plan, "a", "a.yaml", NULL);
        assert_mistake("before charm_certificate asked for it");
        charm_certificate(&plan, "hook", &hook);
        assert_false(charm_certificate_issued(&plan, "hook"));
        assert_string_equal(charm_certificate_key(&plan, "hook"), "{{want:hook/key:plain}}");
        assert_string_equal(charm_certificate_ca(&plan, "hook"), "");
        json_object_set_new(view.root, "certificates",
                            json_pack("{s:{s:s}}", "hook", "ca", "pem\n"));
        charm_want(&plan, "a", "a.yaml", NULL);
        p = ended();
        assert_string_equal(p->docs[0].text,
                            "{\"bundle\":\"cGVtCg==\",\"ca\":\"pem\\n\",\"crt\":\"{{want:hook/"
                            "crt:plain}}\",\"key\":\"{{want:hook/key:plain}}\"}");
        spec = json_dig(p->secrets, "hook/key", "certificate", NULL);
        assert_true(json_equal(spec, json_dig(p->secrets, "hook/crt", "certificate", NULL)));
        assert_string_equal(json_get_str(spec, "common-name", ""), "shop.m.svc");
        assert_string_equal(json_get_str(spec, "key", ""), "ecdsa-p256");
        assert_int_equal(json_array_size(json_get(spec, "names")), 2);
        plan_free(p);
        charm_certificate(&plan, "hook", &(struct charm_certificate){ .names = CHARM_TEXTS("b") });
        assert_mistake("in other words");
        charm_certificate(&plan, "a.b", &hook);
        assert_mistake("no label without . and /");
        charm_certificate(&plan, "none", &(struct charm_certificate){ .rsa = true });
        assert_mistake("has no names");
        charm_certificate_crt(&plan, "other");
        assert_mistake("asked for no certificate");
        assert_load_fails("a: ${certificate.hook.pem}", "ends neither in .key");
}

static void outputs_are_tokens_and_edges(void **state) {
        const char *token;
        struct plan *p;

        write_object("a.yaml", "a: ${hole.x}\n");
        write_object("b.yaml", "b: 1\n");
        load();
        token = charm_output(&plan, "b", "/spec/clusterIP");
        assert_string_equal(token, "{{output:b:/spec/clusterIP:plain}}");
        charm_want(&plan, "a", "a.yaml",
                   CHARM_HOLES({ "x", CHARM_TEXT, charm_text(&plan, "http://%s", token) }));
        charm_want(&plan, "b", "b.yaml", NULL);
        p = ended();
        assert_int_equal(json_array_size(p->needs), 1);
        assert_string_equal(json_get_str(json_array_get(p->needs, 0), "label", ""), "a");
        assert_string_equal(json_get_str(json_array_get(p->needs, 0), "on", ""), "b");
        assert_string_equal(json_get_str(json_array_get(p->needs, 0), "kind", ""), "value");
        plan_free(p);
        charm_output(&plan, "b", "no pointer");
        assert_mistake("charm_output");
}

static void an_output_in_another_form_is_an_edge_too(void **state) {
        const char *token;
        struct plan *p;

        write_object("a.yaml", "a: ${hole.x}\n");
        write_object("b.yaml", "b: 1\n");
        load();
        token = charm_form(&plan, charm_output(&plan, "b", "/key"), "base64");
        assert_string_equal(token, "{{output:b:/key:base64}}");
        charm_form(&plan, "{{output:b:/key:plain}}", "bcrypt");
        assert_mistake("an output has no form bcrypt");
        charm_want(&plan, "a", "a.yaml", CHARM_HOLES({ "x", CHARM_TEXT, token }));
        charm_want(&plan, "b", "b.yaml", NULL);
        p = ended();
        assert_int_equal(json_array_size(p->needs), 1);
        plan_free(p);
}

static void targets_hold_documents_of_their_own(void **state) {
        struct plan *p;

        write_object("t.yaml", "host: ${application}\n");
        load();
        charm_target(&plan, "server", "sql", "t.yaml", NULL);
        charm_want_at(&plan, "user", "server", "t.yaml", NULL);
        p = ended();
        assert_string_equal(p->docs[0].target, "server");
        assert_string_equal(
                json_get_str(json_dig(p->targets, "server", "config", NULL), "host", ""), "shop");
        assert_string_equal(json_get_str(json_dig(p->targets, "server", NULL), "provider", ""),
                            "sql");
        plan_free(p);
        charm_want_at(&plan, "other", "nowhere", "t.yaml", NULL);
        assert_mistake("has declared no target \"nowhere\"");
        charm_target(&plan, "server", "sql", "t.yaml", NULL);
        assert_mistake("label server twice");
}

static void files_are_wanted_by_resource(void **state) {
        struct plan *p;

        write_object("a.yaml", "a: 1\n");
        load();
        charm_want_file(&plan, "crds", "crds",
                        "[{\"match\":{\"kind\":\"Service\"},\"drop\":true}]");
        charm_want(&plan, "a", "a.yaml", NULL);
        charm_needs(&plan, "a", "crds/x.example.org", CHARM_READY);
        p = ended();
        assert_string_equal(p->files[0].resource, "crds");
        assert_int_equal(json_array_size(p->files[0].edits), 1);
        plan_free(p);
        charm_want_file(&plan, "more", "nothing", NULL);
        assert_mistake("charm.yaml has no resource \"nothing\"");
        charm_want_file(&plan, "more", "crds", "{}");
        assert_mistake("edits are a list");
}

static void what_is_kept_is_a_label_of_its_own(void **state) {
        struct plan *p;

        write_object("a.yaml", "a: 1\n");
        load();
        charm_want(&plan, "a", "a.yaml", NULL);
        charm_keep(&plan, "b");
        p = ended();
        assert_int_equal(p->doc_count, 1);
        assert_string_equal(json_string_value(json_array_get(p->keep, 0)), "b");
        plan_free(p);
        charm_want(&plan, "a", "a.yaml", NULL);
        charm_keep(&plan, "a");
        assert_mistake("label a twice");
        charm_keep(&plan, "no label");
        assert_mistake("is no label");
}

static void what_is_told_keeps_its_type(void **state) {
        const struct charm_relation *r = charm_relation(&view, "db", 0);
        const json_t *told;
        struct plan *p;

        charm_tell(&plan, r, "database", "web");
        charm_tell(&plan, r, "nothing", NULL);
        charm_tell_int(&plan, r, "port", 3306);
        charm_tell_bool(&plan, r, "tls", true);
        charm_tell_json(&plan, r, "list", charm_text(&plan, "[%s]", charm_quote(&plan, "a\"b")));
        p = ended();
        told = json_object_get(p->tell, "3");
        assert_int_equal(json_object_size(told), 4);
        assert_string_equal(json_get_str(told, "database", ""), "web");
        assert_int_equal(json_get_int(told, "port", 0), 3306);
        assert_true(json_get_bool(told, "tls", false));
        assert_string_equal(json_string_value(json_at(told, "/list/0")), "a\"b");
        plan_free(p);
        charm_tell(&plan, NULL, "x", "y");
        assert_mistake("no relation");
        charm_tell_json(&plan, r, "x", "{");
        assert_mistake("charm_tell_json");
        charm_tell(&plan, r, "x", "\xff");
        assert_mistake("not UTF-8");
}

static void the_worst_status_wins_and_the_first_of_its_kind(void **state) {
        struct plan *p;

        charm_status(&plan, CHARM_WAITING, "for %s", "a");
        charm_status(&plan, CHARM_BLOCKED, "by %d", 1);
        charm_status(&plan, CHARM_BLOCKED, "by 2");
        charm_status(&plan, CHARM_ACTIVE, "all well");
        charm_version(&plan, "1.2");
        p = ended();
        assert_string_equal(p->status, "blocked");
        assert_string_equal(p->message, "by 1");
        assert_string_equal(p->version, "1.2");
        plan_free(p);
}

static void without_a_word_the_status_is_left_to_the_daemon(void **state) {
        struct plan *p = ended();

        assert_null(p->status);
        assert_null(p->version);
        plan_free(p);
}

static void fields_to_see_are_listed_once_and_limited(void **state) {
        struct plan *p;

        charm_see(&plan, "pod", "/status/ip");
        charm_see(&plan, "pod", "/status/ip");
        p = ended();
        assert_int_equal(json_array_size(json_object_get(p->see, "pod")), 1);
        plan_free(p);
        for (int i = 0; i < CHARM_SEE_MAX; i++)
                charm_see(&plan, "pod", charm_text(&plan, "/f/%d", i));
        assert_mistake("more than 256 fields");
        charm_see(&plan, "pod", "spec");
        assert_mistake("no pointer");
}

static void the_first_mistake_refuses_the_whole_plan(void **state) {
        struct plan_reader r;
        struct plan *p = NULL;
        struct err err = {};

        charm_fail(&plan, "database %s must not shrink", "x");
        charm_fail(&plan, "second");
        charm_want(&plan, "a", "nothing.yaml", NULL);
        plan_out_end(&plan, &out);
        plan_reader_init(&r);
        plan_reader_feed(&r, out.data, out.len);
        assert_int_equal(plan_reader_next(&r, &p, &err), PLAN_REFUSED);
        assert_string_equal(err_text(&err), "database x must not shrink");
        plan_reader_deinit(&r);
}

static void needs_of_what_is_not_wanted_are_mistakes(void **state) {
        write_object("a.yaml", "a: 1\n");
        load();
        charm_want(&plan, "a", "a.yaml", NULL);
        charm_needs(&plan, "a", "b", CHARM_EXISTS);
        plan_out_end(&plan, &out);
        assert_mistake("a needs b, but the plan does not want b");
}

static void a_view_that_is_no_object_is_refused(void **state) {
        struct charm_view v;

        assert_int_equal(view_open(&v, "[]", 2, yaml.documents[0].root, &arena, NULL), -EBADMSG);
        assert_int_equal(view_open(&v, "{", 1, yaml.documents[0].root, &arena, NULL), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(options_have_their_types_and_defaults),
                TEST(the_rest_of_the_view_reads_as_it_is),
                TEST(relations_come_by_rising_id),
                TEST(placeholders_keep_their_types),
                TEST(what_is_absent_takes_its_place_along),
                TEST(text_is_never_spliced_or_broken_out_of),
                TEST(bad_object_files_are_refused_by_name),
                TEST(mistakes_in_holes_are_told),
                TEST(digests_follow_the_document),
                TEST(secrets_are_tokens_and_drafts_until_they_are_made),
                TEST(certificates_are_two_secrets_and_a_bundle),
                TEST(outputs_are_tokens_and_edges),
                TEST(an_output_in_another_form_is_an_edge_too),
                TEST(targets_hold_documents_of_their_own),
                TEST(files_are_wanted_by_resource),
                TEST(what_is_kept_is_a_label_of_its_own),
                TEST(what_is_told_keeps_its_type),
                TEST(the_worst_status_wins_and_the_first_of_its_kind),
                TEST(without_a_word_the_status_is_left_to_the_daemon),
                TEST(fields_to_see_are_listed_once_and_limited),
                TEST(the_first_mistake_refuses_the_whole_plan),
                TEST(needs_of_what_is_not_wanted_are_mistakes),
                TEST(a_view_that_is_no_object_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
