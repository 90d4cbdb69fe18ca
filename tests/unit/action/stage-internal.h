/* SPDX-License-Identifier: Apache-2.0 */
/* stage-internal.h - shared by the files of the stage */
#pragma once

#include "stage.h"

void stage_outside_begin(struct stage *s);
bool stage_answers(struct stage *s); /* a step or a view is to be answered */
void stage_drop(struct stage *s);    /* what is out goes with its process */
