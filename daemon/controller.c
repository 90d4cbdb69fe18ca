/* SPDX-License-Identifier: Apache-2.0 */
/* controller.c - the parts in the order they stand on each other; see controller.h
 *
 * Start: loop, store (locks the state folder), key, charm host, http, reconciler, actions, admin
 * socket
 * last: who can connect finds a daemon that knows its rows. Stop: the other way round; what is
 * submitted is still written. */
#include "controller.h"

#include "action.h"
#include "admin.h"
#include "audit-teller.h"
#include "audit.h"
#include "backup-keeper.h"
#include "charm-host.h"
#include "charm-prune.h"
#include "clock.h"
#include "housekeeping.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "metrics-server.h"
#include "offline.h"
#include "queries.gen.h"
#include "reconcile.h"
#include "rekey.h"
#include "release-kept.h"
#include "release.h"
#include "seal.h"
#include "store.h"
#include "upgrade.h"
#include "upgraded.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define UUID_SIZE 37
#define VERIFY_ARGS_MAX 6 /* --charm-user USER --worker FILE --no-sandbox, and the end */
#define SEALED_KEYS_MAX (2 * SEAL_KEYS_MAX) /* told of; a key file holds half as many */

struct controller {
        struct options *options;
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct rekey *rekey;
        struct backup_keeper *backups;
        struct upgrade *upgrade;
        const char *verify_args[VERIFY_ARGS_MAX];
        struct charm_host *host;
        struct http *http;
        struct reconcile *reconcile;
        struct action *action;
        struct admin *admin;
        struct metrics_server *metrics; /* NULL: not asked for */
        struct audit audit;
        int64_t audit_start; /* see struct audit */
        struct audit_teller teller;
        struct timer watchdog, sweep, charms, settled;
        struct charm_prune prune;
        int64_t watchdog_ms;
        char uuid[UUID_SIZE];
        bool replaced; /* by another release, when the loop has ended */
};

/* Borrowed by the providers through a function without argument: there is one daemon in a
 * process. */
static const struct options *provider_source;

static json_t *list_json(char **items) {
        json_t *list = json_array();

        for (size_t i = 0; items && items[i]; i++)
                json_array_append_new(list, json_string(items[i]));
        return list;
}

static json_t *provider_options(void) {
        return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "audit-logs",
                         list_json(provider_source->audit_logs), "token-folders",
                         list_json(provider_source->token_folders), "exec-plugins",
                         list_json(provider_source->exec_plugins), "exec-variables",
                         list_json(provider_source->exec_variables), "poll-ms",
                         (json_int_t)provider_source->poll, "login-ms",
                         (json_int_t)provider_source->login);
}

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        struct controller *c = arg;

        if (c->reconcile)
                reconcile_mark(c->reconcile, kind, id);
        if (c->action)
                action_mark(c->action, kind, id);
}

static void on_readonly(void *arg, bool readonly, const char *why) {
        struct controller *c = arg;

        if (!readonly && c->reconcile)
                reconcile_writable(c->reconcile);
        if (readonly)
                log_plain(LOG_ERR, "read-only",
                          "the state folder cannot be written (%s): commands are refused until it "
                          "can",
                          why ? why : "");
        else
                log_plain(LOG_NOTICE, "writable", "the state folder can be written again");
}

static void on_event(void *arg, const json_t *event) {
        struct controller *c = arg;

        if (c->admin)
                admin_event(c->admin, event);
}

static void on_log(void *arg, const struct log_line *line) {
        struct controller *c = arg;

        if (c->admin)
                admin_log(c->admin, line);
}

/* ---- who we are: made at the first start, kept */

static void make_uuid(char ret[UUID_SIZE]) {
        uint8_t b[16];

        digest_random(b, sizeof(b));
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        snprintf(ret, UUID_SIZE,
                 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                 b[15]);
}

struct identity_call {
        struct store_call call;
        struct controller *controller;
        char fresh[UUID_SIZE];
        uint8_t keys[SEALED_KEYS_MAX][SEAL_ID_SIZE]; /* under which anything is sealed */
        size_t key_count;
};

