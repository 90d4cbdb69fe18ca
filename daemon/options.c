/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - the option table of mooringd, nothing else */
#include "options.h"

#include "audit.h"

#define AT(member) offsetof(struct options, member)

static const char *const log_levels[] = { "error", "warning", "notice", "info", "debug", NULL };

const struct opt options_table[] = {
        { "config", 'c', OPT_PATH, AT(config), "/etc/mooring/mooringd.yaml", 0, 0, "FILE",
          OPT_ARGS_ONLY, NULL, "configuration file; missing is fine when it is the default one" },
        { "state-dir", 0, OPT_PATH, AT(state_dir), "/var/lib/mooring", 0, 0, "DIR", 0, NULL,
          "folder of the databases, pinned charms and the key; one daemon each" },
        { "socket", 0, OPT_PATH, AT(socket), "/run/mooring/admin.sock", 0, 0, "PATH", 0, NULL,
          "unix socket of the admin API" },
        { "charm-dir", 0, OPT_LIST, AT(charm_dirs), NULL, 0, 0, "DIR", 0, NULL,
          "folder of charms on offer; may be given several times, the first that has a charm "
          "serves it" },
        { "key-file", 0, OPT_PATH, AT(key_file), NULL, 0, 0, "FILE", 0, NULL,
          "file of the key that seals secrets; default STATE-DIR/key, or the systemd credential "
          "mooring-key" },
        { "worker", 0, OPT_PATH, AT(worker), NULL, 0, 0, "FILE", 0, NULL,
          "the mooring-charm program; default beside mooringd, or the installed one" },
        { "charm-user", 0, OPT_STRING, AT(charm_user), "nobody", 0, 0, "USER", 0, NULL,
          "unprivileged user that charm workers run as when the daemon is root" },
        { "token-folder", 0, OPT_LIST, AT(token_folders), NULL, 0, 0, "DIR", OPT_RELOAD, NULL,
          "folder whose files a kubeconfig's tokenFile may name" },
        { "exec-plugin", 0, OPT_LIST, AT(exec_plugins), NULL, 0, 0, "PATH", OPT_RELOAD, NULL,
          "absolute path of a root-owned credential plugin that a kubeconfig may run" },
        { "exec-variable", 0, OPT_LIST, AT(exec_variables), NULL, 0, 0, "NAME", OPT_RELOAD, NULL,
          "environment variable that a kubeconfig may set for such a plugin" },
        { "audit-log", 0, OPT_LIST, AT(audit_logs), NULL, 0, 0, "CLUSTER=FILE", 0, NULL,
          "the API server's audit log of a cluster, as JSON lines in a file of this host: drift "
          "then names the user" },
        { "viewer-group", 0, OPT_STRING, AT(viewer_group), "mooring-viewer", 0, 0, "GROUP", 0, NULL,
          "unix group whose members may read" },
        { "operator-group", 0, OPT_STRING, AT(operator_group), "mooring-operator", 0, 0, "GROUP", 0,
          NULL,
          "unix group whose members may also pause, freeze, and apply plans of what is held" },
        { "admin-group", 0, OPT_STRING, AT(admin_group), "mooring-admin", 0, 0, "GROUP", 0, NULL,
          "unix group whose members may do everything" },
        { "name", 0, OPT_STRING, AT(name), "mooring", 0, 0, "NAME", 0, NULL,
          "what status calls this controller" },
        { "log-level", 0, OPT_ENUM, AT(log_level), "info", 0, 0, "LEVEL", OPT_RELOAD, log_levels,
          "least level that is logged" },
        { "audit-period", 0, OPT_DURATION, AT(audit), "24h", 0, 366 * 86400000ll, "TIME", 0, NULL,
          "each object is applied again once in this time, spread out; 0 never" },
        { "audit-keep", 0, OPT_DURATION, AT(audit_keep), "400d", 86400000, 3660 * 86400000ll,
          "TIME", 0, NULL, "how long rows of the audit (who wrote what) are kept at least" },
        { "audit-rows", 0, OPT_INT, AT(audit_rows), "500000", AUDIT_ROWS_MIN, 100000000, "N", 0,
          NULL, "how many of them are kept, the newest; 500,000 take about 300 MB" },
        { "operations", 0, OPT_INT, AT(in_flight), "32", 1, 256, "N", 0, NULL,
          "operations on the outside at once" },
        { "poll-period", 0, OPT_DURATION, AT(poll), "30s", 1000, 3600000, "TIME", 0, NULL,
          "how often databases and buckets are looked at" },
        { "login-period", 0, OPT_DURATION, AT(login), "2m", 1000, 86400000, "TIME", 0, NULL,
          "how long a session with a database server is kept: a fresh login shows that the "
          "administrator is still let in" },
        { "fight-count", 0, OPT_INT, AT(fight_count), "4", 2, 16, "N", 0, NULL,
          "so many times a field was changed by others within fight-window: its repair is "
          "slowed" },
        { "fight-window", 0, OPT_DURATION, AT(fight_window), "10m", 1000, 86400000, "TIME", 0, NULL,
          "of fight-count; who is quiet for as long has stopped" },
        { "fight-slow-count", 0, OPT_INT, AT(fight_slow_count), "6", 2, 16, "N", 0, NULL,
          "as fight-count, for those who come back seldom" },
        { "fight-slow-window", 0, OPT_DURATION, AT(fight_slow_window), "6h", 1000, 7 * 86400000ll,
          "TIME", 0, NULL, "of fight-slow-count: every 20 minutes is found in two hours" },
        { "fight-delay", 0, OPT_DURATION, AT(fight_delay), "30s", 100, 3600000, "TIME", 0, NULL,
          "how long the repair of a field that is fought over waits first; twice as long each "
          "time" },
        { "fight-delay-max", 0, OPT_DURATION, AT(fight_delay_max), "30m", 100, 86400000, "TIME", 0,
          NULL, "and never longer than this" },
        { "limit-change-free", 0, OPT_INT, AT(limit_change_free), "50", 0, 1000000, "N", 0, NULL,
          "so many objects of a model a change of ours (charm, bundle, options) may change "
          "whatever "
          "their share: what a person can look through" },
        { "limit-change-share", 0, OPT_INT, AT(limit_change_share), "50", 1, 100, "PERCENT", 0,
          NULL,
          "beyond that, this share of the model's objects: half of it may fail and the rest be "
          "known; past it the plan is held and the model frozen" },
        { "limit-delete-free", 0, OPT_INT, AT(limit_delete_free), "3", 0, 1000000, "N", 0, NULL,
          "so many objects of an application one plan of it may delete whatever their share: a "
          "user, "
          "a grant and a Secret go with a relation" },
        { "limit-delete-share", 0, OPT_INT, AT(limit_delete_share), "50", 1, 100, "PERCENT", 0,
          NULL,
          "beyond that, this share of the application's objects; an empty plan deletes none" },
        { "limit-delete-most", 0, OPT_INT, AT(limit_delete_most), "100", 0, 1000000, "N", 0, NULL,
          "and never more than so many objects of a model: nobody checks a longer list" },
        { "limit-window", 0, OPT_DURATION, AT(limit_window), "10m", 1000, 86400000, "TIME", 0, NULL,
          "what plans change and delete within it counts as one change: a bundle's applications "
          "follow each other" },
        { "refresh-gate-period", 0, OPT_DURATION, AT(refresh_gate), "1m", 0, 86400000, "TIME", 0,
          NULL,
          "so long the canary of a refresh is well before the rest follows: what dies of a bad "
          "content does so within its first minute; longer where load comes in waves; 0: at once" },
        { "refresh-ready-period", 0, OPT_DURATION, AT(refresh_ready), "30m", 1000, 7 * 86400000ll,
          "TIME", 0, NULL,
          "what a refresh waits for is not ready for so long: it pauses; a database that recovers "
          "from a large log takes half an hour" },
        { "metrics-address", 0, OPT_STRING, AT(metrics_address), NULL, 0, 0, "ADDRESS:PORT", 0,
          NULL,
          "serve metrics for Prometheus at /metrics there, and nothing else; in numbers, as "
          "0.0.0.0:9478 or [::1]:9478; off when empty" },
        { "metrics-certificate", 0, OPT_PATH, AT(metrics_certificate), NULL, 0, 0, "FILE",
          OPT_RELOAD, NULL,
          "PEM certificate and chain for TLS on that address; may be missing on loopback only" },
        { "metrics-key", 0, OPT_PATH, AT(metrics_key), NULL, 0, 0, "FILE", OPT_RELOAD, NULL,
          "PEM key of that certificate; not open to all users" },
        { "metrics-token-file", 0, OPT_PATH, AT(metrics_token), NULL, 0, 0, "FILE", OPT_RELOAD,
          NULL,
          "file of the token (16 characters or more) that lets in as \"Authorization: Bearer\"; "
          "not "
          "open to all users; this or metrics-client-ca" },
        { "metrics-client-ca", 0, OPT_PATH, AT(metrics_client_ca), NULL, 0, 0, "FILE", OPT_RELOAD,
          NULL, "PEM authority whose client certificates let in" },
        { "backup-key-file", 0, OPT_PATH, AT(backup_key_file), NULL, 0, 0, "FILE", 0, NULL,
          "file with a passphrase or random bytes that seals backups, apart from the state folder; "
          "or the systemd credential mooring-backup-key" },
        { "backup-dir", 0, OPT_PATH, AT(backup_dir), NULL, 0, 0, "DIR", 0, NULL,
          "where backups go when nobody says otherwise, also s3://BUCKET/PATH or "
          "azblob://ACCOUNT/CONTAINER/PATH; default STATE-DIR/controller-backups, lost with it" },
        { "backup-s3-credentials-file", 0, OPT_PATH, AT(backup_s3), NULL, 0, 0, "FILE", 0, NULL,
          "for s3://: lines aws_access_key_id, aws_secret_access_key, region and endpoint_url, as "
          "AWS' tools have them; readable by nobody else" },
        { "backup-azure-credentials-file", 0, OPT_PATH, AT(backup_azure), NULL, 0, 0, "FILE", 0,
          NULL,
          "for azblob://: a connection string with AccountKey or SharedAccessSignature, as the "
          "portal shows it; readable by nobody else" },
        { "backup-ca-file", 0, OPT_PATH, AT(backup_ca), NULL, 0, 0, "FILE", 0, NULL,
          "PEM authorities of those stores, in the place of the system's" },
        { "backup-max-age", 0, OPT_DURATION, AT(backup_max_age), "8d", 3600000, 366 * 86400000ll,
          "TIME", 0, NULL,
          "doctor warns when the newest backup that was verified is older than this" },
        { "verify", 0, OPT_PATH, AT(verify), NULL, 0, 0, "FILE", OPT_ARGS_ONLY | OPT_ACT, NULL,
          "look whether this backup can be restored, say what is in it, and end" },
        { "restore", 0, OPT_PATH, AT(restore), NULL, 0, 0, "FILE", OPT_ARGS_ONLY | OPT_ACT, NULL,
          "restore this backup into the state folder and end; mooringctl backup restore" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, OPT_ARGS_ONLY | OPT_ACT, NULL,
          "with --restore: also into a folder that holds a controller, which is moved away" },
        { "dev", 0, OPT_BOOL, AT(dev), NULL, 0, 0, NULL, 0, NULL,
          "take changes of the charm folders in at once, and log what charms print" },
        { "sandbox", 0, OPT_BOOL, AT(sandbox), "true", 0, 0, NULL, OPT_HIDDEN, NULL,
          "confine charm workers; only sanitizer builds may switch it off" },
        { "help", 'h', OPT_BOOL, AT(help), NULL, 0, 0, NULL, OPT_ARGS_ONLY | OPT_ACT, NULL,
          "show this and end" },
        { "version", 0, OPT_BOOL, AT(version), NULL, 0, 0, NULL, OPT_ARGS_ONLY | OPT_ACT, NULL,
          "show the version and end" },
        {}
};
