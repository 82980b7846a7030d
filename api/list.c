/* GET /files: what lies one level below a folder.
 *
 * Folders are not stored, they are what paths have in common. The list walks the index (user_id, path): after
 * a file it goes on behind that path, after the first file below a subfolder it skips the whole subfolder
 * ("/a/b/x" → what is not below "/a/b0", "0" being the byte after "/"). So a page costs one index probe per
 * entry, however many files lie deeper. */
#include <stdio.h>
#include <string.h>

#include "api/cursor.h"
#include "api/file_row.h"
#include "api/handlers.h"
#include "path/path.h"

#define DOING "listing files"

struct listing {
    char prefix[MR_PATH_MAX + 2]; /* the folder with a slash at its end */
    char end[MR_PATH_MAX + 2];    /* the first path behind the folder */
    char from[MR_CURSOR_MAX + 1]; /* the list goes on at the first path that is not before this */
    bool deleted;
    int64_t limit;
};

/* One step of the walk: the first entry that is not before `at`. */
#define FIRST_FROM(at, which)                                                                                \
    "(select f.file_id, f.path from files f where " MR_API_MAY_READ " and f.path >= " at                     \
    " and f.path < $3 and " MR_API_IS_THERE " and " which " order by f.path limit 1)"

/* An entry is a folder when there is a slash behind the prefix; `next` is where the walk goes on. No path has
 * a control character, so nothing lies between a path and the path with U+0001 at its end. */
#define AS_ENTRY(n)                                                                                          \
    "select " n ", s.file_id, s.path, e.name_len > 0,"                                                       \
    " case when e.name_len > 0 then $4 || left(s.rest, e.name_len - 1) || '0' else s.path || e'\\x01' end"
#define CUT                                                                                                  \
    " cross join lateral (select substr(s0.path, char_length($4) + 1) as rest, s0.*) s"                      \
    " cross join lateral (select strpos(s.rest, '/') as name_len) e"

#define WALK(which)                                                                                          \
    "with recursive walk (n, file_id, path, is_folder, next) as (" AS_ENTRY("1") " from " FIRST_FROM(        \
        "$2", which) " s0" CUT                                                                               \
                     " union all " AS_ENTRY("w.n + 1") " from walk w cross join lateral " FIRST_FROM(        \
                         "w.next", which) " s0" CUT " where w.n <= $5)"                                      \
                                          " select w.path, w.is_folder, w.next, " MR_API_FILE_COLUMNS        \
                                          " from walk w left join files f on not w.is_folder and f.file_id " \
                                          "= w.file_id order by w.n"

static const char walk_living[] = WALK("f.deleted_at is null");
static const char walk_deleted[] = WALK("f.deleted_at is not null");

enum { COL_PATH, COL_IS_FOLDER, COL_NEXT, COL_FILE };

static bool read_folder(const char *folder, struct mr_http_reply *rp, struct listing *l)
{
    struct mr_error err = {0};
    if (mr_folder_check(mr_span_of(folder), &err) != MR_OK) {
        mr_http_problem(rp, 400, "invalid-request", "the query parameter \"folder\": %s", err.text);
        return false;
    }
    snprintf(l->prefix, sizeof(l->prefix), "%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/");
    snprintf(l->end, sizeof(l->end), "%s", l->prefix);
    l->end[strlen(l->end) - 1] = '/' + 1;
    snprintf(l->from, sizeof(l->from), "%s", l->prefix);
    return true;
}

static bool read_listing(struct mr_http_request *rq, struct mr_http_reply *rp, struct listing *l)
{
    const char *folder = mr_http_query(rq, "folder"), *deleted = mr_http_query(rq, "deleted");
    const char *cursor = mr_http_query(rq, "cursor");
    *l = (struct listing){.deleted = deleted && strcmp(deleted, "true") == 0};
    if (deleted && !l->deleted && strcmp(deleted, "false") != 0) {
        mr_http_problem(rp, 400, "invalid-request", "the query parameter \"deleted\" must be true or false");
        return false;
    }
    if (!read_folder(folder ? folder : "/", rp, l) || !mr_api_limit(rq, rp, &l->limit))
        return false;
    bool fits = !cursor || (mr_cursor_read(cursor, l->deleted ? 'd' : 'f', l->from) &&
                            strncmp(l->from, l->prefix, strlen(l->prefix)) == 0);
    if (!fits)
        mr_http_problem(rp, 400, "invalid-request", "the query parameter \"cursor\" is not one of this list");
    return fits;
}

static enum mr_status query(struct mr_db *db, struct mr_uuid caller, const struct listing *l, PGresult **res,
                            struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, caller);
    mr_db_arg_text(&args, l->from);
    mr_db_arg_text(&args, l->end);
    mr_db_arg_text(&args, l->prefix);
    mr_db_arg_i64(&args, l->limit); /* one entry more than the page has: is there a next page? */
    return mr_db_query(db, l->deleted ? walk_deleted : walk_living, &args, res, err);
}

/* "/a/b/x/y" under "/a/" is the folder "/a/b". */
static json_t *folder_json(const struct listing *l, const char *path)
{
    size_t prefix = strlen(l->prefix);
    return json_pack("{s:s%}", "path", path, prefix + strcspn(path + prefix, "/"));
}

static json_t *page_json(const struct listing *l, const PGresult *res)
{
    json_t *folders = json_array(), *files = json_array(), *next = NULL;
    int n = PQntuples(res), shown = n > l->limit ? (int)l->limit : n;
    for (int i = 0; i < shown; i++) {
        /* A file that was purged between the walk and the join has left no row: it is simply gone. */
        if (mr_db_bool(res, i, COL_IS_FOLDER))
            json_array_append_new(folders, folder_json(l, mr_db_text(res, i, COL_PATH)));
        else if (!mr_db_null(res, i, COL_FILE + MR_FILE_ID))
            json_array_append_new(files, mr_api_file_json(res, i, COL_FILE));
    }
    if (n > shown)
        next = mr_cursor_json(l->deleted ? 'd' : 'f', mr_db_text(res, shown - 1, COL_NEXT));
    return json_pack("{s:o, s:o, s:o}", "folders", folders, "files", files, "next_cursor",
                     next ? next : json_null());
}

void mr_api_list(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct listing l;
    struct mr_error err = {0};
    PGresult *res = NULL;
    if (!read_listing(rq, rp, &l))
        return;
    struct mr_db *db = mr_api_db(ctx, DOING, rp);
    if (!db)
        return;
    if (query(db, mr_http_user(rq), &l, &res, &err) != MR_OK)
        mr_http_problem_of(rp, DOING, &err);
    else if (PQntuples(res) > 0 || mr_api_enabled(db, mr_http_user(rq), DOING, rp))
        mr_http_reply_json(rp, 200, page_json(&l, res));
    PQclear(res);
    mr_db_release(&db);
}
