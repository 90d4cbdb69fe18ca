-- 0010: which user changed it, where the outside keeps an audit log that this host can read.

ALTER TABLE drift ADD COLUMN user TEXT NOT NULL DEFAULT ''; -- '': not known
