/* SPDX-License-Identifier: Apache-2.0 */
/* fieldset-inside.h - the form of a projection, for fieldset.c, project.c, compare.c and takeover.c
 * only */
#pragma once

#include "field-tree.h"
#include "fieldset.h"

enum fieldset_kind {
        FIELDSET_FIELD, /* name: a member's */
        FIELDSET_KEY,   /* name: the key object, canonical; its parts follow it */
        FIELDSET_VALUE, /* name: the value, canonical */
        FIELDSET_INDEX, /* name: the number */
        FIELDSET_PART,  /* of a key: name, and value in canonical form */
        FIELDSET_KIND_MAX
};

struct fieldset_node {
        uint8_t kind;
        bool self;   /* "." */
        bool strict; /* all under it is one value */
        uint32_t name, name_len;
        uint32_t first;    /* its first child; of a key: behind its parts */
        uint32_t next;     /* what stands behind all below it: the next sibling */
        uint32_t children; /* how many; 0: a leaf, or with SELF the bare thing */
        uint32_t value, value_len;
};

struct projection {
        struct fieldset_node *nodes; /* [0] is the root */
        uint32_t count;
        char *pool;
        size_t pool_len;
        char *version, *text;
        json_t *strict, *runtime; /* the rules, or NULL */
        struct fieldset_left {    /* strict nodes under which something is completed at run time */
                uint32_t node;
                const json_t *tree; /* of RUNTIME */
        } * left;
        size_t left_count, left_room;
        int refs;
};

/* Where the children of one node are in one object: a slice each, in the children's order. */
struct fieldset_match {
        struct scan_slice *slots; /* NULL text: missing */
        size_t room;
        uint32_t *nodes; /* the children's numbers */
        size_t node_room;
};
void project_match(const struct projection *p, uint32_t node, struct scan_slice value,
                   struct fieldset_match *m);
void project_match_free(struct fieldset_match *m);
/* What of strict NODE does not count: a tree of field-tree.h, or NULL. */
const json_t *fieldset_left_out(const struct projection *p, uint32_t node);
/* "f:spec", as in managedFields. */
char *fieldset_element(enum fieldset_kind kind, const char *name);
/* Puts such an element behind a path as the ledger prints it (field-path.h). */
void fieldset_print(const char *element, struct buf *out);
