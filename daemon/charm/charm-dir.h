/* SPDX-License-Identifier: Apache-2.0 */
/* charm-dir.h - a charm's folder as its content: what belongs to it, hashed, and who may write
 * there
 *
 * What belongs to a charm: charm.yaml, one NAME.so, objects/ and files/ with all below.
 * README.md, tests and whatever else lies in the folder does not count and is not copied. The
 * manifest is text, one line a file, sorted by name:
 *
 *     mooring-charm-1
 *     - SHA-256 SIZE NAME        ("x" instead of "-" when it is executable)
 *
 * and the charm's identity is the manifest's SHA-256. A pinned charm has its manifest beside it,
 * so that who opens one file need not read the others. Only plain files and folders count; a
 * symbolic link is refused. Blocking file work without a loop: called by the daemon's scan and
 * pin, by the worker and by its harness. */
#pragma once

#include "digest.h"

#define CHARM_DIR_FILES_MAX 2000 /* objects of the largest charm are a hundred */
#define CHARM_DIR_FILE_MAX                                                                         \
        (64u << 20) /* one file: a module or upstream manifests; Kubeflow's largest has 1.6 MB */
#define CHARM_DIR_DEPTH_MAX 8
#define CHARM_DIR_MANIFEST "manifest"

struct charm_file {
        char *name; /* "objects/deployment.yaml" */
        bool executable;
        uint64_t size;
        uint8_t sha256[DIGEST_SIZE];
};
struct charm_dir {
        char sha256[DIGEST_HEX_SIZE];
        char *module;             /* "web.so", or NULL: not built */
        struct charm_file *files; /* sorted by name */
        size_t count, room;
};

/* Reads and hashes all of an open folder. MODULE (an open file) stands for the one the folder
 * lacks, when >= 0, under MODULE_NAME. */
int charm_dir_read(int fd, int module, const char *module_name, struct charm_dir **ret,
                   struct err *err);
/* From the manifest of a pinned folder, which must be the one of SHA256. -ESTALE: it is another. */
int charm_dir_load(int fd, const char *sha256, struct charm_dir **ret, struct err *err);
struct charm_dir *charm_dir_free(struct charm_dir *d);
void charm_dir_freep(struct charm_dir **d);
void charm_dir_manifest(const struct charm_dir *d, struct buf *out);
const struct charm_file *charm_dir_find(const struct charm_dir *d, const char *name);
/* Opens one of its files and checks the hash of what that descriptor reads. -ESTALE: the file is
 * not the one that was hashed. */
int charm_dir_open(int fd, const struct charm_file *f, int *ret_fd, struct err *err);
/* As charm_dir_open, and takes the bytes in. */
int charm_dir_take(int fd, const struct charm_file *f, struct buf *out, struct err *err);
/* A number that changes when anything in the folder was touched: cheap, no file is read. */
int charm_dir_stamp(int fd, uint64_t *ret, struct err *err);
/* -EPERM with a reason and a remedy when others than root or the user UID can write to PATH, to
 * what is in it, or rename a folder above it. */
int charm_dir_trusted(const char *path, uid_t uid, struct err *err);
