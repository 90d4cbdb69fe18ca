/* SPDX-License-Identifier: Apache-2.0 */
/* output.h - a value of another resource inside a document: the token that stands for it, and
 * what is put in
 *
 * A token is text: {{output:REF:POINTER:FORM}}, alone or inside other text. A charm writes the
 * label of another document of its plan as REF (charm_output); in what is stored REF is that
 * resource's id, so that equal documents mean the same. POINTER names a value of its
 * observation's `output`. FORM is one of secret-token.h, but not bcrypt, which takes long.
 *
 * A secret output is a secret's token among the outputs (observation_hide): it may stand only
 * where a secret may. Pure text work. */
#pragma once

#include "provider.h"

#define OUTPUT_REF_MAX 200     /* a label, as plan.h has them */
#define OUTPUT_POINTER_MAX 512 /* as charm_output takes */
#define OUTPUT_TOKEN_HEAD "{{output:"

struct output_ref {
        char ref[OUTPUT_REF_MAX + 1];
        char pointer[OUTPUT_POINTER_MAX + 1];
        enum secret_form form;
        size_t start, end; /* its place in the text */
};

/* The next token in TEXT at or after FROM. What only looks like one stays text. */
bool output_token_next(const char *text, size_t from, struct output_ref *ret);
/* The first text of J that holds one, names too; in RET_POINTER, which is the caller's to free.
 * NULL: none. */
char *output_token_in(const json_t *j);

/* What OUTPUT says at POINTER: text, number or boolean as text, which is the caller's to free.
 * NULL: nothing (yet), or no single value. An empty text counts as nothing. */
char *output_value(const json_t *output, const char *pointer);
/* Appends VALUE as REF's form has it: a secret's token stays one, in that form. */
void output_put(const struct output_ref *ref, const char *value, struct buf *out);
