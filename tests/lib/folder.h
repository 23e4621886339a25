/* SPDX-License-Identifier: MIT */
/*
 * A folder that lives as long as a test.
 */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

#define FOLDER_SIZE 64

void folder_make(char folder[FOLDER_SIZE]);
void folder_remove(const char *folder);

#endif
