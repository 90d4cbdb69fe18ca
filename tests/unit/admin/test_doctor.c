/* SPDX-License-Identifier: Apache-2.0 */
/* test_doctor.c - each check of doctor on a made-up world in which it fires and one in which it
 * does not; that the runbook has a section for each; and the route on a daemon without a cluster */
#include "desk.h"
#include "doctor.h"

#include "buf.h"

#include <stdlib.h>
#include <sys/stat.h>

#define NOW 1700000000000ll

/* Facts as text with ' for ", and %N for now plus N milliseconds. */
static json_t *facts_of(const char *text) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        json_t *facts = NULL;
        struct err err = { 0 };

        for (const char *p = text; *p; p++) {
                if (*p == '%') {
                        char *end;
                        long long by = strtoll(p + 1, &end, 10);

                        buf_printf(&out, "%lld", NOW + by);
                        p = end - 1;
                } else {
                        buf_putc(&out, *p == '\'' ? '"' : *p);
                }
        }
        if (json_parse(buf_str(&out), out.len, &facts, &err) < 0)
                fail_msg("%s: %s", err_text(&err), buf_str(&out));
        json_object_set_new(facts, "now", json_integer(NOW));
        return facts;
}

static const json_t *finding_of(const json_t *judged, const char *id) {
        const json_t *f;
        size_t i;

        json_array_foreach(json_get(judged, "findings"), i, f)
                if (str_eq(json_get_str(f, "id", ""), id))
                        return f;
        return NULL;
}

struct expectation {
        const char *id, *facts;
        const char *severity; /* NULL: not found */
        const char *text;     /* in "SUBJECT: TEXT [NEXT]" */
};

#define LOOP(members) "{'loop': {" members "}}"
#define TARGET(members)                                                                            \
        LOOP("'targets': [{'name': 'aks', 'operators': true, 'open': true, 'known': true, "        \
             "'readable': true" members "}]")
#define ASKED(members)                                                                             \
        "{'loop': {'targets': [{'name': 'aks', 'operators': true, 'open': true, 'known': true, "   \
        "'readable': true, 'examined': true}], 'models': [{'name': 'kf', 'target': 'aks'}]}, "     \
        "'needed': [{'group': 'apps', 'resource': 'deployments', 'verbs': ['get', 'patch'], "      \
        "'why': ['applies them']}, {'group': '', 'resource': 'pods/portforward', 'verbs': "        \
        "['create']}], 'asked': {'aks': {" members "}}}"
#define FROZEN(members, manner)                                                                    \
        "{'loop': {'models': [{'name': 'kf', 'target': 'aks'}], 'targets': [{'name': 'aks', "      \
        "'operators': true, 'manner': {" manner "}}]}, 'freezes': [{'model': 'kf', "               \
        "'application': '', 'type': '', 'path': '', 'text': 'eve: x', " members "}]}"
#define RULES(rules) "'rights': {'kf': {'incomplete': false, 'rules': [" rules "]}}"
#define APPLICATION(members)                                                                       \
        LOOP("'applications': [{'model': 'kf', 'name': 'minio', 'since': %-1000" members "}]")
#define SCHEDULE(more)                                                                             \
        "{'schedules': [{'id': 3, 'model': 'kf', 'application': 'minio', 'action': 'tidy', "       \
        "'last': %-60000, 'operation': 7, " more "}]}"
#define ISSUED(more)                                                                               \
        "{'certificates': [{'model': 'kf', 'application': 'hook', 'label': 'tls', 'renew': "       \
        "%-3600000, " more "}]}"
#define AGE(more)                                                                                  \
        "{'schedule-ages': [{'id': 3, 'model': 'kf', 'application': 'minio', 'action': "           \
        "'tidy', " more "}]}"
#define VOLUMES(volume)                                                                            \
        "'models': [{'name': 'kf', 'target': 'aks'}], 'targets': [{'name': 'aks'}]}, 'asked': "    \
        "{'aks': {'volumes': [{'volume': 'pv-0', 'scope': 'kf', 'claim': 'data-0', 'phase': "      \
        "'Failed'}, " volume "]}}}"
#define LEAVING(volume)                                                                            \
        "{'loop': {'leaving': [{'model': 'kf', 'name': 'db', 'type': 'PersistentVolumeClaim', "    \
        "'path': 'kf/data-0', 'why': 'it is being deleted, waiting for finalizer x', 'since': "    \
        "%-1000}], " VOLUMES(volume)
#define LOST(members)                                                                              \
        "{'loop': {'applications': [{'model': 'kf', 'name': 'db', 'lost': 'claim is gone', "       \
        "'lost-path': 'kf/data-0'}], " VOLUMES(                                                    \
                "{'volume': 'pv-1', 'scope': 'kf', 'claim': 'data-0', " members "}")
