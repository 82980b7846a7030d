#include "admin/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define CELL_MAX_BYTES 4096

void mr_table_init(struct mr_table *t, const char *const *columns, size_t n_columns)
{
    t->columns = columns;
    t->n_columns = n_columns;
    t->rows = json_array();
}

void mr_table_free(struct mr_table *t)
{
    json_decref(t->rows);
    t->rows = NULL;
}

void mr_table_row(struct mr_table *t)
{
    json_array_append_new(t->rows, json_array());
}

static void cell(struct mr_table *t, json_t *value)
{
    json_array_append_new(json_array_get(t->rows, json_array_size(t->rows) - 1), value);
}

void mr_table_text(struct mr_table *t, const char *text)
{
    mr_table_bytes(t, text, strlen(text));
}

void mr_table_bytes(struct mr_table *t, const char *p, size_t n)
{
    if (n > CELL_MAX_BYTES)
        n = CELL_MAX_BYTES;
    json_t *text = json_stringn(p, n);
    if (text) {
        cell(t, text);
        return;
    }
    struct mr_buf shown;
    mr_buf_init(&shown, 4 * CELL_MAX_BYTES + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        mr_buf_printf(&shown, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
    }
    cell(t, json_stringn(shown.data, shown.len));
    mr_buf_free(&shown);
}

void mr_table_int(struct mr_table *t, int64_t v)
{
    cell(t, json_integer(v));
}

void mr_table_null(struct mr_table *t)
{
    cell(t, json_null());
}

json_t *mr_table_json(const struct mr_table *t)
{
    json_t *list = json_array(), *row;
    size_t r;
    json_array_foreach(t->rows, r, row)
    {
        json_t *object = json_object();
        for (size_t c = 0; c < t->n_columns; c++)
            json_object_set(object, t->columns[c], json_array_get(row, c));
        json_array_append_new(list, object);
    }
    return list;
}

/* Control characters in what comes from the log must not reach a terminal. */
static char *cell_text(const json_t *value)
{
    char number[24];
    const char *s = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        s = number;
    }
    char *text = strdup(s ? s : "-");
    if (!text)
        abort();
    for (char *p = text; *p; p++) {
        if (iscntrl((unsigned char)*p))
            *p = '?';
    }
    return text;
}

/* Columns of the terminal that the text takes, near enough: one per UTF-8 character. */
static int width(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_cell(FILE *out, const char *text, int wide, int right, int last)
{
    int pad = wide - width(text);
    if (right)
        fprintf(out, "%*s%s", pad, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", out);
}

static void print_heading(FILE *out, const char *column, int wide, int right, int last)
{
    char heading[64];
    size_t n = 0;
    for (; column[n] && n < sizeof(heading) - 1; n++)
        heading[n] = column[n] == '_' ? ' ' : (char)toupper((unsigned char)column[n]);
    heading[n] = '\0';
    print_cell(out, heading, wide, right, last);
}

void mr_table_print(const struct mr_table *t, FILE *out)
{
    int *wide = calloc(t->n_columns, sizeof(int)), *right = calloc(t->n_columns, sizeof(int));
    if (!wide || !right)
        abort();
    size_t r;
    json_t *row;
    for (size_t c = 0; c < t->n_columns; c++) {
        wide[c] = (int)strlen(t->columns[c]);
        json_array_foreach(t->rows, r, row)
        {
            char *text = cell_text(json_array_get(row, c));
            wide[c] = width(text) > wide[c] ? width(text) : wide[c];
            right[c] |= json_is_integer(json_array_get(row, c));
            free(text);
        }
    }
    for (size_t c = 0; c < t->n_columns; c++)
        print_heading(out, t->columns[c], wide[c], right[c], c + 1 == t->n_columns);
    json_array_foreach(t->rows, r, row)
    {
        for (size_t c = 0; c < t->n_columns; c++) {
            char *text = cell_text(json_array_get(row, c));
            print_cell(out, text, wide[c], right[c], c + 1 == t->n_columns);
            free(text);
        }
    }
    free(wide);
    free(right);
}

void mr_table_show(const struct mr_table *t, FILE *out, int json)
{
    if (!json) {
        mr_table_print(t, out);
        return;
    }
    json_t *list = mr_table_json(t);
    json_dumpf(list, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(list);
}
