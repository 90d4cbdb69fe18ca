/* SPDX-License-Identifier: Apache-2.0 */
/* stage-internal.h - between stage.c and its doubles */
#pragma once

#include "stage.h"

/* stage-outside.c */
void stage_outside_begin(struct stage *s, bool watched, bool scoped);
void stage_outside_end(struct stage *s);
/* stage-charms.c */
void stage_answer_charms(void *stage);
