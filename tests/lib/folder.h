/* SPDX-License-Identifier: MIT */
/*
 * A folder that lives as long as a test.
 */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

#define FOLDER_SIZE 64

void folder_make(char folder[FOLDER_SIZE]);
void folder_remove(const char *folder);
/* The same where nothing can be asserted any more, as the program ends. 0, or -1. */
int folder_try_remove(const char *folder);

#endif
