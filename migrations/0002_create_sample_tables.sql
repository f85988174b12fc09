-- The tables of src/schema.py, as `make migration TABLE=name` prints them. Write one of yours into a new
-- file with the next number. More constraints and indexes are yours to add; the columns, the primary
-- key and the triggers are what Cognate needs.
CREATE TABLE "claims" (
  organization_id TEXT NOT NULL,
  id TEXT NOT NULL,
  "content" TEXT NOT NULL,
  "story_id" TEXT,
  "embedding" BLOB,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (organization_id, id)
);

CREATE TRIGGER claims_inserted AFTER INSERT ON "claims"
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1, revision = revision + 1, posted_text = NULL, record_gone = 0
  WHERE organization_id = NEW.organization_id AND scope = 'claims' AND record_id = NEW.id;
END;

CREATE TRIGGER claims_changed AFTER UPDATE OF "content", "story_id" ON "claims"
WHEN NEW."content" IS NOT OLD."content"
  OR NEW."story_id" IS NOT OLD."story_id"
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1, revision = revision + 1, posted_text = CASE WHEN NEW."content" IS NOT OLD."content" THEN NULL ELSE posted_text END
  WHERE organization_id = NEW.organization_id AND scope = 'claims' AND record_id = NEW.id;
END;

CREATE TRIGGER claims_deleted AFTER DELETE ON "claims"
BEGIN
  UPDATE cognate_embeddings SET revision = revision + 1, posted_text = NULL, record_gone = 1
  WHERE organization_id = OLD.organization_id AND scope = 'claims' AND record_id = OLD.id;
END;

CREATE TABLE "articles" (
  organization_id TEXT NOT NULL,
  id TEXT NOT NULL,
  "title" TEXT NOT NULL,
  "body" TEXT NOT NULL,
  "section" TEXT,
  "year" INTEGER,
  "embedding" BLOB,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  PRIMARY KEY (organization_id, id)
);

CREATE TRIGGER articles_inserted AFTER INSERT ON "articles"
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1, revision = revision + 1, posted_text = NULL, record_gone = 0
  WHERE organization_id = NEW.organization_id AND scope = 'articles' AND record_id = NEW.id;
END;

CREATE TRIGGER articles_changed AFTER UPDATE OF "title", "body", "section", "year" ON "articles"
WHEN NEW."title" IS NOT OLD."title"
  OR NEW."body" IS NOT OLD."body"
  OR NEW."section" IS NOT OLD."section"
  OR NEW."year" IS NOT OLD."year"
BEGIN
  UPDATE cognate_embeddings SET changes = changes + 1, revision = revision + 1, posted_text = CASE WHEN NEW."title" IS NOT OLD."title"
  OR NEW."body" IS NOT OLD."body" THEN NULL ELSE posted_text END
  WHERE organization_id = NEW.organization_id AND scope = 'articles' AND record_id = NEW.id;
END;

CREATE TRIGGER articles_deleted AFTER DELETE ON "articles"
BEGIN
  UPDATE cognate_embeddings SET revision = revision + 1, posted_text = NULL, record_gone = 1
  WHERE organization_id = OLD.organization_id AND scope = 'articles' AND record_id = OLD.id;
END;
