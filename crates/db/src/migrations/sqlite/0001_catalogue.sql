-- Servers, folders, cameras with their streams, status history, settings documents.
-- Times are microseconds of UTC, ids are UUIDs in lower case.

CREATE TABLE server (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  sort TEXT NOT NULL,
  sealed BLOB,
  sync_id TEXT,
  sync_next INTEGER NOT NULL DEFAULT 0,
  synced_us INTEGER
) STRICT;
CREATE INDEX server_sort ON server (sort, id);

CREATE TABLE folder (
  id TEXT PRIMARY KEY,
  parent_id TEXT REFERENCES folder (id) ON DELETE SET NULL,
  server_id TEXT REFERENCES server (id),
  name TEXT NOT NULL,
  name_ar TEXT NOT NULL,
  sort TEXT NOT NULL,
  seen_sync TEXT
) STRICT;
CREATE INDEX folder_parent ON folder (parent_id);
CREATE INDEX folder_server ON folder (server_id);
CREATE INDEX folder_sort ON folder (sort, id);

CREATE TABLE camera (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  server_id TEXT REFERENCES server (id),
  hardware TEXT NOT NULL,
  agency TEXT NOT NULL,
  name TEXT NOT NULL,
  name_ar TEXT,
  sort TEXT NOT NULL,
  tokens TEXT NOT NULL,
  latitude REAL,
  longitude REAL,
  recorder TEXT NOT NULL,
  place TEXT NOT NULL,
  vendor TEXT NOT NULL,
  model TEXT NOT NULL,
  capabilities TEXT NOT NULL,
  metadata TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'ERROR')),
  status_us INTEGER,
  -- Whole listings of its server in a row that did not have it.
  missed INTEGER NOT NULL DEFAULT 0,
  vanished_us INTEGER,
  seen_sync TEXT,
  updated_us INTEGER NOT NULL
) STRICT;
CREATE INDEX camera_sort ON camera (sort, id);
CREATE INDEX camera_agency ON camera (agency, sort, id);
CREATE INDEX camera_server ON camera (server_id, sort, id);

CREATE TABLE stream (
  camera_id TEXT NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  rendition TEXT NOT NULL CHECK (rendition IN ('main', 'sub')),
  path TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL,
  PRIMARY KEY (camera_id, rendition)
) STRICT;

CREATE TABLE camera_folder (
  camera_id TEXT NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  folder_id TEXT NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
  PRIMARY KEY (camera_id, folder_id)
) STRICT;
CREATE INDEX camera_folder_folder ON camera_folder (folder_id, camera_id);

CREATE TABLE status_change (
  no INTEGER PRIMARY KEY,
  camera_id TEXT NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  at_us INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'ERROR')),
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX status_change_at ON status_change (camera_id, at_us, no);

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  -- Sealed: it may name passwords of cameras.
  body BLOB NOT NULL
) STRICT;

-- The words are made ready in Rust; the index only keeps them.
CREATE VIRTUAL TABLE camera_fts USING fts5 (
  tokens, content = 'camera', content_rowid = 'no',
  tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
);
CREATE TRIGGER camera_fts_insert AFTER INSERT ON camera BEGIN
  INSERT INTO camera_fts (rowid, tokens) VALUES (new.no, new.tokens);
END;
CREATE TRIGGER camera_fts_delete AFTER DELETE ON camera BEGIN
  INSERT INTO camera_fts (camera_fts, rowid, tokens) VALUES ('delete', old.no, old.tokens);
END;
CREATE TRIGGER camera_fts_update AFTER UPDATE OF tokens ON camera WHEN old.tokens <> new.tokens BEGIN
  INSERT INTO camera_fts (camera_fts, rowid, tokens) VALUES ('delete', old.no, old.tokens);
  INSERT INTO camera_fts (rowid, tokens) VALUES (new.no, new.tokens);
END;
