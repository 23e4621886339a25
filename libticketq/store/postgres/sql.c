/* SPDX-License-Identifier: MIT */
/*
 * What the driver has to know of SQL: words, parameters, where a statement ends.
 *
 * It is read as PostgreSQL's own scanner reads it, so far as to tell words from strings,
 * quoted names, comments and parameters; what they mean is for the server.
 *
 *   control   a first word that begins or ends transactions or changes settings
 *   guarded   writes and does not say ON CONFLICT DO NOTHING for every constraint: a unique
 *             one may object, and the transaction has to go on after that
 *   row       an INSERT of one row of parameters and constants, so that no row depends on
 *             those before it, and many of them may be one statement
 *
 * Two things are translated in a script. A key that the engine issues has another name
 * here. And a table with such a key is a queue, whose rows come at one end and go at the
 * other: it is vacuumed by count, since a share of a table that is nearly always empty
 * says nothing, and at full speed. Threads: [pure].
 */
#include "store/postgres/postgres.h"

#include <string.h>
#include <strings.h>

enum kind { END, WORD, PARAM, STRING, SIGN };

struct token {
    enum kind kind;
    const char *text;
    size_t bytes;
};

static int is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind a comment of which `at` is the first byte; they nest. */
static const char *skip_comment(const char *at, const char *end)
{
    unsigned depth = 0;
    while (at < end) {
        if (end - at >= 2 && at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (end - at >= 2 && at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0) {
                break;
            }
        } else {
            at++;
        }
    }
    return at;
}

static const char *skip_blank(const char *at, const char *end)
{
    for (;;) {
        while (at < end && strchr(" \t\r\n\f", *at)) {
            at++;
        }
        if (end - at >= 2 && at[0] == '-' && at[1] == '-') {
            at = memchr(at, '\n', (size_t)(end - at));
            at = at ? at : end;
        } else if (end - at >= 2 && at[0] == '/' && at[1] == '*') {
            at = skip_comment(at, end);
        } else {
            return at;
        }
    }
}

/* Behind a string or a quoted name; a doubled quote is part of it. */
static const char *skip_quoted(const char *at, const char *end, int has_escapes)
{
    char quote = *at++;
    while (at < end) {
        if (has_escapes && *at == '\\' && at + 1 < end) {
            at += 2;
        } else if (*at == quote && at + 1 < end && at[1] == quote) {
            at += 2;
        } else if (*at++ == quote) {
            break;
        }
    }
    return at;
}

/* Behind $tag$...$tag$, or NULL when `at` does not begin one. */
static const char *skip_dollars(const char *at, const char *end)
{
    const char *tag_end = at + 1;
    while (tag_end < end && *tag_end != '$' && is_word_byte(*tag_end)) {
        tag_end++;
    }
    if (tag_end >= end || *tag_end != '$') {
        return NULL;
    }
    size_t bytes = (size_t)(tag_end + 1 - at);
    const char *close = memmem(tag_end + 1, (size_t)(end - tag_end - 1), at, bytes);
    return close ? close + bytes : end;
}

static struct token next_token(const char *at, const char *end)
{
    at = skip_blank(at, end);
    struct token token = {END, at, 0};
    const char *stop = at;
    if (at == end) {
        return token;
    }
    if (*at == '\'' || *at == '"') {
        token.kind = STRING;
        stop = skip_quoted(at, end, 0);
    } else if (*at == '$' && at + 1 < end && is_digit(at[1])) {
        token.kind = PARAM;
        for (stop = at + 1; stop < end && is_digit(*stop); stop++) {
        }
    } else if (*at == '$' && (stop = skip_dollars(at, end))) {
        token.kind = STRING;
    } else if (is_word_byte(*at) && *at != '$') {
        token.kind = WORD;
        for (stop = at; stop < end && is_word_byte(*stop); stop++) {
        }
        if (stop - at == 1 && (*at == 'E' || *at == 'e') && stop < end && *stop == '\'') {
            token.kind = STRING;
            stop = skip_quoted(stop, end, 1);
        }
    } else {
        token.kind = SIGN;
        stop = at + 1;
    }
    token.bytes = (size_t)(stop - at);
    return token;
}

