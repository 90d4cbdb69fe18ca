/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - another version of the server, what is looked at before, and the way back: upgraded.h
 * with dumps
 *
 * The option maintenance makes the server start read-only, by a file that no restart of the pod
 * comes from; upgraded-from has two words more, of when clients were let in to the new server and
 * what it had written until then (GTIDs, "-": it tells none); data-folder is where on the volume
 * the server's data are: a way back begins with an empty one, and leaves the other as it is.
 * units-ahead, "IMAGE 1,2", has the replicas that run another image than the primary; unit-folders,
 * "1:data-abcd", those whose data are elsewhere than data-folder says. */
#pragma once

#include "backup-server.h"
#include "upgraded.h"

#define UPGRADE_NO_GTID "-"

/* The image that runs, or is to; of unit 0, and of UNIT. */
const char *upgrade_image(const struct charm_view *v);
const char *upgrade_unit_image(const struct charm_view *v, struct charm_plan *p, int64_t unit);
/* A line of my.cnf, or "". */
const char *upgrade_data_folder(const struct charm_view *v, struct charm_plan *p);
/* Arguments of UNIT's server, where its data are elsewhere. */
struct charm_hole upgrade_unit_folder(const struct charm_view *v, struct charm_plan *p,
                                      int64_t unit);
/* The units that units-ahead names, "1,2", or "": also where it names another than IMAGE. */
const char *upgrade_ahead(const struct charm_view *v);
const char *upgrade_ahead_of(const struct charm_view *v, const char *image);
/* Those options without UNIT (NULL: nothing is left), and with FOLDER for it. */
const char *upgrade_ahead_without(const struct charm_view *v, struct charm_plan *p, int64_t unit);
const char *upgrade_folders_with(const struct charm_view *v, struct charm_plan *p, int64_t unit,
                                 const char *folder);
/* Folder of unit 0, "": the volume itself. */
const char *upgrade_folder_of_first(const struct charm_view *v, struct charm_plan *p);
/* It is upgraded, or restored in part: it takes no writes. */
bool upgrade_shuts(const struct charm_view *v);
/* The file that makes it read-only, while it is upgraded or restored in part; CHARM_NONE: it takes
 * writes. */
struct charm_hole upgrade_maintenance(const struct charm_view *v);
/* What is said of an upgrade that is there, or broke off. */
void upgrade_say(const struct charm_view *v, struct charm_plan *p);

/* ---- upgrade-path.c: versions */
struct upgrade_version {
        int major, minor, patch;
        bool mariadb;
};
/* Of VERSION(), and of what a program says with --version. */
bool upgrade_version_of(const char *text, struct upgrade_version *ret);
/* Of an image's tag. */
bool upgrade_version_of_tag(struct charm_plan *p, const char *image, struct upgrade_version *ret);
/* Why data of FROM cannot be taken on by TO; NULL: they can. */
const char *upgrade_path_wrong(struct charm_plan *p, const struct upgrade_version *from,
                               const struct upgrade_version *to);
/* MAJOR * 100 + MINOR, to compare by. */
int upgrade_series(const struct upgrade_version *v);

/* ---- upgrade-check.c: steps that find what stands in the way; none touches anything. They leave
 * "server" (VERSION()), "target" (of the image, if it is known), findings and their number */
#define UPGRADE_CHECKS                                                                             \
        { "start", upgrade_start, 300, CHARM_ALL }, { "probe", upgrade_probe, 600, CHARM_ALL },   \
                { "server", upgrade_look_at_server, 300, 0 },                                      \
                { "objects", upgrade_look_at_objects, 600, 0 },                                    \
                { "tables", upgrade_look_at_tables, 900, CHARM_ALL },                              \
                { "disk", upgrade_look_at_disk, 300, CHARM_ALL },                                  \
                { "backups", upgrade_look_at_backups, 300, CHARM_ALL }
void upgrade_start(const struct charm_world *w, struct charm_ask *a);
void upgrade_probe(const struct charm_world *w, struct charm_ask *a);
void upgrade_look_at_server(const struct charm_world *w, struct charm_ask *a);
void upgrade_look_at_objects(const struct charm_world *w, struct charm_ask *a);
void upgrade_look_at_tables(const struct charm_world *w, struct charm_ask *a);
void upgrade_look_at_disk(const struct charm_world *w, struct charm_ask *a);
void upgrade_look_at_backups(const struct charm_world *w, struct charm_ask *a);
/* The next step of upgrade: goes on, or gives up. */
void upgrade_judge(const struct charm_world *w, struct charm_ask *a);

/* ---- upgrade-server.c: the server with its writers kept out, and one that comes up */
/* Steps: maintenance is wanted, that is written, and the server that runs is read-only: "started",
 * in seconds since 1970, is of that one. */
void upgrade_maintain(const struct charm_world *w, struct charm_ask *a);
void upgrade_settle(const struct charm_world *w, struct charm_ask *a);
void upgrade_fence(const struct charm_world *w, struct charm_ask *a);

