/* SPDX-License-Identifier: MIT */
/*
 * Makes a folder for a test's files and removes it with what is in it.
 */
#include "lib/folder.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void folder_make(char folder[FOLDER_SIZE])
{
    snprintf(folder, FOLDER_SIZE, "/tmp/ticketq-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

int folder_try_remove(const char *folder)
{
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void folder_remove(const char *folder)
{
    ck_assert_int_eq(folder_try_remove(folder), 0);
}
