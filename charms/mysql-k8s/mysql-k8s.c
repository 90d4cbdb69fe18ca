/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-k8s.c - a MySQL server with replicas, with a database and a user of its own for each
 * relation
 *
 * Wants the servers (StatefulSet, claim, my.cnf, root's Secret, Services) and declares it as a
 * target of provider sql. serve.c wants there what relations asked for.
 *
 * Actions: get-password, set-password; those about backups are in backup*.c, those about the users
 * of relations in rotate.c, those about other versions in upgrade*.c, those about replicas in
 * replica-*.c.
 *
 * tls.c has the server's certificate. Not here: replication of clusters, exporter; endpoints for
 * those are declared, and say so when related. */
#include "charm.gen.h"

#include "backup-server.h"
#include "binlog.h"
#include "replica.h"
#include "restore-part.h"
#include "serve.h"
#include "tls.h"
#include "upgrade.h"

#include <string.h>

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)

#define ROOT_PASSWORD_LENGTH 32
#define ACCOUNTS_MAX 4 /* of root; the image makes two */

/* ---- my.cnf */

#define POOL_STEP (128 * MIB) /* InnoDB's default chunk; pools are multiples of it */
#define CONNECTION_COST (12 * MIB)
#define CONNECTIONS_MIN 10
#define MEMORY_MIN (512 * MIB) /* below it the pool, in its steps, would be all there is */
#define MEMORY_UNKNOWN                                                                             \
        (2 * GIB) /* assumed, and requested, where nobody says: the bundles' mem=2G */

struct memory {
        int64_t pool, chunk; /* bytes; chunk 0: the default */
        int64_t connections;
        bool instruments; /* performance schema may measure memory */
};

/* The numbers of Juju's charm, so that a server moved here is as large as it was. It sets 1 GiB,
 * or 128 MiB, aside for messages of group replication. */
static struct memory divide(int64_t all) {
        struct memory m = { .pool = all / 4 * 3 - GIB, .instruments = all >= 2 * GIB };
        int64_t aside = GIB;

        if (m.pool < 0 || all - m.pool < GIB) {
                m.pool = all / 2;
                aside = 128 * MIB;
        }
        m.pool = (m.pool + POOL_STEP - 1) / POOL_STEP * POOL_STEP;
        if (m.pool > GIB)
                m.chunk = m.pool / 8;
        m.connections = (all - m.pool - aside) / CONNECTION_COST;
        if (m.connections < CONNECTIONS_MIN)
                m.connections = CONNECTIONS_MIN;
        return m;
}

static int64_t to_number(const char *digits) {
        int64_t n = 0;

        for (; *digits >= '0' && *digits <= '9' && n < INT64_MAX / 100; digits++)
                n = n * 10 + (*digits - '0');
        return n;
}

static bool is_testing(const struct charm_view *v) {
        return !strcmp(charm_option(v, OPTION_PROFILE), "testing");
}

/* Bytes that the server may use. */
static int64_t memory_limit(const struct charm_view *v) {
        int64_t all = to_number(charm_constraint(v, "mem"));
        int64_t most = charm_option_int(v, OPTION_PROFILE_LIMIT_MEMORY) * MIB;

        if (all == 0)
                return most ? most : MEMORY_UNKNOWN;
        return most && most < all ? most : all;
}

static struct memory memory_of(const struct charm_view *v) {
        if (is_testing(v))
                return (struct memory){ .pool = 20 * MIB, .chunk = MIB, .connections = 100 };
        return divide(memory_limit(v));
}

static const char *my_cnf(const struct charm_view *v, struct charm_plan *p) {
        struct memory m = memory_of(v);
        const char *chunk = "";

        if (charm_option_set(v, OPTION_EXPERIMENTAL_MAX_CONNECTIONS))
                m.connections = charm_option_int(v, OPTION_EXPERIMENTAL_MAX_CONNECTIONS);
        if (m.chunk)
                chunk = charm_text(p, "innodb_buffer_pool_chunk_size = %lld\n", (long long)m.chunk);
        /* Names are not looked up: a DNS that hangs must not hold up logins, and no address is
         * shut out for errors. */
        return charm_text(p,
                          "[mysqld]\n"
                          "skip_name_resolve = ON\n"
                          "host_cache_size = 0\n"
                          "gtid_mode = ON\n"
                          "enforce_gtid_consistency = ON\n"
                          "activate_all_roles_on_login = ON\n"
                          "general_log = OFF\n"
                          "binlog_expire_logs_seconds = %lld\n"
                          "max_connections = %lld\n"
                          "innodb_buffer_pool_size = %lld\n"
                          "%s%s%s%s",
                          (long long)charm_option_int(v, OPTION_BINLOG_RETENTION_DAYS) * 86400,
                          (long long)m.connections, (long long)m.pool, chunk,
                          m.instruments ? "" : "performance_schema_instrument = 'memory/%=OFF'\n",
                          tls_my_cnf(v, p), upgrade_data_folder(v, p));
}