struct upgrade_seen {
        const char *version, *read_only, *folder, *started;
        bool replicates; /* or is no replica */
        bool stopped;    /* does not, and does not try to */
};
enum upgrade_came { UPGRADE_WAITS, UPGRADE_CAME, UPGRADE_CAME_NOT };
/* Until a server (ANOTHER: one that was started after "started") answers, is ready, has its data in
 * FOLDER (NULL: anywhere) and not in OTHER (NULL), and replicates if it is no primary, or the
 * parameter "wait" is over. WAITS: it has asked for something. It is the unit
 * "member" of the state, or the primary. */
enum upgrade_came upgrade_await(const struct charm_world *w, struct charm_ask *a, bool another,
                                const char *folder, const char *other, struct upgrade_seen *ret);
/* Two statements that tell what upgrade_seen_of reads, and what asks for them alone. */
#define UPGRADE_SEEN                                                                               \
        "SELECT VERSION(), @@global.read_only, @@datadir, UNIX_TIMESTAMP()",                       \
                "SHOW GLOBAL STATUS LIKE 'Uptime'"
void upgrade_ask_seen(const struct charm_world *w, struct charm_ask *a);
/* Where what it waits for is asked for: its time begins then, not with what was waited for
 * before. */
void upgrade_begin_looks(struct charm_ask *a);
struct upgrade_seen upgrade_seen_of(const struct charm_world *w, struct charm_ask *a);
/* Its StatefulSet's label. */
const char *upgrade_server_label(const struct charm_world *w, struct charm_ask *a);
/* What keeps it from being what it is to be. */
const char *upgrade_reason(const struct charm_world *w, struct charm_ask *a);
/* Steps: it takes writes; and its file says so too, so that it does after a restart. */
void upgrade_let_write(const struct charm_world *w, struct charm_ask *a);
void upgrade_await_file(const struct charm_world *w, struct charm_ask *a);

/* ---- upgrade-members.c: replicas, one after the other. What stands in their way goes to ADD */
void upgrade_look_at_members(const struct charm_world *w, struct charm_ask *a,
                             void (*add)(void *arg, const char *text), void *arg);
/* Steps; WATCH is the one that waits whether what is new stays up. They leave for "maintain". */
#define UPGRADE_MEMBERS(WATCH)                                                                     \
        { "member", upgrade_choose_member, 300, 0 }, { "ahead", upgrade_go_ahead, 300, 0 },        \
                { "come", upgrade_await_member, 60, CHARM_ALL }, { "stay", WATCH, 3900, 0 },       \
                { "passed", upgrade_pass_member, 0, 0 }
void upgrade_choose_member(const struct charm_world *w, struct charm_ask *a);
void upgrade_go_ahead(const struct charm_world *w, struct charm_ask *a);
void upgrade_await_member(const struct charm_world *w, struct charm_ask *a);
void upgrade_pass_member(const struct charm_world *w, struct charm_ask *a);
/* The way back; CHOOSE is upgrade_choose_behind where there is one. */
#define UPGRADE_MEMBERS_BACK(CHOOSE)                                                               \
        { "behind", CHOOSE, 0, CHARM_CLEANUP | CHARM_ALL },                                        \
                { "return", upgrade_go_back, 300, CHARM_CLEANUP | CHARM_ALL },                     \
                { "unroll", upgrade_settle, 60, CHARM_CLEANUP | CHARM_ALL },                      \
                { "returned", upgrade_await_back, 60, CHARM_CLEANUP | CHARM_ALL },                 \
                { "end", upgrade_end, 0, CHARM_CLEANUP }
void upgrade_choose_behind(const struct charm_world *w, struct charm_ask *a);
void upgrade_go_back(const struct charm_world *w, struct charm_ask *a);
void upgrade_await_back(const struct charm_world *w, struct charm_ask *a);
void upgrade_end(const struct charm_world *w, struct charm_ask *a);
/* The version is the one that the image said. */
bool upgrade_is_target(const struct charm_world *w, const char *version);

/* ---- upgrade-back.c: steps that begin "image" on an empty folder, "folder", with what the backup
 * "id" has. What goes wrong is noted as "half", and the next ones do nothing; else "whole" */
void upgrade_anew(const struct charm_world *w, struct charm_ask *a);
void upgrade_empty(const struct charm_world *w, struct charm_ask *a);
void upgrade_load(const struct charm_world *w, struct charm_ask *a);
void upgrade_compare(const struct charm_world *w, struct charm_ask *a);
/* Until what relations log in with is there again. */
void upgrade_account(const struct charm_world *w, struct charm_ask *a);
/* A name for such a folder, of what this call asks for. */
const char *upgrade_new_folder(const struct charm_world *w, struct charm_ask *a);
/* The server's GTIDs, without spaces. SQL that tells them, of a server of that VERSION(). */
const char *upgrade_gtids(struct charm_ask *a, const char *text);
const char *upgrade_gtid_query(const char *version);

extern const struct charm_step upgrade_pre_check_steps[], upgrade_steps[], upgrade_check_steps[],
        upgrade_rollback_steps[];
