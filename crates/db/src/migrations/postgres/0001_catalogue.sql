-- Servers, folders, cameras with their streams, status history, settings documents.
-- Times are microseconds of UTC, ids are UUIDs in lower case.

CREATE TABLE server (
  id TEXT COLLATE "C" PRIMARY KEY,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  address TEXT COLLATE "C" NOT NULL,
  sort TEXT COLLATE "C" NOT NULL,
  sealed BYTEA,
  sync_id TEXT COLLATE "C",
  sync_next BIGINT NOT NULL DEFAULT 0,
  synced_us BIGINT
);
CREATE INDEX server_sort ON server (sort, id);

CREATE TABLE folder (
  id TEXT COLLATE "C" PRIMARY KEY,
  parent_id TEXT COLLATE "C" REFERENCES folder (id) ON DELETE SET NULL,
  server_id TEXT COLLATE "C" REFERENCES server (id),
  name TEXT COLLATE "C" NOT NULL,
  name_ar TEXT COLLATE "C" NOT NULL,
  sort TEXT COLLATE "C" NOT NULL,
  seen_sync TEXT COLLATE "C"
);
CREATE INDEX folder_parent ON folder (parent_id);
CREATE INDEX folder_server ON folder (server_id);
CREATE INDEX folder_sort ON folder (sort, id);

CREATE TABLE camera (
  no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id TEXT COLLATE "C" NOT NULL UNIQUE,
  server_id TEXT COLLATE "C" REFERENCES server (id),
  hardware TEXT COLLATE "C" NOT NULL,
  agency TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  name_ar TEXT COLLATE "C",
  sort TEXT COLLATE "C" NOT NULL,
  tokens TEXT COLLATE "C" NOT NULL,
  -- The words are made ready in Rust; the index only keeps them, and no parser of the engine cuts them again.
  words TSVECTOR NOT NULL GENERATED ALWAYS AS (array_to_tsvector(array_remove(string_to_array(tokens, ' '), ''))) STORED,
  latitude DOUBLE PRECISION,
  longitude DOUBLE PRECISION,
  recorder TEXT COLLATE "C" NOT NULL,
  place TEXT COLLATE "C" NOT NULL,
  vendor TEXT COLLATE "C" NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  capabilities TEXT COLLATE "C" NOT NULL,
  metadata TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'ERROR')),
  status_us BIGINT,
  -- Whole listings of its server in a row that did not have it.
  missed INTEGER NOT NULL DEFAULT 0,
  vanished_us BIGINT,
  seen_sync TEXT COLLATE "C",
  updated_us BIGINT NOT NULL
);
CREATE INDEX camera_sort ON camera (sort, id);
CREATE INDEX camera_words ON camera USING gin (words);
CREATE INDEX camera_agency ON camera (agency, sort, id);
CREATE INDEX camera_server ON camera (server_id, sort, id);

CREATE TABLE stream (
  camera_id TEXT COLLATE "C" NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  rendition TEXT COLLATE "C" NOT NULL CHECK (rendition IN ('main', 'sub')),
  path TEXT COLLATE "C" NOT NULL UNIQUE,
  address TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (camera_id, rendition)
);

CREATE TABLE camera_folder (
  camera_id TEXT COLLATE "C" NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  folder_id TEXT COLLATE "C" NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
  PRIMARY KEY (camera_id, folder_id)
);
CREATE INDEX camera_folder_folder ON camera_folder (folder_id, camera_id);

CREATE TABLE status_change (
  no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  camera_id TEXT COLLATE "C" NOT NULL REFERENCES camera (id) ON DELETE CASCADE,
  at_us BIGINT NOT NULL,
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'ERROR')),
  reason TEXT COLLATE "C" NOT NULL
);
CREATE INDEX status_change_at ON status_change (camera_id, at_us, no);

CREATE TABLE settings (
  name TEXT COLLATE "C" PRIMARY KEY,
  revision BIGINT NOT NULL,
  -- Sealed: it may name passwords of cameras.
  body BYTEA NOT NULL
);