static int identity_run(struct tx *tx, struct store_call *call, struct err *err) {
        struct identity_call *i = call->arg;
        struct q_setting_get_row *row;
        struct q_sealed_keys_row *sealed;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = "controller" }, &row, &n,
                              err);

        if (r < 0)
                return r;
        str_copy(i->controller->uuid, UUID_SIZE, n ? row->value : i->fresh);
        if (!n)
                r = w_setting_set(
                        tx, &(struct w_setting_set_in){ .name = "controller", .value = i->fresh },
                        err);
        if (r >= 0)
                r = upgraded_note_release(tx, err);
        if (r >= 0)
                r = q_sealed_keys(tx, &sealed, &n, err);
        if (r < 0)
                return r;
        i->key_count = 0;
        for (size_t k = 0; k < n && i->key_count < SEALED_KEYS_MAX; k++)
                if (sealed[k].id_len == SEAL_ID_SIZE)
                        memcpy(i->keys[i->key_count++], sealed[k].id, SEAL_ID_SIZE);
        return 0;
}

/* New secrets sealed under a key that opens nothing of the old ones would be lost when the right
 * key is put back. */
static int check_key(const struct controller *c, const struct identity_call *i, struct err *err) {
        cleanup_(buf_free) struct buf missing = BUF_INIT;
        char hex[2 * SEAL_ID_SIZE + 1];
        size_t known = 0;

        for (size_t k = 0; k < i->key_count; k++) {
                if (seal_has_key(c->sealer, i->keys[k]))
                        known++;
                else
                        buf_printf(&missing, "%s%s", missing.len ? ", " : "",
                                   digest_hex(i->keys[k], SEAL_ID_SIZE, hex));
        }
        if (!missing.len)
                return 0;
        if (!known)
                return err_set(err, -ENOKEY,
                               "the key file is another one: it opens nothing of what is sealed "
                               "(under key %s). Put the right one back from its backup",
                               buf_str(&missing));
        log_plain(
                LOG_ERR, "key",
                "some values are sealed under key %s, which is not in the key file: add it to its "
                "end",
                buf_str(&missing));
        return 0;
}

static int parts_run(struct tx *tx, struct store_call *call, struct err *err) {
        const struct identity_call *i = call->arg;

        return rekey_parts(tx, i->controller->sealer, err);
}

static int open_state(struct controller *c, struct err *err) {
        struct store_options store = { .state_dir = c->options->state_dir,
                                       .mark = on_mark,
                                       .arg = c,
                                       .readonly = on_readonly };
        struct identity_call identity = { .controller = c };
        struct seal_options seal = { .state_dir = c->options->state_dir,
                                     .key_file = c->options->key_file };
        cleanup_(freep) char *made = NULL;
        int r = store_open(c->loop, &store, &c->store, err);

        if (r < 0)
                return r;
        make_uuid(identity.fresh);
        identity.call = (struct store_call){
                .lane = STORE_COMMAND, .actor = "start", .run = identity_run, .arg = &identity
        };
        r = store_now(c->store, &identity.call, err);
        if (r < 0)
                return r;
        seal.must_exist = identity.key_count > 0;
        r = seal_new(&seal, &c->sealer, &made, err);
        if (r >= 0 && made)
                log_plain(
                        LOG_NOTICE, "key",
                        "made a key that seals secrets: %s; back it up apart from the state folder",
                        made);
        if (r >= 0)
                r = check_key(c, &identity, err);
        if (r < 0)
                return r;
        identity.call.run = parts_run;
        r = store_now(c->store, &identity.call, err);
        if (r >= 0)
                c->rekey = rekey_new(&(struct rekey_options){
                        .loop = c->loop, .store = c->store, .sealer = c->sealer, .seal = seal });
        return r;
}

/* ---- parts */

static void on_offers(void *arg) {
        struct controller *c = arg;

        if (c->reconcile)
                reconcile_offers_changed(c->reconcile);
}

static int open_charms(struct controller *c, struct err *err) {
        static const char *const installed[] = { MOORING_CHARMS, NULL };
        struct charm_host_options host = {
                .state_dir = c->options->state_dir,
                .charm_dirs = c->options->charm_dirs && c->options->charm_dirs[0]
                                      ? (const char *const *)c->options->charm_dirs
                                      : installed,
                .worker = release_worker(),
                .user = c->options->charm_user,
                .dev = c->options->dev,
                .sandbox = c->options->sandbox,
                .changed = on_offers,
                .arg = c,
        };
        int r = release_open(c->options, err);

        if (r >= 0)
                r = charm_host_new(c->loop, &host, &c->host, err);
        return r < 0 ? r : charm_host_scan(c->host, err);
}

