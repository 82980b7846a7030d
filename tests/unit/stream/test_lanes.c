#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h needs what is above. */
#include <cmocka.h>

#include "random.h"
#include "stream/lanes.h"

#define ITEMS 20000
#define KEYS  300

static struct mr_lanes lanes;
static struct mr_item_pool pool;

static int open_lanes(void **state)
{
    (void)state;
    struct mr_error err;
    assert_int_equal(mr_lanes_init(&lanes, &err), MR_OK);
    return 0;
}

static int close_lanes(void **state)
{
    (void)state;
    assert_int_equal(lanes.n, 0);
    assert_int_equal(lanes.n_ready, 0);
    assert_int_equal(lanes.n_parked, 0);
    mr_lanes_free(&lanes);
    mr_item_pool_free(&pool);
    return 0;
}

static struct mr_item *add(const char *key, int64_t offset, int64_t not_before_ms)
{
    struct mr_item *item = mr_item_new(&pool);
    assert_non_null(item);
    item->r.key = mr_span_of(key);
    item->r.offset = offset;
    item->not_before_ms = not_before_ms;
    item->lane_hash = mr_lanes_hash(&lanes, item->r.key);
    assert_int_equal(mr_lanes_add(&lanes, item, 0), MR_OK);
    return item;
}

static struct mr_item *take_one(int64_t now_ms)
{
    struct mr_item *item = NULL;
    mr_lanes_wake(&lanes, now_ms);
    return mr_lanes_take(&lanes, &item, 1, 1, now_ms) == 1 ? item : NULL;
}

static void done(struct mr_item *item, int64_t now_ms)
{
    mr_lanes_remove(&lanes, item, now_ms);
    mr_item_recycle(&pool, item);
}

static void test_a_lane_has_one_hand_on_it(void **state)
{
    (void)state;
    struct mr_item *a1 = add("a", 1, 0);
    struct mr_item *a2 = add("a", 2, 0);
    struct mr_item *b1 = add("b", 3, 0);
    assert_ptr_equal(take_one(0), a1);
    assert_ptr_equal(take_one(0), b1);
    assert_null(take_one(0));
    done(a1, 0);
    assert_ptr_equal(take_one(0), a2);
    assert_null(take_one(0));
    done(b1, 0);
    done(a2, 0);
}

static void test_a_parked_lane_holds_nobody_else(void **state)
{
    (void)state;
    struct mr_item *a1 = add("a", 1, 0);
    struct mr_item *a2 = add("a", 2, 0);
    struct mr_item *b1 = add("b", 3, 0);
    assert_ptr_equal(take_one(0), a1);
    a1->not_before_ms = 100;
    mr_lanes_put_back(&lanes, a1, 0);
    assert_ptr_equal(take_one(0), b1);
    assert_null(take_one(99));
    assert_int_equal(mr_lanes_wake(&lanes, 99), 100);
    assert_ptr_equal(take_one(100), a1);
    done(a1, 100);
    assert_ptr_equal(take_one(100), a2);
    done(a2, 100);
    done(b1, 100);
    assert_true(mr_lanes_wake(&lanes, 100) == INT64_MAX);
}

