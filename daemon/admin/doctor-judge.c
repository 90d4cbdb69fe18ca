/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-judge.c - the table of checks, and how findings are written down; see doctor.h
 *
 * An error is what fails now or loses data; a warning is what will, or what somebody should look
 * at this week. What is only good to know is ok, and shown when all is asked for. */
#include "doctor.h"

#include "clock.h"

#define DAY_MS 86400000ll
#define ENDS_ERROR_DAYS 7

const struct doctor_check doctor_checks[] = {
        { "state-folder", doctor_state_folder, "only the daemon's user can write it" },
        { "disk-space", doctor_disk_space, "there is room" },
        { "store-read-only", doctor_store_read_only, "the store can be written" },
        { "store-wal", doctor_store_wal, "the write-ahead log is small" },
        { "backup", doctor_backup, "" },
        { "backup-key", doctor_backup_key, "a backup can be made and opened" },
        { "restored", doctor_restored, "it was not restored from a backup" },
        { "upgrade", doctor_upgrade, "no upgrade waits to be confirmed, or to be done" },
        { "key", doctor_key, "the key is where it should be" },
        { "clock-jump", doctor_clock_jump, "the clock was not set since the start" },
        { "queue-stuck", doctor_queue_stuck, "nothing waits for long" },
        { "worker-deaths", doctor_worker_deaths, "no charm worker died in the last hour" },
        { "metrics-certificate", doctor_metrics_certificate, "no certificate that ends soon" },
        { "unreachable", doctor_unreachable, "all clusters, databases and object stores answer" },
        { "clock-skew", doctor_clock_skew, "no cluster's clock differs from ours" },
        { "latency", doctor_latency, "the clusters answer quickly" },
        { "version", doctor_version, "the clusters' versions are among those that are tested" },
        { "permission-missing", doctor_permission_missing, "no right is missing" },
        { "watch-lost", doctor_watch_lost, "all watches are alive" },
        { "certificate", doctor_certificate, "no certificate or token that ends soon" },
        { "issued-certificate", doctor_issued,
          "every certificate that charms asked for is renewed in time" },
        { "tls-mode", doctor_tls_mode, "" },
        { "volume-reclaim", doctor_volume_reclaim, "volumes stay when their claims go" },
        { "model-foreign", doctor_model_foreign, "every model's namespace is its own" },
        { "data-leaving", doctor_data_leaving, "nothing that holds data is being deleted" },
        { "data-lost", doctor_data_lost, "nothing that held data is missing" },
        { "image-pull", doctor_image_pull, "every image was had" },
        { "pod-failing", doctor_pod_failing, "no pod of ours fails or finds no node" },
        { "conflict", doctor_conflict, "nothing is claimed twice" },
        { "plan-failed", doctor_plan_failed, "every charm gave a plan" },
        { "blocked", doctor_blocked, "no charm waits for a person" },
        { "plan-held", doctor_plan_held, "no plan waits for a person" },
        { "refresh-paused", doctor_refresh_paused, "no refresh waits for a person" },
        { "pause-old", doctor_pause_old, "nothing is paused for longer than a day" },
        { "fight", doctor_fight, "nobody changes what is put right again and again" },
        { "fight-guarded", doctor_fight_guarded,
          "nobody changes Secrets, roles, network policies or webhooks again and again" },
        { "freeze", doctor_freeze, "nothing is frozen, and no object is paused" },
        { "ends-in-freeze", doctor_ends_in_freeze, "nothing runs out under a freeze" },
        { "rule", doctor_rule, "no rule keeps what others change from being put right" },
        { "drift-stands", doctor_drift_stands, "nothing that others changed stays so" },
        { "secret-expires", doctor_secret_expires, "no secret that people added expires soon" },
        { "schedule-failed", doctor_schedule_failed,
          "what is run at times completed the last time" },
        { "schedule-overdue", doctor_schedule_overdue,
          "what is run at times completed when it was due" },
        { "removal-held", doctor_removal_held, "no removal waits for somebody" },
        { "leftovers", doctor_leftovers, "removals left nothing behind" },
        { "charm-missing", doctor_charm_missing, "the charms in use are complete" },
        { "charm-upgrade", doctor_charm_upgrade, "no newer charm is on offer" },
        { "could-not-look", doctor_could_not_look, "everything was looked at" },
        {}
};

static const char *const severities[DOCTOR_SEVERITY_MAX] = { "ok", "warning", "error" };

void doctor_find(struct doctor *d, enum doctor_severity severity, struct doctor_subject subject,
                 const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        char since[CLOCK_TEXT_MAX];
        json_t *j;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        d->found++;
        j = json_pack("{s:s, s:s, s:o, s:o, s:s?, s:o, s:o}", "id", d->check->id, "severity",
                      severities[severity], "subject", json_words(subject.name), "text",
                      json_words(text), "since",
                      subject.since ? clock_iso(subject.since, false, since) : NULL, "next",
                      subject.next ? json_words(subject.next) : json_null(), "runbook",
                      json_sprintf("docs/runbooks/doctor.md#%s", d->check->id));
        json_array_append_new(d->findings[severity], j);
}

json_t *doctor_targets(const struct doctor *d) {
        return json_dig(d->facts, "loop", "targets", NULL);
}

json_t *doctor_asked(const struct doctor *d, const json_t *target) {
        return json_get(json_get(d->facts, "asked"), json_get_str(target, "name", ""));
}

void doctor_ends(struct doctor *d, struct doctor_subject subject, const char *what, int64_t ends) {
        int64_t days = (ends - d->now) / DAY_MS;
        char day[CLOCK_TEXT_MAX];

        if (!ends || days >= DOCTOR_ENDS_DAYS)
                return;
        if (ends <= d->now)
                doctor_find(d, DOCTOR_ERROR, subject, "%s ended at %s", what,
                            clock_iso(ends, false, day));
        else
                doctor_find(d, days < ENDS_ERROR_DAYS ? DOCTOR_ERROR : DOCTOR_WARNING, subject,
                            "%s ends in %lld %s, at %s", what, (long long)days,
                            days == 1 ? "day" : "days", clock_iso(ends, false, day));
}

json_t *doctor_judge(const json_t *facts, bool all) {
        struct doctor d = { .facts = facts, .now = json_get_int(facts, "now", 0) };
        json_t *list = json_array();
        size_t errors, warnings;

        for (int i = 0; i < DOCTOR_SEVERITY_MAX; i++)
                d.findings[i] = json_array();
        for (d.check = doctor_checks; d.check->id; d.check++) {
                d.found = 0;
                d.check->run(&d);
                if (!d.found && d.check->good[0])
                        doctor_find(&d, DOCTOR_OK, DOCTOR_SUBJECT(""), "%s", d.check->good);
        }
        errors = json_array_size(d.findings[DOCTOR_ERROR]);
        warnings = json_array_size(d.findings[DOCTOR_WARNING]);
        json_array_extend(list, d.findings[DOCTOR_ERROR]);
        json_array_extend(list, d.findings[DOCTOR_WARNING]);
        if (all)
                json_array_extend(list, d.findings[DOCTOR_OK]);
        for (int i = 0; i < DOCTOR_SEVERITY_MAX; i++)
                json_decref(d.findings[i]);
        return json_pack("{s:o, s:I, s:I}", "findings", list, "errors", (json_int_t)errors,
                         "warnings", (json_int_t)warnings);
}