static int open_reconcile(struct controller *c, struct err *err) {
        struct reconcile_options o = {
                .loop = c->loop,
                .store = c->store,
                .http = c->http,
                .host = c->host,
                .sealer = c->sealer,
                .audit = &c->audit,
                .state_dir = c->options->state_dir,
                .controller = c->uuid,
                .audit_ms = c->options->audit,
                .in_flight = (size_t)c->options->in_flight,
                .poll_ms = c->options->poll,
                .refresh = { c->options->refresh_gate, c->options->refresh_ready },
                .fight = { .count = c->options->fight_count,
                           .window_ms = c->options->fight_window,
                           .slow_count = c->options->fight_slow_count,
                           .slow_window_ms = c->options->fight_slow_window,
                           .delay_ms = c->options->fight_delay,
                           .delay_max_ms = c->options->fight_delay_max },
                .limits = { .change_free = c->options->limit_change_free,
                            .change_share = c->options->limit_change_share,
                            .delete_free = c->options->limit_delete_free,
                            .delete_share = c->options->limit_delete_share,
                            .delete_most = c->options->limit_delete_most,
                            .window_ms = c->options->limit_window },
                .provider_options = provider_options,
                .event = on_event,
                .arg = c,
        };
        int r = reconcile_new(&o, &c->reconcile, err);

        return r < 0 ? r : reconcile_start(c->reconcile, err);
}

static int open_actions(struct controller *c, struct err *err) {
        struct action_options o = { .loop = c->loop,
                                    .store = c->store,
                                    .host = c->host,
                                    .reconcile = c->reconcile,
                                    .sealer = c->sealer,
                                    .audit = &c->audit,
                                    .event = on_event,
                                    .arg = c };

        return action_new(&o, &c->action, err);
}

static void on_replace(void *arg) {
        struct controller *c = arg;

        c->replaced = true;
        loop_stop(c->loop, 0);
}

static void on_stays(void *arg) {
        struct controller *c = arg;

        release_stays(c->options);
}

static void on_settled(void *arg) {
        struct controller *c = arg;

        release_settled(c->options);
}

static void open_upgrade(struct controller *c) {
        c->upgrade = upgrade_new(&(struct upgrade_options){ .store = c->store,
                                                            .loop = c->loop,
                                                            .backups = c->backups,
                                                            .state_dir = c->options->state_dir,
                                                            .program = release_program(),
                                                            .failed = release_failed(),
                                                            .replace = on_replace,
                                                            .stays = on_stays,
                                                            .arg = c });
}

static void open_backups(struct controller *c) {
        const struct options *o = c->options;
        size_t n = 0;

        c->verify_args[n++] = "--charm-user";
        c->verify_args[n++] = o->charm_user;
        if (o->worker) {
                c->verify_args[n++] = "--worker";
                c->verify_args[n++] = o->worker;
        }
        if (!o->sandbox)
                c->verify_args[n++] = "--no-sandbox";
        c->backups = backup_keeper_new(&(struct backup_keeper_options){
                .loop = c->loop,
                .store = c->store,
                .seal = { .state_dir = c->options->state_dir, .key_file = c->options->key_file },
                .key_file = c->options->backup_key_file,
                .folder = c->options->backup_dir,
                .http = c->http,
                .place = offline_places(c->options),
                .controller = c->uuid,
                .name = c->options->name,
                .max_age = c->options->backup_max_age,
                .verify_args = c->verify_args });
}

static int open_admin(struct controller *c, struct err *err) {
        struct admin_options o = {
                .loop = c->loop,
                .store = c->store,
                .reconcile = c->reconcile,
                .action = c->action,
                .host = c->host,
                .sealer = c->sealer,
                .rekey = c->rekey,
                .backups = c->backups,
                .upgrade = c->upgrade,
                .audit = &c->audit,
                .socket = c->options->socket,
                .state_dir = c->options->state_dir,
                .key_file = c->options->key_file,
                .viewer_group = c->options->viewer_group,
                .operator_group = c->options->operator_group,
                .admin_group = c->options->admin_group,
                .controller = c->uuid,
                .name = c->options->name,
        };

        return admin_new(&o, &c->admin, err);
}

static struct metrics_paths metrics_paths(const struct options *o) {
        return (struct metrics_paths){ .certificate = o->metrics_certificate,
                                       .key = o->metrics_key,
                                       .token = o->metrics_token,
                                       .client_ca = o->metrics_client_ca };
}

static int check_metrics(const struct options *o, struct err *err) {
        const char *address = o->metrics_address;
        struct metrics_paths paths = metrics_paths(o);

        return address && address[0] ? metrics_server_check(address, &paths, err) : 0;
}