#define POD(trouble, message, since)                                                               \
        LOOP("'pods': [{'model': 'kf', 'name': 'web', 'number': 1, 'pod': 'web-ab', 'trouble': "   \
             "'" trouble "', 'message': '" message "', 'since': %" since "}]")
#define ROW(members) "{'applications': [{'model': 'kf', 'name': 'minio'" members "}]}"

static const struct expectation expectations[] = {
        { "state-folder", "{'state': {'path': '/s', 'mode': 448, 'owner': 5, 'self': 5}}", NULL },
        { "state-folder", "{'state': {'path': '/s', 'mode': 457, 'owner': 5, 'self': 5}}", NULL },
        { "state-folder", "{'state': {'path': '/s', 'mode': 504, 'owner': 5, 'self': 5}}", "error",
          "/s: others than its owner can write it (mode 0770) [chmod go= /s]" },
        { "state-folder", "{'state': {'path': '/s', 'mode': 493, 'owner': 5, 'self': 5}}",
          "warning", "every user" },
        { "state-folder", "{'state': {'path': '/s', 'mode': 448, 'owner': 6, 'self': 5}}", "error",
          "belongs to uid 6" },
        { "state-folder", "{'state': {'path': '/s', 'failed': 'gone'}}", "error", "gone" },
        { "disk-space", "{'disk': {'bytes': 100000000000, 'free': 50000000000}}", NULL },
        { "disk-space", "{'disk': {'bytes': 100000000000, 'free': 10000000000}}", "warning",
          "10 % of the file system's bytes" },
        { "disk-space", "{'disk': {'bytes': 100000000000, 'free': 4000000000}}", "error", "4 %" },
        { "disk-space", "{'disk': {'bytes': 100000000, 'free': 50000000}}", "error", "50 %" },
        { "disk-space", "{'disk': {'inodes': 1000, 'inodes-free': 30}}", "warning", "3 %" },
        { "disk-space", "{'disk': {'inodes': 1000, 'inodes-free': 3}}", "error", "inodes" },
        { "store-read-only", "{'read-only': false}", NULL },
        { "store-read-only", "{'read-only': true}", "error", "cannot be written" },
        { "store-wal", "{'files': {'model.db-wal': 4000000}}", NULL },
        { "store-wal", "{'files': {'model.db-wal': 1073741824}}", "warning", "1024 MB" },
        { "backup", "{'began': %-60000, 'backup': {'max-age': 3600000}}", "ok", "no backup" },
        { "backup", "{'began': %-7200000, 'backup': {'max-age': 3600000}}", "warning",
          "there is no backup of the controller [mooringctl backup create" },
        { "backup",
          "{'began': %-7200000, 'backup': {'max-age': 3600000, 'made': {'file': '/b/1'}}}",
          "warning", "was verified yet" },
        { "backup",
          "{'backup': {'max-age': 3600000, 'verified': {'file': '/b/1', 'made': "
          "'2023-11-14T22:00:00Z'}}}",
          "ok", "13m20s old" },
        { "backup",
          "{'backup': {'max-age': 3600000, 'verified': {'file': '/b/1', 'made': "
          "'2023-11-14T20:00:00Z'}}}",
          "warning", "more than backup-max-age (1h)" },
        { "backup-key", "{'backup': {'no-key': true}}", NULL },
        { "backup-key", "{'backup': {'no-key': true, 'schedule': {}}}", "error",
          "no key is set to seal them with" },
        { "backup-key", "{'backup': {'key-failed': '/k: Permission denied'}}", "warning",
          "so none is made: /k: Permission denied" },
        { "backup-key", "{'backup': {'key-failed': '/k: Permission denied', 'schedule': {}}}",
          "error", "/k: Permission denied" },
        { "backup-key",
          "{'key': {'path': '/k', 'changed': 1699999200000}, 'backup': {'verified': {'key': false, "
          "'made': '2023-11-14T21:00:00Z'}}}",
          "warning", "restoring it needs the key of then [mooringctl backup create" },
        { "backup-key",
          "{'key': {'path': '/k', 'changed': 1699999200000}, 'backup': {'verified': {'key': true, "
          "'made': '2023-11-14T21:00:00Z'}}}",
          NULL },
        { "backup-key",
          "{'key': {'path': '/k', 'changed': 1699999200000}, 'backup': {'verified': {'key': false, "
          "'made': '2023-11-14T22:10:00Z'}}}",
          NULL },
        { "upgrade", "{'unconfirmed': null, 'upgrade': {'installed': false, 'failed': null}}",
          NULL },
        { "upgrade", "{'unconfirmed': {'from': 24, 'release': '0.1.0', 'at': %-3600000}}", "ok",
          "upgraded 1h ago from 0.1.0 (schema 24)" },
        { "upgrade", "{'unconfirmed': {'from': 24, 'at': %-691200000}}", "warning",
          "from an earlier release" },
        { "upgrade", "{'upgrade': {'installed': true, 'program': '/usr/sbin/mooringd'}}", "warning",
          "another release lies at /usr/sbin/mooringd" },
        { "upgrade", "{'upgrade': {'failed': 'no landlock'}}", "warning",
          "could not start: no landlock" },
        { "restored", "{'restored': null}", NULL },
        { "restored", "{'restored': {'made': '2023-11-14T22:00:00Z', 'at': %-60000}}", "error",
          "nothing is written outside" },
        { "key", "{'key': {'path': '/k', 'mode': 384, 'owner': 5, 'self': 5}}", "ok", "/k" },
        { "key", "{'key': {'path': '/k', 'mode': 416, 'owner': 5, 'self': 5}}", "error",
          "others can read the key (mode 0640) [chmod 600 /k]" },
        { "key", "{'key': {'path': '/k', 'mode': 416, 'credential': true}}", "ok", "systemd" },
        { "key", "{'key': {'path': '/k', 'mode': 384, 'owner': 6, 'self': 5}}", "error", "uid 6" },
        { "key", "{'key': {'path': '/k', 'failed': 'No such file'}}", "error", "No such file" },
        { "clock-jump", "{'clock-moved-ms': 4000}", NULL },
        { "clock-jump", "{'clock-moved-ms': -3600000}", "warning", "set back by 1h" },
        { "queue-stuck", LOOP("'queue': [{'kind': 'resource', 'ready': 9, 'oldest-ms': 20000}]"),
          NULL },
        { "queue-stuck", LOOP("'queue': [{'kind': 'resource', 'ready': 9, 'oldest-ms': 400000}]"),
          "warning", "queue resource: 9 wait" },
        { "worker-deaths", "{'deaths': {'total': 4, 'last': %-7200000}}", NULL },
        { "worker-deaths", "{'deaths': {'total': 4, 'last': %-60000}}", "warning", "one died" },
        { "worker-deaths", "{'deaths': {'total': 9, 'last': %-60000, 'fifth': %-1200000}}",
          "warning", "one died" },
        { "worker-deaths", "{'deaths': {'total': 9, 'last': %-60000, 'fifth': %-120000}}", "error",
          "again and again" },
        { "metrics-certificate", "{'metrics-certificate-ends': %8640000000}", NULL },
        { "metrics-certificate", "{'metrics-certificate-ends': %0}", "error", "ended at" },
        { "unreachable", TARGET(""), NULL },
        { "unreachable", LOOP("'targets': [{'name': 'aks', 'open': true, 'known': false}]"), NULL },
        { "unreachable",
          LOOP("'targets': [{'name': 'aks', 'open': true, 'known': true, 'readable': false, "
               "'why': 'refused', 'since': %-60000}]"),
          "error", "cluster aks: it cannot be read: refused [mooringctl clusters]" },
        { "unreachable",
          LOOP("'targets': [{'name': 'kf/mysql/db', 'operators': false, 'open': false}]"), "error",
          "kf/mysql/db: it is not open: no reason is known yet [mooringctl why mysql --model kf]" },
        { "clock-skew", ASKED("'date': %0, 'at': %900"), NULL },
        { "clock-skew", ASKED("'date': %0, 'at': %30000"), "warning",
          "our clock is 30s ahead of its API server's" },
        { "clock-skew", ASKED("'date': %0, 'at': %-600000"), "error", "10m behind" },
        { "latency", ASKED("'took-ms': 20"), "ok", "20 ms" },
        { "latency", ASKED("'took-ms': 2000"), "warning", "2000 ms" },
        { "version", ASKED("'version': 'v1.34.4', 'tested': true"), "ok", "v1.34.4" },
        { "version", ASKED("'version': 'v1.20.0', 'tested': false, 'tested-with': '1.34'"),
          "warning", "v1.20.0; this program is tested with 1.34" },
        { "permission-missing",
          ASKED(RULES("{'verbs': ['*'], 'apiGroups': ['*'], 'resources': ['*']}")), NULL },
        { "permission-missing",
          ASKED(RULES("{'verbs': ['get', 'patch'], 'apiGroups': ['apps'], 'resources': "
                      "['deployments']}, {'verbs': ['create'], 'apiGroups': [''], 'resources': "
                      "['*/portforward']}")),
          NULL },
        { "permission-missing",
          ASKED(RULES("{'verbs': ['get'], 'apiGroups': ['apps'], 'resources': ['*']}, {'verbs': "
                      "['*'], 'apiGroups': [''], 'resources': ['pods/portforward']}")),
          "error", "in namespace kf: may not patch deployments.apps: applies them" },
        { "permission-missing",
          ASKED(RULES("{'verbs': ['*'], 'apiGroups': ['*'], 'resources': ['*'], 'resourceNames': "
                      "['one']}")),
          "error", "may not get, patch deployments.apps" },
        { "permission-missing", ASKED("'rights': {'kf': {'incomplete': true, 'rules': []}}"),
          NULL },
        { "watch-lost", TARGET(", 'watches': [{'type': 'Pod', 'silent-ms': 61000, 'lost-ms': 0}]"),
          NULL },
        { "watch-lost", TARGET(", 'watches': [{'type': 'Pod', 'silent-ms': 1, 'lost-ms': 20000}]"),
          "warning", "Pod has not been watched for 20s" },
        { "watch-lost", TARGET(", 'watches': [{'type': 'Pod', 'silent-ms': 1, 'lost-ms': 200000}]"),
          "error", "not been watched" },
        { "watch-lost", TARGET(", 'watches': [{'type': 'Pod', 'silent-ms': 200000}]"), "warning",
          "silent" },
        { "certificate", TARGET(", 'manner': {'certificate-ends': %2678400000}"), NULL },
        { "certificate", TARGET(", 'manner': {'certificate-ends': %1728000000}"), "warning",
          "our client certificate ends in 20 days" },
        { "certificate", TARGET(", 'manner': {'ca-ends': %518400000}"), "error",
          "the authority that we know it by ends in 6 days" },
        { "certificate", TARGET(", 'manner': {'token-ends': %172800000}"), "error",
          "our token ends in 2 days" },
        { "tls-mode", TARGET(", 'manner': {'tls': 'verify-full', 'server': 'https://a'}"), "ok",
          "verify-full to https://a" },
        { "tls-mode", TARGET(", 'manner': {'tls': 'plain', 'server': 'http://127.0.0.1:80'}"), "ok",
          "plain" },
        { "tls-mode", TARGET(", 'manner': {'tls': 'plain', 'server': 'kf/a-0', 'via': true}"), "ok",
          "inside the API server's pipe" },
        { "tls-mode", TARGET(", 'manner': {'tls': 'verify-ca', 'server': 'https://a'}"), "warning",
          "verify-ca" },
        { "tls-mode", TARGET(", 'manner': {'tls': 'encrypt', 'server': 'https://a'}"), "error",
          "[mooringctl update-cluster aks --kubeconfig FILE]" },
        { "volume-reclaim",
          ASKED("'volumes': [{'volume': 'pv1', 'scope': 'kf', 'claim': 'data', 'policy': "
                "'Retain'}]"),
          NULL },
        { "volume-reclaim",
          ASKED("'volumes': [{'volume': 'pv1', 'scope': 'other', 'claim': 'data', 'policy': "
                "'Delete'}]"),
          NULL },
        { "volume-reclaim",
          ASKED("'volumes': [{'volume': 'pv1', 'scope': 'kf', 'claim': 'data', 'policy': "
                "'Delete'}]"),
          "warning", "kf/data: its volume pv1 in cluster aks has reclaimPolicy Delete" },
        { "model-foreign", LOOP("'models': [{'name': 'kf', 'foreign': false}]"), NULL },
        { "model-foreign", LOOP("'models': [{'name': 'kf', 'foreign': true, 'why': 'theirs'}]"),
          "error", "model kf: nothing of it is written: theirs" },
        { "data-lost", APPLICATION(", 'lost': ''"), NULL },
        { "data-lost", APPLICATION(", 'lost': 'is gone'"), "error",
          "kf/minio: is gone [mooringctl why minio --model kf]" },
        { "data-lost", LOOP("'kept': [{'model': 'kf', 'name': 'minio', 'lost': 'is gone too'}]"),
          "error", "kf/minio: is gone too [mooringctl storage --model kf]" },
        { "conflict", APPLICATION(""), NULL },
        { "conflict", APPLICATION(", 'conflicts': 'wanted twice'"), "error", "wanted twice" },
        { "plan-failed", APPLICATION(""), NULL },
        { "plan-failed", APPLICATION(", 'plan-error': 'crashed'"), "error", "crashed" },
        { "blocked", APPLICATION(""), NULL },
        { "blocked", APPLICATION(", 'blocked': 'no bucket'"), "error",
          "kf/minio: no bucket [mooringctl why minio --model kf]" },
        { "blocked", APPLICATION(", 'blocked': 'half: `mooringctl run minio mend` again'"), "error",
          "half: `mooringctl run minio mend` again [mooringctl run minio mend --model kf]" },
        { "blocked", APPLICATION(", 'blocked': 'no bucket', 'dying': true"), NULL },
        { "refresh-paused", APPLICATION(""), NULL },
        { "refresh-paused", APPLICATION(", 'refresh-paused': 'in its canary'"), "error",
          "in its canary" },
        { "plan-held", APPLICATION(""), NULL },
        { "plan-held", APPLICATION(", 'held': 'deletes 4 of 6'"), "warning", "deletes 4 of 6" },
        { "key", "{'key': {'path': '/k', 'mode': 256, 'keys': 2}}", "warning",
          "/k: a rotation of the key stands unfinished: 2 keys are in it [mooringctl rotate-key "
          "--status" },
        { "secret-expires", "{'secrets': [{'model': 'kf', 'name': 'team', 'ends': %2592000001}]}",
          NULL },
        { "secret-expires", "{'secrets': [{'model': 'kf', 'name': 'team', 'ends': %1000000000}]}",
          "warning", "kf: secret team: it ends in 11 days" },
        { "secret-expires", "{'secrets': [{'model': 'kf', 'name': 'team', 'ends': %-1}]}", "error",
          "mooringctl update-secret team KEY#file=PATH --expire TIME --model kf" },
        { "issued-certificate", "{'certificates': [], 'authorities': []}", NULL },
        { "issued-certificate", ISSUED("'ends': %86400000, 'failed': 'no key'"), "error",
          "kf/hook: certificate tls: should have been renewed, and ends at" },
        { "issued-certificate", ISSUED("'ends': %-1000, 'failed': 'no key'"), "error", ": no key" },
        { "issued-certificate",
          "{'authorities': [{'model': 'kf', 'subject': 'CN=x', 'ends': %8640000000}]}", NULL },
        { "issued-certificate",
          "{'authorities': [{'model': 'kf', 'subject': 'CN=x', 'ends': %864000000}]}", "warning",
          "model kf: the CA that you signed ends in" },
        { "schedule-failed", SCHEDULE("'not-run': '', 'status': 'completed'"), NULL },
        { "schedule-failed", SCHEDULE("'not-run': '', 'status': 'running'"), NULL },
        { "schedule-failed", SCHEDULE("'not-run': '', 'status': 'failed', 'message': 'no room'"),
          "warning",
          "kf/minio: schedule 3, tidy: its last run, operation 7, failed: no room [mooringctl "
          "show-operation 7 --model kf]" },
        { "schedule-failed", SCHEDULE("'not-run': 'kf is frozen', 'status': 'completed'"),
          "warning",
          "was not run when it was due last: kf is frozen [mooringctl schedules --model kf]" },
        { "schedule-overdue", AGE("'completed': %-60000, 'overdue': false"), NULL },
        { "schedule-overdue", AGE("'completed': %-172800000, 'overdue': true"), "warning",
          "kf/minio: schedule 3, tidy: more than one run was due since tidy completed last "
          "[mooringctl operations --model kf]" },
        { "schedule-overdue", AGE("'completed': 0, 'overdue': true"), "warning",
          "and tidy never completed" },
        { "pause-old", ROW(", 'paused-by': 'eve', 'paused-why': 'x', 'paused-at': %-3600000"),
          NULL },
        { "pause-old", ROW(", 'paused-by': 'eve', 'paused-why': 'x', 'paused-at': %-172800000"),
          "warning", "paused for 2d by eve: x [mooringctl unpause minio --model kf]" },
        { "pause-old",
          "{'models': [{'name': 'kf', 'paused-by': 'eve', 'paused-why': 'x', 'paused-at': "
          "%-172800000}]}",
          "warning", "[mooringctl unpause --model kf]" },
        { "fight",
          LOOP("'fights': [{'model': 'kf', 'type': 'Secret', 'path': 'kf/x', 'guarded': true}]"),
          NULL },
        { "fight",
          LOOP("'fights': [{'model': 'kf', 'type': 'Deployment.apps', 'path': 'kf/web', 'text': "
               "'hpa "
               "changed it', 'field': 'spec.replicas', 'who': 'hpa', 'guarded': false}]"),
          "warning",
          "kf: Deployment.apps kf/web: hpa changed it [mooringctl drift hand-over "
          "Deployment.apps/web 'spec.replicas' --to 'hpa' --model kf --reason 'left to them']" },
        { "fight",
          LOOP("'fights': [{'model': 'kf', 'type': 'Deployment.apps', 'path': 'kf/web', 'text': "
               "'x', "
               "'field': 'spec.replicas', 'who': '', 'guarded': false}]"),
          "warning", "[mooringctl drift --type Deployment.apps --model kf]" },
        { "fight",
          LOOP("'fights': [{'model': 'kf', 'type': 'Service', 'path': 'kf/web', 'text': 'x', "
               "'field': '', 'who': 'eve', 'guarded': false}]"),
          "warning",
          "[mooringctl drift policy set --mode off --object Service/web --model kf --reason 'left "
          "to "
          "them']" },
        { "fight",
          LOOP("'fights': [{'model': 'kf', 'type': 'Service', 'path': 'kf/web', 'text': 'x', "
               "'field': 'spec', 'who': 'a\\u0027; rm -rf ~', 'guarded': false}]"),
          "warning", "--to 'a'\\''; rm -rf ~' --model kf --reason 'left to them']" },
        { "fight-guarded",
          LOOP("'fights': [{'model': 'kf', 'type': 'Deployment.apps', 'path': 'kf/x'}]"), NULL },
        { "fight-guarded",
          LOOP("'fights': [{'model': 'kf', 'type': 'Secret', 'path': 'kf/x', 'text': 'eve changed "
               "it', "
               "'field': 'data', 'who': 'eve', 'guarded': true}]"),
          "error", "kf: Secret kf/x: eve changed it [mooringctl drift --type Secret --model kf]" },
        { "freeze", "{'freezes': []}", NULL },
        { "freeze",
          "{'freezes': [{'model': 'kf', 'application': 'minio', 'type': '', 'path': '', 'text': "
          "'eve: x', "
          "'missed': 'the repair window begins soon', 'at': %-3600000}]}",
          "warning",
          "minio: frozen for 1h by eve: x; the repair window begins soon [mooringctl "
          "unfreeze --model kf minio]" },
        { "freeze",
          "{'freezes': [{'model': 'kf', 'application': '', 'type': 'Service', 'path': 'kf/web', "
          "'text': "
          "'eve: x', 'at': %-3600000}]}",
          "warning",
          "kf: Service kf/web: paused for 1h by eve: x [mooringctl unpause --model kf --object "
          "Service/web]" },
        { "ends-in-freeze", FROZEN("'until': %7200000", "'token-ends': %3600000"), "warning",
          "cluster aks: our token ends at 2023-11-14T23:13:20Z, while model kf is frozen until "
          "2023-11-15T00:13:20Z [mooringctl update-cluster aks --kubeconfig FILE]" },
        { "ends-in-freeze", FROZEN("'until': %7200000", "'certificate-ends': %7200001"), NULL },
        { "ends-in-freeze", FROZEN("'until': %7200000", "'certificate-ends': %-1"), NULL },
        { "ends-in-freeze", FROZEN("'until': 0", "'ca-ends': %2160000000"), "warning",
          "we know it by ends at 2023-12-09T22:13:20Z, while model kf is frozen without an end" },
        { "ends-in-freeze", FROZEN("'until': 0", "'ca-ends': %2678400000"), NULL },
        { "ends-in-freeze",
          "{'loop': {'models': [{'name': 'kf', 'target': 'aks'}], 'targets': [{'name': 'other', "
          "'manner': {'ca-ends': %3600000}}]}, 'freezes': [{'model': 'kf', 'until': %7200000}]}",
          NULL },
        { "ends-in-freeze",
          "{'freezes': [{'model': 'kf', 'application': 'minio', 'until': %7200000}, {'model': "
          "'kf', 'type': 'Service', 'path': 'kf/web', 'text': 'eve: x', 'until': %3600000}]}",
          "warning",
          "kf: Service kf/web: the pause by eve: x ends at 2023-11-14T23:13:20Z, while minio is "
          "frozen until 2023-11-15T00:13:20Z [mooringctl unfreeze --model kf minio]" },
        { "ends-in-freeze",
          "{'freezes': [{'model': 'kf', 'application': 'minio', 'until': %7200000}], 'rules': "
          "[{'model': 'kf', 'application': 'minio', 'text': 'mode report (eve: x)', 'until': "
          "%3600000}]}",
          "warning", "kf: the rule \"mode report (eve: x)\" ends at" },
        { "ends-in-freeze",
          "{'freezes': [{'model': 'kf', 'application': 'minio', 'until': %7200000}], 'rules': "
          "[{'model': 'kf', 'application': 'mysql', 'text': 'mode report', 'until': %3600000}]}",
          NULL },
        { "ends-in-freeze",
          "{'freezes': [{'model': 'kf', 'until': %7200000}], 'applications': [{'model': 'kf', "
          "'name': 'minio', 'paused-by': 'bob', 'paused-why': 'y', 'paused-until': %3600000}]}",
          "warning", "minio: the pause by bob: y ends at 2023-11-14T23:13:20Z, while model kf is" },
        { "ends-in-freeze",
          "{'freezes': [{'model': 'kf', 'application': 'mysql', 'until': %7200000}], "
          "'applications': [{'model': 'kf', 'name': 'minio', 'paused-by': 'bob', 'paused-why': "
          "'y', 'paused-until': %3600000}], 'models': [{'name': 'kf'}]}",
          NULL },
        { "rule", "{'rules': []}", NULL },
        { "rule",
          "{'rules': [{'model': 'kf', 'mode': 'off', 'text': 'mode off for Service (eve: x)', "
          "'at': 5}]}",
          "warning",
          "kf: what changes there is neither told nor put right: mode off for Service (eve: x) "
          "[mooringctl drift policy --model kf]" },
        { "rule", "{'rules': [{'model': 'kf', 'mode': 'report', 'text': 'mode report'}]}", "ok",
          "told and stays: mode report" },
        { "data-leaving", LOOP("'leaving': []"), NULL },
        { "data-leaving",
          LEAVING("{'volume': 'pv-1', 'scope': 'kf', 'claim': 'data-0', 'phase': 'Bound', "
                  "'policy': 'Delete'}"),
          "error",
          "kf/db: PersistentVolumeClaim kf/data-0: it is being deleted, waiting for finalizer x; "
          "when the last pod that uses it ends it is gone, with all that is in its volume pv-1: "
          "restart nothing, make a backup [kubectl patch pv pv-1 -p" },
        { "data-leaving",
          LEAVING("{'volume': 'pv-1', 'scope': 'kf', 'claim': 'data-0', 'phase': 'Bound', "
                  "'policy': 'Retain'}"),
          "error",
          "it is gone, and its volume pv-1 stays: restart nothing, make a backup "
          "[mooringctl why db --model kf]" },
        { "data-leaving",
          LEAVING("{'volume': 'pv-1', 'scope': 'other', 'claim': 'data-0', 'phase': 'Bound'}"),
          "error", "it is gone, with what it holds: restart" },
        { "data-lost", LOST("'phase': 'Released'"), "error",
          "kf/db: claim is gone; its volume pv-1 is still there, Released, with what was in it "
          "[mooringctl why db --model kf]" },
        { "data-lost", LOST("'phase': 'Bound'"), "error", "claim is gone [" },
        { "image-pull", LOOP("'pods': []"), NULL },
        { "image-pull", POD("run", "CrashLoopBackOff", "-600000"), NULL },
        { "image-pull", POD("image", "ErrImagePull: container c: image x: denied", "-60000"),
          "warning",
          "kf/web/1: ErrImagePull: container c: image x: denied [kubectl -n kf describe pod "
          "web-ab]" },
        { "image-pull", POD("image", "ErrImagePull: x", "-130000"), "error", "ErrImagePull: x" },
        { "pod-failing", POD("image", "ErrImagePull", "-600000"), NULL },
        { "pod-failing", POD("run", "CrashLoopBackOff: x", "-60000"), "warning",
          "CrashLoopBackOff: x" },
        { "pod-failing", POD("run", "CrashLoopBackOff: x", "-130000"), "error",
          "CrashLoopBackOff: x" },
        { "drift-stands", APPLICATION(", 'drifted': 0"), NULL },
        { "drift-stands", APPLICATION(", 'drifted': 2"), "warning",
          "kf/minio: 2 objects are other than made, and not put right yet [mooringctl "
          "drift minio" },
        { "removal-held", APPLICATION(", 'dying': true"), NULL },
        { "removal-held",
          LOOP("'applications': [{'model': 'kf', 'name': 'minio', 'since': %-70000}]"), NULL },
        { "removal-held",
          LOOP("'applications': [{'model': 'kf', 'name': 'minio', 'since': %-70000, 'dying': "
               "true, 'message': 'removing: Service x'}]"),
          "warning", "kf/minio: its removal does not go on: removing: Service x" },
        { "leftovers", "{'counts': {'leftovers': 0}}", NULL },
        { "leftovers", "{'counts': {'leftovers': 3}}", "warning", "3 objects" },
        { "charm-missing", ROW(", 'charm-missing': false"), NULL },
        { "charm-missing", ROW(", 'charm-missing': true, 'charm-name': 'minio'"), "error",
          "charm minio" },
        { "charm-upgrade", ROW(", 'can-upgrade-to': 'revision 9', 'charm-name': 'minio'"), "ok",
          "revision 9" },
        { "could-not-look", ASKED("'version': 'v1.34.4'"), NULL },
        { "could-not-look", TARGET(", 'examined': true"), "warning", "it was not asked" },
        { "could-not-look", ASKED("'failed': 'reset'"), "warning", "reset" },
        { "could-not-look", ASKED("'volumes-failed': 'may not list'"), "warning",
          "could not look: whether volumes go with their claims: may not list" },
        { "could-not-look", ASKED("'rights-failed': 'only those in the first'"), "warning",
          "could not look: rights: only those in the first" },
        { "could-not-look", ASKED("'rights': {'kf': {'incomplete': true}}"), "warning",
          "not complete" },
        { "could-not-look", "{'rows-failed': 'broken'}", "warning", "broken" },
        { "could-not-look", "{'needed-unknown': 4}", "warning", "4 objects" },
};

