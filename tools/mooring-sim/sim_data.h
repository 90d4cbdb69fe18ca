/* SPDX-License-Identifier: Apache-2.0 */
/* sim_data.h - text files that the build puts into the program (embed.py) */
#pragma once

extern const char sim_schema_text[]; /* schema.txt, without its comments */
