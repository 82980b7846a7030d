# shellcheck shell=bash disable=SC2154
# What the tables say, asked with psql. Uses $pg_dsn and $email.

database_open() {
    psql=$(command -v psql || find /usr/lib/postgresql -name psql -type f | sort | tail -n 1)
    [[ $psql ]] || fail 'there is no psql'
}

sql() { "$psql" -XAtq -v ON_ERROR_STOP=1 -d "$pg_dsn" "$@"; }

# How many versions of files the demo's user has.
versions_count() {
    sql -v email="$email" <<'SQL'
select count(*) from file_versions v join users u using (user_id) where u.email = :'email';
SQL
}

# load FILE: psql commands that read the lines `mr --json` printed into the table `sent`.
load() {
    cat <<SQL
create temp table sent (line jsonb);
\\copy sent from '$1' with (format csv, quote e'\\x01', delimiter e'\\x02')
SQL
}

# Uploads in a file of JSON lines that have no version in the tables, or a version that is not theirs.
missing_versions() {
    {
        load "$1"
        cat <<'SQL'
select count(*) from sent
 where not exists (select from file_versions v
                    where v.file_id = (line->>'file_id')::uuid and v.version = (line->>'version')::bigint
                      and v.event_id = (line->>'event_id')::uuid and v.size = (line->>'size')::bigint);
SQL
    } | sql
}

# The steps of one upload, from the client's own clock and from the tables.
way_of_a_file() {
    {
        load "$1"
        cat <<'SQL'
with way as (
    select line, s.*, (line->'times'->>'started')::timestamptz as started
      from sent join upload_sessions s on s.file_id = (line->>'file_id')::uuid and s.version = (line->>'version')::bigint)
select format('  %s %s %s', to_char(extract(epoch from at - started), '990.000') || ' s', rpad(step, 12), what)
  from way, lateral (values
        (1, created_at, 'initiate', format('upload %s, version %s of %s', upload_id, version, path)),
        (2, (line->'times'->>'sent')::timestamptz, 'parts',
            format('%s parts of %s MiB, %s MiB/s', part_count, part_size >> 20,
                   round((size / 1048576.0 / greatest(0.001, extract(epoch from (line->'times'->>'sent')::timestamptz - created_at)))::numeric))),
        (3, assembled_at, 'assembled', 'one object; version and event stored in one transaction'),
        (4, published_at, 'published', 'FileUploaded is on the log, in every in-sync replica'),
        (5, (line->'times'->>'completed')::timestamptz, 'metadata', 'written by mr-metadata, readable by everyone who may'))
       as steps (n, at, step, what)
 order by n;
SQL
    } | sql
}
