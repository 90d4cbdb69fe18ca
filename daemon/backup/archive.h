/* SPDX-License-Identifier: Apache-2.0 */
/* archive.h - files of a state folder as one sealed file, written and read in pieces
 *
 *      sealed (stream-seal.h) · gzip · "mooring backup 1\n", then parts:
 *      part    length of its head (4 bytes, big-endian) · head, JSON · for a file its bytes
 *      heads   {"info": {...}}, first; {"folder", "mode"}; {"file", "mode", "size"};
 *              {"end": number of files}, last
 *
 * What is read was sealed with the key, whole and in that order, or it is refused. Blocking, for a
 * thread or a process of its own; memory does not grow with the size. */
#pragma once

#include "arena.h"
#include "json.h"

#define BACKUP_HEAD_MAX 16384 /* bytes of one head: a path and three numbers */
#define BACKUP_PATH_MAX 255   /* of one file within the state folder */
#define BACKUP_FILES_MAX 100000 /* a charm has a dozen; what has more was not written by us */

struct archive_writer;
/* PATH.part is made (0600) and takes its name at the end: -EEXIST when PATH is there already.
 * INFO is copied. */
int archive_writer_new(const char *path, const struct secret_text *key, const json_t *info,
                       struct archive_writer **ret, struct err *err);
/* The file FROM as NAME, or the folder with all that is in it; nothing when there is none. Links
 * and sockets are left out. */
int archive_add(struct archive_writer *w, const char *from, const char *name, struct err *err);
/* The file has its name and is on the disk. */
int archive_end(struct archive_writer *w, struct err *err);
uint64_t archive_size(const struct archive_writer *w); /* of the sealed file, at its end */
/* Before archive_end: nothing of it stays. */
struct archive_writer *archive_writer_free(struct archive_writer *w);

/* Unpacks PATH into the empty folder INTO; *RET_INFO: what stood in front, the caller's. What is
 * not whole leaves files in INTO, which the caller removes. -EBADMSG: not sealed with that key,
 * changed or cut off; -EPROTONOSUPPORT: of another version. */
int archive_unpack(const char *path, const struct secret_text *key, const char *into,
                   json_t **ret_info, struct err *err);
/* Removes FOLDER with all that is in it, also what its owner may not write to; fine when it is not
 * there. */
int archive_remove_folder(const char *folder, struct err *err);
