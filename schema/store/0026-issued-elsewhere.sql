-- 0026: a request stays told while what was issued for it is in use: csr_revision is NULL then.

ALTER TABLE certificate ADD COLUMN taken TEXT;          -- SHA-256, hex, of what was taken as the answer to csr