static void check(const struct expectation *x) {
        cleanup_(json_freep) json_t *facts = facts_of(x->facts);
        cleanup_(json_freep) json_t *judged = doctor_judge(facts, true);
        const json_t *f = finding_of(judged, x->id);
        const char *severity = json_get_str(f, "severity", "none");
        cleanup_(freep) char *line = NULL;

        /* What is well is told in one line without a subject. */
        if (!x->severity) {
                if (f && (!str_eq(severity, "ok") || json_get_str(f, "subject", "")[0]))
                        fail_msg("%s fires on %s", x->id, x->facts);
                return;
        }
        line = str_format("%s: %s [%s]", json_get_str(f, "subject", ""),
                          json_get_str(f, "text", ""), json_get_str(f, "next", ""));
        if (!str_eq(severity, x->severity) || !strstr(line, x->text))
                fail_msg("%s on %s: %s: %s", x->id, x->facts, severity, line);
}

static void each_check_fires_where_it_should_and_nowhere_else(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(expectations); i++)
                check(&expectations[i]);
}

static void every_check_is_tested(void **state) {
        for (const struct doctor_check *c = doctor_checks; c->id; c++) {
                bool fires = false;

                for (size_t i = 0; i < ARRAY_SIZE(expectations); i++)
                        fires |= str_eq(expectations[i].id, c->id) && expectations[i].severity;
                if (!fires)
                        fail_msg("no test in which %s fires", c->id);
        }
}