static int is_word(const struct token *token, const char *word)
{
    return token->kind == WORD && token->bytes == strlen(word) &&
           strncasecmp(token->text, word, token->bytes) == 0;
}

static int is_one_of(const struct token *token, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_word(token, words[i])) {
            return 1;
        }
    }
    return 0;
}

static int is_control_word(const struct token *token)
{
    static const char *const words[] = {
        "abort", "begin",    "close",     "commit", "copy",  "deallocate", "declare", "discard",
        "end",   "execute",  "fetch",     "listen", "load",  "move",       "prepare", "release",
        "reset", "rollback", "savepoint", "set",    "start", "unlisten",
    };
    return is_one_of(token, words, sizeof words / sizeof *words);
}

static int is_writing_word(const struct token *token)
{
    static const char *const words[] = {"insert", "update", "merge"};
    return is_one_of(token, words, sizeof words / sizeof *words);
}

/* The words that were met last. */
struct phrase {
    const char *const *words;
    size_t count, met;
};

/* True when the token completes the phrase. */
static int completes(struct phrase *phrase, const struct token *token)
{
    if (!is_word(token, phrase->words[phrase->met])) {
        phrase->met = is_word(token, phrase->words[0]) ? 1 : 0;
        return 0;
    }
    if (++phrase->met < phrase->count) {
        return 0;
    }
    phrase->met = 0;
    return 1;
}

struct params {
    unsigned char is_used[TQ__POSTGRES_PARAMS_MAX + 1];
    size_t highest;
};

static int note_param(struct params *params, const struct token *token)
{
    int64_t number = tq__text_number(token->text + 1, token->bytes - 1, TQ__POSTGRES_PARAMS_MAX);
    if (number < 0 || token->text[1] == '0') {
        return -1;
    }
    params->is_used[number] = 1;
    params->highest = (size_t)number > params->highest ? (size_t)number : params->highest;
    return 0;
}

static int count_params(const struct params *params, size_t *out_count)
{
    for (size_t i = 1; i <= params->highest; i++) {
        if (!params->is_used[i]) {
            return -1;
        }
    }
    *out_count = params->highest;
    return 0;
}

static int is_sign(const struct token *token, char sign)
{
    return token->kind == SIGN && *token->text == sign;
}

static struct token token_behind(const struct token *token, const char *end)
{
    return next_token(token->text + token->bytes, end);
}

/* Behind a row: nothing, or ON CONFLICT ... DO NOTHING. */
static int is_plain_end(struct token token, const char *end)
{
    static const char *const others[] = {"returning", "where"};
    static const char *const spares[] = {"do", "nothing"};
    struct phrase spare = {spares, 2, 0};
    int is_plain = token.kind == END;
    for (; token.kind != END; token = token_behind(&token, end)) {
        if (token.kind == PARAM || is_one_of(&token, others, sizeof others / sizeof *others)) {
            return 0;
        }
        is_plain = completes(&spare, &token);
    }
    return is_plain;
}

/* Notes where the row of an INSERT is, if it has nothing but parameters and constants. */
static void find_row(struct postgres_sql *sql, const char *begin, const char *end)
{
    struct token token = next_token(begin, end);
    while (token.kind != END && token.kind != PARAM && !is_word(&token, "values")) {
        token = token_behind(&token, end);
    }
    struct token open = token_behind(&token, end);
    if (!is_word(&token, "values") || !is_sign(&open, '(')) {
        return;
    }
    token = token_behind(&open, end);
    while (is_sign(&token, ',') || (token.kind != SIGN && token.kind != END)) {
        token = token_behind(&token, end);
    }
    if (is_sign(&token, ')') && is_plain_end(token_behind(&token, end), end)) {
        sql->row = (size_t)(open.text - begin);
        sql->row_end = (size_t)(token.text + 1 - begin);
    }
}

