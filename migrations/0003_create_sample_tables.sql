-- The tables of src/schema.py. A table of yours needs the same five columns beside its own fields:
-- organization_id, id, the embedding column, created_at, updated_at; and this primary key. With
-- soft_delete=True it needs deleted_at TEXT too.
CREATE TABLE claims (
  organization_id TEXT NOT NULL,
  id TEXT NOT NULL,
  content TEXT NOT NULL,
  story_id TEXT,
  embedding BLOB,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (organization_id, id)
);

CREATE TABLE articles (
  organization_id TEXT NOT NULL,
  id TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  section TEXT,
  year INTEGER,
  embedding BLOB,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (organization_id, id)
);
