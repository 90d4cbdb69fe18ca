-- 0008: what a person let be made anew.

ALTER TABLE resource ADD COLUMN recreate INTEGER NOT NULL DEFAULT 0; -- the wanted generation that it was said of; 0: never