static int open_metrics(struct controller *c, struct err *err) {
        struct metrics_server_options o = {
                .loop = c->loop,
                .parts = { .store = c->store,
                           .reconcile = c->reconcile,
                           .host = c->host,
                           .action = c->action },
                .address = c->options->metrics_address,
                .paths = metrics_paths(c->options),
        };

        return o.address && o.address[0] ? metrics_server_new(&o, &c->metrics, err) : 0;
}

static void reload_metrics(struct controller *c) {
        struct metrics_paths paths = metrics_paths(c->options);
        struct err err = { 0 };

        if (c->metrics && metrics_server_reload(c->metrics, &paths, &err) < 0)
                log_plain(LOG_ERR, "reload", "metrics are served as before: %s", err_text(&err));
}

/* ---- housekeeping */

static void on_signal(void *arg, int signum) {
        struct controller *c = arg;

        log_plain(LOG_NOTICE, "stop", "stopping on signal %d", signum);
        sd_notify(0, "STOPPING=1");
        loop_stop(c->loop, 0);
}

#define CHARMS_MS 10000 /* a newly installed charm serves those that wait for it so soon */

static void scan_charms(struct controller *c) {
        struct err err = { 0 };

        if (charm_host_scan(c->host, &err) < 0)
                log_plain(LOG_WARNING, "charm-scan", "%s", err_text(&err));
}

static void on_charms(void *arg) {
        struct controller *c = arg;

        scan_charms(c);
        timer_after(&c->charms, CHARMS_MS);
}

/* SIGHUP: systemctl reload. What is wrong in the file leaves all as it was. */
static void on_reload(void *arg, int signum) {
        struct controller *c = arg;
        cleanup_(freep) char *changed = NULL;
        struct err err = { 0 };

        if (options_reload(c->options, &changed, &err) < 0) {
                log_plain(LOG_ERR, "reload", "nothing is changed: %s", err_text(&err));
                return;
        }
        log_plain(LOG_NOTICE, "reload", "options read again: %s",
                  changed && changed[0] ? changed : "none differs");
        scan_charms(c);
        reconcile_options_changed(c->reconcile);
        reload_metrics(c);
}

static void on_watchdog(void *arg) {
        struct controller *c = arg;

        sd_notify(0, "WATCHDOG=1");
        timer_after(&c->watchdog, c->watchdog_ms);
}

#define SWEEP_MS 3600000   /* cache.db and the histories grow slowly; an hour's growth is small */
#define SWEEP_PAUSE_MS 200 /* between two steps while there is more: others go first */

struct sweep {
        struct store_call call;
        struct controller *controller;
};

static void sweep_done(struct store_call *call, int r, const struct err *err) {
        struct sweep *s = container_of(call, struct sweep, call);
        struct controller *c = s->controller;

        if (r < 0)
                log_plain(LOG_WARNING, "sweep", "%s", err_text(err));
        timer_after(&c->sweep, r > 0 ? SWEEP_PAUSE_MS : SWEEP_MS);
        free(s);
}

static void on_sweep(void *arg) {
        struct controller *c = arg;
        struct sweep *s = mem_new(struct sweep);

        s->controller = c;
        s->call = (struct store_call){ .lane = STORE_HISTORY,
                                       .actor = "sweep",
                                       .run = housekeeping_run,
                                       .done = sweep_done,
                                       .arg = &c->audit };
        store_submit(c->store, &s->call);
}

static int start_run(struct tx *tx, struct store_call *call, struct err *err) {
        return audit_start(tx, call->arg, err);
}

static void start_audit(struct controller *c) {
        struct store_call call = {
                .lane = STORE_COMMAND, .actor = "start", .run = start_run, .arg = &c->audit
        };
        struct err err = { 0 };

        c->audit = (struct audit){ .sealer = c->sealer,
                                   .keep_ms = c->options->audit_keep,
                                   .keep_rows = c->options->audit_rows,
                                   .start = &c->audit_start };
        if (store_now(c->store, &call, &err) < 0) /* it serves what it has on a full disk too */
                log_plain(LOG_WARNING, "audit", "the start is not kept: %s", err_text(&err));
        c->teller =
                (struct audit_teller){ .loop = c->loop, .store = c->store, .controller = c->uuid };
        audit_teller_start(&c->teller);
}

