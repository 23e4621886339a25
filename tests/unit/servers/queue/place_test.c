/* SPDX-License-Identifier: MIT */
/*
 * servers/queue/place.c: of a state document one reads, and nobody waits for him who can have
 * the one that is there.
 */
#include <pthread.h>

#include "lines.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int is_asked, is_let_go;

/* The store does not answer before it is let go. */
static void hang(void)
{
    pthread_mutex_lock(&lock);
    is_asked = 1;
    pthread_cond_broadcast(&changed);
    while (!is_let_go) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void await_question(void)
{
    pthread_mutex_lock(&lock);
    while (!is_asked) {
        pthread_cond_wait(&changed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void let_go(void)
{
    pthread_mutex_lock(&lock);
    is_let_go = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

struct asking {
    pthread_t thread;
    struct queue_room *room;
    int rc;
    size_t bytes;
    char text[QUEUE_STATE_SIZE];
    struct tq_error err;
};

static void *ask(void *arg)
{
    struct asking *asking = arg;
    struct tq_error err = TQ_ERROR_INIT;
    asking->rc = queue_state(&lines.queue, asking->room, asking->text, &asking->bytes, &err);
    asking->text[asking->rc == TQ_OK ? asking->bytes : 0] = '\0';
    asking->err = err;
    return NULL;
}

static struct asking ask_now(struct queue_room *room)
{
    struct asking asking = {.room = room};
    ask(&asking);
    return asking;
}

static void begin_asking(struct asking *asking, struct queue_room *room)
{
    asking->room = room;
    ck_assert_int_eq(pthread_create(&asking->thread, NULL, ask, asking), 0);
}

static struct queue_room *setup(const char *id)
{
    lines_open();
    is_asked = is_let_go = 0;
    return lines_room(id);
}

START_TEST(a_document__is_read_anew_when_it_is_old)
{
    struct queue_room *room = setup("room");
    struct asking first = ask_now(room);
    ck_assert_int_eq(first.rc, TQ_OK);
    ck_assert_ptr_nonnull(strstr(first.text, "\"scheduleId\":\"room\""));
    lines.test.now_ms += QUEUE_STATE_AGE_MS - 1;
    ck_assert_str_eq(ask_now(room).text, first.text);
    ck_assert_int_eq(lines.views, 1);
    lines.test.now_ms += 1;
    ck_assert_str_ne(ask_now(room).text, first.text);
    ck_assert_int_eq(lines.views, 2);
    queue_state_forget(room);
    ck_assert_int_eq(ask_now(room).rc, TQ_OK);
    ck_assert_int_eq(lines.views, 3);
    lines_close();
}
END_TEST

START_TEST(while_one_reads__the_others_have_what_is_there_up_to_its_bound)
{
    struct asking slow;
    struct queue_room *room = setup("room");
    struct asking first = ask_now(room);
    lines.test.now_ms += QUEUE_STATE_AGE_MS;
    lines.on_view = hang;
    begin_asking(&slow, room);
    await_question();
    ck_assert_str_eq(ask_now(room).text, first.text);
    lines.test.now_ms += QUEUE_STATE_STALE_MS - QUEUE_STATE_AGE_MS - 1;
    ck_assert_str_eq(ask_now(room).text, first.text);
    lines.test.now_ms += 1;
    struct asking late;
    begin_asking(&late, room); /* there is none any more: this one waits */
    let_go();
    pthread_join(slow.thread, NULL);
    pthread_join(late.thread, NULL);
    ck_assert_int_eq(slow.rc, TQ_OK);
    ck_assert_str_eq(late.text, slow.text);
    ck_assert_str_ne(slow.text, first.text);
    ck_assert_int_eq(lines.views, 2);
    lines_close();
}
END_TEST

START_TEST(where_there_is_none__one_asks_for_all)
{
    struct asking all[4];
    struct queue_room *room = setup("room");
    lines.on_view = hang;
    begin_asking(&all[0], room);
    await_question();
    for (int i = 1; i < 4; i++) {
        begin_asking(&all[i], room);
    }
    let_go();
    for (int i = 0; i < 4; i++) {
        pthread_join(all[i].thread, NULL);
        ck_assert_int_eq(all[i].rc, TQ_OK);
        ck_assert_str_eq(all[i].text, all[0].text);
    }
    ck_assert_int_eq(lines.views, 1);
    lines_close();
}
END_TEST

START_TEST(what_cannot_be_read__is_handed_out_up_to_its_bound_and_then_told)
{
    struct queue_room *room = setup("away");
    struct asking first = ask_now(room);
    lines.test.now_ms += QUEUE_STATE_AGE_MS;
    lines.is_away = 1;
    ck_assert_str_eq(ask_now(room).text, first.text);
    ck_assert_str_eq(ask_now(room).text, first.text);
    ck_assert_int_eq(lines.waits, 1); /* and the next attempt is not made at once */
    lines.test.now_ms += QUEUE_STATE_STALE_MS;
    struct asking told = ask_now(room);
    ck_assert_int_eq(told.rc, TQ_E_UNAVAILABLE);
    ck_assert_str_eq(told.err.message, "the server is away");
    ck_assert_int_eq(ask_now(room).rc, TQ_E_UNAVAILABLE);
    ck_assert_int_eq(lines.waits, 2);
    lines.is_away = 0;
    lines.test.now_ms += QUEUE_STATE_AGE_MS;
    ck_assert_int_eq(ask_now(room).rc, TQ_OK);
    lines_close();
}
END_TEST

START_TEST(what_was_read_before_an_order__is_not_kept_behind_it)
{
    struct asking slow;
    struct queue_room *room = setup("room");
    lines.on_view = hang;
    begin_asking(&slow, room);
    await_question();
    queue_state_forget(room);
    let_go();
    pthread_join(slow.thread, NULL);
    ck_assert_int_eq(slow.rc, TQ_OK);
    ck_assert_int_eq(lines.views, 2);
    lines_close();
}
END_TEST

UNIT_MAIN("servers.queue.place", a_document__is_read_anew_when_it_is_old,
          while_one_reads__the_others_have_what_is_there_up_to_its_bound,
          where_there_is_none__one_asks_for_all,
          what_cannot_be_read__is_handed_out_up_to_its_bound_and_then_told,
          what_was_read_before_an_order__is_not_kept_behind_it)
