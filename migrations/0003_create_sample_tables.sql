-- The tables of src/schema.py. A table of yours needs the same five columns beside its own fields:
-- organization_id, id, the embedding column, created_at, updated_at; and this primary key. With
-- soft_delete=True it needs deleted_at TEXT too. The trigger over its embedded and its metadata
-- fields lets the coverage tell what was changed behind the API, too.
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

CREATE TRIGGER claims_changed AFTER UPDATE OF content, story_id ON claims
WHEN NEW.content IS NOT OLD.content OR NEW.story_id IS NOT OLD.story_id
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1
  WHERE organization_id = NEW.organization_id AND scope = 'claims' AND record_id = NEW.id;
END;

CREATE TRIGGER articles_changed AFTER UPDATE OF title, body, section, year ON articles
WHEN NEW.title IS NOT OLD.title OR NEW.body IS NOT OLD.body
  OR NEW.section IS NOT OLD.section OR NEW.year IS NOT OLD.year
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1
  WHERE organization_id = NEW.organization_id AND scope = 'articles' AND record_id = NEW.id;
END;
