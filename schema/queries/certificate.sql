-- Certificates, and the authorities that issue them.

-- name: authority_insert
INSERT INTO authority (id, model_id, state, secret_id, certificate, root, subject, issuer, serial_number, begins_at, ends_at,
                       renew_at, created_at)
VALUES (:id, :model_id, :state, :secret_id, :certificate, :root, :subject, :issuer, :serial_number, :begins_at, :ends_at,
        :renew_at, :created_at);

-- name: authority_list
-- row: authority
SELECT * FROM authority WHERE model_id = :model_id ORDER BY id LIMIT 100;

-- name: authority_set_state
UPDATE authority SET state = :state, settled_at = NULL WHERE id = :id;

-- name: authority_set_settled
UPDATE authority SET settled_at = :settled_at WHERE id = :id;

-- name: authority_delete
DELETE FROM authority WHERE id = :id;

-- name: authority_turning
-- Models whose authority is being replaced.
-- in: after INT
-- scan ok: the partial index has those only
SELECT DISTINCT model_id FROM authority WHERE state IN ('next', 'old') AND model_id > :after ORDER BY model_id LIMIT 100;

-- name: authority_due
-- in: now INT
SELECT model_id FROM authority WHERE renew_at > 0 AND renew_at <= :now AND state = 'current' ORDER BY renew_at LIMIT 100;

-- name: certificate_put
-- For the first time, or anew.
INSERT INTO certificate (id, model_id, application_id, label, spec, authority_id, revision, subject, issuer, serial_number,
                         begins_at, ends_at, renew_at, issued_at)
VALUES (:id, :model_id, :application_id, :label, :spec, :authority_id, :revision, :subject, :issuer, :serial_number,
        :begins_at, :ends_at, :renew_at, :issued_at)
ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, authority_id = excluded.authority_id, revision = excluded.revision,
       subject = excluded.subject, issuer = excluded.issuer, serial_number = excluded.serial_number,
       begins_at = excluded.begins_at, ends_at = excluded.ends_at, renew_at = excluded.renew_at,
       issued_at = excluded.issued_at, csr = NULL, csr_revision = NULL, taken = NULL, ca = NULL, renewals = renewals + 1, failed = NULL;

-- name: certificate_by_application
-- row: certificate
SELECT * FROM certificate WHERE application_id = :application_id ORDER BY label LIMIT 1000;

-- name: certificate_by_label
-- row: certificate
SELECT * FROM certificate WHERE application_id = :application_id AND label = :label LIMIT 1;

-- name: certificate_list
-- row: certificate
-- in: after INT
-- in: max INT
SELECT * FROM certificate WHERE model_id = :model_id AND id > :after ORDER BY id LIMIT :max;

-- name: certificate_due
-- Applications that have one to renew, the longest overdue first; some more than once.
-- in: now INT
SELECT application_id FROM certificate WHERE renew_at <= :now ORDER BY renew_at LIMIT 10000;

-- name: certificate_next
-- When the first is to be renewed that is not due.
-- in: now INT
SELECT renew_at FROM certificate WHERE renew_at > :now ORDER BY renew_at LIMIT 1;

-- name: certificate_set_due
UPDATE certificate SET renew_at = :renew_at WHERE id = :id;

-- name: certificate_set_failed
UPDATE certificate SET failed = :failed WHERE application_id = :application_id AND renew_at <= :renew_at
                                              AND failed IS NOT :failed;

-- name: certificate_set_due_of_others
-- All of a model that another authority issued.
-- in: issuer_id INT
UPDATE certificate SET renew_at = 0
WHERE model_id = :model_id AND authority_id IS NOT NULL AND authority_id <> :issuer_id;

-- name: certificate_set_planned
-- in: bundle TEXT
UPDATE certificate SET planned_revision = revision, planned_bundle = :bundle WHERE application_id = :application_id;

-- name: certificate_waits_for_bundle
-- in: bundle TEXT
SELECT application_id, label FROM certificate
WHERE model_id = :model_id AND authority_id IS NOT NULL AND planned_bundle <> :bundle ORDER BY id LIMIT 1;

-- name: certificate_waits_for_issuer
-- in: issuer_id INT
SELECT application_id, label FROM certificate
WHERE model_id = :model_id AND authority_id IS NOT NULL
      AND (authority_id <> :issuer_id OR planned_revision < revision) ORDER BY id LIMIT 1;

