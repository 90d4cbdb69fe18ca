/* SPDX-License-Identifier: Apache-2.0 */
/* kube.c - the Kubernetes provider's row: the functions of provider.h over this folder's parts */
#include "kube.h"

#include "apply.h"
#include "compare.h"
#include "examine.h"
#include "exec-act.h"
#include "fieldset.h"
#include "identify.h"
#include "kubeconfig.h"
#include "look.h"
#include "object-act.h"
#include "operation.h"
#include "pod-http.h"
#include "pod-log.h"
#include "remove.h"
#include "rights.h"
#include "shape.h"
#include "stage.h"
#include "target.h"
#include "tunnel.h"

#include <errno.h>

static int check(const json_t *config, const json_t *credential, struct err *err) {
        struct kubeconfig k;

        return kubeconfig_read(config, credential, &k, err);
}

static void cancel(struct op *op) {
        struct operation *o = op->private;

        op->private = NULL;
        if (o)
                o->drop(o);
}

static bool runs(const char *type) {
        return str_eq(type, "Deployment.apps") || str_eq(type, "StatefulSet.apps");
}

static bool guarded(const char *type) {
        static const char *const types[] = { "Secret",
                                             "ServiceAccount",
                                             "NetworkPolicy.",
                                             "Role.",
                                             "RoleBinding.",
                                             "ClusterRole.",
                                             "ClusterRoleBinding.",
                                             "MutatingWebhookConfiguration.",
                                             "ValidatingWebhookConfiguration.",
                                             "ValidatingAdmissionPolicy.",
                                             "ValidatingAdmissionPolicyBinding.",
                                             "AuthorizationPolicy.",
                                             "PeerAuthentication.",
                                             NULL };

        for (const char *const *t = types; *t; t++)
                if (str_eq(type, *t) || (strchr(*t, '.') && str_starts(type, *t)))
                        return true;
        return false;
}

static int compare(const struct apply_request *r, const struct observation *o,
                   struct drift_list *ret, struct err *err) {
        if (!r->baseline && r->wanted && o->found) {
                compare_said(r->wanted, o->found, ret);
                return 0;
        }
        if (!r->projection || !r->baseline)
                return err_set(err, -EINVAL,
                               "%s %s was never applied: there is nothing to compare with", r->type,
                               r->path);
        if (o->presence == PRESENCE_ABSENT) {
                drift_list_add(ret)->field = str_dup("");
                return 0;
        }
        if (!o->found)
                return o->digest_valid ? 0
                                       : err_set(err, -ENODATA, "%s %s must be looked at first",
                                                 r->type, r->path);
        compare_fields(r->projection, r->baseline, o->found, ret);
        return 0;
}

/* ---- what actions ask */

static const struct act_verb verbs[] = {
        { "apply", object_act_apply },
        { "exec", exec_act_start },
        { "http", pod_http_start },
        { "job", object_act_job },
        { "log", pod_log_start },
        { "remove", object_act_remove },
        {},
};

static void act(struct target *t, const struct act_request *r, struct op *op) {
        struct err err = { 0 };
        const struct act_verb *verb = act_find(verbs, r, &err);

        if (verb)
                verb->start(t, r, op);
        else
                operation_refuse(t, op, &err);
}

static struct bytes *bytes(struct target *t, const struct bytes_request *r, struct err *err) {
        if (str_eq(r->verb, "exec"))
                return exec_act_bytes(t, r, err);
        err_set(err, -ENOTSUP, "%s: no stream begins or ends so in a cluster", r->verb);
        return NULL;
}

const struct provider provider_kube = {
        .name = "kubernetes",
        .can = PROVIDER_WATCHES | PROVIDER_DRY_RUN | PROVIDER_TAKE_OVER | PROVIDER_KEEPS,
        .check = check,
        .identify = identify_document,
        .scope = shape_scope,
        .secret_place = shape_secret_place,
        .decorate = shape_decorate,
        .hold = stage_hold,
        .open = target_open,
        .close = target_close,
        .follow = target_follow,
        .look = look_start,
        .apply = apply_start,
        .remove = remove_start,
        .cancel = cancel,
        .compare = compare,
        .guarded = guarded,
        .runs = runs,
        .projection_parse = fieldset_parse,
        .projection_free = fieldset_unref,
        .next_try = target_next_try,
        .watches = target_watches,
        .manner = target_manner,
        .examine = examine_start,
        .tunnel = tunnel_open,
        .user = target_user,
        .rights = rights_of,
        .act = act,
        .act_rights = rights_of_verb,
        .bytes = bytes,
};