static int start_housekeeping(struct controller *c, struct err *err) {
        uint64_t usec = 0;
        int r = loop_signal(c->loop, SIGTERM, on_signal, c, err);

        if (r >= 0)
                r = loop_signal(c->loop, SIGINT, on_signal, c, err);
        if (r >= 0)
                r = loop_signal(c->loop, SIGHUP, on_reload, c, err);
        if (r < 0)
                return r;
        timer_init(&c->watchdog, c->loop, "watchdog", on_watchdog, c);
        timer_init(&c->sweep, c->loop, "sweep", on_sweep, c);
        timer_init(&c->charms, c->loop, "charms", on_charms, c);
        timer_init(&c->settled, c->loop, "settled", on_settled, c);
        timer_after(&c->sweep, SWEEP_MS);
        timer_after(&c->charms, CHARMS_MS);
        c->prune = (struct charm_prune){ .loop = c->loop,
                                         .store = c->store,
                                         .host = c->host,
                                         .state_dir = c->options->state_dir };
        charm_prune_start(&c->prune);
        if (sd_watchdog_enabled(0, &usec) > 0) {
                c->watchdog_ms = (int64_t)(usec / 3000);
                timer_after(&c->watchdog, c->watchdog_ms);
        }
        return 0;
}

int controller_new(struct options *o, struct controller **ret, struct err *err) {
        struct controller *c = mem_new(struct controller);
        int r;

        provider_source = o;
        c->options = o;
        r = options_check_socket(o, err);
        if (r >= 0)
                r = check_metrics(o, err);
        if (r >= 0)
                r = loop_new(&c->loop, err);
        /* Before the state: a start that cannot be leaves no databases and no key behind. */
        if (r >= 0)
                r = open_charms(c, err);
        if (r >= 0)
                r = open_state(c, err);
        if (r >= 0)
                start_audit(c);
        if (r >= 0)
                r = http_new(c->loop, &c->http, err);
        if (r >= 0)
                r = open_reconcile(c, err);
        if (r >= 0)
                r = open_actions(c, err);
        if (r >= 0)
                open_backups(c);
        if (r >= 0)
                open_upgrade(c);
        if (r >= 0)
                r = open_admin(c, err);
        if (r >= 0)
                r = open_metrics(c, err);
        if (r >= 0)
                r = start_housekeeping(c, err);
        if (r < 0) {
                controller_free(c);
                return r;
        }
        log_set_sink(on_log, c);
        *ret = c;
        return 0;
}

static void tell_start(const struct controller *c) {
        struct store_schema h;

        store_schema(c->store, &h);
        if (h.before && h.before < h.number)
                log_plain(LOG_NOTICE, "upgraded",
                          "the schema went from %d to %d; the release before can %s until "
                          "`mooringctl upgrade-controller --confirm`",
                          h.before, h.number,
                          h.reader <= h.before ? "be started again on it"
                                               : "be started again on the copy in " STORE_BEFORE);
        if (release_failed())
                log_plain(LOG_ERR, "upgrade-failed",
                          "the release that was to take our place gave it back: %s",
                          release_failed());
}

int controller_run(struct controller *c, bool *ret_replaced) {
        int r;

        sd_notify(0, "READY=1");
        release_serves();
        timer_after(&c->settled, RELEASE_SETTLED_MS);
        tell_start(c);
        log_plain(LOG_NOTICE, "ready", "mooringd %s serves %s, state in %s", MOORING_VERSION,
                  c->options->socket, c->options->state_dir);
        r = loop_run(c->loop);
        *ret_replaced = c->replaced;
        return r;
}

struct controller *controller_free(struct controller *c) {
        if (!c)
                return NULL;
        log_set_sink(NULL, NULL);
        if (c->loop) {
                timer_cancel(&c->watchdog);
                timer_cancel(&c->sweep);
                timer_cancel(&c->charms);
                timer_cancel(&c->settled);
                audit_teller_stop(&c->teller);
                charm_prune_stop(&c->prune);
        }
        c->metrics = metrics_server_free(c->metrics);
        c->admin = admin_free(c->admin);
        action_stop(c->action);
        rekey_stop(c->rekey);
        backup_keeper_stop(c->backups);
        if (c->reconcile)
                reconcile_stop(c->reconcile);
        if (c->loop)
                loop_finish_jobs(c->loop);
        if (c->audit.sealer)
                audit_teller_last(&c->teller);
        c->store = store_close(c->store);
        charm_prune_deinit(&c->prune);
        c->action = action_free(c->action);
        c->reconcile = reconcile_free(c->reconcile);
        c->host = charm_host_free(c->host);
        c->http = http_free(c->http);
        c->rekey = rekey_free(c->rekey);
        c->upgrade = upgrade_free(c->upgrade);
        c->backups = backup_keeper_free(c->backups);
        c->sealer = seal_free(c->sealer);
        c->loop = loop_free(c->loop);
        free(c);
        return NULL;
}
