/* SPDX-License-Identifier: MIT */
/*
 * Refuses requests whose end, target or fields two servers could read differently.
 *
 * Nothing is repaired: what is ambiguous is answered 400 and the connection is
 * closed, so that no byte after it can be taken for a request of its own (RFC
 * 9112 §6.3, §11.2). Refused are: a length beside a transfer coding, two
 * lengths (also equal ones), a length that is no number of 1 to 15 digits, a
 * coding other than `chunked`, any coding in HTTP/1.0, a body on GET, HEAD and
 * DELETE, two Host fields, names that are no tokens (so also a blank before the
 * colon), control characters in values, and targets with empty or dot segments,
 * bad percent-encoding, encoded control characters, or not in origin form.
 *
 * libmicrohttpd reads a head as C strings: it ends a line at a NUL, takes a line that
 * begins with one for the end of the head, unfolds folded lines and accepts bare line
 * feeds. It hands out pointers into the memory that it read into, so what it passed
 * over shows as a gap. A head is followed through that memory, from the method to the
 * end: every part must begin where the one before it ended (track functions).
 * Threads: [pure].
 */
#include "http/internal.h"

#include <string.h>
#include <strings.h>

#include "core/bytes.h"

static int hex(char c)
{
    return (c >= '0' && c <= '9')   ? c - '0'
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10
           : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                    : -1;
}

static const char *check_bytes(const char *target)
{
    for (const char *at = target; *at; at++) {
        if (*at <= ' ' || *at == '#' || *at == '\\' || *at > '~') {
            return "the target has a character that is not allowed";
        }
        if (*at == '%') {
            int high = hex(at[1]);
            int low = high < 0 ? -1 : hex(at[2]);
            if (low < 0 || high * 16 + low < ' ' || high * 16 + low == 0x7f) {
                return "the target is not properly percent-encoded";
            }
        }
    }
    return NULL;
}

/* True for ".", "..", and the same with encoded dots. */
static int is_dots(const char *segment, size_t bytes)
{
    unsigned dots = 0;
    for (size_t i = 0; i < bytes; dots++) {
        if (segment[i] == '.') {
            i++;
        } else if (bytes - i >= 3 && strncasecmp(segment + i, "%2e", 3) == 0) {
            i += 3;
        } else {
            return 0;
        }
    }
    return dots == 1 || dots == 2;
}

const char *http__check_target(const char *target)
{
    if (target[0] != '/') {
        return "the target is not in origin form";
    }
    const char *refusal = check_bytes(target);
    for (const char *at = target + 1; !refusal;) {
        size_t bytes = strcspn(at, "/?");
        if (is_dots(at, bytes) || (bytes == 0 && *at == '/')) {
            return "the target has an empty segment or one of dots";
        }
        if (at[bytes] != '/') {
            break;
        }
        at += bytes + 1;
    }
    return refusal;
}

static int is_token(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c > '~' || strchr("\"(),/:;<=>?@[\\]{}", c)) {
            return 0;
        }
    }
    return bytes > 0;
}

static int has_control(const char *value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return 1;
        }
    }
    return 0;
}

static void read_length(struct http_head *head, const char *value, size_t bytes)
{
    head->lengths++;
    int64_t length = bytes > 15 ? -1 : tq__text_number(value, bytes, INT64_MAX);
    if (length < 0) {
        head->refusal = "Content-Length is not a number of 1 to 15 digits";
    }
    head->length = length < 0 ? 0 : (uint64_t)length;
}

static int is_text(const char *text, size_t bytes, const char *wanted)
{
    return bytes == strlen(wanted) && strncasecmp(text, wanted, bytes) == 0;
}

void http__head_field(struct http_head *head, const char *name, size_t name_bytes,
                      const char *value, size_t value_bytes)
{
    head->fields++;
    head->bytes += name_bytes + value_bytes + 4;
    if (!is_token(name, name_bytes) || has_control(value, value_bytes)) {
        head->refusal = "a field has a name or a value that is not allowed";
    } else if (is_text(name, name_bytes, "content-length")) {
        read_length(head, value, value_bytes);
    } else if (is_text(name, name_bytes, "transfer-encoding")) {
        head->codings++;
        head->is_chunked = is_text(value, value_bytes, "chunked");
    } else if (is_text(name, name_bytes, "host")) {
        head->hosts++;
    } else if (is_text(name, name_bytes, "expect")) {
        head->expects |= !is_text(value, value_bytes, "100-continue");
    }
}

const char *http__head_check(const struct http_head *head, const char *method, const char *version)
{
    int has_body = head->codings || head->length > 0;
    if (head->refusal) {
        return head->refusal;
    }
    if (head->lengths > 1 || head->codings > 1 || (head->lengths && head->codings)) {
        return "the request says twice where it ends";
    }
    if (head->codings && (!head->is_chunked || strcmp(version, "HTTP/1.0") == 0)) {
        return "the only transfer coding is chunked, in HTTP/1.1";
    }
    if (head->hosts > 1 || (!head->hosts && strcmp(version, "HTTP/1.1") == 0)) {
        return "the request needs one Host field";
    }
    if (has_body && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
                     strcmp(method, "DELETE") == 0)) {
        return "a body is not allowed with this method";
    }
    return NULL;
}

/* ---- gaps ---- */

void http__track_begin(struct http_track *track, const char *method, const char *target,
                       size_t target_bytes, const char *version)
{
    track->has_gap = target != method + strlen(method) + 1 || version != target + target_bytes + 1;
    track->at = version + strlen(version) + 2;
}

void http__track_field(struct http_track *track, const char *name, size_t name_bytes,
                       const char *value, size_t value_bytes)
{
    track->has_gap |= name != track->at || value <= name + name_bytes;
    for (const char *at = name + name_bytes + 1; !track->has_gap && at < value; at++) {
        track->has_gap = *at != ' ' && *at != '\t';
    }
    track->at = value + value_bytes + 2;
}

int http__track_end(const struct http_track *track, const char *method, size_t head_bytes)
{
    return track->has_gap || track->at + 2 != method + head_bytes;
}
