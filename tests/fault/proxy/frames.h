/* SPDX-License-Identifier: MIT */
/*
 * Where requests and replies begin and end in what goes over a wire.
 */
#ifndef TESTS_FAULT_PROXY_FRAMES_H
#define TESTS_FAULT_PROXY_FRAMES_H

#include <stddef.h>

enum proxy_protocol { PROXY_REDIS, PROXY_POSTGRES, PROXY_KAFKA };

enum frame {
    FRAME_NONE,  /* has not come to its end */
    FRAME_PART,  /* of a request or reply that goes on */
    FRAME_LAST,  /* the end of one, or all of it */
    FRAME_ASIDE, /* no request: nobody answers it */
};

/* What has to be remembered of a connection. Zero but for the protocol at its beginning. */
struct frames {
    enum proxy_protocol protocol;
    int is_started; /* PostgreSQL: messages have a type from here on */
    int is_letter;  /* PostgreSQL: the next reply is a byte without a frame */
};

/* The first frame from the client; its length is written unless it is FRAME_NONE. */
enum frame frames_request(struct frames *frames, const char *data, size_t bytes, size_t *out_bytes);
/* The same from the server. */
enum frame frames_reply(struct frames *frames, const char *data, size_t bytes, size_t *out_bytes);

#endif
