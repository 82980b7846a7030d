-- Accounts, the namespace, upload sessions, and what the metadata worker writes.
-- APIs own path, deletion and permission columns; mr-metadata owns the content columns of files.

create table users (
    user_id       uuid primary key,
    email         text not null,
    name          text not null,
    password_hash text not null,
    created_at    timestamptz not null default now(),
    disabled_at   timestamptz
);
create unique index users_email on users (lower(email));

-- Failed logins by address, whether it has an account or not: an account must not show by being blocked.
create table login_failures (
    address_sha256 bytea primary key, -- of the address in lower case
    failures       integer not null,
    blocked_until  timestamptz,
    seen_at        timestamptz not null default now()
);
create index login_failures_age on login_failures (seen_at);

create table invites (
    token_sha256 bytea primary key,
    email        text,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    used_by      uuid references users (user_id),
    used_at      timestamptz
);

-- One owner and path is one file_id for ever: a deleted file keeps its row, a newer version un-deletes it.
-- version 0 is a reservation by an upload under way, not listed; expiry of the upload frees it.
create table files (
    file_id         uuid primary key,
    user_id         uuid not null,
    path            text collate "C" not null,
    size            bigint not null default 0,
    content_type    text not null default 'application/octet-stream',
    content_hash    bytea,
    version         bigint not null default 0,
    next_version    bigint not null default 1,
    s3_key          text,
    status          text not null default 'PENDING'
                    check (status in ('PENDING', 'AVAILABLE', 'QUARANTINED', 'DELETED')),
    verdict         text,
    change_seq      bigint not null default 0,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    deleted_at      timestamptz,
    deleted_version bigint
);
create unique index files_owner_path on files (user_id, path);
create index files_deleted on files (user_id, path) where deleted_at is not null;

create table file_versions (
    file_id      uuid not null,
    version      bigint not null check (version >= 1),
    event_id     uuid not null,
    user_id      uuid not null, -- who uploaded
    s3_key       text not null,
    s3_etag      text not null,
    size         bigint not null check (size >= 0),
    content_type text not null,
    content_hash bytea not null check (length(content_hash) = 32),
    created_at   timestamptz not null,
    primary key (file_id, version)
);
create index file_versions_hash on file_versions (content_hash);

-- One row per stage of a version. The newest report wins, by (finished or else started, attempt, outcome, the rest);
-- a verdict is replaced by a newer verdict only, so that a scan under way does not lift a quarantine. Any order of
-- delivery ends in the same row.
create table file_stages (
    file_id       uuid not null,
    version       bigint not null,
    stage         text not null,
    event_id      uuid not null,
    outcome       text not null,
    verdict       text,
    verdict_at    timestamptz, -- when the report that gave the verdict was made
    reason        text,
    engine        text,
    attempt       integer not null,
    next_retry_at timestamptz,
    started_at    timestamptz not null,
    finished_at   timestamptz,
    attributes    jsonb not null default '{}',
    updated_at    timestamptz not null, -- finished_at, else started_at
    primary key (file_id, version, stage)
);

-- Files whose purge was read from the log: what the log still says about them is not brought back by a replay.
create table purged_files (
    file_id   uuid primary key,
    purged_at timestamptz not null default now()
);

-- What an operator did with a dead letter; a topic cannot lose a record from its middle. record_time is part of
-- the key because a topic that was made anew counts from 0 again.
create table dead_letters (
    worker      text not null,
    partition   integer not null,
    "offset"    bigint not null,
    record_time timestamptz not null,
    action      text not null check (action in ('replayed', 'dropped')),
    at          timestamptz not null default now(),
    primary key (worker, partition, "offset", record_time)
);

create table upload_sessions (
    upload_id     uuid primary key,
    file_id       uuid not null,
    owner_id      uuid not null,
    user_id       uuid not null,
    path          text not null,
    size          bigint not null check (size >= 0),
    content_type  text not null,
    part_size     bigint not null,
    part_count    integer not null,
    s3_key        text not null,
    s3_upload_id  text not null,
    state         text not null default 'open'
                  check (state in ('open', 'completing', 'assembled', 'published', 'aborted', 'expired')),
    lease_until   timestamptz, -- completing: who holds it may work until then; assembled: a send is under way
    lease_id      uuid,        -- of the last lease in state completing; only its holder may give it back
    origin        text not null default 'UPLOAD',
    version       bigint,
    event_id      uuid,
    event_topic   text,
    event_bytes   bytea,
    event_headers text,
    created_at    timestamptz not null default now(),
    touched_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    assembled_at  timestamptz,
    published_at  timestamptz,
    unique (file_id, version)
);
create index upload_sessions_user_open on upload_sessions (user_id) where state in ('open', 'completing');
create index upload_sessions_sweep on upload_sessions (expires_at) where state in ('open', 'completing');
create index upload_sessions_unpublished on upload_sessions (assembled_at) where state = 'assembled';
create index upload_sessions_unclean on upload_sessions (touched_at) where state in ('aborted', 'expired');
create index upload_sessions_file on upload_sessions (file_id);
create index upload_sessions_key on upload_sessions (s3_key);

create table idempotency_keys (
    user_id      uuid not null,
    key          text not null,
    request_hash bytea not null,
    upload_id    uuid, -- what the first request made; null while it is under way
    created_at   timestamptz not null default now(),
    primary key (user_id, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
