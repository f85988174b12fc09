-- A job is one request to embed a record or a posted text. `src/cognate/jobs/` alone writes these
-- rows. D1 bills each entry of each index that is written. Jobs that end well are the many: they
-- have an entry in as few indexes as possible, and pass through them without another write.
CREATE TABLE cognate_jobs (
  -- Empty only on a failed job whose message named no organization: nobody's list shows it.
  organization_id TEXT NOT NULL,
  -- The table's name, or "_texts:<model>" for texts that belong to no table.
  scope TEXT NOT NULL,
  -- Sorts by the time at which the job was asked for.
  id TEXT NOT NULL,
  record_id TEXT,
  model TEXT,
  source TEXT NOT NULL,
  status TEXT NOT NULL CHECK (
    status IN ('queued', 'running', 'done', 'failed', 'superseded', 'dismissed')),
  -- Times that the job was started, and how many of those failed by its own fault.
  attempts INTEGER NOT NULL DEFAULT 0,
  charges INTEGER NOT NULL DEFAULT 0,
  -- Whether the index is written even if nothing changed: an older result may have overwritten it.
  forced INTEGER NOT NULL DEFAULT 0,
  -- 0 where only the record's metadata changed: stored vectors are indexed again, none are made.
  embeds INTEGER NOT NULL DEFAULT 1,
  -- 0 where somebody waits for it, 1 for a backfill; within an organization lower goes first.
  priority INTEGER NOT NULL DEFAULT 0,
  -- 0 until its message is sent: it waits for room in its organization's window. 1 once it was
  -- sent. 2 where it takes no room in the window: it waits for another try, or its message was
  -- sent again because the first may be lost.
  announced INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_message TEXT,
  -- When the sweeper looks at the job, should it still be open then.
  due_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  -- Null while the job is open: queued or running.
  completed_at TEXT,
  PRIMARY KEY (organization_id, scope, id)
) WITHOUT ROWID;

-- The jobs of one record. At most one of them is queued.
CREATE INDEX cognate_jobs_by_record ON cognate_jobs (organization_id, scope, record_id, id);

-- Open jobs: of an organization's window, of a table.
CREATE INDEX cognate_jobs_open
  ON cognate_jobs (organization_id, announced, scope, id) WHERE completed_at IS NULL;

-- Jobs that wait for room in the window, in the order in which they get it.
CREATE INDEX cognate_jobs_waiting
  ON cognate_jobs (organization_id, priority, id) WHERE completed_at IS NULL AND announced = 0;

-- When jobs outside of the window are due.
CREATE INDEX cognate_jobs_due
  ON cognate_jobs (due_at) WHERE completed_at IS NULL AND announced = 2;

-- Which ended jobs are old enough to be removed.
CREATE INDEX cognate_jobs_completed
  ON cognate_jobs (completed_at) WHERE status IN ('done', 'superseded', 'dismissed');

-- Failed jobs whose table is not in the schema, or that have none, are removed in the end.
CREATE INDEX cognate_jobs_failed ON cognate_jobs (scope, completed_at) WHERE status = 'failed';

-- Lists of jobs by status or error code. A job that is done without an error costs nothing here.
CREATE INDEX cognate_jobs_by_status ON cognate_jobs (organization_id, status, id)
  WHERE status IN ('failed', 'superseded', 'dismissed');

CREATE INDEX cognate_jobs_by_table_and_status ON cognate_jobs (organization_id, scope, status, id)
  WHERE status IN ('failed', 'superseded', 'dismissed');

CREATE INDEX cognate_jobs_by_code
  ON cognate_jobs (organization_id, error_code, id) WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_code_and_status
  ON cognate_jobs (organization_id, error_code, status, id) WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_table_and_code
  ON cognate_jobs (organization_id, scope, error_code, id) WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_table_code_and_status
  ON cognate_jobs (organization_id, scope, error_code, status, id) WHERE error_code IS NOT NULL;

-- What is known of each record's vectors. The row outlives its record until its vectors are
-- removed: it says which those are.
CREATE TABLE cognate_embeddings (
  organization_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  record_id TEXT NOT NULL,
  -- The part of the vector ids before the dot.
  vector_key TEXT NOT NULL UNIQUE,
  -- Rises with every write that its vectors must follow: a result for an older one is dropped. It
  -- starts at the milliseconds since 1970, so that none comes back when the row is removed and made
  -- again.
  revision INTEGER NOT NULL,
  -- Of the text whose vectors are stored, even where it is empty and they are none; null until a
  -- job has looked at the record.
  content_hash TEXT,
  -- The model, its pooling and the chunker that made them.
  fingerprint TEXT,
  -- Of what the index was last given; null while that is not known: then a search cannot rely on
  -- the index to name this record.
  index_hash TEXT,
  -- Where each stored chunk lies in the text: [[start, end], ...].
  chunks TEXT NOT NULL DEFAULT '[]',
  -- No vector of this record in any index has a chunk number of this or above. It never falls.
  max_chunks INTEGER NOT NULL DEFAULT 1,
  -- The bindings of all indexes that may hold vectors of this record, as a JSON list: that of its
  -- model, and after a change of the model the older one too, until they are removed there.
  index_bindings TEXT NOT NULL DEFAULT '[]',
  embedded_at TEXT,
  -- The revision that the stored vectors were made of.
  embedded_revision INTEGER,
  -- The signs of the stored vectors, a bit a component, chunk after chunk, in base64. A search
  -- compares them where it cannot afford to compare the vectors.
  sketch TEXT,
  -- When the index last accepted what it holds of the record.
  indexed_at TEXT,
  -- The index shows the stored vectors once it has processed what it had accepted by this time;
  -- '9999' while it is not known to have them, or to have them with today's metadata; null without
  -- vectors.
  shown_after TEXT GENERATED ALWAYS AS (
    CASE WHEN embedded_at IS NULL THEN NULL
      WHEN index_hash IS NULL OR changes <> changes_seen THEN '9999'
      ELSE indexed_at END
  ) VIRTUAL,
  -- How often what is embedded or filtered by was changed, by whomever: the table's trigger
  -- counts, and whoever posts a text for the record.
  changes INTEGER NOT NULL DEFAULT 0,
  -- And up to which of these changes its vectors and metadata follow.
  changes_seen INTEGER NOT NULL DEFAULT 0,
  -- 1 from the deletion of the record until its vectors are removed.
  record_gone INTEGER NOT NULL DEFAULT 0,
  -- A text that was posted for the record. It is embedded in place of what the record says, until
  -- the record is next written. Last, because it is long and few statements read it.
  posted_text TEXT,
  PRIMARY KEY (organization_id, scope, record_id)
) WITHOUT ROWID;