static void worst_first_and_what_is_well_only_when_all_is_asked_for(void **state) {
        cleanup_(json_freep) json_t *facts = facts_of(
                "{'counts': {'leftovers': 3}, 'read-only': true, 'clock-moved-ms': 900000}");
        cleanup_(json_freep) json_t *some = doctor_judge(facts, false);
        cleanup_(json_freep) json_t *all = doctor_judge(facts, true);
        const json_t *list = json_get(some, "findings");

        assert_int_equal(json_get_int(some, "errors", -1), 1);
        assert_int_equal(json_get_int(some, "warnings", -1), 2);
        assert_int_equal(json_array_size(list), 3);
        assert_string_equal(json_get_str(json_array_get(list, 0), "id", ""), "store-read-only");
        assert_string_equal(json_get_str(json_array_get(list, 1), "id", ""), "clock-jump");
        assert_true(json_array_size(json_get(all, "findings")) > 20);
        assert_int_equal(json_get_int(all, "errors", -1), 1);
}

static void words_that_are_not_utf8_are_told_all_the_same(void **state) {
        cleanup_(json_freep) json_t *words = json_words("caf\xc3\xa9 \xff!");
        cleanup_(json_freep) json_t *good = json_words("caf\xc3\xa9");

        assert_string_equal(json_string_value(words), "caf?? ?!");
        assert_string_equal(json_string_value(good), "caf\xc3\xa9");
}

