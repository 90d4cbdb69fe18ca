/* SPDX-License-Identifier: Apache-2.0 */
/* across.c - one plan for each shape: what is right, and what a plan must not do */
#include "charm.gen.h"

#include <string.h>

static void thing(struct charm_plan *p, const char *label, const char *name, const char *note) {
        charm_want_at(p, label, "blue", "thing.yaml",
                      CHARM_HOLES({ "name", CHARM_TEXT, name }, { "note", CHARM_TEXT, note }));
}

static void configmap(struct charm_plan *p, const char *label, const char *name,
                      const char *value) {
        charm_want(p, label, "configmap.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name }, { "value", CHARM_TEXT, value }));
}

/* A Secret that needs an output of the thing, and a secret one in the form that a URL has. */
static void across(const struct charm_view *v, struct charm_plan *p) {
        const char *word = charm_form(p, charm_output(p, "thing", "/word"), "url");

        charm_want(
                p, "secret", "secret.yaml",
                CHARM_HOLES({ "address", CHARM_TEXT, charm_output(p, "thing", "/address") },
                            { "url", CHARM_TEXT, charm_text(p, "http://me:%s@localhost", word) }));
        thing(p, "thing", charm_option(v, OPTION_THING), charm_option(v, OPTION_NOTE));
}

/* third takes from second takes from thing, wanted in the other order. */
static void chain(const struct charm_view *v, struct charm_plan *p) {
        configmap(p, "third", "third",
                  charm_text(p, "after %s", charm_output(p, "second", "/address")));
        thing(p, "second", "Two", charm_output(p, "thing", "/address"));
        thing(p, "thing", charm_option(v, OPTION_THING), charm_option(v, OPTION_NOTE));
}

static void circle(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "a", "A", charm_output(p, "b", "/address"));
        thing(p, "b", "B", charm_output(p, "a", "/address"));
}

/* The way there is a value, the way back an order. */
static void mixed(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "a", "A", charm_output(p, "b", "/address"));
        thing(p, "b", "B", "x");
        configmap(p, "c", "c", "x");
        charm_needs(p, "b", "c", CHARM_EXISTS);
        charm_needs(p, "c", "a", CHARM_READY);
}

static void misplaced(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "thing", charm_option(v, OPTION_THING), "x");
        configmap(p, "configmap", "open", charm_output(p, "thing", "/word"));
}

static void named(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "thing", charm_option(v, OPTION_THING), "x");
        configmap(p, "configmap", charm_output(p, "thing", "/address"), "x");
}

static void nowhere(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "thing", charm_option(v, OPTION_THING), "x");
        configmap(p, "configmap", "open", charm_output(p, "thing", "/no/such"));
}

/* Both in one outside, and the value is the outside's own. */
static void service(const struct charm_view *v, struct charm_plan *p) {
        charm_want(p, "service", "service.yaml", NULL);
        configmap(p, "configmap", "address",
                  charm_text(p, "http://%s:80", charm_output(p, "service", "/spec/clusterIP")));
}

/* The ConfigMap stays as it is when the thing gets another name. */
static void ordered(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "thing", charm_option(v, OPTION_THING), "x");
        configmap(p, "configmap", "after", "x");
        charm_needs(p, "configmap", "thing", CHARM_READY);
}

/* Only what is said changes with the note. */
static void said(const struct charm_view *v, struct charm_plan *p) {
        configmap(p, "configmap", "said", "x");
        if (strcmp(charm_option(v, OPTION_NOTE), "first") != 0)
                charm_status(p, CHARM_WAITING, "for %s", charm_option(v, OPTION_NOTE));
}

#define MANY 5

static void many(const struct charm_view *v, struct charm_plan *p) {
        for (int i = 0; i < MANY; i++)
                configmap(p, charm_text(p, "number-%d", i),
                          charm_text(p, "%s-%d", charm_option(v, OPTION_NOTE), i), "x");
}

static void target(const struct charm_view *v, struct charm_plan *p) {
        thing(p, "thing", charm_option(v, OPTION_THING), "x");
        charm_target(p, "green", "slow", "target.yaml",
                     CHARM_HOLES({ "of", CHARM_TEXT, charm_output(p, "thing", "/address") }));
}

static const struct {
        const char *name;
        void (*make)(const struct charm_view *v, struct charm_plan *p);
} shapes[] = {
        { "across", across },   { "chain", chain },         { "circle", circle },
        { "mixed", mixed },     { "misplaced", misplaced }, { "named", named },
        { "nowhere", nowhere }, { "target", target },       { "service", service },
        { "ordered", ordered }, { "many", many },           { "said", said },
};

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const char *shape = charm_option(v, OPTION_SHAPE);

        charm_target(p, "blue", "slow", "target.yaml", CHARM_HOLES({ "of", CHARM_TEXT, "tests" }));
        for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
                if (strcmp(shapes[i].name, shape) == 0)
                        return shapes[i].make(v, p);
        charm_fail(p, "no such shape: %s", shape);
}

CHARM(.plan = plan);
