-- 0021: how many steps an action has, to tell how far it is.

ALTER TABLE operation ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';      -- JSON: their names in order, without those that clean up; from the first call