static bool has_section(const char *text, const char *id) {
        cleanup_(freep) char *head = str_format("\n## %s\n", id);

        return strstr(text, head) != NULL;
}

static void the_runbook_has_a_section_for_each_check_and_no_other(void **state) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(fclosep) FILE *f = fopen(RUNBOOK, "re");
        char part[4096];
        size_t n, sections = 0, checks = 0;

        assert_non_null(f);
        while ((n = fread(part, 1, sizeof(part), f)) > 0)
                buf_add(&text, part, n);
        for (const char *p = buf_str(&text); (p = strstr(p, "\n## ")); p++)
                sections++;
        for (const struct doctor_check *c = doctor_checks; c->id; c++, checks++)
                if (!has_section(buf_str(&text), c->id))
                        fail_msg("%s has no section in %s", c->id, RUNBOOK);
        assert_int_equal(sections, checks);
}

static void a_daemon_without_a_cluster_is_looked_at(void **state) {
        struct desk *d = *state;
        struct answer a = { 0 };
        const json_t *key;

        desk_role(ROLE_VIEWER);
        desk_ask(d, "GET", "/v1/doctor?all=true", NULL, NULL, 0, &a);
        assert_int_equal(a.status, 200);
        key = finding_of(a.json, "key");
        assert_string_equal(json_get_str(key, "severity", ""), "ok");
        assert_true(str_starts(json_get_str(key, "subject", ""), d->dir));
        assert_non_null(finding_of(a.json, "disk-space"));
        assert_string_equal(json_get_str(finding_of(a.json, "could-not-look"), "severity", ""),
                            "ok");
        answer_deinit(&a);
}

static void a_key_that_others_can_read_is_an_error(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *path = str_format("%s/key", d->dir);
        struct answer a = { 0 };

        desk_role(ROLE_VIEWER);
        assert_int_equal(chmod(path, 0644), 0);
        desk_ask(d, "GET", "/v1/doctor", NULL, NULL, 0, &a);
        assert_string_equal(json_get_str(finding_of(a.json, "key"), "severity", ""), "error");
        assert_null(finding_of(a.json, "backup"));
        answer_deinit(&a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_check_fires_where_it_should_and_nowhere_else),
                cmocka_unit_test(every_check_is_tested),
                cmocka_unit_test(worst_first_and_what_is_well_only_when_all_is_asked_for),
                cmocka_unit_test(words_that_are_not_utf8_are_told_all_the_same),
                cmocka_unit_test(the_runbook_has_a_section_for_each_check_and_no_other),
                cmocka_unit_test_setup_teardown(a_daemon_without_a_cluster_is_looked_at,
                                                desk_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(a_key_that_others_can_read_is_an_error, desk_set_up,
                                                desk_tear_down),
        };

        return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