-- One index for two questions of a search: which vectors the index may not show yet, and whether any
-- record still has vectors of another model, one step to each side of today's.
CREATE INDEX cognate_embeddings_shown_after
  ON cognate_embeddings (organization_id, scope, fingerprint, shown_after)
  WHERE fingerprint IS NOT NULL;

-- Deleted records whose vectors are there. The sweeper queues the removal where no job does it.
CREATE INDEX cognate_embeddings_record_gone
  ON cognate_embeddings (record_gone, organization_id, scope, record_id) WHERE record_gone = 1;

-- Texts that were posted without a table, under their job's id.
CREATE TABLE cognate_texts (
  organization_id TEXT NOT NULL,
  id TEXT NOT NULL,
  content TEXT NOT NULL,
  embedding BLOB,
  created_at TEXT NOT NULL,
  PRIMARY KEY (organization_id, id)
);

-- Texts are deleted after their retention, where one is set.
CREATE INDEX cognate_texts_by_age ON cognate_texts (created_at);

-- Mutations that an index has accepted, until it is known to have processed them.
CREATE TABLE cognate_mutations (
  -- The binding of the index.
  binding TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Before the call, by any machine's clock; and after its answer.
  began_at TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  -- Whether it only serves to see how far the index is.
  probe INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (binding, probe, ended_at, id)
) WITHOUT ROWID;

-- How far each index has processed its mutations, as it was last seen.
CREATE TABLE cognate_indexes (
  binding TEXT PRIMARY KEY,
  -- Queries see every mutation that was accepted before this time.
  shown_before TEXT NOT NULL,
  observed_at TEXT NOT NULL,
  -- What was known before: a search that began earlier than the last look goes by this.
  earlier_shown_before TEXT NOT NULL,
  earlier_observed_at TEXT NOT NULL,
  vectors INTEGER NOT NULL
) WITHOUT ROWID;

-- Requests that may be sent again: which jobs the first one got.
CREATE TABLE cognate_idempotency_keys (
  organization_id TEXT NOT NULL,
  key TEXT NOT NULL,
  -- Of the route and the parsed body: another request under the same key is refused.
  request_hash TEXT NOT NULL,
  -- Made by the request that came first; whoever finds another one here came later.
  token TEXT NOT NULL UNIQUE,
  -- The position of each item of the request to the id of its job, as it was answered.
  jobs TEXT NOT NULL DEFAULT '{}',
  created_at TEXT NOT NULL,
  PRIMARY KEY (organization_id, key)
) WITHOUT ROWID;

CREATE INDEX cognate_idempotency_keys_by_age ON cognate_idempotency_keys (created_at);

-- Walks over a table of one organization. Each step is one queue message.
CREATE TABLE cognate_backfills (
  id TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  -- Which records are embedded again.
  selection TEXT NOT NULL CHECK (selection IN ('missing', 'stale', 'all')),
  status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'cancelled')),
  -- Jobs a minute; null for as many as are worked off.
  rate INTEGER,
  -- The id of the last record that was looked at, and how many steps led there: a message for
  -- another step does nothing.
  after_id TEXT NOT NULL DEFAULT '',
  step INTEGER NOT NULL DEFAULT 0,
  -- Made by whoever took the last step: of two that run at once, one finds its own here.
  token TEXT NOT NULL UNIQUE,
  scanned INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  error_code TEXT,
  error_message TEXT,
  -- When the sweeper sends the message of the next step again, should it still be running then.
  due_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  completed_at TEXT
);

CREATE UNIQUE INDEX cognate_backfills_one_running_per_table
  ON cognate_backfills (organization_id, scope) WHERE status = 'running';

CREATE INDEX cognate_backfills_by_organization
  ON cognate_backfills (organization_id, created_at, id);

CREATE INDEX cognate_backfills_due ON cognate_backfills (due_at) WHERE status = 'running';

CREATE INDEX cognate_backfills_completed
  ON cognate_backfills (completed_at) WHERE completed_at IS NOT NULL;

-- What a large table was counted to last: counting it for each request would read all of it.
CREATE TABLE cognate_coverage (
  organization_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  records INTEGER NOT NULL,
  embedded INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  stale INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  -- When the oldest job of a pending record was first asked for.
  oldest TEXT,
  counted_at TEXT NOT NULL,
  PRIMARY KEY (organization_id, scope)
) WITHOUT ROWID;

-- Where a task that looks at a part of something in each run goes on in the next one.
CREATE TABLE cognate_cursors (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
