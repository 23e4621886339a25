/* SPDX-License-Identifier: MIT */
/*
 * Small files, read whole.
 */
#ifndef HERD_FILES_H
#define HERD_FILES_H

#include <stdio.h>
#include <stdlib.h>

/* The text of a file with a NUL behind it, for free(); NULL with a line on stderr. */
static inline char *file_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;
    ssize_t bytes = file ? getdelim(&text, &room, '\0', file) : -1;
    if (file) {
        fclose(file);
    }
    if (bytes < 0) {
        fprintf(stderr, "herd: cannot read %s\n", path);
        free(text);
        return NULL;
    }
    return text;
}

#endif