/* FNV-1a. Not of the whole ConfigMap: what maintenance adds to it is for the next start of the
 * server, and is the reason for none. */
static const char *digest(struct charm_plan *p, const char *text) {
        uint64_t hash = 0xcbf29ce484222325;

        for (; *text; text++)
                hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
        return charm_text(p, "%016llx", (unsigned long long)hash);
}

/* ---- the server */

static const char *own_name(const struct charm_view *v, struct charm_plan *p, const char *end) {
        return charm_text(p, "%s-%s", charm_application(v), end);
}

static void want_services(const struct charm_view *v, struct charm_plan *p) {
        const char *primary = replica_server(v, p, replica_primary(v));

        charm_want(p, "service", "service.yaml", CHARM_HOLES({ "server", CHARM_TEXT, primary }));
        charm_want(p, "service-endpoints", "service-endpoints.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, own_name(v, p, "endpoints") }));
        charm_want(p, "service-primary", "service-primary.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, own_name(v, p, "primary") },
                               { "server", CHARM_TEXT, primary }));
}

/* What is asked of the node: the constraint, or what the server is laid out for. */
static const char *memory_request(const struct charm_view *v, struct charm_plan *p) {
        const char *mem = charm_constraint(v, "mem");

        return *mem || is_testing(v) ? mem : charm_text(p, "%lld", (long long)memory_limit(v));
}

/* Verified from the moment on at which it shows a certificate of ours. */
static void want_target(const struct charm_view *v, struct charm_plan *p) {
        const char *via = replica_via(v, p, replica_primary(v));
        const char *ca = tls_ca(v, p);

        charm_target(p, "server", "sql", ca ? "target-verified.yaml" : "target.yaml",
                     CHARM_HOLES({ "via", CHARM_TEXT, via },
                                 { "ca", ca ? CHARM_TEXT : CHARM_NONE, ca }));
}

static const char *claim_of(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return charm_text(p, "data-%s-%lld", charm_application(v), (long long)unit);
}

static void want_unit(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *memory = memory_request(v, p), *server = replica_server(v, p, unit);

        charm_want(
                p, replica_label(p, "statefulset", unit), "statefulset.yaml",
                CHARM_HOLES({ "server", CHARM_TEXT, server },
                            { "replicas", CHARM_INT, NULL, charm_scale(v) > 0 },
                            { "service", CHARM_TEXT, unit ? server : own_name(v, p, "endpoints") },
                            { "config", CHARM_TEXT, own_name(v, p, "config") },
                            { "config-digest", CHARM_TEXT, digest(p, my_cnf(v, p)) },
                            { "image", CHARM_TEXT, upgrade_unit_image(v, p, unit) },
                            upgrade_unit_folder(v, p, unit),
                            { "secret", CHARM_TEXT, own_name(v, p, "root") },
                            { "memory", *memory ? CHARM_TEXT : CHARM_NONE, memory },
                            { "claim", CHARM_TEXT, claim_of(v, p, unit) }, tls_volume(v, p),
                            tls_mount(v, p), replica_unit_label(v, p, unit),
                            replica_copy_label(unit), replica_spread(v, p, unit)));
}

