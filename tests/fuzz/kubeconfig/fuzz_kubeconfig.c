/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kubeconfig.c - kubeconfig files: what is taken makes a row that the daemon takes too
 *
 * The input is written to a file, as the parser reads one. No message may be empty. */
#include "kubeconfig-flatten.h"
#include "kubeconfig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *file(void) {
        static char path[64];

        if (!path[0])
                snprintf(path, sizeof(path), "/proc/self/fd/%d",
                         memfd_create("kubeconfig", MFD_CLOEXEC));
        return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        cleanup_(closep) int fd = open(file(), O_WRONLY | O_TRUNC | O_CLOEXEC);
        json_t *config = NULL, *credential = NULL;
        struct kubeconfig k;
        struct err err = { 0 };

        if (fd < 0 || write(fd, data, size) != (ssize_t)size)
                abort();
        if (kubeconfig_flatten(file(), NULL, &config, &credential, &err) < 0) {
                if (!err.text[0] || config || credential)
                        abort();
                return 0;
        }
        if (kubeconfig_read(config, credential, &k, &err) < 0)
                abort();
        json_decref(config);
        json_decref(credential);
        return 0;
}
