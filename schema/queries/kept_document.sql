-- Documents that a plan keeps as they were, and that no charm could make again.

-- name: kept_document_put
INSERT INTO kept_document (resource_id, wanted, body) VALUES (:resource_id, :wanted, :body)
ON CONFLICT (resource_id) DO UPDATE SET wanted = excluded.wanted, body = excluded.body WHERE kept_document.wanted <> excluded.wanted;

-- name: kept_document_get
-- one
SELECT body FROM kept_document WHERE resource_id = :resource_id AND wanted = :wanted;
