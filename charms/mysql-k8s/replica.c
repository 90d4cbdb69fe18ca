/* SPDX-License-Identifier: Apache-2.0 */
/* replica.c - several servers: what each is called, and what it is wanted to be; see replica.h */
#include "replica.h"

#include "charm.gen.h"

#include "upgrade.h"

#include <stdlib.h>

#define USER "mooring-replication"
#define PASSWORD_LENGTH 32 /* the most that MySQL takes of a source's */
#define NOTE "replicas"    /* key in the peer relation: there were some once */

/* ---- names */

int64_t replica_primary(const struct charm_view *v) {
        return charm_option_int(v, OPTION_PRIMARY_UNIT);
}

/* What is half is not copied, nor what another version is about to take on. */
static bool is_put_off(const struct charm_view *v) {
        return charm_scale(v) > 1 && replica_primary(v) == 0 && upgrade_shuts(v) &&
               !charm_exists(v, "statefulset-1");
}

int64_t replica_units(const struct charm_view *v) {
        int64_t needed = replica_primary(v) + 1;

        return charm_scale(v) > needed && !is_put_off(v) ? charm_scale(v) : needed;
}

bool replica_is_aside(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return charm_list_has(charm_option(v, OPTION_UNITS_ASIDE),
                              charm_text(p, "%lld", (long long)unit));
}

const char *replica_moved(const struct charm_view *v, struct charm_plan *p) {
        return replica_primary(v) == 0
                       ? NULL
                       : charm_text(p, "%s is the primary: run %s promote-to-primary first",
                                    replica_name(v, p, replica_primary(v)), replica_name(v, p, 0));
}

const char *replica_others(const struct charm_view *v, struct charm_plan *p) {
        const char *out = NULL;

        for (int64_t unit = 1; unit < replica_units(v); unit++)
                out = replica_with(p, out ? out : "", unit);
        return out;
}

int64_t replica_number(const struct charm_view *v, const char *unit) {
        const char *slash = strchr(unit, '/');
        char *end;
        int64_t n;

        if (!slash || slash[1] < '0' || slash[1] > '9')
                return -1;
        n = strtoll(slash + 1, &end, 10);
        return *end || n >= replica_units(v) ? -1 : n;
}

const char *replica_server(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return unit ? charm_text(p, "%s-unit-%lld", charm_application(v), (long long)unit)
                    : charm_application(v);
}

const char *replica_pod(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return charm_text(p, "%s-0", replica_server(v, p, unit));
}

/* Of unit 0 as it always was; the others have a Service of their own each. */
const char *replica_address(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return unit ? charm_text(p, "%s.%s.svc.cluster.local", replica_server(v, p, unit),
                                 charm_model(v))
                    : charm_text(p, "%s.%s-endpoints.%s.svc.cluster.local", replica_pod(v, p, 0),
                                 charm_application(v), charm_model(v));
}

const char *replica_via(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return charm_text(p, "%s/%s", charm_model(v), replica_pod(v, p, unit));
}

const char *replica_name(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        return charm_text(p, "%s/%lld", charm_application(v), (long long)unit);
}

const char *replica_label(struct charm_plan *p, const char *what, int64_t unit) {
        return unit ? charm_text(p, "%s-%lld", what, (long long)unit) : what;
}

const char *replica_target(struct charm_plan *p, int64_t unit) {
        return charm_text(p, "unit-%lld", (long long)unit);
}

/* ---- holes */

struct charm_hole replica_unit_label(const struct charm_view *v, struct charm_plan *p,
                                     int64_t unit) {
        (void)v;
        return (struct charm_hole){ "unit", unit ? CHARM_TEXT : CHARM_NONE,
                                    charm_text(p, "%lld", (long long)unit) };
}

struct charm_hole replica_copy_label(int64_t unit) {
        return (struct charm_hole){ "copy", unit ? CHARM_TEXT : CHARM_NONE, "true" };
}

/* Rather on another node than the others. */
struct charm_hole replica_spread(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *text = charm_text(
                p,
                "{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":100,"
                "\"podAffinityTerm\":{\"topologyKey\":\"kubernetes.io/hostname\","
                "\"labelSelector\":{\"matchLabels\":{\"mooring.dev/application\":%s}}}}]}",
                charm_quote(p, charm_application(v)));

        return (struct charm_hole){ "spread", unit ? CHARM_JSON : CHARM_NONE, text };
}

/* ---- what is wanted */

static const char *role_of(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        bool primary = unit == replica_primary(v);

        if (replica_units(v) == 1)
                return upgrade_shuts(v) ? "closed" : "alone";
        if (replica_is_aside(v, p, unit) || (primary && charm_option_set(v, OPTION_NEXT_PRIMARY)))
                return "aside";
        if (!primary)
                return "replica";
        return upgrade_shuts(v) ? "closed" : "primary";
}

