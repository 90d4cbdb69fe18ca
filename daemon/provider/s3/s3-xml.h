/* SPDX-License-Identifier: Apache-2.0 */
/* s3-xml.h - just enough of XML for the answers of S3: elements without attributes that matter,
 * text, five entities
 *
 * Works on the text, allocates only what it gives back. Anything it does not understand is "not
 * there". */
#pragma once

#include "buf.h"

struct s3_xml { /* the inside of an element */
        const char *text;
        size_t len;
};

struct s3_xml s3_xml_of(const char *text, size_t len);
/* The next element NAME anywhere inside IN, at or after *AT; false: none. *AT moves behind it. */
bool s3_xml_next(struct s3_xml in, const char *name, size_t *at, struct s3_xml *ret);
/* The text of the first element NAME inside IN, entities resolved; NULL: not there. */
char *s3_xml_text(struct s3_xml in, const char *name);
void s3_xml_put(struct buf *out, const char *text); /* escaped */
/* In place, as encoding-type=url writes keys: "+" is a blank. */
void s3_xml_unescape(char *s);
