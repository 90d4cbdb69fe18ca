/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - what is made to go wrong, by the control socket */
#pragma once

#include "reply.h"
#include "request.h"
#include "sim.h"

enum faults_effect { FAULTS_NONE, FAULTS_ANSWERED, FAULTS_RESET, FAULTS_EFFECT_MAX };

void faults_init(struct faults *f);
void faults_clear(struct faults *f);
void faults_add(struct faults *f, int code, int64_t count, const char *path, const char *method);
/* Whether this request is hit; counts it down. */
enum faults_effect faults_hit(struct sim *sim, struct request *q, struct reply *reply);
void faults_add_pods(struct faults *f, const char *pattern, const char *reason);
#define FAULTS_IMAGE "image=" /* a pattern that begins so is of the first container's image */
/* The reason why POD is to fail, or NULL. */
const char *faults_pod(const struct faults *f, const json_t *pod);