static void want_role(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        int64_t primary = replica_primary(v);
        const char *label = charm_text(p, "replication-%lld", (long long)unit);
        const char *role = role_of(v, p, unit);
        const char *source = replica_address(v, p, primary);
        bool replica = !strcmp(role, "replica");

        charm_want_at(
                p, label, replica_target(p, unit), "replication.yaml",
                CHARM_HOLES({ "role", CHARM_TEXT, role }, { "id", CHARM_INT, NULL, unit + 1 },
                            { "source", replica ? CHARM_TEXT : CHARM_NONE, source },
                            { "user", CHARM_TEXT, USER },
                            { "password", CHARM_TEXT,
                              charm_secret(p, "replication", "password", PASSWORD_LENGTH, NULL) }));
        charm_needs(p, label, replica_label(p, "statefulset", unit), CHARM_READY);
        charm_see(p, label, "/source");
        if (replica)
                charm_needs(p, label, charm_text(p, "replication-%lld", (long long)primary),
                            CHARM_EXISTS);
}

static void want_target(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        charm_target(p, replica_target(p, unit), "sql", "target.yaml",
                     CHARM_HOLES({ "via", CHARM_TEXT, replica_via(v, p, unit) }));
}

/* Unit 0 has no label for it: once it is a replica, it is the one that readers get. */
static void want_service(const struct charm_view *v, struct charm_plan *p) {
        bool others = replica_primary(v) == 0;

        charm_want(p, "service-replicas", "service-replicas.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT,
                                 charm_text(p, "%s-replicas", charm_application(v)) },
                               { "copy", others ? CHARM_TEXT : CHARM_NONE, "true" },
                               { "server", others ? CHARM_NONE : CHARM_TEXT, charm_application(v) },
                               { "application", CHARM_TEXT, charm_application(v) }));
        for (int64_t unit = 1; unit < replica_units(v); unit++)
                charm_want(p, replica_label(p, "service-unit", unit), "service-unit.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, replica_server(v, p, unit) }));
}

/* ---- what is said of them */

static const char *say_unit(const struct charm_view *v, struct charm_plan *p, int64_t unit) {
        const char *label = charm_text(p, "replication-%lld", (long long)unit);
        const char *name = replica_name(v, p, unit), *reason = charm_reason(v, label);

        if (unit == replica_primary(v))
                return charm_text(p, "%s is the primary", name);
        if (replica_is_aside(v, p, unit))
                return charm_text(p, "%s is set aside: run rejoin-replica on it", name);
        if (charm_ready(v, label))
                return charm_text(p, "%s replicates", name);
        return charm_text(p, "%s %s", name, *reason ? reason : "does not replicate yet");
}

static void say(const struct charm_view *v, struct charm_plan *p) {
        bool ready = true;
        const char *text = "";

        for (int64_t unit = 0; unit < replica_units(v); unit++) {
                text = charm_text(p, "%s%s%s", text, *text ? "; " : "", say_unit(v, p, unit));
                ready = ready && !replica_is_aside(v, p, unit) &&
                        charm_ready(v, charm_text(p, "replication-%lld", (long long)unit));
        }
        if (charm_scale(v) > 0 && replica_units(v) > charm_scale(v))
                charm_status(p, CHARM_BLOCKED,
                             "scale %lld ends %s/%lld, which is the primary: run "
                             "promote-to-primary on another unit first, or scale to %lld",
                             (long long)charm_scale(v), charm_application(v),
                             (long long)replica_primary(v), (long long)replica_units(v));
        else if (charm_option_set(v, OPTION_NEXT_PRIMARY))
                charm_status(p, CHARM_MAINTENANCE, "%s/%lld is becoming the primary",
                             charm_application(v),
                             (long long)charm_option_int(v, OPTION_NEXT_PRIMARY));
        else
                charm_status(p, ready ? CHARM_ACTIVE : CHARM_WAITING, "%s", text);
}

bool replica_ever(const struct charm_view *v) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_DATABASE_PEERS, 0);

        return replica_units(v) > 1 || (peers && charm_told(peers, NOTE));
}

void replica_want(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *peers = charm_relation(v, ENDPOINT_DATABASE_PEERS, 0);
        bool several = replica_units(v) > 1;

        if (is_put_off(v))
                charm_status(p, CHARM_WAITING, "scale %lld waits until the server takes writes",
                             (long long)charm_scale(v));
        if (!replica_ever(v))
                return;
        if (peers)
                charm_tell(p, peers, NOTE, "1");
        /* Nothing runs that could be told; what it was told stays. */
        for (int64_t unit = 0; unit < replica_units(v); unit++) {
                want_target(v, p, unit);
                if (charm_scale(v) > 0)
                        want_role(v, p, unit);
                else
                        charm_keep(p, charm_text(p, "replication-%lld", (long long)unit));
        }
        if (!several)
                return;
        want_service(v, p);
        if (charm_scale(v) > 0)
                say(v, p);
}