static void test_one_lane_may_give_several_in_order(void **state)
{
    (void)state;
    struct mr_item *items[10];
    for (int i = 0; i < 5; i++) {
        add("a", i, 0);
    }
    assert_int_equal(mr_lanes_take(&lanes, items, 10, 3, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(items[i]->r.offset, i);
    }
    assert_null(take_one(0));
    /* The first is done, the others come back, and stand where they stood. */
    done(items[0], 0);
    assert_null(take_one(0));
    mr_lanes_put_back(&lanes, items[1], 0);
    assert_null(take_one(0));
    mr_lanes_put_back(&lanes, items[2], 0);
    assert_int_equal(mr_lanes_take(&lanes, items, 10, 10, 0), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(items[i]->r.offset, i + 1);
        done(items[i], 0);
    }
}

static void test_who_failed_before_comes_alone(void **state)
{
    (void)state;
    struct mr_item *items[10];
    struct mr_item *a = add("a", 1, 0);
    struct mr_item *b = add("b", 2, 0);
    struct mr_item *c = add("c", 3, 0);
    b->alone = true;
    assert_int_equal(mr_lanes_take(&lanes, items, 10, 1, 0), 1);
    assert_ptr_equal(items[0], a);
    assert_int_equal(mr_lanes_take(&lanes, items, 10, 1, 0), 1);
    assert_ptr_equal(items[0], b);
    assert_int_equal(mr_lanes_take(&lanes, items, 10, 1, 0), 1);
    assert_ptr_equal(items[0], c);
    done(a, 0);
    done(b, 0);
    done(c, 0);
}

static void test_any_record_can_leave(void **state)
{
    (void)state;
    struct mr_item *a1 = add("a", 1, 50);
    struct mr_item *a2 = add("a", 2, 0);
    struct mr_item *a3 = add("a", 3, 0);
    assert_null(take_one(0));
    done(a2, 0);
    assert_null(take_one(0));
    done(a1, 0); /* what kept the lane parked is gone */
    assert_ptr_equal(take_one(0), a3);
    done(a3, 0);
}

static void test_one_can_be_taken_out_of_a_parked_lane(void **state)
{
    (void)state;
    struct mr_item *a1 = add("a", 1, 50);
    struct mr_item *a2 = add("a", 2, 0);
    mr_lanes_take_one(&lanes, a2);
    assert_null(take_one(1000));
    done(a2, 60);
    assert_ptr_equal(take_one(60), a1);
    done(a1, 60);
}

/* Random adding, taking, failing, parking and leaving: each key's records are done in the order they came,
 * never two at once unless taken together, and none is lost. */
static void test_order_of_each_key(void **state)
{
    (void)state;
    static int64_t last_done[KEYS];
    static int busy[KEYS];
    static char names[KEYS][16];
    static struct mr_item *out[ITEMS];
    size_t n_out = 0;
    int added = 0;
    int finished = 0;
    int64_t now = 0;
    for (int k = 0; k < KEYS; k++) {
        last_done[k] = -1;
        busy[k] = 0;
        snprintf(names[k], sizeof names[k], "key%d", k);
    }
    while (finished < ITEMS) {
        size_t dice = random_below(100);
        now += (int64_t)random_below(3);
        mr_lanes_wake(&lanes, now);
        if (dice < 40 && added < ITEMS) {
            int key = (int)random_below(KEYS);
            struct mr_item *item = add(names[key], added++, random_below(20) == 0 ? now + 20 : 0);
            item->r.partition = key;
        } else if (dice < 70) {
            struct mr_item *items[16];
            size_t n = mr_lanes_take(&lanes, items, 1 + random_below(16), 1 + random_below(4), now);
            for (size_t i = 0; i < n; i++) {
                int key = items[i]->r.partition;
                bool together = i > 0 && items[i - 1]->r.partition == key;
                assert_true(busy[key] == 0 || together);
                busy[key]++;
                out[n_out++] = items[i];
            }
        } else if (n_out > 0) {
            /* The oldest of its key among what is out, because handlers run a lane's records in order. */
            struct mr_item *item = out[random_below(n_out)];
            size_t at = 0;
            for (size_t i = 0; i < n_out; i++) {
                if (out[i]->r.partition == item->r.partition && out[i]->r.offset <= item->r.offset) {
                    item = out[i];
                    at = i;
                }
            }
            out[at] = out[--n_out];
            busy[item->r.partition]--;
            if (random_below(10) == 0 && busy[item->r.partition] == 0) {
                item->not_before_ms = now + (int64_t)random_below(30);
                mr_lanes_put_back(&lanes, item, now);
            } else {
                assert_true(item->r.offset > last_done[item->r.partition]);
                last_done[item->r.partition] = item->r.offset;
                done(item, now);
                finished++;
            }
        }
    }
}

static void test_many_lanes(void **state)
{
    (void)state;
    enum { N = 50000 };
    static char names[N][12];
    static struct mr_item *items[N];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        add(names[i], i, i % 3 == 0 ? 1 + i % 1000 : 0);
    }
    assert_int_equal(lanes.n, N);
    mr_lanes_wake(&lanes, 1000);
    assert_int_equal(mr_lanes_take(&lanes, items, N, 1, 1000), N);
    for (int i = N - 1; i >= 0; i--) {
        done(items[i], 1000);
    }
}

static void test_equal_keys_hash_equal(void **state)
{
    (void)state;
    char a[64];
    char b[65];
    for (size_t n = 0; n < sizeof a; n++) {
        memset(a, 'x', sizeof a);
        memset(b, 'x', sizeof b);
        struct mr_span left = {a, n};
        struct mr_span right = {b + 1, n};
        assert_true(mr_lanes_hash(&lanes, left) == mr_lanes_hash(&lanes, right));
        if (n > 0) {
            a[n - 1] = 'y';
            assert_true(mr_lanes_hash(&lanes, left) != mr_lanes_hash(&lanes, right));
        }
    }
}

int main(void)
{
    random_seed();
#define T(name) cmocka_unit_test_setup_teardown(name, open_lanes, close_lanes)
    const struct CMUnitTest tests[] = {
        T(test_a_lane_has_one_hand_on_it),
        T(test_a_parked_lane_holds_nobody_else),
        T(test_one_lane_may_give_several_in_order),
        T(test_who_failed_before_comes_alone),
        T(test_any_record_can_leave),
        T(test_one_can_be_taken_out_of_a_parked_lane),
        T(test_order_of_each_key),
        T(test_many_lanes),
        T(test_equal_keys_hash_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