static void want_server(const struct charm_view *v, struct charm_plan *p) {
        charm_secret(p, "root", "password", ROOT_PASSWORD_LENGTH, NULL);
        charm_want(p, "service-account", "service-account.yaml", NULL);
        charm_want(p, "root-secret", "root-secret.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, own_name(v, p, "root") }));
        charm_want(p, "config", "config.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, own_name(v, p, "config") },
                               { "my-cnf", CHARM_TEXT, my_cnf(v, p) }, upgrade_maintenance(v)));
        for (int64_t unit = 0; unit < replica_units(v); unit++)
                charm_want(p, replica_label(p, "data", unit), "volume.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, claim_of(v, p, unit) }));
        want_services(v, p);
        for (int64_t unit = 0; unit < replica_units(v); unit++)
                want_unit(v, p, unit);
        replica_want(v, p);
        tls_want(v, p);
        want_target(v, p);
        if (strstr(upgrade_image(v), ":" SERVE_VERSION))
                charm_version(p, SERVE_VERSION);
}

/* ---- what cannot be, and what is declared and not served */

static const struct {
        const char *endpoint;
        enum charm_status status;
        const char *text;
} unserved[] = {
        { ENDPOINT_MYSQL, CHARM_BLOCKED,
          "mysql: the old interface hands out root's password; relate to database instead" },
        { ENDPOINT_MYSQL_ROOT, CHARM_BLOCKED,
          "mysql-root: the old interface hands out root's password; relate to database instead" },
        { ENDPOINT_REPLICATION_OFFER, CHARM_BLOCKED,
          "replication-offer: replication is not served yet" },
        { ENDPOINT_REPLICATION, CHARM_BLOCKED, "replication: replication is not served yet" },
        /* Nobody's data depends on these: the server stays active and says it. */
        { ENDPOINT_METRICS_ENDPOINT, CHARM_ACTIVE, "metrics-endpoint: not served yet" },
        { ENDPOINT_GRAFANA_DASHBOARD, CHARM_ACTIVE, "grafana-dashboard: not served yet" },
        { ENDPOINT_LOGGING, CHARM_ACTIVE, "logging: not served yet, the log is the pod's" },
        { ENDPOINT_TRACING, CHARM_ACTIVE, "tracing: not served yet" },
};

static void check_options(const struct charm_view *v, struct charm_plan *p) {
        /* Refused as a whole: the server that runs stays as it is. */
        if (!is_testing(v) && memory_limit(v) < MEMORY_MIN)
                charm_fail(p, "mem is below 512M, which profile=production needs at least");
        if (charm_option_bool(v, OPTION_PLUGIN_AUDIT_ENABLED))
                charm_status(p, CHARM_BLOCKED,
                             "plugin-audit-enabled: the community server has no audit log plugin");
        for (size_t i = 0; i < sizeof(unserved) / sizeof(*unserved); i++)
                if (charm_relations(v, unserved[i].endpoint))
                        charm_status(p, unserved[i].status, "%s", unserved[i].text);
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        want_server(v, p);
        serve_databases(v, p);
        backup_plan(v, p);
        backup_plan_scratch(v, p);
        check_options(v, p);
        upgrade_say(v, p);
        restore_part_say(v, p);
}

/* ---- get-password */

static void tell_password(const struct charm_world *w, struct charm_ask *a) {
        const char *password = charm_owned(w, "root", "password");

        if (!password)
                return charm_give_up(a, "there is no password yet: the server was not planned");
        charm_result(a, "username", charm_param(w, "username"));
        charm_result(a, "password", password);
        charm_done(a);
}

static const struct charm_step get_password_steps[] = { { "tell", tell_password, 0, 0 }, {} };

/* ---- set-password
 *
 * The server first, then what everybody here logs in with. Whoever is killed between the two finds
 * that the old one opens nothing any more: then the server has the new one, which is tried. */

static void make_password(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_new_secret(a, "root", "password", charm_param(w, "password"));
        charm_set(a, "old", charm_answer(w, "/old"));
        charm_set(a, "new", charm_answer(w, "/new"));
        charm_next(a);
}

/* The server does not take what is known: perhaps it has the new one already. */
static void try_new(struct charm_ask *a) {
        charm_log(a, "the server does not take the password that is known: the new one is tried");
        charm_goto(a, "use");
}

/* Root's accounts, one for each place to come from; last the one that we are logged in as. (ALTER
 * USER CURRENT_USER() says on MariaDB that it is done, and does nothing.) */
static void find_accounts(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS("SELECT Host FROM mysql.user WHERE User = 'root' "
                                                 "ORDER BY CONCAT(User, '@', Host) = "
                                                 "CURRENT_USER(), Host LIMIT 4"),
                                     NULL);
        if (!strcmp(outcome, "denied"))
                return try_new(a);
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s: %s; what opens the server is as it was", outcome,
                                     charm_error(w));
        for (size_t i = 0; i < ACCOUNTS_MAX; i++) {
                const char *n = charm_text(charm_paper(a), "%zu", i);
                const char *host = charm_answer(w, charm_text(charm_paper(a), "/rows/%s/0", n));

                charm_set(a, charm_text(charm_paper(a), "host-%s", n), host);
        }
        charm_next(a);
}

static void ask_alter(const struct charm_world *w, struct charm_ask *a) {
        static const char *const statements[ACCOUNTS_MAX] = {
                "ALTER USER 'root'@:'host-0' IDENTIFIED BY :'new'",
                "ALTER USER 'root'@:'host-1' IDENTIFIED BY :'new'",
                "ALTER USER 'root'@:'host-2' IDENTIFIED BY :'new'",
                "ALTER USER 'root'@:'host-3' IDENTIFIED BY :'new'",
        };
        static const char *const names[ACCOUNTS_MAX] = { "host-0", "host-1", "host-2", "host-3" };
        struct charm_value values[ACCOUNTS_MAX + 2] = { { "new", charm_state(w, "new") } };
        const char *asked[ACCOUNTS_MAX + 1] = { NULL };

        for (size_t i = 0; i < ACCOUNTS_MAX && charm_state(w, names[i]); i++) {
                values[i + 1] = (struct charm_value){ names[i], charm_state(w, names[i]) };
                asked[i] = statements[i];
        }
        charm_ask_sql(a, "server", asked, values);
}

