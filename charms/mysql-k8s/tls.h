/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the server's certificate: who issues it, where it lies, since when clients are told
 *
 * Issued over the relation certificates, or with tls=model by the model's CA. The server reads it
 * at its start, and each renewal when it is told to, by the resource `certificate`: that one has a
 * target of its own, at which no certificate is believed or doubted, so that one which has ended
 * does not keep itself from being replaced. */
#pragma once

#include "charm.h"

/* Asks for it. True: the server has it, or gets it with this plan. */
bool tls_is_on(const struct charm_view *v, struct charm_plan *p);
/* Lines of my.cnf, or ""; what tls-required demands also while there is no certificate. */
const char *tls_my_cnf(const struct charm_view *v, struct charm_plan *p);
/* What holds it, and its being shown. */
void tls_want(const struct charm_view *v, struct charm_plan *p);
/* Holes for the pod: "tls-volume", "tls-mount". */
struct charm_hole tls_volume(const struct charm_view *v, struct charm_plan *p);
struct charm_hole tls_mount(const struct charm_view *v, struct charm_plan *p);
/* The bundle that verifies it, once the server was seen showing it, and then for good; else NULL */
const char *tls_ca(const struct charm_view *v, struct charm_plan *p);
