/* SPDX-License-Identifier: Apache-2.0 */
/* interface-table.h - the schemas of schema/interfaces, as tools/gen-interfaces writes them;
 * read by interface.c only */
#pragma once

#include "base.h"

/* The numbers are those of the words in gen-interfaces.c. */
enum interface_type {
        INTERFACE_TEXT,
        INTERFACE_INT,
        INTERFACE_NUMBER,
        INTERFACE_BOOL,
        INTERFACE_LIST,
        INTERFACE_MAP,
        INTERFACE_ANY,
};
enum interface_writer { INTERFACE_PROVIDES, INTERFACE_REQUIRES, INTERFACE_BOTH };
enum interface_secret { INTERFACE_SECRET_NEVER, INTERFACE_SECRET_MAYBE, INTERFACE_SECRET_ALWAYS };

struct interface_field {
        const char *name;
        enum interface_type type;
        enum interface_writer writer;
        enum interface_secret secret; /* tokens must not, may, must stand in it */
        bool required;
};
struct interface_schema {
        const char *name;
        const struct interface_field *fields;
        size_t count;
};

extern const struct interface_schema interface_table[];
extern const size_t interface_table_count;
