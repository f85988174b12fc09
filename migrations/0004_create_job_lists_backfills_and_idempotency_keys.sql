-- Lists of jobs, newest first, one index for each combination of filters. A job's id sorts by time
-- only where the server made it, so created_at leads.
CREATE INDEX cognate_jobs_by_organization ON cognate_jobs (organization_id, created_at, id);

CREATE INDEX cognate_jobs_by_status ON cognate_jobs (organization_id, status, created_at, id);

CREATE INDEX cognate_jobs_by_table ON cognate_jobs (organization_id, scope, created_at, id);

CREATE INDEX cognate_jobs_by_table_and_status
  ON cognate_jobs (organization_id, scope, status, created_at, id);

-- Most jobs have no error, and cost nothing here.
CREATE INDEX cognate_jobs_by_code
  ON cognate_jobs (organization_id, error_code, created_at, id) WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_code_and_status
  ON cognate_jobs (organization_id, error_code, status, created_at, id)
  WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_table_and_code
  ON cognate_jobs (organization_id, scope, error_code, created_at, id)
  WHERE error_code IS NOT NULL;

CREATE INDEX cognate_jobs_by_table_code_and_status
  ON cognate_jobs (organization_id, scope, error_code, status, created_at, id)
  WHERE error_code IS NOT NULL;

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
