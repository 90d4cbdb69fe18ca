-- 0022: detached storage remembers which databases were in it: gone from it they are lost.

ALTER TABLE inherited ADD COLUMN made INTEGER NOT NULL DEFAULT 1;       -- this and what follows: as in resource
ALTER TABLE inherited ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inherited ADD COLUMN initialised_at INTEGER;                -- it holds data: never removed, taken over when it is wanted
ALTER TABLE inherited ADD COLUMN lost_at INTEGER;
