-- 0020: which actions operators may run: what an admin said in the place of the charm.

CREATE TABLE permission (
        application_id INTEGER NOT NULL REFERENCES application (id) ON DELETE CASCADE,
        action TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('operator', 'admin')),      -- the least that may run it
        owner TEXT NOT NULL,            -- who said so
        why TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (application_id, action)
) STRICT;

-- of who asked, then: what that role may not run any more is not run. What was scheduled until now was allowed to all who could.
ALTER TABLE schedule ADD COLUMN asked_role TEXT NOT NULL DEFAULT 'admin';