-- name: certificate_applications
-- in: after INT
SELECT DISTINCT application_id FROM certificate WHERE model_id = :model_id AND application_id > :after
ORDER BY application_id LIMIT 1000;

-- name: certificate_delete
DELETE FROM certificate WHERE id = :id;

-- name: authority_delete_model
DELETE FROM authority WHERE model_id = :model_id;

-- name: certificate_used_in
-- What holds its key.
SELECT resource.type, resource.path FROM secret_use u JOIN resource ON resource.id = u.resource_id
WHERE u.secret_id = :secret_id GROUP BY u.resource_id ORDER BY u.resource_id LIMIT 20;

-- name: certificate_late
-- Those that should have been renewed before then, or could not be.
-- in: before INT
SELECT application.name, c.label, c.renew_at, c.ends_at, c.failed FROM certificate c
JOIN application ON application.id = c.application_id
WHERE c.model_id = :model_id AND (c.failed IS NOT NULL OR (c.renew_at > 0 AND c.renew_at <= :before))
ORDER BY c.id LIMIT 100;

-- name: certificate_set_request
UPDATE certificate SET csr = :csr, csr_revision = :csr_revision, taken = NULL, spec = :spec, renew_at = :renew_at WHERE id = :id;

-- name: certificate_set_taken
-- What was issued elsewhere for its request, which stays told: whoever issues may replace the answer.
UPDATE certificate SET authority_id = NULL, revision = :revision, subject = :subject, issuer = :issuer,
       serial_number = :serial_number, begins_at = :begins_at, ends_at = :ends_at, renew_at = :renew_at, issued_at = :issued_at,
       ca = :ca, csr_revision = NULL, taken = :taken, renewals = renewals + 1, failed = NULL
WHERE id = :id;

-- name: certificate_by_id
-- row: certificate
SELECT * FROM certificate WHERE id = :id LIMIT 1;

-- name: certificate_set_signs
UPDATE certificate SET signs_revision = :signs_revision, turning = :turning, settled_at = NULL, ca = :ca WHERE id = :id;

-- name: certificate_set_settled
UPDATE certificate SET settled_at = :settled_at WHERE id = :id;

-- name: certificate_turning
-- Authorities of applications' own that are being replaced.
-- scan ok: the partial index has those only
SELECT id, model_id, application_id FROM certificate WHERE turning > 0 ORDER BY id LIMIT 100;

-- name: signed_put
INSERT INTO signed (id, certificate_id, csr_digest, csr, lifetime, revision, certificate, serial_number, refused, again_at)
VALUES (:id, :certificate_id, :csr_digest, :csr, :lifetime, :revision, :certificate, :serial_number, :refused, :again_at)
ON CONFLICT (certificate_id, csr_digest) DO UPDATE SET lifetime = excluded.lifetime, revision = excluded.revision,
       certificate = excluded.certificate, serial_number = excluded.serial_number, refused = excluded.refused, again_at = excluded.again_at;

-- name: signed_list
-- row: signed
SELECT * FROM signed WHERE certificate_id = :certificate_id ORDER BY csr_digest LIMIT 1000;

-- name: signed_delete
DELETE FROM signed WHERE id = :id;

-- name: signed_delete_all
DELETE FROM signed WHERE certificate_id = :certificate_id;

-- name: signed_again
-- Applications whose authority did not sign because of the clock.
-- in: now INT
SELECT c.application_id FROM signed s JOIN certificate c ON c.id = s.certificate_id WHERE s.again_at <= :now LIMIT 1000;

-- name: signed_waits_for_bundle
-- Who uses what the authority signed, and does not trust the next one yet.
-- in: bundle TEXT
SELECT c.application_id, c.label FROM signed s JOIN certificate c ON c.csr = s.csr
WHERE s.certificate_id = :certificate_id AND s.refused IS NULL AND c.ca IS NOT NULL AND c.ca <> :bundle ORDER BY s.id LIMIT 1;

-- name: signed_waits_for_signer
-- What the next one has to sign anew.
SELECT id FROM signed WHERE certificate_id = :certificate_id AND refused IS NULL AND revision <> :revision ORDER BY id LIMIT 1;

-- name: signed_waits_for_taker
-- Who has not taken what was signed.
SELECT c.application_id, c.label FROM signed s JOIN certificate c ON c.csr = s.csr
WHERE s.certificate_id = :certificate_id AND s.refused IS NULL AND c.serial_number <> s.serial_number ORDER BY s.id LIMIT 1;