int tq__postgres_sql_read(struct postgres_sql *out_sql, const char *sql, struct tq_error *err)
{
    static const char *const spares[] = {"conflict", "do", "nothing"};
    const char *end = sql + strlen(sql);
    struct token token = next_token(sql, end), first = token;
    struct phrase spare = {spares, 3, 0};
    struct params params = {0};
    int is_malformed = 0, is_writing = 0, is_spared = 0;
    for (; token.kind != END; token = next_token(token.text + token.bytes, end)) {
        is_malformed |= token.kind == PARAM && note_param(&params, &token);
        is_writing |= is_writing_word(&token);
        is_spared |= completes(&spare, &token);
    }
    if (is_malformed || count_params(&params, &out_sql->params_count)) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "parameters must be $1 to $n without a gap, n at most %d",
                        TQ__POSTGRES_PARAMS_MAX);
    }
    if (first.kind == END) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres", "there is no statement");
    }
    out_sql->is_control = is_control_word(&first);
    out_sql->is_guarded = is_writing && !(is_spared && is_word(&first, "insert"));
    out_sql->row = out_sql->row_end = 0;
    if (is_word(&first, "insert") && out_sql->params_count) {
        find_row(out_sql, sql, end);
    }
    return TQ_OK;
}

/* Adds a row whose parameters have numbers that are `shift` higher. */
static void add_row(struct tq__buf *target, const char *row, const char *end, size_t shift)
{
    const char *copied = row;
    for (struct token token = next_token(row, end); token.kind != END;
         token = token_behind(&token, end)) {
        if (token.kind == PARAM) {
            int64_t number = tq__text_number(token.text + 1, token.bytes - 1, INT32_MAX);
            tq__buf_add(target, copied, (size_t)(token.text - copied));
            tq__buf_format(target, "$%zu", (size_t)number + shift);
            copied = token.text + token.bytes;
        }
    }
    tq__buf_add(target, copied, (size_t)(end - copied));
}

void tq__postgres_sql_widen(struct tq__buf *target, const char *sql,
                            const struct postgres_sql *read, size_t rows)
{
    tq__buf_add(target, sql, read->row);
    for (size_t i = 0; i < rows; i++) {
        tq__buf_text(target, i ? ", " : "");
        add_row(target, sql + read->row, sql + read->row_end, i * read->params_count);
    }
    tq__buf_text(target, sql + read->row_end);
}

const char *tq__postgres_sql_next(const char *script, size_t *out_bytes)
{
    const char *end = script + strlen(script), *begin = NULL;
    struct token token = next_token(script, end);
    while (token.kind == SIGN && *token.text == ';') {
        token = next_token(token.text + 1, end);
    }
    if (token.kind == END) {
        return NULL;
    }
    begin = token.text;
    while (token.kind != END && !(token.kind == SIGN && *token.text == ';')) {
        token = next_token(token.text + token.bytes, end);
    }
    *out_bytes = (size_t)(token.text - begin);
    return begin;
}

#define ISSUED_KEY "BIGINT GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY"
#define QUEUE                                                                                      \
    "\nWITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,"              \
    " autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 0)"

void tq__postgres_sql_translate(struct tq__buf *target, const char *sql, size_t bytes)
{
    static const char *const issued[] = {"integer", "primary", "key", "autoincrement"};
    const char *end = sql + bytes, *copied = sql, *phrase_begin = sql;
    struct phrase phrase = {issued, 4, 0};
    int is_queue = 0;
    for (struct token token = next_token(sql, end); token.kind != END;
         token = next_token(token.text + token.bytes, end)) {
        int is_complete = completes(&phrase, &token);
        if (phrase.met == 1) {
            phrase_begin = token.text;
        }
        if (is_complete) {
            tq__buf_add(target, copied, (size_t)(phrase_begin - copied));
            tq__buf_text(target, ISSUED_KEY);
            copied = token.text + token.bytes;
            is_queue = 1;
        }
    }
    tq__buf_add(target, copied, (size_t)(end - copied));
    tq__buf_text(target, is_queue ? QUEUE : "");
}
