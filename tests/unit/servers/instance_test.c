/* SPDX-License-Identifier: MIT */
/*
 * app/instance.c: two at once bear different names, one after the other the same.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/internal.h"
#include "lib/folder.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static char folder[FOLDER_SIZE];
static struct app apps[3];

static void start(struct app *app, const char *where)
{
    memset(app, 0, sizeof *app);
    app->env = test_env_of(&test);
    assert_status(app__instance_open(app, where, &err), TQ_OK);
    ck_assert_uint_eq(strlen(app->instance), 16);
}

START_TEST(at_once__names_differ_and_come_back)
{
    char names[2][TQ_ID_SIZE];
    test_env_init(&test, 1);
    folder_make(folder);
    for (int i = 0; i < 2; i++) {
        start(&apps[i], folder);
        strcpy(names[i], apps[i].instance);
    }
    ck_assert_str_ne(names[0], names[1]);
    app__instance_close(&apps[0]);
    start(&apps[2], folder);
    ck_assert_str_eq(apps[2].instance, names[0]);
    app__instance_close(&apps[1]);
    start(&apps[0], folder);
    ck_assert_str_eq(apps[0].instance, names[1]);
    app__instance_close(&apps[0]);
    app__instance_close(&apps[2]);
    folder_remove(folder);
}
END_TEST

START_TEST(a_damaged_file__is_written_anew)
{
    char path[FOLDER_SIZE + 16], name[TQ_ID_SIZE];
    test_env_init(&test, 1);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/instance-1", folder);
    FILE *file = fopen(path, "w");
    fputs("no name", file);
    fclose(file);
    start(&apps[0], folder);
    strcpy(name, apps[0].instance);
    app__instance_close(&apps[0]);
    start(&apps[0], folder);
    ck_assert_str_eq(apps[0].instance, name);
    app__instance_close(&apps[0]);
    folder_remove(folder);
}
END_TEST

START_TEST(where_no_file_can_be__a_name_is_drawn)
{
    test_env_init(&test, 1);
    start(&apps[0], "/nowhere");
    start(&apps[1], "/nowhere");
    ck_assert_str_ne(apps[0].instance, apps[1].instance);
    app__instance_close(&apps[0]);
    app__instance_close(&apps[1]);
}
END_TEST

UNIT_MAIN("app.instance", at_once__names_differ_and_come_back, a_damaged_file__is_written_anew,
          where_no_file_can_be__a_name_is_drawn)
