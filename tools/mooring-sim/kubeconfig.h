/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig.h - the file that leads a client to the simulator, and the certificate it shows
 * with --tls */
#pragma once

#include "sim.h"

int kubeconfig_write(const struct sim *sim, const char *path, struct err *err);
/* Writes TEXT so that a reader sees all of it or nothing. */
int kubeconfig_write_file(const char *path, const char *text, unsigned mode, struct err *err);
/* A self-signed certificate for 127.0.0.1 and localhost, and its key, as PEM. */
int kubeconfig_certificate(char **ret_certificate, char **ret_key, struct err *err);
