/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.h - YAML text into jansson trees that remember their lines
 *
 * libyaml does the reading. Anchors, aliases, merge keys and multi-document streams are read;
 * limits on depth, nodes and what aliases expand to make a billion-laughs file an error in
 * milliseconds.
 *
 * Scalars: YAML_KUBERNETES reads plain scalars as kubectl does (YAML 1.1 as sigs.k8s.io/yaml:
 * yes/no/on/off/y/n are booleans, 0777 and 0o777 octal, 1_000 a number, ~ null, dates stay
 * text); YAML_CORE reads the YAML 1.2 core schema (true/false only). Numbers beyond int64 become
 * reals. A map key is always a text; duplicate keys are errors. */
#pragma once

#include "json.h"

#define YAML_DEPTH_MAX 100          /* nesting; Kubernetes refuses more than this too */
#define YAML_NODES_MAX 2000000      /* scalars, maps and lists of one document, aliases expanded */
#define YAML_DOCUMENTS_MAX 20000    /* = objects of the largest plan */

enum yaml_schema { YAML_KUBERNETES, YAML_CORE };

struct yaml_document {
        json_t *root;             /* JSON null for an empty document */
        struct json_lines *lines; /* owned here */
        int line;                 /* where it begins, from 1 */
        size_t start, end;        /* its bytes in the text */
};

struct yaml_stream {
        struct yaml_document *documents;
        size_t count;
};

/* FILE is for messages ("bundle.yaml:3:7: did not find expected key"). -EBADMSG, -E2BIG beyond a
 * limit. */
int yaml_parse(const char *text, size_t len, const char *file, enum yaml_schema schema,
               struct yaml_stream *ret, struct err *err);
void yaml_stream_free(struct yaml_stream *s); /* also a cleanup function */

/* Block style, members in the tree's own order; quotes what would read as another type. */
void yaml_write(const json_t *j, struct buf *out);