/* The server went away while it was asked, and did not come back. The same password once more is
 * right whatever it did: where it has it already, the known one is denied and the new one tried. */
static void lose_sight(const struct charm_world *w, struct charm_ask *a) {
        charm_result(a, "password", charm_state(w, "new"));
        charm_log(a, "it is not known whether the server has the new password; here the old one is "
                     "in use, and what is asked of the server with it may be denied");
        charm_give_up(
                a,
                "unreachable: %.80s; it is not known whether the server has the new password. "
                "When it answers, set that once more: `show-operation %s --reveal` shows it, "
                "`run %s set-password password=@-` takes it",
                charm_error(w), charm_operation(w), charm_application(charm_world_view(w)));
}

/* The account that we are logged in as comes last, and so was not altered. */
static void refuse_alter(const struct charm_world *w, struct charm_ask *a) {
        const char *at = charm_answer(w, "/statement");

        if (!at || !strcmp(at, "0"))
                return charm_give_up(a, "%s: %s; what opens the server is as it was",
                                     charm_outcome(w), charm_error(w));
        charm_give_up(a,
                      "%s: %.120s; %s of root's accounts took the new password; the others, and "
                      "what is in use here, have the old one: run set-password again",
                      charm_outcome(w), charm_error(w), at);
}

static void alter_user(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return ask_alter(w, a);
        if (!strcmp(outcome, "denied"))
                return try_new(a);
        if (!strcmp(outcome, "unreachable"))
                return lose_sight(w, a);
        if (strcmp(outcome, "done") != 0)
                return refuse_alter(w, a);
        charm_next(a);
}

static void use_password(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_use_secret(a, charm_state(w, "new"));
        charm_next(a);
}

static void settle_password(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_next(a);
}

static void check_password(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_sql(a, "server", CHARM_TEXTS("SELECT 1"), NULL);
        if (!strcmp(outcome, "denied"))
                return charm_goto(a, "back");
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "%s: %s; the new password is in use, and was not tried",
                                     outcome, charm_error(w));
        charm_log(a, "the server takes the new password");
        charm_done(a);
}

static void take_password_back(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_use_secret(a, charm_state(w, "old"));
        charm_give_up(a, "the server takes neither the password that was known nor the new one: "
                         "somebody else has changed it. The known one is in use again");
}

static const struct charm_step set_password_steps[] = {
        { "make", make_password, 0, 0 },         { "find", find_accounts, 600, CHARM_ALL },
        { "alter", alter_user, 600, CHARM_ALL }, { "use", use_password, 0, 0 },
        { "settle", settle_password, 600, 0 },   { "check", check_password, 600, CHARM_ALL },
        { "back", take_password_back, 0, 0 },    {}
};

static const struct charm_action actions[] = { { ACTION_GET_PASSWORD, get_password_steps },
                                               { ACTION_SET_PASSWORD, set_password_steps },
                                               { ACTION_CREATE_BACKUP, backup_create_steps },
                                               { ACTION_LIST_BACKUPS, binlog_list_steps },
                                               { ACTION_RESTORE, backup_restore_steps },
                                               { ACTION_SHIP_BINLOGS, binlog_ship_steps },
                                               { ACTION_VERIFY_BACKUP, backup_verify_steps },
                                               { ACTION_ROTATE_RELATION_CREDENTIALS, rotate_steps },
                                               { ACTION_UNLOCK_RELATION_USER, unlock_steps },
                                               { ACTION_DROP_RELATION_USER, drop_steps },
                                               { ACTION_PRE_UPGRADE_CHECK,
                                                 upgrade_pre_check_steps },
                                               { ACTION_UPGRADE, upgrade_steps },
                                               { ACTION_CHECK_ROLLBACK, upgrade_check_steps },
                                               { ACTION_ROLLBACK, upgrade_rollback_steps },
                                               { ACTION_GET_CLUSTER_STATUS, replica_status_steps },
                                               { ACTION_PROMOTE_TO_PRIMARY, replica_promote_steps },
                                               { ACTION_FAIL_OVER, replica_fail_over_steps },
                                               { ACTION_REJOIN_REPLICA, replica_rejoin_steps },
                                               { ACTION_REPLACE_REPLICA, replica_replace_steps },
                                               {} };

CHARM(.plan = plan, .actions = actions);
